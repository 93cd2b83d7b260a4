"""`agent llm`: asks its model what to do next, does it with its tools, and so on until the model has an answer."""

from __future__ import annotations

import contextvars
import re
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from .. import log
from ..config import Part
from ..documents import as_text
from ..errors import Failure, Refusal, StartError, ToolError
from ..streams import Stream
from ..world import World
from . import memory
from .base import Message, OneTool, Question
from .llm import MAX_TOOL_CALLS, arguments_of
from .prompts import Prompt

MAX_STEPS = 10
# The tools of peers are asked for again after this many seconds: another version may have taken their place.
TOOLS_KEPT = 60.0
LONGEST_OBSERVATION = 100_000
PARALLEL_CALLS = 8

INSTRUCTIONS = (
    "You fulfil the user's request step by step. Call tools whenever they can find out or do what you need, several at once where "
    "they do not depend on each other. When a tool reports an error, correct the call or find another way. When you know the "
    "answer, give it without calling any tool."
)

Tool = Tuple[Any, str, Dict[str, Any]]
"""Who offers it, its name there, and how it is described to the model."""


class Agent(OneTool):
    """The loop. What happens in it is told by events, and pipes may change it on the way."""

    response_event = "agent.response"

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        model = self.options.reference("model")
        if model is None:
            raise StartError(f"{part} needs the key `model`, the name of an llm component")
        self._model = world.resolve(model, part)
        named = [*self.options.references("tools"), *self.options.references("knowledge_base")]
        self._toolboxes = [(each.name, world.resolve(each, part)) for each in dict.fromkeys(named)]
        self._memory = world.optional(self.options.reference("memory"), part)
        self._prompt = Prompt(self.options, world, "prompts/defaults/agent.txt", INSTRUCTIONS)
        self._max_steps = int(self.options.number("max_steps", MAX_STEPS, 1, 1000))
        self._tools: Dict[str, Tool] = {}
        self._tools_until = 0.0
        self._lock = threading.Lock()
        for key in ("cache", "planning"):
            if self.options.has(key) and self.options.flag(key):
                log.warning(f"{part}: `{key}` has no effect in this runtime")

    def answer(self, question: Question, stream: Optional[Stream]) -> Any:
        try:
            text = self._loop(question, stream)
        except Refusal as problem:
            context = {"session_id": question.session_id, "input": question.input}
            kind = "timeout" if problem.status == 504 else type(problem).__name__
            self._emit("agent.error", {"error": str(problem), "error_type": kind, "context": context})
            raise
        if self._memory is not None:
            said = [{"role": "user", "content": question.input}, {"role": "assistant", "content": text}]
            memory.add(self._memory, question.session_id, said)
        return text

    def tool(self) -> Tuple[str, str, str]:
        """Asking it, as the one tool of another agent."""
        return self.part.name, f"Asks the agent {self.part.name}.", "input"

    def _loop(self, question: Question, stream: Optional[Stream]) -> str:
        tools = self._all_tools()
        described = [tool[2] for tool in tools.values()]
        messages: List[Message] = [{"role": "system", "content": self._prompt.render(question.inputs)}]
        if self._memory is not None:
            messages += memory.history(self._memory, question.session_id)
        messages.append({"role": "user", "content": question.input})
        deadline = time.monotonic() + self.world.settings.request_time
        for step in range(1, self._max_steps + 1):
            if time.monotonic() > deadline:
                raise Refusal(504, f"{self.part} did not finish within {self.world.settings.request_time:g} s")
            message = self._model.chat(messages, described, question.session_id, stream)
            calls = self._wanted(message)
            text = as_text(message.get("content") or "")
            if not calls:
                self._emit("agent.step_complete", {"step": step, "session_id": question.session_id})
                return text
            if stream is not None:
                stream.reset()
            if text:
                self._emit("agent.thought", {"thought": text})
            messages.append({"role": "assistant", "content": message.get("content"), "tool_calls": calls})
            observations = self._at_once([lambda call=call: self._act(call, tools) for call in calls])  # type: ignore[misc]
            for call, observation in zip(calls, observations):
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": observation})
            self._emit("agent.step_complete", {"step": step, "session_id": question.session_id})
        raise Refusal(500, f"{self.part} had no answer after {self._max_steps} steps (`max_steps`)")

    def _wanted(self, message: Message) -> List[Dict[str, Any]]:
        """The calls a message asks for. The model may be anybody's server, so they are checked."""
        calls = message.get("tool_calls") or []
        well_formed = isinstance(calls, list) and all(
            isinstance(call, dict) and isinstance(call.get("function"), dict) and isinstance(call["function"].get("name"), str)
            for call in calls
        )
        if not well_formed or len(calls) > MAX_TOOL_CALLS:
            raise Failure(f"the model of {self.part}", "asks for tools in a way that is not understood")
        return [{"type": "function", **call, "id": str(call.get("id") or f"call_{index}")} for index, call in enumerate(calls)]

    def _act(self, call: Dict[str, Any], tools: Dict[str, Tool]) -> str:
        """Calls one tool; whatever goes wrong is told to the model as the tool's answer."""
        name, arguments = call["function"]["name"], arguments_of(call)
        self._emit("agent.action", {"action": {"tool": name, "inputs": arguments, "id": call["id"]}})
        asked = self._emit("tool.call", {"tool": name, "args": arguments if isinstance(arguments, dict) else {}})
        changed = asked.get("args")
        try:
            if not isinstance(arguments, dict):
                raise ToolError("the arguments are not a JSON object")
            if name not in tools:
                raise ToolError(f"there is no tool `{name}`; there are: {', '.join(tools) or 'none'}")
            owner, inner, _ = tools[name]
            observation = as_text(owner.call(inner, changed if isinstance(changed, dict) else arguments))
        except (ToolError, Refusal) as problem:
            observation = f"Error: {problem}"
        if len(observation) > LONGEST_OBSERVATION:
            observation = observation[:LONGEST_OBSERVATION] + f"\n... ({len(observation)} characters, cut)"
        told = self._emit("tool.observation", {"tool": name, "observation": observation})
        return as_text(told.get("observation", observation))

    def _at_once(self, works: List[Callable[[], str]]) -> List[str]:
        """Does all of them, several at a time, and returns what they returned."""
        results: List[str] = ["Error: the tool was not called"] * len(works)
        slots = threading.Semaphore(PARALLEL_CALLS)

        def do(index: int) -> None:
            with slots:
                try:
                    results[index] = works[index]()
                except BaseException as problem:
                    log.error("a tool call failed", reason=log.describe(problem))
                    results[index] = f"Error: {type(problem).__name__}"

        others = [
            threading.Thread(target=contextvars.copy_context().run, args=(do, index), daemon=True, name="tool")
            for index in range(1, len(works))
        ]
        for thread in others:
            thread.start()
        do(0)
        for thread in others:
            thread.join()
        return results

    def _all_tools(self) -> Dict[str, Tool]:
        """The tools of all toolboxes under names that models accept; a name that two have is preceded by its toolbox's."""
        with self._lock:
            if self._tools_until > time.monotonic():
                return self._tools
        found = [(box, owner, tool) for box, owner in self._toolboxes for tool in owner.tools()]
        names = [tool["name"] for _, _, tool in found]
        tools: Dict[str, Tool] = {}
        for box, owner, tool in found:
            name = _allowed(tool["name"] if names.count(tool["name"]) == 1 else f"{box}__{tool['name']}")
            while name in tools:
                name = _allowed(f"{name[:60]}_{len(tools)}")
            parameters = tool.get("parameters")
            described = {
                "name": name,
                "description": str(tool.get("description") or ""),
                "parameters": parameters if isinstance(parameters, dict) else {"type": "object", "properties": {}},
            }
            tools[name] = (owner, tool["name"], described)
        with self._lock:
            self._tools, self._tools_until = tools, time.monotonic() + TOOLS_KEPT
        return tools

    def _emit(self, event: str, values: Dict[str, Any]) -> Dict[str, Any]:
        return self.world.events.emit(event, values)


def _allowed(name: str) -> str:
    """The name as OpenAI and Anthropic allow it."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "tool"
