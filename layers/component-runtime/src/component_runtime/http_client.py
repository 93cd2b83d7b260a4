"""HTTP towards others: one deadline for the whole exchange, a bound on the answer, proxies when they are wanted.

Redirects are not followed: a key in a header is for the host it was configured for.
"""

from __future__ import annotations

import base64
import http.client
import io
import socket
import ssl
import time
import urllib.request
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple
from urllib.parse import unquote, urlsplit

MAX_ANSWER = 32 << 20
MAX_LINE = 8 << 20


class Unreachable(Exception):
    """No complete answer came; `connected` tells whether the request may have been received."""

    def __init__(self, reason: str, timed_out: bool = False, connected: bool = True):
        super().__init__(reason)
        self.timed_out = timed_out
        self.connected = connected


class _Timed(io.RawIOBase):
    """A socket whose every read and write must be over by one moment; closing it is left to `Reply`."""

    def __init__(self, sock: socket.socket, deadline: float):
        self.sock = sock
        self.deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._hurry()
        return self.sock.recv_into(buffer)

    def sendall(self, data: Any) -> None:
        self._hurry()
        self.sock.sendall(data)

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(self)

    def close(self) -> None:
        pass

    def _hurry(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout
        self.sock.settimeout(left)


class Reply:
    """An answer whose head is read. `read` takes all of the body, `lines` takes it as it comes; use it as a context."""

    def __init__(self, response: http.client.HTTPResponse, sock: socket.socket):
        self.status = response.status
        self.headers: Dict[str, str] = {name.lower(): value for name, value in response.getheaders()}
        self._response = response
        self._socket = sock
        length = self.headers.get("content-length", "")
        self._left = int(length) if not response.chunked and length.isascii() and length.isdigit() else None

    def __enter__(self) -> "Reply":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def read(self, most: int = MAX_ANSWER) -> bytes:
        """The whole body; more than `most` bytes are an error."""
        data = self.read_some(most + 1)
        if len(data) > most:
            raise Unreachable(f"sent more than {most} bytes")
        return data

    def read_some(self, most: int) -> bytes:
        """The first bytes of the body, at most so many."""
        parts = []
        left = most
        while left > 0:
            part = self._part(min(left, 65536))
            if not part:
                break
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def lines(self) -> Iterator[bytes]:
        """The body line by line, without the ends of lines."""
        rest = b""
        while True:
            part = self._part(65536)
            if not part:
                break
            *lines, rest = (rest + part).split(b"\n")
            if len(rest) > MAX_LINE:
                raise Unreachable(f"sent a line of more than {MAX_LINE} bytes")
            for line in lines:
                yield line.rstrip(b"\r")
        if rest:
            yield rest.rstrip(b"\r")

    def events(self) -> Iterator[Tuple[str, str]]:
        """The body as server-sent events: names and data."""
        name, size = "message", 0
        data: List[str] = []
        for line in self.lines():
            if not line:
                if data:
                    yield name, "\n".join(data)
                name, data, size = "message", [], 0
                continue
            field, _, value = line.decode("utf-8", "replace").partition(":")
            value = value[1:] if value.startswith(" ") else value
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
                size += len(value)
                if size > MAX_LINE:
                    raise Unreachable(f"sent an event of more than {MAX_LINE} bytes")

    def _part(self, most: int) -> bytes:
        if self._left == 0:
            return b""
        try:
            data = self._response.read1(most if self._left is None else min(most, self._left))
        except (socket.timeout, TimeoutError):
            raise Unreachable("did not finish in time", timed_out=True) from None
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise Unreachable(f"broke off: {problem or type(problem).__name__}") from None
        if self._left is not None:
            if not data:
                raise Unreachable(f"broke off {self._left} bytes before the end")
            self._left -= len(data)
        return data


def send(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: Optional[bytes],
    seconds: float,
    proxies: bool,
) -> Reply:
    """Sends a request and reads the head of the answer, whatever its status. `seconds` bound the whole exchange."""
    deadline = time.monotonic() + seconds
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in ("http", "https"):
        raise Unreachable("has no URL that begins with http:// or https://", connected=False)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    shown = f"[{host}]" if ":" in host else host
    wanted = {"Host": shown + (f":{port}" if port else ""), "Accept-Encoding": "identity", "Connection": "close", **headers}
    connection, prefix = _connection(parts.scheme, host, port, seconds, wanted, proxies)
    sock: Any = None
    try:
        connection.connect()
        sock = connection.sock
        connection.sock = _Timed(sock, deadline)
        connection.request(method, prefix + target, body=body, headers=wanted)
        return Reply(connection.getresponse(), sock)
    except (socket.timeout, TimeoutError):
        (sock or connection).close()
        raise Unreachable(f"did not answer within {seconds:.3g} s", timed_out=True, connected=sock is not None) from None
    except (OSError, http.client.HTTPException, ValueError) as problem:
        (sock or connection).close()
        what = "broke off" if sock is not None else "cannot be reached"
        raise Unreachable(f"{what}: {problem or type(problem).__name__}", connected=sock is not None) from None


def _connection(
    scheme: str, host: str, port: Optional[int], seconds: float, headers: Dict[str, str], proxies: bool
) -> Tuple[http.client.HTTPConnection, str]:
    """The connection, and what stands before the path when a proxy is asked for an `http` URL."""
    proxy = urllib.request.getproxies().get(scheme) if proxies and not urllib.request.proxy_bypass(host) else None
    make: Any = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
    options: Dict[str, Any] = {"timeout": seconds}
    if scheme == "https":
        options["context"] = ssl.create_default_context()
    if not proxy:
        return make(host, port, **options), ""
    try:
        via = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        via_host, via_port = via.hostname or "", via.port or 80
    except ValueError:
        raise Unreachable(f"cannot be reached: the proxy for {scheme} is not a URL", connected=False) from None
    login = {}
    if via.username is not None:
        word = f"{unquote(via.username)}:{unquote(via.password or '')}".encode()
        login = {"Proxy-Authorization": "Basic " + base64.b64encode(word).decode()}
    if scheme == "https":
        connection = make(via_host, via_port, **options)
        connection.set_tunnel(host, port or 443, headers=login)
        return connection, ""
    headers.update(login)
    return make(via_host, via_port, **options), f"http://{headers['Host']}"
