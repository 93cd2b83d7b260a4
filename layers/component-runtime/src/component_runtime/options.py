"""Typed access to a component's configuration; what does not fit is told with the component and the key."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from .config import Part, Reference
from .errors import StartError


class Options:
    """The keys of one component. Numbers and booleans may be quoted, as the woodwork engine wants them."""

    def __init__(self, part: Part):
        self.part = part

    def has(self, key: str) -> bool:
        return self.part.config.get(key) is not None

    def text(self, key: str, default: Optional[str] = None) -> str:
        """A text; without a default it is required, and must not be empty."""
        value = self.part.config.get(key, default)
        if value is None or (value == "" and default is None):
            raise StartError(f"{self.part} needs the key `{key}`")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise self.wrong(key, "a text")
        return value

    def secret(self, key: str) -> str:
        """A text that goes into a header; the newline that files of secrets often end with is not part of it."""
        value = self.text(key).strip()
        if not value or not value.isascii() or not value.isprintable():
            raise self.wrong(key, "a text in one line without odd characters")
        return value

    def number(self, key: str, default: float, least: float, most: float) -> float:
        value = self.part.config.get(key, default)
        try:
            number = float("" if isinstance(value, bool) else value)
        except (TypeError, ValueError, OverflowError):
            raise self.wrong(key, "a number") from None
        if not least <= number <= most:
            raise self.wrong(key, f"from {least:g} to {most:g}")
        return number

    def flag(self, key: str, default: bool = False) -> bool:
        value = self.part.config.get(key, default)
        word = str(value).lower()
        if word not in ("true", "false"):
            raise self.wrong(key, "true or false")
        return word == "true"

    def mapping(self, key: str) -> Dict[str, Any]:
        value = self.part.config.get(key) or {}
        if not isinstance(value, dict):
            raise self.wrong(key, "a dictionary")
        return value

    def reference(self, key: str) -> Optional[Reference]:
        value = self.part.config.get(key)
        if value is not None and not isinstance(value, Reference):
            raise self.wrong(key, "the name of a component")
        return value

    def references(self, key: str) -> List[Reference]:
        value = self.part.config.get(key)
        values = [] if value is None else value if isinstance(value, list) else [value]
        if not all(isinstance(item, Reference) for item in values):
            raise self.wrong(key, "a list of components' names")
        return values

    def wrong(self, key: str, expected: str) -> StartError:
        """The key is there, and its value is not what it must be; the value may be a secret and is not shown."""
        return StartError(f"{self.part}: the key `{key}` must be {expected}")
