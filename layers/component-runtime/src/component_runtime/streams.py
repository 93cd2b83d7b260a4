"""Outputs that are read while they are made: a producer writes chunks, clients read them as server-sent events.

A stream ends with exactly one `final` or `error` event. It is kept for a while afterwards, so that a client that lost its connection
can go on where it was (`Last-Event-ID`).
"""

from __future__ import annotations

import json
import secrets as random
import threading
import time
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .documents import plain
from .errors import Refusal
from .metrics import Metrics
from .secrets import scrub

MAX_OPEN = 64
MAX_BYTES = 4 << 20
MAX_CHUNKS = 50_000
MAX_KEPT_BYTES = 64 << 20
KEPT_SECONDS = 300
PING_SECONDS = 15


class Stream:
    """One output in the making. Chunks since the last `reset` make up the output; `final` holds all of it."""

    def __init__(self, metrics: Metrics):
        self.id = random.token_urlsafe(18)
        self.size = 0
        self.ended: Optional[float] = None
        self._metrics = metrics
        self._events: List[Tuple[str, str]] = []
        self._changed = threading.Condition()

    def write(self, text: str) -> None:
        """Adds a piece of the output."""
        if not text:
            return
        if self.size > MAX_BYTES or len(self._events) >= MAX_CHUNKS:
            raise Refusal(500, f"the output is larger than a stream may be ({MAX_BYTES} bytes, {MAX_CHUNKS} chunks)")
        self._metrics.count("woodwork_stream_chunks_total")
        self._add("chunk", {"data": text})

    def reset(self) -> None:
        """Says that what came so far was not part of the output, but thoughts on the way."""
        if self._events and self._events[-1][0] != "reset":
            self._add("reset", {})

    def finish(self, result: Dict[str, Any]) -> None:
        """Ends the stream with its result."""
        self._add("final", result)

    def fail(self, message: str) -> None:
        """Ends the stream with an error."""
        self._add("error", {"error": scrub(message)})

    def server_sent_events(self, after: int) -> Iterator[bytes]:
        """The events after that number, as they come, until the last one; comments in between keep the connection alive."""
        position = after
        while True:
            with self._changed:
                if len(self._events) == position and self.ended is None:
                    self._changed.wait(PING_SECONDS)
                events = self._events[position:]
                over = self.ended is not None
            if not events:
                if over:
                    return
                yield b": still working\n\n"
                continue
            lines = (f"id: {position + index}\nevent: {name}\ndata: {data}\n\n" for index, (name, data) in enumerate(events, 1))
            yield "".join(lines).encode("ascii")
            position += len(events)

    def _add(self, name: str, value: Dict[str, Any]) -> None:
        data = json.dumps(plain(value), ensure_ascii=True)
        with self._changed:
            if self.ended is not None:
                return
            if name in ("final", "error"):
                self.ended = time.monotonic()
            self._events.append((name, data))
            self.size += len(data)
            self._changed.notify_all()


class Streams:
    """All streams of the process, by their unguessable ids."""

    def __init__(self, metrics: Metrics):
        self._metrics = metrics
        self._lock = threading.Lock()
        self._streams: Dict[str, Stream] = {}
        metrics.gauge("woodwork_streams_open", self.open_count)

    def create(self) -> Stream:
        """A new stream; refused when too many are open."""
        with self._lock:
            self._forget_old()
            if sum(stream.ended is None for stream in self._streams.values()) >= MAX_OPEN:
                raise Refusal(503, f"{MAX_OPEN} streams are open already", {"Retry-After": "5"})
            stream = Stream(self._metrics)
            self._streams[stream.id] = stream
            return stream

    def find(self, stream_id: str) -> Stream:
        """The stream with this id."""
        with self._lock:
            stream = self._streams.get(stream_id)
        if stream is None:
            raise Refusal(404, "there is no such stream, or it ended a while ago")
        return stream

    def open_count(self) -> int:
        with self._lock:
            return sum(stream.ended is None for stream in self._streams.values())

    def close(self, message: str) -> None:
        """Ends all streams that are open."""
        with self._lock:
            streams = list(self._streams.values())
        for stream in streams:
            stream.fail(message)

    def _forget_old(self) -> None:
        ended = sorted((s for s in self._streams.values() if s.ended is not None), key=lambda stream: stream.ended or 0)
        kept = sum(stream.size for stream in self._streams.values())
        horizon = time.monotonic() - KEPT_SECONDS
        for stream in ended:
            if (stream.ended or 0) > horizon and kept <= MAX_KEPT_BYTES and len(self._streams) <= 4 * MAX_OPEN:
                break
            kept -= stream.size
            del self._streams[stream.id]
