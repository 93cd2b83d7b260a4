"""What a component lives in: its settings, its neighbours in the same process, and those it reaches over the network."""

from __future__ import annotations

import os
from typing import Any, Dict, Mapping, Optional

from . import components
from .config import Component, Reference
from .errors import StartError
from .events import Events
from .metrics import Metrics
from .peers import Peer
from .settings import Settings
from .streams import Streams


class World:
    """Made once; parts are built into it."""

    def __init__(self, settings: Settings, component: Component, environment: Mapping[str, str]):
        self.settings = settings
        self.component = component
        self.environment = environment
        self.project = os.path.dirname(os.path.abspath(settings.component_file))
        self.metrics = Metrics()
        self.streams = Streams(self.metrics)
        self.events = Events(component, self.project, self.metrics)
        self.built: Dict[str, Any] = {}
        self._parts = {part.name: part for part in component.folded}

    def build(self) -> Any:
        """Builds this container's component, and first what is folded into it."""
        for part in self.component.folded:
            self.resolve(Reference(part.name), self.component.part)
        self.built[self.component.part.name] = components.build(self.component.part, self)
        return self.built[self.component.part.name]

    def resolve(self, reference: Reference, user: object) -> Any:
        """The component behind a name: one of this process, or a peer."""
        if reference.name in self.built:
            return self.built[reference.name]
        part = self._parts.pop(reference.name, None)
        if part is None:
            return self.peer(reference.name, user)
        self.built[part.name] = components.build(part, self)
        return self.built[part.name]

    def peer(self, name: str, user: object) -> Peer:
        """A component in another container."""
        address = self.component.peers.get(name)
        if address is None:
            raise StartError(
                f"{user} uses `{name}`, which is neither in this container nor among its peers; add it to WOODWORK_PEERS"
            )
        if (address.kind, address.type) == ("knowledge_base", "neo4j"):
            raise StartError(
                f"{user} uses `{name}`, a Neo4j server, which this runtime cannot search; leave it out of the keys of {user}"
            )
        return Peer(address, self.settings, self.metrics)

    def optional(self, reference: Optional[Reference], user: object) -> Any:
        """As `resolve`, where the reference may be missing."""
        return None if reference is None else self.resolve(reference, user)

    def path(self, name: str) -> str:
        """A file of the project."""
        return os.path.join(self.project, name)
