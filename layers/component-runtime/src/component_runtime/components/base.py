"""What every component can be asked. A component in another container answers the same questions: see `component_runtime.peers`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from ..config import Part
from ..documents import as_text
from ..errors import Refusal, ToolError
from ..options import Options
from ..streams import Stream
from ..world import World

Message = Dict[str, Any]
"""A message of a conversation, in the shape of OpenAI's chat completions."""


@dataclass
class Question:
    """What came in through `/input`."""

    input: str
    inputs: Dict[str, Any] = field(default_factory=dict)
    session_id: str = "default-session"


class Base:
    """A component that can do nothing yet."""

    # The event its output is told by; inputs have no output of their own.
    response_event: Optional[str] = "component.response"

    def __init__(self, part: Part, world: World):
        self.part = part
        self.world = world
        self.options = Options(part)

    def answer(self, question: Question, stream: Optional[Stream]) -> Any:
        """The output for an input. Pieces of it may be written to the stream, which is ended by the caller.

        For components that only have tools: the input names one, `inputs` are its arguments.
        """
        return as_text(self.call(question.input.strip(), question.inputs))

    def tools(self) -> List[Dict[str, Any]]:
        """The tools that it offers: names, descriptions, JSON schemas of the parameters."""
        raise self.does_not("has no tools")

    def call(self, name: str, arguments: Dict[str, Any]) -> Any:
        """Calls a tool; `ToolError` when that is the tool's or the arguments' fault."""
        raise self.does_not("has no tools")

    def chat(
        self, messages: List[Message], tools: List[Dict[str, Any]], session_id: Optional[str], stream: Optional[Stream]
    ) -> Message:
        """The next message of a conversation."""
        raise self.does_not("is not a model")

    def close(self) -> None:
        """Lets go of what it holds outside."""

    def does_not(self, what: str) -> Refusal:
        return Refusal(404, f"{self.part} {what}")


class OneTool(Base):
    """A component with one tool, which takes one text."""

    def tool(self) -> Tuple[str, str, str]:
        """The name of the tool, its description, and the name of the text."""
        raise NotImplementedError

    def use(self, text: str) -> Any:
        """What the tool does; as a rule it asks the component."""
        return self.answer(Question(text), None)

    def tools(self) -> List[Dict[str, Any]]:
        name, description, text = self.tool()
        parameters = {"type": "object", "properties": {text: {"type": "string"}}, "required": [text]}
        return [{"name": name, "description": description, "parameters": parameters}]

    def call(self, name: str, arguments: Dict[str, Any]) -> Any:
        wanted, _, text = self.tool()
        if name != wanted or not isinstance(arguments.get(text), str):
            raise ToolError(f"there is one tool, `{wanted}`, with a text `{text}`")
        return self.use(arguments[text])
