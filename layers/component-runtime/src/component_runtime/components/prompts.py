"""The system prompt of a model or an agent: a file of the project with `{variables}`."""

from __future__ import annotations

import os
import re
from typing import Any, Dict

from ..config import Reference
from ..documents import as_text
from ..errors import StartError
from ..options import Options
from ..world import World

MAX_PROMPT = 1 << 20
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}|\{(\w+)\}")


class Prompt:
    """The text, read once at the start, and the values the configuration gives its variables."""

    def __init__(self, options: Options, world: World, default_file: str, default_text: str):
        table = options.mapping("prompt") if not isinstance(options.part.config.get("prompt"), str) else {}
        named = options.part.config.get("prompt") if not table else table.get("file")
        path = named if named is not None else default_file
        if not isinstance(path, str):
            raise options.wrong("prompt", "a dictionary with a `file`")
        self.text = default_text
        self.is_given = named is not None
        if named is not None or os.path.isfile(world.path(path)):
            try:
                with open(world.path(path), encoding="utf-8") as file:
                    self.text = file.read(MAX_PROMPT)
            except (OSError, UnicodeDecodeError) as problem:
                raise StartError(f"{options.part}: the prompt {path} cannot be read: {problem}") from None
        variables = table.get("variables") or {}
        if not isinstance(variables, dict):
            raise options.wrong("prompt.variables", "a dictionary")
        self._values = {key: as_text(value) for key, value in variables.items() if not isinstance(value, Reference)}

    def render(self, inputs: Dict[str, Any]) -> str:
        """The text with its variables put in, a request's `inputs` before the configuration's; unknown ones stay as they are."""
        values = {**self._values, **{str(key): as_text(value) for key, value in inputs.items()}}
        return _VARIABLE.sub(lambda match: values.get(match.group(1) or match.group(2), match.group(0)), self.text)
