"""Keeps the values of secrets out of everything that is written or answered.

Whoever reads a secret has it learned here; logs and the texts of errors are scrubbed on their way out.
"""

from __future__ import annotations

import json
import threading
from typing import Any, FrozenSet, Iterable
from urllib.parse import quote, urlsplit

# Shorter values would hide ordinary words ("on", "8000") and keep no secret.
SHORTEST = 5
HIDDEN = "***"

_values: FrozenSet[str] = frozenset()
_ordered: "list[str]" = []
_lock = threading.Lock()


def learn(*values: Any) -> None:
    """Has these values, as text and in the spellings they take in JSON and in URLs, hidden from now on."""
    global _values, _ordered
    with _lock:
        known = set(_values)
        for value in values:
            known.update(_spellings(str(value)))
        _values = frozenset(known)
        # The longest first: one secret may begin with another.
        _ordered = sorted(known, key=len, reverse=True)


def learn_url(url: str) -> None:
    """Has the password in a URL hidden."""
    try:
        learn(urlsplit(url).password or "")
    except ValueError:
        learn(url)


def scrub(text: str) -> str:
    """The text without any secret in it."""
    for value in _ordered:
        if value in text:
            text = text.replace(value, HIDDEN)
    return text


def _spellings(value: str) -> Iterable[str]:
    stripped = value.strip()
    forms = {value, stripped, json.dumps(stripped)[1:-1], repr(stripped)[1:-1], quote(stripped), quote(stripped, safe="")}
    return (form for form in forms if len(form) >= SHORTEST)
