"""Makes the payloads that hooks and pipes see, and reads what pipes return.

The classes are those of `woodwork.types`: the engine's own when it is installed, else the stand-ins. Scripts check with `isinstance`.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from typing import Any, Dict, Optional

from . import log, paths

_NAMES = {
    "input.received": "InputReceivedPayload",
    "agent.thought": "AgentThoughtPayload",
    "agent.action": "AgentActionPayload",
    "tool.call": "ToolCallPayload",
    "tool.observation": "ToolObservationPayload",
    "agent.step_complete": "AgentStepCompletePayload",
    "agent.error": "AgentErrorPayload",
}


def create(event: str, values: Mapping[str, Any], component: str, component_type: str) -> Any:
    """The payload of an event; `values` are its fields, or the `data` of an event without a class of its own."""
    fields: Dict[str, Any] = dict(values) if event in _NAMES else {"data": dict(values)}
    fields.update(component_id=component, component_type=component_type)
    name = _NAMES.get(event, "GenericPayload")
    for module in (_engine(), _own()):
        try:
            return getattr(module, name)(**fields)
        except (AttributeError, TypeError, ValueError):
            continue  # An engine of another version than the one these names are from.
    raise AssertionError(f"the stand-in has no {name}")


def values(payload: Any) -> Optional[Dict[str, Any]]:
    """The fields of a payload, or of a dictionary in its place; nothing when it is neither."""
    if dataclasses.is_dataclass(payload) and not isinstance(payload, type):
        fields = {field.name: getattr(payload, field.name, None) for field in dataclasses.fields(payload)}
    elif isinstance(payload, Mapping):
        fields = dict(payload)
    elif hasattr(payload, "to_dict"):
        fields = dict(payload.to_dict())
    else:
        return None
    data = fields.pop("data", None)
    return {**fields, **data} if isinstance(data, Mapping) else fields if data is None else {**fields, "data": data}


def snapshot(payload: Any) -> Any:
    """A copy for those who only look, so that pipes can change the payload meanwhile."""
    try:
        return copy.deepcopy(payload)
    except Exception:  # Something in it cannot be copied; then it is shared.
        return payload


@functools.lru_cache(maxsize=None)
def _engine() -> Any:
    try:
        return importlib.import_module("woodwork.types")
    except BaseException as problem:  # An engine that cannot be imported here, for whatever reason, is as good as none.
        log.warning("woodwork.types cannot be imported; payloads are this runtime's own", reason=log.describe(problem))
        return None


@functools.lru_cache(maxsize=None)
def _own() -> Any:
    """The stand-in's classes under a name of their own, for when the engine hides them."""
    path = os.path.join(paths.COMPAT, "woodwork", "types", "events.py")
    spec = importlib.util.spec_from_file_location("_woodwork_stand_in", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
