"""A component in another container, asked the same questions as one in this process.

What it answers is checked; whatever goes wrong is a `Failure` that names it. Proxies are never used for peers.
"""

from __future__ import annotations

import time
from typing import Any, Dict, List, Optional

from . import http_client, log, trace
from .config import Address
from .documents import parse, write
from .errors import Failure, ToolError
from .http_client import Reply, Unreachable
from .metrics import Metrics
from .settings import Settings
from .streams import Stream

# A peer that is just starting refuses connections for a moment; nothing has been sent then, so trying again is safe.
PAUSES = (0.1, 0.4, 1.0)


class Peer:
    """Where it is, and how long it may take."""

    def __init__(self, address: Address, settings: Settings, metrics: Metrics):
        self.address = address
        self.settings = settings
        self.metrics = metrics

    def answer(self, question: Any, stream: Optional[Stream]) -> Any:
        """Its output for an input; pieces of it come through the stream while it works."""
        body = {
            "input": question.input,
            "inputs": question.inputs,
            "session_id": question.session_id,
            "stream": stream is not None,
        }
        seconds = self.settings.request_time
        reply = self._object(self._ask("POST", "/input", body, seconds), "output")
        if stream is None or not isinstance(reply.get("stream"), str):
            return reply["output"]
        return self._follow(reply["stream"], stream, seconds).get("output")

    def tools(self) -> List[Dict[str, Any]]:
        """Its tools, as far as they are well-formed."""
        found = self._ask("GET", "/tools", None, self.settings.tool_time)
        if not isinstance(found, list):
            raise self._failure("did not answer with a list of tools")
        return [tool for tool in found if isinstance(tool, dict) and isinstance(tool.get("name"), str) and tool["name"]]

    def call(self, name: str, arguments: Dict[str, Any]) -> Any:
        """The result of one of its tools."""
        reply = self._ask("POST", "/call", {"name": name, "arguments": arguments}, self.settings.tool_time)
        if isinstance(reply, dict) and "error" in reply:
            raise ToolError(str(reply["error"]))
        return self._object(reply, "result")["result"]

    def chat(
        self, messages: List[Dict[str, Any]], tools: List[Dict[str, Any]], session_id: Optional[str], stream: Optional[Stream]
    ) -> Dict[str, Any]:
        """The model's next message."""
        body = {"messages": messages, "tools": tools, "session_id": session_id, "stream": stream is not None}
        seconds = self.settings.model_time + 5
        reply = self._ask("POST", "/chat", body, seconds)
        if stream is not None and isinstance(reply, dict) and isinstance(reply.get("stream"), str):
            reply = self._follow(reply["stream"], stream, seconds)
        message = self._object(reply, "message")["message"]
        if not isinstance(message, dict):
            raise self._failure("did not answer with a message")
        return message

    def _follow(self, stream_id: str, stream: Stream, seconds: float) -> Dict[str, Any]:
        """Passes the chunks of its stream on, and returns what ended it."""
        with self._open("GET", f"/stream/{stream_id}", None, seconds) as reply:
            if reply.status != 200:
                raise self._failure(f"answered {reply.status} when its stream was asked for")
            try:
                for name, data in reply.events():
                    value = self._parsed(data.encode())
                    if name == "chunk":
                        stream.write(str(value.get("data", "")))
                    elif name == "reset":
                        stream.reset()
                    elif name == "final":
                        return value
                    elif name == "error":
                        raise self._failure(f"failed: {value.get('error')}")
            except Unreachable as problem:
                raise self._failure(str(problem), problem.timed_out) from None
        raise self._failure("ended its stream without a result")

    def _ask(self, method: str, path: str, body: Any, seconds: float) -> Any:
        with self._open(method, path, body, seconds) as reply:
            try:
                data = reply.read()
            except Unreachable as problem:
                raise self._failure(str(problem), problem.timed_out) from None
        # `/call` tells a tool's failure in an answer of its own shape.
        if reply.status != 200:
            raise self._failure(f"answered {reply.status}{_reason(data)}", reply.status == 504)
        self.metrics.count("woodwork_peer_requests_total", peer=self.address.name, outcome="ok")
        try:
            return parse(data)
        except ValueError as problem:
            raise self._failure(f"did not answer with JSON: {problem}") from None

    def _open(self, method: str, path: str, body: Any, seconds: float) -> Reply:
        headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream", **trace.headers()}
        url = self.address.url.rstrip("/") + path
        data = None if body is None else write(body)
        for pause in (*PAUSES, None):
            try:
                return http_client.send(method, url, headers, data, seconds, proxies=False)
            except Unreachable as problem:
                if problem.connected or problem.timed_out or pause is None:
                    raise self._failure(str(problem), problem.timed_out) from None
                log.debug("a peer is asked again", peer=self.address.name, reason=problem)
                time.sleep(pause)
        raise AssertionError("the last try has no pause")

    def _parsed(self, data: bytes) -> Dict[str, Any]:
        try:
            value = parse(data)
        except ValueError as problem:
            raise self._failure(f"sent an event that is not JSON: {problem}") from None
        if not isinstance(value, dict):
            raise self._failure("sent an event that is not an object")
        return value

    def _object(self, value: Any, key: str) -> Dict[str, Any]:
        if not isinstance(value, dict) or key not in value:
            raise self._failure(f"answered without `{key}`")
        return value

    def _failure(self, what: str, timed_out: bool = False) -> Failure:
        self.metrics.count("woodwork_peer_requests_total", peer=self.address.name, outcome="timeout" if timed_out else "failed")
        self.metrics.count("woodwork_errors_total", where="peer")
        return Failure(f"the component `{self.address.name}` at {self.address.url}", what, timed_out)


def _reason(data: bytes) -> str:
    """What an error's body says, when it says it as our components do."""
    try:
        value = parse(data[:65536])
    except ValueError:
        return ""
    told = value.get("error") if isinstance(value, dict) else None
    return f": {told}" if isinstance(told, str) else ""
