"""Words for people."""

LONGEST = 80


def short(payload) -> str:
    return str(payload)[:LONGEST]
