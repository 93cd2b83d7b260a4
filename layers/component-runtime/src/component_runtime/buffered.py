"""A socket that is read in lines and in pieces of a known length, each by a certain moment."""

from __future__ import annotations

import socket
import time


class Buffered:
    """A socket with what was read of it and not yet used. Subclasses say what their errors are."""

    longest_line: int

    def __init__(self, sock: socket.socket):
        self.socket = sock
        self.buffer = b""

    def late(self) -> Exception:
        """The error for what did not arrive in time."""
        raise NotImplementedError

    def endless(self) -> Exception:
        """The error for a line that is too long."""
        raise NotImplementedError

    def over(self) -> Exception:
        """The error for a connection that ended."""
        raise NotImplementedError

    def line(self, deadline: float) -> bytes:
        """The next line, without its end."""
        while b"\r\n" not in self.buffer:
            if len(self.buffer) > self.longest_line:
                raise self.endless()
            self._need_more(deadline)
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def exactly(self, size: int, deadline: float) -> bytes:
        """The next `size` bytes."""
        parts = [self.buffer[:size]]
        self.buffer = self.buffer[size:]
        left = size - len(parts[0])
        while left:
            self._need_more(deadline)
            parts.append(self.buffer[:left])
            self.buffer = self.buffer[left:]
            left -= len(parts[-1])
        return b"".join(parts)

    def receive(self, deadline: float) -> bool:
        """Waits for more bytes; false when none came in time."""
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(65536)
        except socket.timeout:
            return False
        if not data:
            raise self.over()
        self.buffer += data
        return True

    def _need_more(self, deadline: float) -> None:
        if not self.receive(deadline):
            raise self.late()
