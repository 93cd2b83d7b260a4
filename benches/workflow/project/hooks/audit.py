"""Keeps an account of what was done."""

from hooks.words import short


def audit(payload):
    print(f"audit: {short(payload)}", flush=True)
