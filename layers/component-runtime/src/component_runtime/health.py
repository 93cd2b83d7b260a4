"""`--health`: asks the component in this container whether it lives."""

from __future__ import annotations

import http.client
from typing import Mapping


def check(environment: Mapping[str, str]) -> int:
    """The exit code: 0 when it answers, else 1."""
    port = environment.get("WOODWORK_PORT") or "8080"
    host = environment.get("WOODWORK_HOST") or "127.0.0.1"
    try:
        connection = http.client.HTTPConnection(host, int(port), timeout=3)
        connection.request("GET", "/health")
        return 0 if connection.getresponse().status == 200 else 1
    except (OSError, ValueError, http.client.HTTPException):
        return 1
