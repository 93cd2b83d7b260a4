"""`memory short_term`: what was said in each session, as long as the process lives."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, Dict, List, Optional

from ..config import Part
from ..documents import as_text
from ..errors import ToolError
from ..streams import Stream
from ..world import World
from .base import Base, Message, Question

MAX_SESSIONS = 1000
MAX_CHARACTERS = 32_000
MAX_MESSAGES = 200


class ShortTerm(Base):
    """Sessions that are used least and messages that are oldest are forgotten first."""

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        self._most = int(self.options.number("max_characters", MAX_CHARACTERS, 100, 10_000_000))
        self._sessions: "OrderedDict[str, List[Message]]" = OrderedDict()
        self._lock = threading.Lock()

    def history(self, session_id: str) -> List[Message]:
        """The messages of a session, the oldest first."""
        with self._lock:
            if session_id in self._sessions:
                self._sessions.move_to_end(session_id)
            return [dict(message) for message in self._sessions.get(session_id, [])]

    def add(self, session_id: str, messages: List[Message]) -> None:
        """Adds messages to a session, all of them or none at a time."""
        kept = [
            {"role": str(each.get("role")), "content": as_text(each.get("content") or "")[-self._most :]} for each in messages
        ]
        with self._lock:
            session = self._sessions.setdefault(session_id, [])
            self._sessions.move_to_end(session_id)
            session.extend(kept)
            while len(session) > MAX_MESSAGES or sum(len(message["content"]) for message in session) > self._most:
                session.pop(0)
            while len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)

    def answer(self, question: Question, stream: Optional[Stream]) -> Any:
        """Remembers the input; the output is all that the session holds, as text."""
        self.add(question.session_id, [{"role": "user", "content": question.input}])
        return "\n".join(f"{each['role']}: {each['content']}" for each in self.history(question.session_id))

    def tools(self) -> List[Dict[str, Any]]:
        session = {"type": "string", "description": "Whose conversation."}
        text = {"type": "string", "description": "What to remember."}
        return [
            {
                "name": "recall",
                "description": "Returns the messages of a session, the oldest first.",
                "parameters": {"type": "object", "properties": {"session_id": session}, "required": ["session_id"]},
            },
            {
                "name": "remember",
                "description": "Adds a message to a session.",
                "parameters": {
                    "type": "object",
                    "properties": {"session_id": session, "role": {"enum": ["user", "assistant", "system"]}, "content": text},
                    "required": ["session_id", "content"],
                },
            },
        ]

    def call(self, name: str, arguments: Dict[str, Any]) -> Any:
        session, content, role = arguments.get("session_id"), arguments.get("content"), arguments.get("role", "user")
        if not isinstance(session, str) or len(session) > 256:
            raise ToolError("the argument `session_id` is not a text of at most 256 characters")
        if name == "recall":
            return self.history(session)
        if name != "remember":
            raise ToolError(f"there is no tool `{name}`; there are: recall, remember")
        if not isinstance(content, str) or role not in ("user", "assistant", "system"):
            raise ToolError("`content` must be a text, and `role` user, assistant or system")
        self.add(session, [{"role": role, "content": content}])
        return None


def history(memory: Any, session_id: str) -> List[Message]:
    """The messages of a session in a memory of this process or of another container."""
    if isinstance(memory, ShortTerm):
        return memory.history(session_id)
    found = memory.call("recall", {"session_id": session_id})
    whole = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    return [{"role": each["role"], "content": each["content"]} for each in whole if {"role", "content"} <= set(each)]


def add(memory: Any, session_id: str, messages: List[Message]) -> None:
    """Adds messages to a memory of this process or of another container."""
    if isinstance(memory, ShortTerm):
        memory.add(session_id, messages)
        return
    for message in messages:
        memory.call("remember", {"session_id": session_id, "role": message["role"], "content": message.get("content") or ""})
