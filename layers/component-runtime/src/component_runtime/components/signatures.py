"""A Python function's signature as a JSON schema, and arguments checked against it."""

from __future__ import annotations

import enum
import inspect
import re
import typing
from collections import abc
from typing import Any, Callable, Dict, List, Tuple, Union

from ..errors import ToolError

Schema = Dict[str, Any]

_PLAIN: Dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    tuple: "array",
    dict: "object",
}
_PARAMETER = re.compile(r"^\s*(?::param\s+(?:[\w.\[\]]+\s+)?(\w+)\s*:|(\w+)\s*(?:\([^)]*\))?\s*:)\s*(.+)$")
_SECTION = re.compile(r"^\s*(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Notes?)\s*:?\s*$")


class Signature:
    """What a function takes, and how it describes itself."""

    def __init__(self, function: Callable[..., Any]):
        self._parameters = inspect.signature(function).parameters
        text = inspect.getdoc(function) or ""
        self.description = text.split("\n\n")[0].replace("\n", " ").strip() or function.__name__.replace("_", " ")
        hints = _hints(function)
        self._enums = {name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, enum.Enum)}
        self.schema = self._schema(hints, _documented(text))

    def bind(self, arguments: Dict[str, Any]) -> Tuple[Tuple[Any, ...], Dict[str, Any]]:
        """The arguments in the places where they belong; a `ToolError` says what is wrong with them."""
        properties = self.schema["properties"]
        missing = [name for name in self.schema["required"] if name not in arguments]
        if missing:
            raise ToolError(f"missing arguments: {', '.join(missing)}")
        unknown = [name for name in arguments if name not in properties]
        if unknown and not self.schema["additionalProperties"]:
            raise ToolError(f"unknown arguments: {', '.join(unknown)}; there are: {', '.join(properties) or 'none'}")
        args: List[Any] = []
        keywords: Dict[str, Any] = {name: arguments[name] for name in unknown}
        for name, schema in properties.items():
            if name not in arguments:
                continue
            value = arguments[name]
            if not fits(value, schema):
                raise ToolError(f"the argument `{name}` is not {_words(schema)}")
            value = self._enums[name](value) if name in self._enums else value
            if self._parameters[name].kind is inspect.Parameter.POSITIONAL_ONLY:
                args.append(value)
            else:
                keywords[name] = value
        return tuple(args), keywords

    def _schema(self, hints: Dict[str, Any], documented: Dict[str, str]) -> Schema:
        properties: Dict[str, Schema] = {}
        required = []
        open_ended = False
        for name, parameter in self._parameters.items():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                open_ended = True
            if parameter.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
                continue
            schema = schema_of(hints.get(name, Any))
            if name in documented:
                schema["description"] = documented[name]
            if parameter.default is inspect.Parameter.empty:
                required.append(name)
            elif isinstance(parameter.default, (str, int, float, bool)):
                schema["default"] = parameter.default
            properties[name] = schema
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": open_ended}


def schema_of(hint: Any) -> Schema:
    """The JSON schema of an annotation; `{}`, which allows everything, for what JSON does not know."""
    if hint is None or hint is type(None):
        return {"type": "null"}
    if isinstance(hint, type) and hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [member.value for member in hint]}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Union or type(hint).__name__ == "UnionType":
        return {"anyOf": [schema_of(each) for each in inner]}
    if origin is typing.Literal:
        return {"enum": list(inner)}
    if origin is not None and type(hint).__name__ == "_AnnotatedAlias":
        return schema_of(inner[0])
    if origin in (list, set, frozenset, abc.Sequence, abc.Iterable, abc.Collection):
        return {"type": "array", "items": schema_of(inner[0])} if inner else {"type": "array"}
    if origin is tuple:
        return {"type": "array"}
    if origin in (dict, abc.Mapping, abc.MutableMapping):
        return {"type": "object", "additionalProperties": schema_of(inner[1])} if len(inner) == 2 else {"type": "object"}
    if isinstance(hint, type) and issubclass(hint, dict):
        return {"type": "object"}
    return {}


def fits(value: Any, schema: Schema) -> bool:
    """Whether a JSON value is what the schema of an annotation wants."""
    if "anyOf" in schema:
        return any(fits(value, each) for each in schema["anyOf"])
    if "enum" in schema:
        return any(value == each and type(value) is type(each) for each in schema["enum"])
    kind = schema.get("type")
    if kind is None:
        return True
    if kind == "null":
        return value is None
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == "string":
        return isinstance(value, str)
    if kind == "array":
        return isinstance(value, list) and all(fits(item, schema.get("items", {})) for item in value)
    extra = schema.get("additionalProperties", {})
    return isinstance(value, dict) and all(fits(item, extra) for item in value.values())


def _hints(function: Callable[..., Any]) -> Dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except Exception:  # Annotations may name what is not there (`list["Thing"]`); then they are taken as they stand.
        return {name: hint for name, hint in getattr(function, "__annotations__", {}).items() if not isinstance(hint, str)}


def _documented(text: str) -> Dict[str, str]:
    """Parameters with their descriptions, as Google's and reST's styles write them."""
    found: Dict[str, str] = {}
    listing = False
    for line in text.splitlines():
        section = _SECTION.match(line)
        if section:
            listing = section.group(1) in ("Args", "Arguments", "Parameters")
            continue
        match = _PARAMETER.match(line)
        if match and (match.group(1) or listing):
            found[match.group(1) or match.group(2)] = match.group(3).strip()
    return found


def _words(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(_words(each) for each in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(repr(each) for each in schema["enum"])
    kind = schema.get("type")
    if kind == "array" and schema.get("items"):
        return f"a list in which each item is {_words(schema['items'])}"
    names = {"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false", "null": "null"}
    return names.get(str(kind), "a list" if kind == "array" else "an object" if kind == "object" else "anything")
