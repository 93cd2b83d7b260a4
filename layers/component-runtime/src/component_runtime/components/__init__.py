"""The kinds of components, each a class of one file; the table says which is which."""

from __future__ import annotations

import importlib
from typing import Any, Dict, Tuple

from ..config import Part
from ..errors import StartError

# The kind and type, the module and the class. Modules are imported when they are wanted: a container runs one or two.
KINDS: Dict[Tuple[str, str], Tuple[str, str]] = {
    ("api", "functions"): ("api_functions", "Functions"),
    ("api", "web"): ("api_web", "Web"),
    ("memory", "short_term"): ("memory", "ShortTerm"),
    ("knowledge_base", "chroma"): ("chroma", "Chroma"),
    ("knowledge_base", "text_file"): ("knowledge", "TextFile"),
    ("llm", "openai"): ("openai", "OpenAI"),
    ("llm", "claude"): ("claude", "Claude"),
    ("llm", "ollama"): ("ollama", "Ollama"),
    ("llm", "hugging_face"): ("hugging_face", "HuggingFace"),
    ("agent", "llm"): ("agent", "Agent"),
    ("mcp", "server"): ("mcp_server", "Server"),
    ("input", "api"): ("input_api", "Input"),
}


def build(part: Part, world: Any) -> Any:
    """The component of a part; `world` is what it lives in (`component_runtime.world.World`)."""
    place = KINDS.get((part.kind, part.type))
    if place is None:
        known = ", ".join(f"{kind} {kind_type}" for kind, kind_type in KINDS)
        raise StartError(f"{part} is of a kind that this runtime does not run; it runs {known}")
    module = importlib.import_module(f"{__name__}.{place[0]}")
    return getattr(module, place[1])(part, world)
