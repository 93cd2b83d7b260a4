"""One line on standard error for each thing worth telling, as text or as JSON, without secrets.

The standard `logging` is set up so that what the project's own scripts log comes out the same way.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
import traceback
from typing import Any, Dict

from . import trace
from .secrets import scrub

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
}
# Longer lines are cut: container engines split them, and nobody reads them.
LONGEST = 8000

_logger = logging.getLogger("component_runtime")


def set_up(component: str, level: str, as_json: bool) -> None:
    """Sends every record of the process to standard error; unknown levels mean `info`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(component, as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS.get(level.strip().lower(), logging.INFO))
    logging.raiseExceptions = False
    # Python would print tracebacks, in many lines and with whatever values are in them.
    sys.excepthook = lambda _, problem, __: error("the component failed", reason=describe(problem))
    threading.excepthook = lambda told: error("a thread failed", reason=describe(told.exc_value or told.exc_type()))


def debug(text: str, **fields: Any) -> None:
    """What helps to find a mistake in a project."""
    _logger.debug(text, extra={"fields": fields})


def info(text: str, **fields: Any) -> None:
    """What an operator wants to see."""
    _logger.info(text, extra={"fields": fields})


def warning(text: str, **fields: Any) -> None:
    """What went wrong without hurting a request."""
    _logger.warning(text, extra={"fields": fields})


def error(text: str, **fields: Any) -> None:
    """What hurt a request or ends the process."""
    _logger.error(text, extra={"fields": fields})


def summary(problem: BaseException) -> str:
    """An exception's type and text. Secrets are scrubbed."""
    try:
        text = str(problem)
    except BaseException:  # An exception whose own text fails is still told by its type.
        text = ""
    return scrub(f"{type(problem).__name__}{': ' if text else ''}{text}")


def describe(problem: BaseException) -> str:
    """An exception's type and text, and the line of code it comes from. Secrets are scrubbed."""
    frames = traceback.extract_tb(problem.__traceback__)
    return summary(problem) + (scrub(f" ({frames[-1].filename}:{frames[-1].lineno})") if frames else "")


class _Formatter(logging.Formatter):
    """Time, level, component, text, fields; what an exception adds comes in the same line."""

    def __init__(self, component: str, as_json: bool):
        super().__init__()
        self.component = component
        self.as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        fields: Dict[str, Any] = dict(getattr(record, "fields", None) or {})
        if record.name != _logger.name:
            fields["logger"] = record.name
        if record.exc_info and record.exc_info[1] is not None:
            fields["exception"] = describe(record.exc_info[1])
        request = trace.current()
        if request is not None:
            fields.setdefault("request_id", request.request_id)
        try:
            text = record.getMessage()
        except Exception:  # Arguments that do not fit their format are a mistake of the caller, and no reason to lose the line.
            text = str(record.msg)
        milliseconds = int(record.created * 1000) % 1000
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{milliseconds:03d}Z"
        return self._line(moment, record.levelname.lower(), text, fields)

    def _line(self, moment: str, level: str, text: str, fields: Dict[str, Any]) -> str:
        text = scrub(text)[:LONGEST]
        told = {key: scrub(str(value))[:LONGEST] for key, value in fields.items()}
        if self.as_json:
            whole = {"time": moment, "level": level, "component": self.component, "message": text, **told}
            return json.dumps(whole, ensure_ascii=True)
        words = "".join(f" {key}={_quoted(value)}" for key, value in told.items())
        return _one_line(f"{moment} {level:7} {self.component}: {text}{words}")


def _quoted(value: str) -> str:
    return json.dumps(value) if not value or set(value) & set(' "\n=') else value


def _one_line(text: str) -> str:
    plain = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return plain.encode("utf-8", "backslashreplace").decode("utf-8")
