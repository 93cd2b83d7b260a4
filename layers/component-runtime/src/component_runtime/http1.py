"""HTTP/1.1 on one accepted connection: requests are read strictly and within limits, answers are written.

Only what is unambiguous is taken: one length, one coding, no folded header. Two readers of one request could disagree on anything else.
"""

from __future__ import annotations

import http
import re
import socket
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, Mapping, Optional
from urllib.parse import unquote, urlsplit

from .buffered import Buffered
from .documents import write
from .errors import Refusal
from .settings import Settings

MAX_HEAD = 32 * 1024
MAX_HEADERS = 100
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST = re.compile(rb"([A-Z]{1,20}) (\S+) HTTP/(\d)\.(\d)")


class Closed(Exception):
    """The connection is over; there is nobody to answer."""


@dataclass(frozen=True)
class Request:
    """What was asked. The body is read when it is asked for, because a refusal need not wait for it."""

    method: str
    path: str
    headers: Mapping[str, str]
    keep_alive: bool
    version: str
    read_body: Callable[[], bytes]


@dataclass
class Answer:
    """A status with a body; `chunks` instead of a body for a stream, each sent as soon as it is there."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Optional[Dict[str, str]] = None
    chunks: Optional[Iterator[bytes]] = None

    @classmethod
    def json(cls, value: Any, status: int = 200, headers: Optional[Dict[str, str]] = None) -> "Answer":
        return cls(status, write(value) + b"\n", headers=headers)


class Connection(Buffered):
    """A client's socket."""

    longest_line = 4096

    def __init__(self, sock: socket.socket, settings: Settings):
        super().__init__(sock)
        self.settings = settings
        self._body_left = False

    def request(self) -> Request:
        """Waits for the next request and reads its head; raises `Closed` or a `Refusal`."""
        self._body_left = False
        head = self._head()
        lines = head.split(b"\r\n")
        line = _REQUEST.fullmatch(lines[0])
        if line is None:
            raise Refusal(400, "the request line is not one of HTTP/1.1")
        method, target, major, minor = line.group(1).decode(), line.group(2), line.group(3), line.group(4)
        if major != b"1":
            raise Refusal(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
        headers = _headers(lines[1:])
        if minor != b"0" and "host" not in headers:
            raise Refusal(400, "the request has no Host header")
        try:
            path = unquote(urlsplit(target.decode("ascii")).path, errors="strict")
        except ValueError:
            raise Refusal(400, "the request's target is not a URL") from None
        words = {word.strip().lower() for word in headers.get("connection", "").split(",")}
        keep_alive = "close" not in words and (minor != b"0" or "keep-alive" in words)
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        self._body_left = coding is not None or (length is not None and length != "0")
        return Request(method, path, headers, keep_alive, f"1.{minor.decode()}", lambda: self._body(headers))

    def answer(self, answer: Answer, head_only: bool, keep_alive: bool, version: str = "1.1") -> None:
        """Writes the answer; a client that does not take it in time is given up."""
        chunked = answer.chunks is not None and version != "1.0"
        lines = [f"HTTP/1.1 {answer.status} {_reason(answer.status)}", f"Content-Type: {answer.content_type}"]
        lines += [f"{name}: {value}" for name, value in (answer.headers or {}).items()]
        if answer.chunks is None:
            lines.append(f"Content-Length: {len(answer.body)}")
        elif chunked:
            lines.append("Transfer-Encoding: chunked")
        if not keep_alive:
            lines.append("Connection: close")
        elif version == "1.0":
            lines.append("Connection: keep-alive")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        if head_only or answer.chunks is None:
            self._send(head if head_only else head + answer.body)
            return
        self._send(head)
        for chunk in answer.chunks:
            self._send(b"%x\r\n%s\r\n" % (len(chunk), chunk) if chunked else chunk)
        if chunked:
            self._send(b"0\r\n\r\n")

    def has_unread_body(self) -> bool:
        """Whether bytes of the last request's body may still arrive."""
        return self._body_left

    def late(self) -> Exception:
        return Refusal(408, "the request's body did not arrive in time")

    def endless(self) -> Exception:
        return Refusal(400, "a chunk's line is too long")

    def over(self) -> Exception:
        return Closed()

    def receive(self, deadline: float) -> bool:
        try:
            return super().receive(deadline)
        except OSError:
            raise Closed from None

    def close(self) -> None:
        """Ends the connection so that the last answer arrives: what the client still sends is read for a moment."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
            deadline = time.monotonic() + 1
            while self._body_left and time.monotonic() < deadline:
                self.socket.settimeout(max(0.05, deadline - time.monotonic()))
                if not self.socket.recv(65536):
                    break
        except OSError:
            pass
        self.socket.close()

    def _head(self) -> bytes:
        deadline = time.monotonic() + (self.settings.header_time if self.buffer else self.settings.idle_time)
        started = bool(self.buffer)
        while True:
            # Empty lines before a request are allowed, RFC 9112 section 2.2.
            while self.buffer.startswith(b"\r\n"):
                self.buffer = self.buffer[2:]
            end = self.buffer.find(b"\r\n\r\n")
            if 0 <= end <= MAX_HEAD:
                head, self.buffer = self.buffer[:end], self.buffer[end + 4 :]
                return head
            if len(self.buffer) > MAX_HEAD:
                self._body_left = True
                raise Refusal(431, f"the request's headers are larger than {MAX_HEAD} bytes")
            if not self.receive(deadline):
                if not started:
                    raise Closed
                raise Refusal(408, "the request's headers did not arrive in time")
            if not started:
                started = True
                deadline = time.monotonic() + self.settings.header_time

    def _body(self, headers: Mapping[str, str]) -> bytes:
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if coding is not None:
            if length is not None:
                raise Refusal(400, "the request has both Content-Length and Transfer-Encoding")
            if coding.strip().lower() != "chunked":
                raise Refusal(501, "no transfer coding but `chunked` is known here")
        elif length is None:
            return b""
        elif not (length.isascii() and length.isdigit()):
            raise Refusal(400, "Content-Length is not a number")
        elif len(length) > 15 or int(length) > self.settings.max_body:
            raise self._too_large()
        if headers.get("expect", "").lower() == "100-continue":
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        deadline = time.monotonic() + self.settings.body_time
        body = self._chunks(deadline) if coding is not None else self.exactly(int(length or 0), deadline)
        self._body_left = False
        return body

    def _chunks(self, deadline: float) -> bytes:
        parts = []
        total = 0
        while True:
            size = self.line(deadline).split(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,12}", size):
                raise Refusal(400, "a chunk's size is not a hexadecimal number")
            total += int(size, 16)
            if total > self.settings.max_body:
                raise self._too_large()
            if int(size, 16) == 0:
                break
            parts.append(self.exactly(int(size, 16), deadline))
            if self.line(deadline):
                raise Refusal(400, "a chunk is longer than it says")
        while self.line(deadline):
            pass
        return b"".join(parts)

    def _send(self, data: bytes) -> None:
        try:
            self.socket.settimeout(self.settings.body_time)
            self.socket.sendall(data)
        except OSError:
            raise Closed from None

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the body is larger than {self.settings.max_body} bytes (WOODWORK_MAX_BODY)")


def _headers(lines: "list[bytes]") -> Dict[str, str]:
    if len(lines) > MAX_HEADERS:
        raise Refusal(431, f"the request has more than {MAX_HEADERS} headers")
    headers: Dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not _TOKEN.fullmatch(name) or b"\0" in value or b"\r" in value or b"\n" in value:
            raise Refusal(400, "a header is not of the form `Name: value`")
        key, text = name.decode().lower(), value.decode("latin-1").strip(" \t")
        if key in headers and key in ("content-length", "transfer-encoding", "host"):
            raise Refusal(400, f"the request has the header {key} twice")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def _reason(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Status"
