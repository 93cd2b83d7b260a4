"""Tells hooks and pipes what happens in this component.

Hooks look: each is called with the payload as it was, all at the same time, and what they return or raise changes nothing.
Pipes change: one after the other, in their order; what one returns replaces the payload, unless it is `None`. One that raises is skipped.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional

from . import log, payloads, scripts
from .config import Component, Script
from .metrics import Metrics
from .pool import Pool

HOOK_THREADS = 16
HOOKS_WAITING = 1000
PIPE_SECONDS = 60.0
HOOK_SECONDS = 300.0


class Listener(NamedTuple):
    """A function that is called when an event happens: in this component, or in those that `component` names (`*` is any)."""

    component: Optional[str]
    event: str
    name: str
    function: Callable[..., Any]


Publish = Callable[[str, Dict[str, Any]], None]


class Events:
    """The hooks and pipes of this component, and the way to other components' hooks."""

    def __init__(self, component: Component, project: str, metrics: Metrics):
        self.component = component
        self.metrics = metrics
        self.hooks = [_listener(project, hook, "hook") for hook in component.hooks]
        self.pipes = [_listener(project, pipe, "pipe") for pipe in component.pipes]
        self.publish: Optional[Publish] = None
        self._pool = Pool("hook", HOOK_THREADS, HOOKS_WAITING)
        # A hook that blocks its loop must not hold up pipes.
        self._hook_loop = scripts.Loop("hooks")
        self._pipe_loop = scripts.Loop("pipes")

    def emit(self, event: str, values: Mapping[str, Any]) -> Dict[str, Any]:
        """Tells everybody, and returns the fields as the pipes left them."""
        part = self.component.part
        self.metrics.count("woodwork_events_total", event=event)
        if self.publish is None and not any(each.event == event for each in (*self.hooks, *self.pipes)):
            return dict(values)
        payload = payloads.create(event, values, part.name, f"{part.kind}.{part.type}")
        self._call_hooks([hook for hook in self.hooks if _hears(hook, part.name, event, own=True)], payload)
        payload = self._through_pipes(event, payload)
        result = payloads.values(payload) or {}
        if self.publish is not None:
            self.publish(event, result)
        return {**values, **result}

    def hear(self, component: str, component_type: str, event: str, values: Mapping[str, Any]) -> None:
        """An event of another component: only hooks that name the component are called."""
        hooks = [hook for hook in self.hooks if _hears(hook, component, event, own=False)]
        if hooks:
            self._call_hooks(hooks, payloads.create(event, values, component, component_type))

    def listens_to_others(self) -> bool:
        """Whether any hook is about other components."""
        return any(hook.component not in (None, self.component.part.name) for hook in self.hooks)

    def drain(self, deadline: float) -> bool:
        """Waits for hooks that are at work; false when some were left."""
        return self._pool.drain(deadline)

    def _call_hooks(self, hooks: List[Listener], payload: Any) -> None:
        for hook in hooks:
            if not self._pool.submit(self._hook_call(hook, payloads.snapshot(payload))):
                self.metrics.count("woodwork_errors_total", where="hook_dropped")
                log.warning("a hook was not called, too many are at work", hook=hook.name, event=hook.event)

    def _hook_call(self, hook: Listener, payload: Any) -> Callable[[], None]:
        def call() -> None:
            started = time.monotonic()
            try:
                self._hook_loop.call(hook.function, (payload,), {}, HOOK_SECONDS)
                log.debug("hook", hook=hook.name, event=hook.event, seconds=round(time.monotonic() - started, 3))
            except BaseException as problem:
                self.metrics.count("woodwork_errors_total", where="hook")
                log.error("a hook failed", hook=hook.name, event=hook.event, reason=log.describe(problem))

        return call

    def _through_pipes(self, event: str, payload: Any) -> Any:
        for pipe in self.pipes:
            if pipe.event != event:
                continue
            try:
                result = self._pipe_loop.call(pipe.function, (payload,), {}, PIPE_SECONDS)
                if result is None:
                    continue
                if payloads.values(result) is None:
                    raise TypeError(f"it returned {type(result).__name__}, which is neither a payload nor a dictionary")
                payload = result
            except BaseException as problem:
                self.metrics.count("woodwork_errors_total", where="pipe")
                log.error("a pipe failed and is skipped", pipe=pipe.name, event=event, reason=log.describe(problem))
        return payload


def _listener(project: str, script: Script, what: str) -> Listener:
    name = f"{script.script}::{script.function}"
    function = scripts.function(project, script.script, script.function, f"the {what} for `{script.event}`")
    component, colon, event = script.event.rpartition(":")
    if what == "pipe" or not colon:
        return Listener(None, script.event, name, function)
    return Listener(component, event, name, function)


def _hears(hook: Listener, component: str, event: str, own: bool) -> bool:
    named = hook.component in ("*", component) or (own and hook.component is None)
    return named and hook.event == event
