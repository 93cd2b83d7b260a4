"""Puts an answer into shape."""

#: Changed by the benchmark.
VERSION = "1"


def shape(payload):
    return payload
