"""`--health`: asks the component in this container whether it lives."""

from __future__ import annotations

import socket
from typing import Mapping


def check(environment: Mapping[str, str]) -> int:
    """The exit code: 0 when it answers, else 1."""
    port = environment.get("WOODWORK_PORT") or "8080"
    host = environment.get("WOODWORK_HOST") or "127.0.0.1"
    try:
        # By hand: importing http.client takes several times as long as asking.
        with socket.create_connection((host, int(port)), timeout=3) as connection:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            with connection.makefile("rb") as answer:
                return 0 if answer.readline(100).startswith(b"HTTP/1.1 200 ") else 1
    except (OSError, ValueError, OverflowError):
        return 1
