"""Loads the project's own Python files, and calls what is in them, whether it is `async` or not."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import inspect
import os
import sys
import threading
from concurrent.futures import TimeoutError as FutureTimeout
from types import ModuleType
from typing import Any, Callable, Dict, Optional, cast

from . import log, paths
from .errors import StartError

_modules: Dict[str, ModuleType] = {}


def load(project: str, script: str, user: str) -> ModuleType:
    """Runs a file of the project as a module, once. `user` says in errors who wants it."""
    path = os.path.realpath(os.path.join(project, script))
    if path in _modules:
        return _modules[path]
    if not os.path.isfile(path):
        raise StartError(f"{user}: the file {script} is not in {project}")
    paths.add(os.path.dirname(path))
    # A name of its own: two files of the same name in different folders are two modules.
    stem = os.path.splitext(os.path.basename(path))[0]
    name = f"_project_{hashlib.sha256(path.encode()).hexdigest()[:12]}_{stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StartError(f"{user}: {script} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as problem:  # A script may as well call exit().
        del sys.modules[name]
        raise StartError(f"{user}: {script} cannot be loaded: {log.describe(problem)}") from None
    _modules[path] = module
    return module


def function(project: str, script: str, name: str, user: str) -> Callable[..., Any]:
    """A function of one of the project's files."""
    found: Any = getattr(load(project, script, user), name, None)
    if not callable(found):
        raise StartError(f"{user}: {script} has no function `{name}`")
    return cast("Callable[..., Any]", found)


class Loop:
    """An event loop in a thread of its own, for `async` functions: they keep their clients and locks between calls."""

    def __init__(self, name: str):
        self._name = name
        self._lock = threading.Lock()
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    def call(self, function: Callable[..., Any], args: "tuple[Any, ...]", keywords: Dict[str, Any], seconds: float) -> Any:
        """Calls the function here; what it wants awaited is awaited in the loop, for so long."""
        result = function(*args, **keywords)
        if not inspect.isawaitable(result):
            return result
        # Exceptions that would end the loop's thread come back as a value.
        future = asyncio.run_coroutine_threadsafe(_outcome(result), self._running())
        try:
            value, problem = future.result(seconds)
        except (asyncio.TimeoutError, TimeoutError, FutureTimeout):
            future.cancel()
            raise TimeoutError(f"it did not finish within {seconds:g} s") from None
        if problem is not None:
            raise problem
        return value

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, daemon=True, name=f"loop-{self._name}").start()
            return self._loop


async def _outcome(awaitable: Any) -> "tuple[Any, Optional[BaseException]]":
    try:
        return await awaitable, None
    except asyncio.CancelledError:
        raise
    except BaseException as problem:
        return None, problem
