"""Runs one component of a woodwork project in a container, with nothing but the standard library."""

__version__ = "1"
