"""JSON as it comes from others and as it goes to them: bounded in depth, without what only Python understands."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence, Set
from typing import Any

DEEPEST = 100


def parse(data: bytes) -> Any:
    """Reads JSON; everything that is none is a `ValueError` with a short reason."""
    try:
        value = json.loads(data.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _depth(value) > DEEPEST:
        raise ValueError("it is nested too deeply")
    return value


def write(value: Any) -> bytes:
    """Writes JSON in ASCII; what JSON cannot hold becomes text."""
    return json.dumps(plain(value), ensure_ascii=True, allow_nan=False).encode("ascii")


def plain(value: Any, depth: int = 0) -> Any:
    """The same value made of what JSON knows. Objects of the project's own functions may be anything."""
    if value is None or isinstance(value, (bool, str)):
        # Subclasses (enumerations, for one) are told by their plain value.
        return value if value is None or isinstance(value, bool) else str.__str__(value)
    if isinstance(value, int):
        # Python refuses to write very long numbers in decimal.
        return int(value) if value.bit_length() < 4096 else hex(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(value)
    if depth >= DEEPEST:
        return "..."
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name, None), depth + 1) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else str(key): plain(each, depth + 1) for key, each in value.items()}
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, (Sequence, Set)):
        return [plain(each, depth + 1) for each in value]
    return str(value)


def as_text(value: Any) -> str:
    """A text for a reader or a model: texts as they are, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _depth(value: Any) -> int:
    deepest = 0
    level = [value]
    while level and deepest <= DEEPEST:
        deepest += 1
        level = [child for item in level for child in _children(item)]
    return deepest


def _children(item: Any) -> Any:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list) else ()
