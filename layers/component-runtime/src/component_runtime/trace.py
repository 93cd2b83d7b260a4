"""The identity of a request, passed on from component to component.

`X-Request-Id` is for people and logs, `traceparent` (W3C Trace Context) for tracing systems, and the hops end a circle of routes.
"""

from __future__ import annotations

import contextvars
import os
import re
from dataclasses import dataclass
from typing import Dict, Mapping, Optional

from .errors import Refusal

MAX_HOPS = 16
_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")


@dataclass(frozen=True)
class Trace:
    """What a request carries through all components it reaches."""

    request_id: str
    trace_id: str
    flags: str = "01"
    hops: int = 0


_current: "contextvars.ContextVar[Optional[Trace]]" = contextvars.ContextVar("trace", default=None)


def current() -> Optional[Trace]:
    """The request this thread works for."""
    return _current.get()


def enter(headers: Mapping[str, str]) -> Trace:
    """Begins the work for a request with these headers (names in lower case)."""
    parent = _PARENT.fullmatch(headers.get("traceparent", ""))
    if parent and parent.group(1) != "0" * 32:
        trace_id, flags = parent.group(1), parent.group(3)
    else:
        trace_id, flags = os.urandom(16).hex(), "01"
    given = headers.get("x-request-id", "")
    hops = headers.get("x-woodwork-hops", "0")
    trace = Trace(
        request_id=given if _ID.fullmatch(given) else os.urandom(8).hex(),
        trace_id=trace_id,
        flags=flags,
        hops=int(hops) if hops.isascii() and hops.isdigit() and len(hops) < 4 else 0,
    )
    _current.set(trace)
    if trace.hops > MAX_HOPS:
        raise Refusal(508, f"the request went through {trace.hops} components; their routes form a circle")
    return trace


def headers() -> Dict[str, str]:
    """What goes along with a request to another component."""
    trace = _current.get()
    if trace is None:
        return {}
    return {
        "X-Request-Id": trace.request_id,
        "traceparent": f"00-{trace.trace_id}-{os.urandom(8).hex()}-{trace.flags}",
        "X-Woodwork-Hops": str(trace.hops + 1),
    }
