"""A small forecast from a lot of libraries."""

GREETING = "A forecast, run 0"
