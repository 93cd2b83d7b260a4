"""`input api`: where requests from outside come in; they go to the components it is routed to."""

from __future__ import annotations

from typing import Any, Optional

from .. import routing
from ..config import Part
from ..errors import Refusal
from ..streams import Stream
from ..world import World
from .base import Base, Question


class Input(Base):
    """The first route that answers gives the output."""

    response_event = None

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        self.port = int(self.options.number("port", 0, 0, 65535))
        self._routes = [world.peer(name, part) for name in world.component.routes]

    def answer(self, question: Question, stream: Optional[Stream]) -> Any:
        if not self._routes:
            raise Refusal(503, f"{self.part} is routed to no component; give it a `to:`")
        return routing.first_answer(self._routes, question, stream, self.world.metrics)
