"""`llm ollama`: a model on a server of one's own, reached through Ollama's chat interface."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

from ..config import Part
from ..world import World
from .base import Message
from .llm import Model, Say, arguments_of, function_of

PORT = 11434


class Ollama(Model):
    """Where the server is: the key `base_url`, else `OLLAMA_HOST`, else this machine."""

    vendor_name = "Ollama"

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        self._model = self.options.text("model")
        host = self.options.text("base_url", world.environment.get("OLLAMA_HOST") or f"http://127.0.0.1:{PORT}")
        self._url = server_url(host) + "/api/chat"

    def complete(self, messages: List[Message], tools: List[Dict[str, Any]], say: Optional[Say]) -> Message:
        body: Dict[str, Any] = {"model": self._model, "messages": to_ollama(messages), "stream": say is not None}
        if tools:
            body["tools"] = [{"type": "function", "function": function_of(tool)} for tool in tools]
        options: Dict[str, Any] = {}
        if self.options.has("temperature"):
            options["temperature"] = self.options.number("temperature", 0, 0, 2)
        if self.options.has("max_tokens"):
            options["num_predict"] = int(self.options.number("max_tokens", 0, 1, 10_000_000))
        if options:
            body["options"] = options
        reply = self.vendor.ask(self._url, {}, body)
        if say is None:
            return self._message([self.vendor.json(reply)])
        pieces = []
        for piece in self.vendor.line_objects(reply):
            pieces.append(piece)
            said = piece["message"].get("content")
            if said:
                say(said)
        return self._message(pieces)

    def _message(self, pieces: List[Dict[str, Any]]) -> Message:
        if not pieces or not pieces[-1].get("done", True):
            raise self.vendor.failure("broke off in the middle of its answer")
        message: Message = {"role": "assistant", "content": "".join(piece["message"].get("content") or "" for piece in pieces)}
        wanted = [call for piece in pieces for call in piece["message"].get("tool_calls") or []]
        # Ollama gives its calls no ids; they are numbered so that results can be matched.
        calls = [
            {
                "id": f"call_{index}",
                "type": "function",
                "function": {
                    "name": str(call["function"]["name"]),
                    "arguments": json.dumps(call["function"].get("arguments") or {}),
                },
            }
            for index, call in enumerate(wanted)
        ]
        if calls:
            message["tool_calls"] = calls
        return message


def to_ollama(messages: List[Message]) -> List[Dict[str, Any]]:
    """Arguments of calls are objects there, and results name their tool instead of their call."""
    names: Dict[str, str] = {}
    translated = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        other: Dict[str, Any] = {"role": message.get("role"), "content": content or ""}
        calls = message.get("tool_calls") or []
        if calls:
            other["tool_calls"] = []
        for call in calls:
            name, arguments = call["function"]["name"], arguments_of(call)
            names[str(call.get("id"))] = name
            arguments = arguments if isinstance(arguments, dict) else {"text": arguments}
            other["tool_calls"].append({"function": {"name": name, "arguments": arguments}})
        if message.get("role") == "tool":
            other["tool_name"] = names.get(str(message.get("tool_call_id")), "")
        translated.append(other)
    return translated


def server_url(host: str) -> str:
    """The URL for what `OLLAMA_HOST` may hold: a URL, a host, a host with a port, or the address a server listens on."""
    scheme, _, rest = host.rpartition("://")
    rest = rest.rstrip("/")
    name, path = (rest.split("/", 1) + [""])[:2]
    if name.startswith(":"):
        name = "127.0.0.1" + name
    if ":" not in name.rpartition("]")[2]:
        # A URL without a port means the one of its scheme, a bare host that of Ollama.
        name += "" if scheme else f":{PORT}"
    if name.startswith("0.0.0.0:"):
        name = "127.0.0.1:" + name[len("0.0.0.0:") :]
    return f"{scheme or 'http'}://{name}{'/' + path if path else ''}"
