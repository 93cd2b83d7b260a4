"""`api functions`: the functions of one of the project's Python files, as tools."""

from __future__ import annotations

import inspect
from typing import Any, Callable, Dict, List

from .. import log, scripts
from ..config import Part
from ..errors import StartError, ToolError
from ..world import World
from . import signatures
from .base import Base


class Functions(Base):
    """Offers the functions that the file defines: not those it imports, and none whose name begins with an underscore."""

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        path = self.options.text("path")
        module = scripts.load(world.project, path, str(part))
        self._functions: Dict[str, Callable[..., Any]] = {
            name: found
            for name, found in vars(module).items()
            if inspect.isfunction(found) and found.__module__ == module.__name__ and not name.startswith("_")
        }
        if not self._functions:
            raise StartError(f"{part}: {path} defines no function (names that begin with an underscore are not offered)")
        self._signatures = {name: signatures.Signature(found) for name, found in self._functions.items()}
        self._loop = scripts.Loop("functions")

    def tools(self) -> List[Dict[str, Any]]:
        return [
            {"name": name, "description": signature.description, "parameters": signature.schema}
            for name, signature in self._signatures.items()
        ]

    def call(self, name: str, arguments: Dict[str, Any]) -> Any:
        function = self._functions.get(name)
        if function is None:
            raise ToolError(f"there is no tool `{name}`; there are: {', '.join(self._functions)}")
        args, keywords = self._signatures[name].bind(arguments)
        try:
            return self._loop.call(function, args, keywords, self.world.settings.tool_time)
        except BaseException as problem:  # exit() in a function ends the call, not the component.
            self.world.metrics.count("woodwork_errors_total", where="tool")
            log.error("a function failed", function=name, reason=log.describe(problem))
            raise ToolError(log.summary(problem)) from None
