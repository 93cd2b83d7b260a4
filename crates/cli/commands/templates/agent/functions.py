"""Tools of the agent: every function is one, described by its annotations and its docstring."""

from datetime import datetime, timezone


def now() -> str:
    """Returns the current time in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def add(a: float, b: float) -> float:
    """Adds two numbers."""
    return a + b
