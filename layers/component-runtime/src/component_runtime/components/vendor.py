"""Patience with the vendors' servers: tries again where that may help, gives up in time, and says who did what."""

from __future__ import annotations

import time
from typing import Any, Dict, Iterator

from .. import http_client, log
from ..config import Part
from ..documents import as_text, parse, write
from ..errors import Failure
from ..http_client import Reply, Unreachable
from ..world import World

TRIES = 3
LONGEST_PAUSE = 20.0
# 529 is Anthropic's "overloaded".
WORTH_ANOTHER_TRY = (408, 409, 429, 500, 502, 503, 504, 529)


class Vendor:
    """A server of somebody else's, asked for a component."""

    def __init__(self, name: str, part: Part, world: World, seconds: float):
        self.name = name
        self.part = part
        self.world = world
        self.seconds = seconds

    def ask(self, url: str, headers: Dict[str, str], body: Dict[str, Any]) -> Reply:
        """Sends a request to the vendor and returns its answer once it is a good one; tries again where that may help."""
        data = write(body)
        deadline = time.monotonic() + self.seconds
        for attempt in range(1, TRIES + 1):
            left = deadline - time.monotonic()
            if left <= 0:
                raise self.failure(f"did not answer within {self.seconds:g} s", timed_out=True)
            try:
                reply = http_client.send("POST", url, {"Content-Type": "application/json", **headers}, data, left, proxies=True)
            except Unreachable as problem:
                if problem.timed_out or attempt == TRIES:
                    raise self.failure(str(problem), problem.timed_out) from None
                why, pause = str(problem), 0.5 * attempt
            else:
                if reply.status == 200:
                    return reply
                with reply:
                    why = f"answered {reply.status}{_told(reply)}"
                if reply.status not in WORTH_ANOTHER_TRY or attempt == TRIES:
                    raise self.failure(why)
                pause = _pause(reply.headers.get("retry-after", ""), attempt)
            log.warning("a vendor is asked again", vendor=self.name, reason=why, pause=pause)
            time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
        raise AssertionError("the last try ends the loop")

    def json(self, reply: Reply) -> Dict[str, Any]:
        """The whole answer as a JSON object."""
        with reply:
            try:
                value = parse(reply.read())
            except Unreachable as problem:
                raise self.failure(str(problem), problem.timed_out) from None
            except ValueError as problem:
                raise self.failure(f"did not answer with JSON: {problem}") from None
        if not isinstance(value, dict):
            raise self.failure("did not answer with a JSON object")
        return value

    def event_objects(self, reply: Reply) -> Iterator[Dict[str, Any]]:
        """The JSON objects of an answer in server-sent events, up to OpenAI's `[DONE]` if there is one."""
        return self._objects(data for _, data in self._guarded(reply, reply.events()) if data != "[DONE]")

    def line_objects(self, reply: Reply) -> Iterator[Dict[str, Any]]:
        """The JSON objects of an answer that has one in each line."""
        return self._objects(line.decode("utf-8", "replace") for line in self._guarded(reply, reply.lines()) if line.strip())

    def failure(self, what: str, timed_out: bool = False) -> Failure:
        """The vendor did not do what it was asked."""
        self.world.metrics.count("woodwork_errors_total", where="vendor")
        outcome = "timeout" if timed_out else "failed"
        self.world.metrics.count("woodwork_vendor_requests_total", vendor=self.name, outcome=outcome)
        return Failure(f"{self.name}, asked by `{self.part.name}`,", what, timed_out)

    def succeeded(self) -> None:
        """Counts an answer that was what it should be."""
        self.world.metrics.count("woodwork_vendor_requests_total", vendor=self.name, outcome="ok")

    def _guarded(self, reply: Reply, items: Iterator[Any]) -> Iterator[Any]:
        with reply:
            try:
                yield from items
            except Unreachable as problem:
                raise self.failure(str(problem), problem.timed_out) from None

    def _objects(self, texts: Iterator[str]) -> Iterator[Dict[str, Any]]:
        for text in texts:
            try:
                value = parse(text.encode())
            except ValueError as problem:
                raise self.failure(f"sent something that is not JSON: {problem}") from None
            if not isinstance(value, dict):
                raise self.failure("sent something that is not a JSON object")
            if value.get("error"):
                raise self.failure(f"broke off: {_error_text(value)}")
            yield value


def _pause(retry_after: str, attempt: int) -> float:
    """What the server asks for in seconds, within reason; else a little more each time."""
    try:
        return min(LONGEST_PAUSE, max(0.0, float(retry_after)))
    except ValueError:
        return 0.5 * attempt * attempt


def _told(reply: Reply) -> str:
    try:
        data = reply.read_some(65536)
    except Unreachable:
        return ""
    try:
        text = _error_text(parse(data))
    except ValueError:
        text = data.decode("utf-8", "replace")
    text = " ".join(text.split())
    return f": {text[:300]}" if text else ""


def _error_text(value: Any) -> str:
    told = value.get("error", value.get("message")) if isinstance(value, dict) else value
    if isinstance(told, dict):
        told = told.get("message", told)
    return as_text(told if told is not None else "")
