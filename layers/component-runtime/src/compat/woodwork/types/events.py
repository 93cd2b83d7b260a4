"""The payloads of events: a class for each event that is known, a generic one for all others.

Every payload has `timestamp`, `component_id` and `component_type`. It can be read like a dictionary too (`payload["input"]`,
`{**payload}`), because scripts were written for both.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Dict, Iterator, List, Mapping, Optional, Type, TypeVar

__all__ = [
    "AgentActionPayload",
    "AgentErrorPayload",
    "AgentStepCompletePayload",
    "AgentThoughtPayload",
    "BasePayload",
    "GenericPayload",
    "InputReceivedPayload",
    "ToolCallPayload",
    "ToolObservationPayload",
    "create_payload",
    "payload_class",
]

P = TypeVar("P", bound="BasePayload")


@dataclass
class BasePayload:
    """When it happened (seconds since 1970), and in which component."""

    timestamp: float = field(default_factory=time.time)
    component_id: Optional[str] = None
    component_type: Optional[str] = None

    @classmethod
    def from_dict(cls: Type[P], values: Mapping[str, Any]) -> P:
        """Makes a payload of a dictionary; keys that are no fields are left out."""
        known = {each.name for each in fields(cls)}
        return cls(**{key: value for key, value in values.items() if key in known})

    @classmethod
    def from_json(cls: Type[P], text: str) -> P:
        """Makes a payload of a JSON object."""
        values = json.loads(text)
        if not isinstance(values, dict):
            raise ValueError("a payload is a JSON object")
        return cls.from_dict(values)

    def to_dict(self) -> Dict[str, Any]:
        """All fields."""
        return asdict(self)

    def to_json(self) -> str:
        """All fields as a JSON object; what JSON cannot hold becomes text."""
        return json.dumps(self.to_dict(), default=str)

    def validate(self) -> List[str]:
        """What is odd about the payload; nobody is kept from sending it."""
        return []

    def get(self, key: str, default: Any = None) -> Any:
        """A field, or the default when there is no such field."""
        return getattr(self, key) if key in self else default

    def keys(self) -> List[str]:
        """The names of the fields."""
        return [each.name for each in fields(self)]

    def __getitem__(self, key: str) -> Any:
        if key not in self:
            raise KeyError(key)
        return getattr(self, key)

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())


@dataclass
class InputReceivedPayload(BasePayload):
    """`input.received`: somebody asks something."""

    input: str = ""
    inputs: Dict[str, Any] = field(default_factory=dict)
    session_id: Optional[str] = None

    def validate(self) -> List[str]:
        return [] if isinstance(self.input, str) else ["input is not a text"]


@dataclass
class AgentThoughtPayload(BasePayload):
    """`agent.thought`: what the model says besides calling tools."""

    thought: str = ""

    def validate(self) -> List[str]:
        return [] if isinstance(self.thought, str) else ["thought is not a text"]


@dataclass
class AgentActionPayload(BasePayload):
    """`agent.action`: what the agent is about to do."""

    action: Dict[str, Any] = field(default_factory=dict)

    def validate(self) -> List[str]:
        return [] if isinstance(self.action, dict) else ["action is not a dictionary"]


@dataclass
class ToolCallPayload(BasePayload):
    """`tool.call`: a tool and its arguments."""

    tool: str = ""
    args: Dict[str, Any] = field(default_factory=dict)

    def validate(self) -> List[str]:
        odd = [] if self.tool else ["tool is empty"]
        return odd if isinstance(self.args, dict) else [*odd, "args is not a dictionary"]


@dataclass
class ToolObservationPayload(BasePayload):
    """`tool.observation`: what the tool answered."""

    tool: str = ""
    observation: Any = ""

    def validate(self) -> List[str]:
        return [] if self.tool else ["tool is empty"]


@dataclass
class AgentStepCompletePayload(BasePayload):
    """`agent.step_complete`: the model was asked once, and the tools it wanted were called."""

    step: int = 0
    session_id: Optional[str] = None

    def validate(self) -> List[str]:
        return [] if isinstance(self.step, int) else ["step is not a number"]


@dataclass
class AgentErrorPayload(BasePayload):
    """`agent.error`: the agent gave up."""

    error: str = ""
    error_type: str = ""
    context: Dict[str, Any] = field(default_factory=dict)


@dataclass
class GenericPayload(BasePayload):
    """Any other event: what it carries is in `data`."""

    data: Dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls: Type[P], values: Mapping[str, Any]) -> P:
        """Makes a payload of a dictionary; keys that are no fields go into `data`."""
        known = {each.name for each in fields(cls)}
        own = {key: value for key, value in values.items() if key in known}
        data = own.get("data")
        data = dict(data) if isinstance(data, Mapping) else {} if data is None else {"data": data}
        own["data"] = {**data, **{key: value for key, value in values.items() if key not in known}}
        return cls(**own)


_CLASSES: Dict[str, Type[BasePayload]] = {
    "input.received": InputReceivedPayload,
    "agent.thought": AgentThoughtPayload,
    "agent.action": AgentActionPayload,
    "tool.call": ToolCallPayload,
    "tool.observation": ToolObservationPayload,
    "agent.step_complete": AgentStepCompletePayload,
    "agent.error": AgentErrorPayload,
}


def payload_class(event: str) -> Type[BasePayload]:
    """The class of an event's payload."""
    return _CLASSES.get(event, GenericPayload)


def create_payload(event: str, values: Mapping[str, Any]) -> BasePayload:
    """The payload of an event, of a dictionary."""
    return payload_class(event).from_dict(values)
