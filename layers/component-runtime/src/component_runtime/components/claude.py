"""`llm claude`: Anthropic's messages, translated from and to the shape that is used between our components."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..config import Part
from ..documents import as_text
from ..world import World
from .base import Message
from .llm import Model, Say, arguments_of, function_of

VERSION = "2023-06-01"
MAX_TOKENS = 4096


class Claude(Model):
    """Anthropic, or a server that speaks its protocol (`base_url`, `ANTHROPIC_BASE_URL`)."""

    vendor_name = "Anthropic"

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        self._key = self.options.secret("api_key")
        self._model = self.options.text("model", "claude-sonnet-4-20250514")
        self._most = int(self.options.number("max_tokens", MAX_TOKENS, 1, 10_000_000))
        told = world.environment.get("ANTHROPIC_BASE_URL", "")
        self._url = self.options.text("base_url", told or "https://api.anthropic.com").rstrip("/") + "/v1/messages"

    def complete(self, messages: List[Message], tools: List[Dict[str, Any]], say: Optional[Say]) -> Message:
        system, turns = to_claude(messages)
        body: Dict[str, Any] = {"model": self._model, "max_tokens": self._most, "messages": turns}
        if system:
            body["system"] = system
        if self.options.has("temperature"):
            body["temperature"] = self.options.number("temperature", 0, 0, 1)
        if tools:
            described = [function_of(tool) for tool in tools]
            body["tools"] = [
                {"name": each["name"], "description": each["description"], "input_schema": each["parameters"]}
                for each in described
            ]
        if say is not None:
            body["stream"] = True
        reply = self.vendor.ask(self._url, {"x-api-key": self._key, "anthropic-version": VERSION}, body)
        if say is not None:
            return from_claude(self._collect(self.vendor.event_objects(reply), say))
        content = self.vendor.json(reply).get("content")
        if not isinstance(content, list):
            raise self.vendor.failure("answered without content")
        return from_claude(content)

    def _collect(self, events: Iterator[Dict[str, Any]], say: Say) -> List[Dict[str, Any]]:
        blocks: Dict[int, Dict[str, Any]] = {}
        inputs: Dict[int, str] = {}
        finished = False
        for event in events:
            kind, index = event.get("type"), int(event.get("index") or 0)
            if kind == "content_block_start":
                blocks[index] = dict(event["content_block"])
            elif kind == "content_block_delta":
                delta = event["delta"]
                if delta.get("type") == "text_delta":
                    blocks[index]["text"] = blocks[index].get("text", "") + delta["text"]
                    say(delta["text"])
                elif delta.get("type") == "input_json_delta":
                    inputs[index] = inputs.get(index, "") + delta["partial_json"]
            elif kind == "message_stop":
                finished = True
        if not finished:
            raise self.vendor.failure("broke off in the middle of its answer")
        for index, text in inputs.items():
            if text.strip():
                blocks[index]["input"] = json.loads(text)
        return [block for _, block in sorted(blocks.items())]


def to_claude(messages: List[Message]) -> "Tuple[str, List[Dict[str, Any]]]":
    """The system prompt, and turns that alternate: what follows one another in the same role is one turn."""
    system: List[str] = []
    turns: List[Dict[str, Any]] = []
    for message in messages:
        role, text = message.get("role"), _text(message.get("content"))
        if role == "system":
            system.append(text)
            continue
        blocks: List[Dict[str, Any]] = []
        if role == "tool":
            blocks.append(
                {"type": "tool_result", "tool_use_id": str(message.get("tool_call_id")), "content": text or "(nothing)"}
            )
        elif text:
            blocks.append({"type": "text", "text": text})
        for call in message.get("tool_calls") or []:
            arguments = arguments_of(call)
            arguments = arguments if isinstance(arguments, dict) else {"text": arguments}
            blocks.append({"type": "tool_use", "id": str(call.get("id")), "name": call["function"]["name"], "input": arguments})
        side = "assistant" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == side:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": side, "content": blocks})
    return "\n\n".join(system), turns


def from_claude(content: List[Dict[str, Any]]) -> Message:
    """Text and tool calls of an answer; its other blocks (thinking, for one) are left out."""
    message: Message = {
        "role": "assistant",
        "content": "".join(block["text"] for block in content if block.get("type") == "text"),
    }
    calls = [
        {
            "id": str(block["id"]),
            "type": "function",
            "function": {"name": str(block["name"]), "arguments": json.dumps(block.get("input") or {})},
        }
        for block in content
        if block.get("type") == "tool_use"
    ]
    if calls:
        message["tool_calls"] = calls
        message["content"] = message["content"] or None
    return message


def _text(content: Any) -> str:
    """The text of a message, which may come in parts."""
    if isinstance(content, list):
        return "".join(as_text(part.get("text", "")) if isinstance(part, dict) else as_text(part) for part in content)
    return "" if content is None else as_text(content)
