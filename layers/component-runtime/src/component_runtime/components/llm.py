"""What all models have in common: prompt, memory, knowledge, and patience with their vendors' servers."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Iterator, List, Optional

from .. import http_client, log
from ..config import Part
from ..documents import as_text, parse, write
from ..errors import Failure, Refusal, ToolError
from ..http_client import Reply, Unreachable
from ..streams import Stream
from ..world import World
from . import memory
from .base import Base, Message, Question
from .prompts import Prompt

TRIES = 3
LONGEST_PAUSE = 20.0
# 529 is Anthropic's "overloaded".
WORTH_ANOTHER_TRY = (408, 409, 429, 500, 502, 503, 504, 529)
MAX_TOOL_CALLS = 64

Say = Callable[[str], None]


class Model(Base):
    """A model behind a vendor's HTTP interface; subclasses know its shape."""

    vendor = "the model's vendor"

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        self.prompt = Prompt(self.options, world, "prompts/defaults/llm.txt", "")
        self.memory = world.optional(self.options.reference("memory"), part)
        self.knowledge = world.optional(self.options.reference("knowledge_base"), part)
        self.seconds = self.options.number("timeout", world.settings.model_time, 0.1, 86400)

    def complete(self, messages: List[Message], tools: List[Dict[str, Any]], say: Optional[Say]) -> Message:
        """The model's next message; with `say`, its text as it comes. To be written for each vendor."""
        raise NotImplementedError

    def answer(self, question: Question, stream: Optional[Stream]) -> Any:
        messages: List[Message] = []
        system = self.prompt.render(question.inputs)
        if self.knowledge is not None:
            system = "\n\n".join(part for part in (system, _context(self.knowledge, question.input)) if part)
        if system:
            messages.append({"role": "system", "content": system})
        if self.memory is not None:
            messages += memory.history(self.memory, question.session_id)
        asked = {"role": "user", "content": question.input}
        reply = self._say([*messages, asked], [], stream)
        text = as_text(reply.get("content") or "")
        if self.memory is not None:
            memory.add(self.memory, question.session_id, [asked, {"role": "assistant", "content": text}])
        return text

    def chat(
        self, messages: List[Message], tools: List[Dict[str, Any]], session_id: Optional[str], stream: Optional[Stream]
    ) -> Message:
        """The next message of a conversation that somebody else leads; the own prompt is used only where it has none."""
        if self.prompt.is_given and not any(message.get("role") == "system" for message in messages):
            messages = [{"role": "system", "content": self.prompt.render({})}, *messages]
        return self._say(messages, tools, stream)

    def tools(self) -> List[Dict[str, Any]]:
        """Asking it, as the one tool of an agent that has a model among its tools."""
        parameters = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
        return [{"name": self.part.name, "description": f"Asks the language model {self.part.name}.", "parameters": parameters}]

    def call(self, name: str, arguments: Dict[str, Any]) -> Any:
        if name != self.part.name or not isinstance(arguments.get("input"), str):
            raise ToolError(f"there is one tool, `{self.part.name}`, with a text `input`")
        return self.answer(Question(arguments["input"]), None)

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
            log.warning("the model is asked again", vendor=self.vendor, reason=why, pause=pause)
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
        self.world.metrics.count("woodwork_vendor_requests_total", vendor=self.vendor, outcome=outcome)
        return Failure(f"{self.vendor}, asked by `{self.part.name}`,", what, timed_out)

    def _say(self, messages: List[Message], tools: List[Dict[str, Any]], stream: Optional[Stream]) -> Message:
        try:
            message = self.complete(messages, tools, stream.write if stream is not None else None)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as problem:
            raise self.failure(f"answered in an unexpected shape: {type(problem).__name__}") from problem
        self.world.metrics.count("woodwork_vendor_requests_total", vendor=self.vendor, outcome="ok")
        if len(message.get("tool_calls") or []) > MAX_TOOL_CALLS:
            raise self.failure(f"wants more than {MAX_TOOL_CALLS} tools called at once")
        return message

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


def function_of(tool: Dict[str, Any]) -> Dict[str, Any]:
    """Name, description and parameters of a tool, in OpenAI's wrapping or without it."""
    inner = tool.get("function") if isinstance(tool.get("function"), dict) else tool
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise Refusal(400, "a tool has no name")
    parameters = inner.get("parameters")
    schema = {"type": "object", "properties": {}, **(parameters if isinstance(parameters, dict) else {})}
    return {"name": inner["name"], "description": inner.get("description") or "", "parameters": schema}


def arguments_of(call: Dict[str, Any]) -> Any:
    """The arguments of a tool call: an object, or the text itself when the model wrote something else."""
    text = (call.get("function") or {}).get("arguments")
    if not isinstance(text, str):
        return text if text is not None else {}
    try:
        return parse(text.encode("utf-8", "replace")) if text.strip() else {}
    except ValueError:
        return text


def _context(knowledge: Any, question: str) -> str:
    found = knowledge.call("search", {"query": question})
    passages = [as_text(passage) for passage in found] if isinstance(found, list) else [as_text(found)]
    return "Passages that may help to answer:\n\n" + "\n\n".join(passages) if passages else ""


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
