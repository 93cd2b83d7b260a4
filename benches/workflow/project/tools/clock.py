"""The time."""

from datetime import datetime, timezone


def now() -> str:
    """Tells the time, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
