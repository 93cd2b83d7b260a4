"""What the agent can do: every function here is a tool, described by its annotations and its first lines."""

from datetime import datetime, timezone


def now() -> str:
    """Tells the time, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def add(a: float, b: float) -> float:
    """Adds two numbers."""
    return a + b
