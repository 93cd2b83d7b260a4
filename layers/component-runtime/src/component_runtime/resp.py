"""Redis' protocol (RESP2) on one connection, as much of it as publishing and subscribing need."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any, List, Optional
from urllib.parse import unquote, urlsplit

from .buffered import Buffered

MAX_TEXT = 16 << 20
MAX_ITEMS = 1024
CONNECT_SECONDS = 5.0


class RedisError(Exception):
    """The server said no, or something that is not its protocol."""


class Connection(Buffered):
    """Connected and logged in; every failure is an `OSError` or a `RedisError`, and the connection is of no use then."""

    longest_line = 65536

    def __init__(self, url: str):
        parts = urlsplit(url)
        if parts.scheme not in ("redis", "rediss") or not parts.hostname:
            raise RedisError("REDIS_URL is not of the form redis://[[user]:password@]host[:port][/number]")
        number = parts.path.strip("/")
        if number and not (number.isascii() and number.isdigit()):
            raise RedisError("the path of REDIS_URL is not the number of a database")
        super().__init__(socket.create_connection((parts.hostname, parts.port or 6379), CONNECT_SECONDS))
        try:
            if parts.scheme == "rediss":
                self.socket = ssl.create_default_context().wrap_socket(self.socket, server_hostname=parts.hostname)
            if parts.password is not None:
                user = [unquote(parts.username)] if parts.username else []
                self.command("AUTH", *user, unquote(parts.password))
            if number and number != "0":
                self.command("SELECT", number)
        except BaseException:
            self.close()
            raise

    def command(self, *words: str, seconds: float = CONNECT_SECONDS) -> Any:
        """Sends a command and returns its answer."""
        self.send(*words)
        answer = self.read(seconds)
        if answer is None and words[0] != "GET":
            raise socket.timeout("the server did not answer in time")
        return answer

    def send(self, *words: str) -> None:
        """Sends a command whose answer is read later."""
        encoded = [word.encode("utf-8", "replace") for word in words]
        self.socket.settimeout(CONNECT_SECONDS)
        self.socket.sendall(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))

    def read(self, seconds: float) -> Any:
        """The next answer or message; nothing when none begins within that time."""
        if not self.buffer and not self.receive(time.monotonic() + seconds):
            return None
        return self._value(time.monotonic() + max(seconds, CONNECT_SECONDS), 0)

    def close(self) -> None:
        self.socket.close()

    def late(self) -> Exception:
        return socket.timeout("the server did not answer in time")

    def endless(self) -> Exception:
        return RedisError("the server sends a line without an end")

    def over(self) -> Exception:
        return ConnectionError("the server closed the connection")

    def receive(self, deadline: float) -> bool:
        # What is there already counts, however late somebody looks.
        return super().receive(max(deadline, time.monotonic() + 0.01))

    def _value(self, deadline: float, depth: int) -> Any:
        line = self.line(deadline)
        kind, text = line[:1], line[1:].decode("utf-8", "replace")
        if kind == b"+":
            return text
        if kind == b"-":
            raise RedisError(text)
        if kind == b":":
            return _number(text, 1 << 62)
        if kind == b"$":
            size = _number(text, MAX_TEXT)
            return None if size < 0 else self.exactly(size + 2, deadline)[:-2].decode("utf-8", "replace")
        if kind == b"*" and depth < 4:
            items: List[Any] = [self._value(deadline, depth + 1) for _ in range(max(0, _number(text, MAX_ITEMS)))]
            return items
        raise RedisError("the server does not speak Redis' protocol")


def _number(text: str, most: int) -> int:
    number: Optional[int] = int(text) if text.lstrip("-").isdigit() and len(text) < 20 else None
    if number is None or number > most:
        raise RedisError("the server does not speak Redis' protocol")
    return number
