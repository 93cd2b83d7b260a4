"""The three ways in which things go wrong: at the start, for one request, and at somebody else's."""

from __future__ import annotations

from typing import Mapping, Optional

# `EX_CONFIG` of sysexits.h: the container is set up wrongly, starting it again will not help.
EXIT_CONFIG = 78


class StartError(Exception):
    """The component cannot start as it is set up; ends the process with `EXIT_CONFIG`."""


class Refusal(Exception):
    """A request is answered with a status other than success, and with a sentence that says why."""

    def __init__(self, status: int, message: str, headers: Optional[Mapping[str, str]] = None):
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


class Failure(Refusal):
    """Somebody this component depends on did not do what was asked: 502, or 504 when it took too long."""

    def __init__(self, who: str, what: str, timed_out: bool = False):
        super().__init__(504 if timed_out else 502, f"{who} {what}")


class ToolError(Exception):
    """A tool was called wrongly or failed; the text is for the model that called it."""
