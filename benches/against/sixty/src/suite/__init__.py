"""A service that has grown."""

VERSION = "1"
