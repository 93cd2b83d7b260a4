"""A whole workflow over real sockets: an input, an agent, its model and its tools, each a process."""

import unittest

from support import SECRET, Case, OpenAI, events, tool_call

FUNCTIONS = '''
"""Tools."""
from os.path import join  # Imported functions are not offered.


def add(a: int, b: int = 1) -> int:
    """Adds two whole numbers.

    Args:
        a: the first one
        b (int): the second one
    """
    return a + b


async def greet(name: str) -> str:
    """Greets somebody."""
    return f"Hello, {name}!"


def fail() -> None:
    raise SystemExit(3)


def _hidden():
    pass
'''


class Workflow(Case):
    def functions(self):
        self.write("tools/functions.py", FUNCTIONS)
        return self.start(self.describe("tools", "api", "functions", {"path": "tools/functions.py"}))

    def model(self, vendor, config=None, **more):
        config = {"api_key": {"$env": "OPENAI_API_KEY"}, **(config or {})}
        path = self.describe("model", "llm", "openai", config, environment=["OPENAI_API_KEY"], **more)
        return self.start(path, OPENAI_API_KEY=SECRET, OPENAI_BASE_URL=f"{vendor.url}/v1")

    def agent(self, model, tools, **more):
        config = {"model": {"$ref": "model"}, "tools": [{"$ref": "tools"}]}
        return self.start(self.describe("assistant", "agent", "llm", config, **more), peers={"model": model, "tools": tools})

    def test_functions_are_tools(self):
        tools = self.functions()
        described = {tool["name"]: tool for tool in tools.get("/tools").json}
        self.assertEqual(sorted(described), ["add", "fail", "greet"])
        self.assertEqual(described["add"]["description"], "Adds two whole numbers.")
        self.assertEqual(
            described["add"]["parameters"],
            {
                "type": "object",
                "properties": {
                    "a": {"type": "integer", "description": "the first one"},
                    "b": {"type": "integer", "description": "the second one", "default": 1},
                },
                "required": ["a"],
                "additionalProperties": False,
            },
        )
        for name, arguments, expected in [
            ("add", {"a": 2, "b": 3}, {"result": 5}),
            ("add", {"a": 2}, {"result": 3}),
            ("greet", {"name": "Ada"}, {"result": "Hello, Ada!"}),
            ("add", {"a": "2"}, {"error": "the argument `a` is not a whole number"}),
            ("add", {}, {"error": "missing arguments: a"}),
            ("add", {"a": 1, "c": 1}, {"error": "unknown arguments: c; there are: a, b"}),
            ("join", {}, {"error": "there is no tool `join`; there are: add, greet, fail"}),
            ("fail", {}, {"error": "SystemExit: 3"}),
        ]:
            with self.subTest(name=name, arguments=arguments):
                answer = tools.post("/call", {"name": name, "arguments": arguments})
                self.assertEqual((answer.status, answer.json), (200, expected))

    def test_an_input_names_a_tool(self):
        tools = self.functions()
        self.assertEqual(tools.ask("add", inputs={"a": 1, "b": 2})["output"], "3")
        answer = tools.post("/input", {"input": "what?"})
        self.assertEqual((answer.status, answer.json["error"]), (422, "there is no tool `what?`; there are: add, greet, fail"))
        begun = tools.post("/input", {"input": "fail", "stream": True}).json
        self.assertEqual(events(tools.port, f"/stream/{begun['stream']}"), [(1, "error", {"error": "SystemExit: 3"})])

    def test_a_model_answers_and_remembers(self):
        vendor = OpenAI(self, "Hello.", "Again.")
        self.write("prompts/polite.txt", "Be {manner} to {who}.")
        model = self.model(
            vendor,
            {"memory": {"$ref": "mem"}, "prompt": {"file": "prompts/polite.txt", "variables": {"manner": "kind"}}},
            folded=[{"name": "mem", "kind": "memory", "type": "short_term", "config": {}}],
        )
        first = model.ask("Hi", inputs={"who": "Ada"})
        self.assertEqual(first["output"], "Hello.")
        self.assertEqual(model.ask("And?", session_id=first["session_id"])["output"], "Again.")
        self.assertEqual(vendor.requests[0]["body"]["model"], "gpt-4o-mini")
        self.assertEqual(
            vendor.requests[1]["body"]["messages"],
            [
                {"role": "system", "content": "Be kind to {who}."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Hello."},
                {"role": "user", "content": "And?"},
            ],
        )
        self.assertEqual(vendor.requests[0]["body"]["messages"][0]["content"], "Be kind to Ada.")

    def test_input_agent_model_tools(self):
        calls = {"content": "I add.", "tool_calls": [tool_call("add", {"a": 2, "b": 3}), tool_call("fail", {}, "call_2")]}
        vendor = OpenAI(self, calls, "It is 5.", calls, "It is 5.")
        agent = self.agent(self.model(vendor), self.functions())
        entry = self.start(
            self.describe("entry", "input", "api", {"port": 0}, routes=["assistant"]), peers={"assistant": agent}
        )
        answer = entry.ask("2 + 3?", session_id="s1")
        self.assertEqual(answer, {"output": "It is 5.", "session_id": "s1"})
        messages = vendor.requests[1]["body"]["messages"]
        self.assertEqual([message["role"] for message in messages], ["system", "user", "assistant", "tool", "tool"])
        self.assertEqual([message["content"] for message in messages[3:]], ["5", "Error: SystemExit: 3"])
        self.assertEqual([tool["function"]["name"] for tool in vendor.requests[0]["body"]["tools"]], ["add", "greet", "fail"])
        # The same once more, as a stream through all three.
        begun = entry.post("/input", {"input": "2 + 3?", "stream": True}).json
        self.assertIsNone(begun["output"])
        came = events(entry.port, f"/stream/{begun['stream']}")
        names = [name for _, name, _ in came]
        self.assertEqual(names[-1], "final")
        self.assertEqual(came[-1][2]["output"], "It is 5.")
        after = len(names) - names[::-1].index("reset")
        self.assertEqual("".join(data["data"] for _, name, data in came[after:] if name == "chunk"), "It is 5.")
        # Going on where a connection was lost.
        again = events(entry.port, f"/stream/{begun['stream']}", headers={"Last-Event-ID": str(came[-3][0])})
        self.assertEqual(again, came[-2:])

    def test_vm_server_path(self):
        vendor = OpenAI(self, "Hello.")
        model = self.model(vendor)
        self.assertEqual(model.post("/model/input", {"value": "Hi"}).json, "Hello.")
        self.assertEqual(model.post("/other/input", {"value": "Hi"}).status, 404)


if __name__ == "__main__":
    unittest.main()
