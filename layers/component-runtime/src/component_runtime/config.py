"""Reads component.json: what this container is, with the values of its secrets put in.

A mistake in it is a `StartError` that names the component and the key, never a value.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Tuple

from . import secrets
from .errors import StartError

SCHEMA = 1


@dataclass(frozen=True)
class Reference:
    """The name of another component, where a value of the configuration names one."""

    name: str


@dataclass(frozen=True)
class Part:
    """One component: this container's own, or one that is folded into it."""

    name: str
    kind: str
    type: str
    config: Dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"`{self.name}` ({self.kind} {self.type})"


@dataclass(frozen=True)
class Script:
    """A function of the project that an event calls."""

    event: str
    script: str
    function: str


@dataclass(frozen=True)
class Address:
    """Where another component is reached."""

    name: str
    kind: str
    type: str
    url: str


@dataclass(frozen=True)
class Component:
    """All of component.json."""

    project: str
    service: str
    part: Part
    hooks: Tuple[Script, ...]
    pipes: Tuple[Script, ...]
    routes: Tuple[str, ...]
    folded: Tuple[Part, ...]
    peers: Dict[str, Address]


def load(path: str, environment: Mapping[str, str], peers: "str | None" = None) -> Component:
    """Reads the file and resolves its markers; `peers` is a JSON object of URLs that win over the file's."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as problem:
        raise StartError(f"{path} cannot be read: {problem}; set COMPONENT_FILE where it lies elsewhere") from None
    try:
        value = json.loads(text)
        if any(b"\0" in text.encode("utf-8") for text in _texts(value)):
            raise ValueError("it holds a zero character, which no name or path has")
    except (ValueError, RecursionError) as problem:
        raise StartError(f"{path} is not JSON that can be used: {problem}") from None
    return _component(_Object(path, value), environment, peers)


def _component(file: "_Object", environment: Mapping[str, str], peers: "str | None") -> Component:
    schema = file.value.get("schema")
    if schema != SCHEMA:
        raise StartError(f"{file.where}: schema {schema!r} is not known to this runtime, which reads {SCHEMA}")
    for name in file.texts("environment"):
        secrets.learn(environment.get(name, ""))
    missing: List[str] = []
    part = _part(file, environment, missing)
    folded = tuple(_part(item, environment, missing) for item in file.objects("folded"))
    if missing:
        raise StartError("; ".join(dict.fromkeys(missing)))
    return Component(
        project=file.text("project", ""),
        service=file.text("service", part.name),
        part=part,
        hooks=_scripts(file, "hooks"),
        pipes=_scripts(file, "pipes"),
        routes=tuple(file.texts("routes")),
        folded=folded,
        peers=_peers(file, peers),
    )


def _part(item: "_Object", environment: Mapping[str, str], missing: List[str]) -> Part:
    part = Part(item.text("name"), item.text("kind"), item.text("type"), {})

    def resolve(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            name = next(iter(value.values())) if len(value) == 1 else None
            if isinstance(name, str) and "$env" in value:
                if name not in environment:
                    missing.append(f"the environment variable {name} is not set: {part} needs it for its key `{key}`")
                secrets.learn(environment.get(name, ""))
                return environment.get(name, "")
            if isinstance(name, str) and "$ref" in value:
                return Reference(name)
            return {inner: resolve(each, f"{key}.{inner}") for inner, each in value.items()}
        if isinstance(value, list):
            return [resolve(each, f"{key}[{index}]") for index, each in enumerate(value)]
        return value

    part.config.update({key: resolve(value, key) for key, value in item.object("config").value.items()})
    return part


def _scripts(file: "_Object", key: str) -> Tuple[Script, ...]:
    """Hooks or pipes of the component, and then of those folded into it: events belong to the process."""
    items = [item for owner in (file, *file.objects("folded")) for item in owner.objects(key)]
    return tuple(Script(item.text("event"), item.text("script"), item.text("function")) for item in items)


def _peers(file: "_Object", override: "str | None") -> Dict[str, Address]:
    peers = {}
    table = file.object("peers")
    for name in table.value:
        peer = table.object(name)
        peers[name] = Address(name, peer.text("kind", ""), peer.text("type", ""), peer.text("url"))
    if override is not None:
        try:
            told = _Object("WOODWORK_PEERS", json.loads(override))
        except (ValueError, RecursionError):
            raise StartError("WOODWORK_PEERS is not a JSON object of names and URLs") from None
        for name in told.value:
            known = peers.get(name)
            peers[name] = Address(name, known.kind if known else "", known.type if known else "", told.text(name))
    for address in peers.values():
        secrets.learn_url(address.url)
        if not address.url.startswith(("http://", "https://")):
            raise StartError(f"the URL of the peer `{address.name}` begins with neither http:// nor https://")
    return peers


def _texts(value: Any) -> Iterator[str]:
    """All texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(item)


class _Object:
    """A JSON object that says where it stands when something in it is not as expected."""

    def __init__(self, where: str, value: Any):
        if not isinstance(value, dict):
            raise StartError(f"{where}: an object is expected here")
        self.where = where
        self.value: Dict[str, Any] = value

    def text(self, key: str, default: "str | None" = None) -> str:
        value = self.value.get(key, default)
        if not isinstance(value, str):
            raise StartError(f"{self.where}: `{key}` is {'missing' if key not in self.value else 'not a text'}")
        return value

    def object(self, key: str) -> "_Object":
        return _Object(f"{self.where}: {key}", self.value.get(key) or {})

    def objects(self, key: str) -> "List[_Object]":
        return [_Object(f"{self.where}: {key}[{index}]", item) for index, item in enumerate(self._list(key))]

    def texts(self, key: str) -> List[str]:
        items = self._list(key)
        if not all(isinstance(item, str) for item in items):
            raise StartError(f"{self.where}: `{key}` holds something that is not a text")
        return items

    def _list(self, key: str) -> List[Any]:
        value = self.value.get(key) or []
        if not isinstance(value, list):
            raise StartError(f"{self.where}: `{key}` is not a list")
        return value
