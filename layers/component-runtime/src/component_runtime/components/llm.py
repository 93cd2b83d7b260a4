"""What all models have in common: prompt, memory, knowledge, and the shape of tools."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Tuple

from ..config import Part
from ..documents import as_text, parse
from ..errors import Refusal, ToolError
from ..streams import Stream
from ..world import World
from . import memory
from .base import Message, OneTool, Question
from .prompts import Prompt
from .vendor import Vendor

MAX_TOOL_CALLS = 64

Say = Callable[[str], None]


class Model(OneTool):
    """A model behind a vendor's HTTP interface; subclasses know its shape."""

    vendor_name = "the model's vendor"

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        self.prompt = Prompt(self.options, world, "prompts/defaults/llm.txt", "")
        self.memory = world.optional(self.options.reference("memory"), part)
        self.knowledge = [world.resolve(each, part) for each in self.options.references("knowledge_base")]
        seconds = self.options.number("timeout", world.settings.model_time, 0.1, 86400)
        self.vendor = Vendor(self.vendor_name, part, world, seconds)

    def complete(self, messages: List[Message], tools: List[Dict[str, Any]], say: Optional[Say]) -> Message:
        """The model's next message; with `say`, its text as it comes. To be written for each vendor."""
        raise NotImplementedError

    def answer(self, question: Question, stream: Optional[Stream]) -> Any:
        messages: List[Message] = []
        parts = [self.prompt.render(question.inputs), *(_context(each, question.input) for each in self.knowledge)]
        system = "\n\n".join(part for part in parts if part)
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

    def tool(self) -> Tuple[str, str, str]:
        """Asking it, as the one tool of an agent that has a model among its tools."""
        return self.part.name, f"Asks the language model {self.part.name}.", "input"

    def _say(self, messages: List[Message], tools: List[Dict[str, Any]], stream: Optional[Stream]) -> Message:
        try:
            message = self.complete(messages, tools, stream.write if stream is not None else None)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as problem:
            raise self.vendor.failure(f"answered in an unexpected shape: {type(problem).__name__}") from problem
        self.vendor.succeeded()
        if len(message.get("tool_calls") or []) > MAX_TOOL_CALLS:
            raise self.vendor.failure(f"wants more than {MAX_TOOL_CALLS} tools called at once")
        return message


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
    try:
        found = knowledge.call("search", {"query": question})
    except ToolError as problem:
        raise Refusal(502, f"the knowledge base cannot be searched: {problem}") from None
    passages = [as_text(passage) for passage in found] if isinstance(found, list) else [as_text(found)]
    return "Passages that may help to answer:\n\n" + "\n\n".join(passages) if passages else ""
