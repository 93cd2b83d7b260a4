"""What the component answers over HTTP: a table of paths, and a function for each."""

from __future__ import annotations

import contextvars
import threading
import uuid
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import log, metrics
from .components.base import Base, Question
from .documents import as_text, parse
from .errors import Refusal, ToolError
from .http1 import Answer, Request
from .routing import Forwarder
from .secrets import scrub
from .streams import Stream
from .world import World

LONGEST_SESSION = 256
VITAL = ("/health", "/ready", "/metrics")

Handler = Callable[[Request, str], Answer]


class Endpoints:
    """Answers requests for one component and those folded into it."""

    def __init__(self, world: World, component: Base, is_draining: Callable[[], bool]):
        self.world = world
        self.component = component
        self.is_draining = is_draining
        self.forwarder = Forwarder(_routes(world), world.metrics)
        self._jobs = 0
        self._jobs_lock = threading.Lock()
        # What is matched: the first and the last piece of a path; the piece between is given to the handler.
        self._table: List[Tuple[str, str, str, Handler]] = [
            ("/health", "", "GET", self._health),
            ("/ready", "", "GET", self._ready),
            ("/metrics", "", "GET", self._metrics),
            ("/input", "", "POST", self._input),
            ("/tools", "", "GET", self._tools),
            ("/call", "", "POST", self._call),
            ("/chat", "", "POST", self._chat),
            ("/stream/", "", "GET", self._stream),
            ("/", "/input", "POST", self._named_input),
            ("/", "", "GET", self._root),
        ]

    def route_of(self, request: Request) -> str:
        """The path as the table has it."""
        found = self._find(request.path)
        return "other" if found is None else _shown(found[0][0], found[0][1])

    def is_vital(self, request: Request) -> bool:
        return request.path in VITAL

    def is_stream(self, request: Request) -> bool:
        return request.path.startswith("/stream/")

    def respond(self, request: Request) -> Answer:
        found = self._find(request.path)
        if found is None:
            raise Refusal(404, f"there is nothing at {request.path[:200]}")
        (_, _, method, handler), middle = found
        allowed = ("GET", "HEAD") if method == "GET" else (method,)
        if request.method not in allowed:
            raise Refusal(405, f"{request.method} is not possible here", {"Allow": ", ".join(allowed)})
        try:
            return handler(request, middle)
        except ToolError as problem:
            raise Refusal(422, str(problem)) from None

    def wait_for_jobs(self) -> bool:
        """Whether nothing is written to streams any more."""
        return self._jobs == 0

    def _find(self, path: str) -> "Optional[Tuple[Tuple[str, str, str, Handler], str]]":
        for row in self._table:
            first, last = row[0], row[1]
            if path == first and not last and first != "/stream/":
                return row, ""
            middle = path[len(first) : len(path) - len(last)]
            takes_middle = bool(last) or first == "/stream/"
            if takes_middle and path.startswith(first) and path.endswith(last) and middle and "/" not in middle:
                return row, middle
        return None

    def _health(self, request: Request, _: str) -> Answer:
        return Answer.json({"status": "ok"})

    def _ready(self, request: Request, _: str) -> Answer:
        if self.is_draining():
            return Answer.json({"status": "shutting down"}, 503)
        return Answer.json({"status": "ready"})

    def _metrics(self, request: Request, _: str) -> Answer:
        return Answer(200, self.world.metrics.text().encode(), metrics.CONTENT_TYPE)

    def _root(self, request: Request, _: str) -> Answer:
        part = self.component.part
        return Answer.json({"name": part.name, "kind": part.kind, "type": part.type, "status": "ok"})

    def _tools(self, request: Request, _: str) -> Answer:
        return Answer.json(self.component.tools())

    def _input(self, request: Request, _: str) -> Answer:
        body = _object(request)
        question = Question(_text(body, "input"), _dictionary(body, "inputs"), self._session(body))
        if not _flag(body, "stream"):
            return Answer.json({"output": self._ask(question, None), "session_id": question.session_id})

        def work(stream: Stream) -> Dict[str, Any]:
            return {"output": self._ask(question, stream), "session_id": question.session_id}

        return Answer.json({"output": None, "session_id": question.session_id, "stream": self._in_background(work)})

    def _named_input(self, request: Request, name: str) -> Answer:
        built = self.world.built.get(name)
        if built is None:
            raise Refusal(404, f"there is no component `{name}` in this container")
        body = _object(request)
        session = self.component.part.config.get("session_id")
        question = Question(_text(body, "value"), {}, session if isinstance(session, str) else "default-session")
        output = self._ask(question, None) if built is self.component else built.answer(question, None)
        return Answer.json(as_text(output))

    def _call(self, request: Request, _: str) -> Answer:
        body = _object(request)
        name, arguments = _text(body, "name"), _dictionary(body, "arguments")
        emit = self.world.events.emit
        changed = emit("tool.call", {"tool": name, "args": arguments}).get("args")
        try:
            result = self.component.call(name, changed if isinstance(changed, dict) else arguments)
        except ToolError as problem:
            emit("tool.observation", {"tool": name, "observation": f"Error: {scrub(str(problem))}"})
            return Answer.json({"error": scrub(str(problem))})
        told = emit("tool.observation", {"tool": name, "observation": result})
        return Answer.json({"result": told.get("observation", result)})

    def _chat(self, request: Request, _: str) -> Answer:
        body = _object(request)
        messages, tools, session = body.get("messages"), body.get("tools") or [], body.get("session_id")
        if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
            raise Refusal(400, "`messages` must be a list of objects, with one at least")
        if not isinstance(tools, list) or not all(isinstance(each, dict) for each in tools):
            raise Refusal(400, "`tools` must be a list of objects")
        session_id = session if isinstance(session, str) else None
        if not _flag(body, "stream"):
            return Answer.json({"message": self.component.chat(messages, tools, session_id, None)})
        stream = self._in_background(lambda stream: {"message": self.component.chat(messages, tools, session_id, stream)})
        return Answer.json({"stream": stream})

    def _stream(self, request: Request, stream_id: str) -> Answer:
        stream = self.world.streams.find(stream_id)
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isascii() and last.isdigit() and len(last) < 10 else 0
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return Answer(200, content_type="text/event-stream", headers=headers, chunks=stream.server_sent_events(after))

    def _ask(self, question: Question, stream: Optional[Stream]) -> Any:
        """An input on its way: pipes, the component, pipes again, and on to where it is routed."""
        told = self.world.events.emit(
            "input.received", {"input": question.input, "inputs": question.inputs, "session_id": question.session_id}
        )
        inputs, session = told.get("inputs"), told.get("session_id")
        asked = Question(
            as_text(told.get("input", question.input)),
            inputs if isinstance(inputs, dict) else question.inputs,
            session if isinstance(session, str) else question.session_id,
        )
        output = self.component.answer(asked, stream)
        event = self.component.response_event
        if event is not None:
            told = self.world.events.emit(event, {"response": output, "session_id": asked.session_id})
            output = told.get("response", output)
            self.forwarder.send(Question(as_text(output), {}, asked.session_id))
        return output

    def _in_background(self, work: Callable[[Stream], Dict[str, Any]]) -> str:
        stream = self.world.streams.create()

        def run() -> None:
            try:
                stream.finish(work(stream))
            except (Refusal, ToolError) as problem:
                stream.fail(str(problem))
            except BaseException as problem:
                self.world.metrics.count("woodwork_errors_total", where="internal")
                log.error("a stream failed", reason=log.describe(problem))
                stream.fail(f"this component failed: {type(problem).__name__}")
            finally:
                with self._jobs_lock:
                    self._jobs -= 1

        with self._jobs_lock:
            self._jobs += 1
        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name="stream").start()
        return stream.id

    def _session(self, body: Dict[str, Any]) -> str:
        """The session that is asked for, or configured, or a new one: strangers do not share a conversation by accident."""
        session = body.get("session_id")
        if session is None:
            configured = self.component.part.config.get("session_id")
            return configured if isinstance(configured, str) and configured else uuid.uuid4().hex
        if not isinstance(session, str) or not session or len(session) > LONGEST_SESSION:
            raise Refusal(400, f"`session_id` must be a text of 1 to {LONGEST_SESSION} characters")
        return session


def _routes(world: World) -> List[Any]:
    """Where outputs go; an input asks its routes itself."""
    part = world.component.part
    return [] if part.kind == "input" else [world.peer(name, part) for name in world.component.routes]


def _shown(first: str, last: str) -> str:
    return f"/<name>{last}" if last else f"{first}<id>" if first == "/stream/" else first


def _object(request: Request) -> Dict[str, Any]:
    try:
        value = parse(request.read_body())
    except ValueError as problem:
        raise Refusal(400, f"the body is not JSON: {problem}") from None
    if not isinstance(value, dict):
        raise Refusal(400, "the body is not a JSON object")
    return value


def _text(body: Dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise Refusal(400, f"`{key}` must be a text")
    return value


def _dictionary(body: Dict[str, Any], key: str) -> Dict[str, Any]:
    value = body.get(key)
    if value is not None and not isinstance(value, dict):
        raise Refusal(400, f"`{key}` must be an object")
    return value or {}


def _flag(body: Dict[str, Any], key: str) -> bool:
    value = body.get(key)
    if value is not None and not isinstance(value, bool):
        raise Refusal(400, f"`{key}` must be true or false")
    return bool(value)
