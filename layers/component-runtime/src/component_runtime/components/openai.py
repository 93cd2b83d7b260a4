"""`llm openai`: chat completions, the shape that is also used between our components."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from ..config import Part
from ..world import World
from .base import Message
from .llm import Model, Say, function_of


class OpenAI(Model):
    """OpenAI, or any server that speaks its protocol (`base_url`, `OPENAI_BASE_URL`)."""

    vendor_name = "OpenAI"
    default_model = "gpt-4o-mini"
    default_url = "https://api.openai.com/v1"
    url_variable: Optional[str] = "OPENAI_BASE_URL"

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        self._key = self.options.secret("api_key")
        self._model = self.options.text("model", self.default_model)
        told = world.environment.get(self.url_variable, "") if self.url_variable else ""
        self._url = self.options.text("base_url", told or self.default_url).rstrip("/") + "/chat/completions"

    def complete(self, messages: List[Message], tools: List[Dict[str, Any]], say: Optional[Say]) -> Message:
        body: Dict[str, Any] = {"model": self._model, "messages": messages}
        for key, most in (("temperature", 2.0), ("top_p", 1.0), ("max_tokens", 1e7), ("max_completion_tokens", 1e7)):
            if self.options.has(key):
                number = self.options.number(key, 0, 0, most)
                body[key] = int(number) if key.endswith("tokens") else number
        if tools:
            body["tools"] = [{"type": "function", "function": function_of(tool)} for tool in tools]
        if say is not None:
            body["stream"] = True
        reply = self.vendor.ask(self._url, {"Authorization": f"Bearer {self._key}"}, body)
        if say is not None:
            return self._collect(self.vendor.event_objects(reply), say)
        choices = self.vendor.json(reply).get("choices")
        message = choices[0].get("message") if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
        if not isinstance(message, dict):
            raise self.vendor.failure("answered without a message")
        return self._message(message.get("content") or message.get("refusal"), message.get("tool_calls") or [])

    def _collect(self, pieces: Any, say: Say) -> Message:
        text: List[str] = []
        calls: Dict[int, Dict[str, Any]] = {}
        finished = False
        for piece in pieces:
            choices = piece.get("choices")
            if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
                continue  # The last piece of some servers counts tokens only.
            finished = finished or choices[0].get("finish_reason") is not None
            delta = choices[0].get("delta") or {}
            if isinstance(delta.get("content"), str):
                text.append(delta["content"])
                say(delta["content"])
            for part in delta.get("tool_calls") or []:
                call = calls.setdefault(int(part.get("index") or 0), {"id": "", "name": "", "arguments": ""})
                function = part.get("function") or {}
                call["id"] = call["id"] or part.get("id") or ""
                call["name"] += function.get("name") or ""
                call["arguments"] += function.get("arguments") or ""
        if not finished:
            raise self.vendor.failure("broke off in the middle of its answer")
        made = [
            {"id": call["id"], "function": {"name": call["name"], "arguments": call["arguments"]}}
            for _, call in sorted(calls.items())
        ]
        return self._message("".join(text), made)

    def _message(self, content: Any, calls: List[Any]) -> Message:
        message: Message = {"role": "assistant", "content": content}
        kept = []
        for index, call in enumerate(calls):
            function = call.get("function") if isinstance(call, dict) else None
            if not isinstance(function, dict) or not isinstance(function.get("name"), str):
                raise self.vendor.failure("wants a tool called, but does not say which")
            arguments = function.get("arguments")
            kept.append(
                {
                    "id": str(call.get("id") or f"call_{index}"),
                    "type": "function",
                    "function": {"name": function["name"], "arguments": arguments if isinstance(arguments, str) else "{}"},
                }
            )
        if kept:
            message["tool_calls"] = kept
        return message
