"""Hooks and pipes: what they see, what they change, and that their mistakes stay theirs."""

import json
import os
import shutil
import socket
import subprocess
import time
import unittest

from support import SECRET, Case, OpenAI, tool_call

SCRIPT = """
import asyncio, json, threading, time
from pathlib import Path
from neighbour import MARK
from woodwork.types import GenericPayload, InputReceivedPayload
from woodwork.payloads import ToolCallPayload

HERE = Path(__file__).parent
lock = threading.Lock()


def note(payload):
    with lock, open(HERE / "seen.txt", "a") as file:
        file.write(json.dumps(payload.to_dict(), default=str) + "\\n")


async def note_later(payload):
    await asyncio.sleep(0.01)
    note(payload)


def shout(payload):
    assert isinstance(payload, InputReceivedPayload), type(payload)
    payload.input = payload.input.upper() + MARK
    return payload


async def ask_nicely(payload):
    await asyncio.sleep(0)
    return {**payload, "input": payload["input"] + ", please", "unknown": 1}


def nothing(payload):
    return None


def odd(payload):
    return 42


def broken(payload):
    raise ValueError("no")


def leave(payload):
    raise SystemExit(1)


def block(payload):
    time.sleep(3600)


async def block_loop(payload):
    time.sleep(3600)


def double(payload):
    assert isinstance(payload, ToolCallPayload)
    payload.args["a"] *= 2
    return payload


def politely(payload):
    assert isinstance(payload, GenericPayload)
    return GenericPayload(data={**payload.data, "response": payload.data["response"] + " Regards."})
"""


def hook(event, function):
    return {"event": event, "script": "hooks/scripts.py", "function": function}


class Events(Case):
    def setUp(self):
        super().setUp()
        self.write("hooks/scripts.py", SCRIPT)
        self.write("hooks/neighbour.py", "MARK = '!'\n")
        # Names of the standard library in the project must not get in the way.
        self.write("json.py", "raise RuntimeError('the wrong json')\n")
        self.write("secrets.py", "raise RuntimeError('the wrong secrets')\n")

    def echo(self, **more):
        """A component that answers with its input: the memory of a session that is new."""
        return self.start(self.describe("mem", "memory", "short_term", **more))

    def seen(self, count):
        path = self.folder / "hooks/seen.txt"
        lines = self.eventually(
            f"{count} events", lambda: path.exists() and len(path.read_text().splitlines()) >= count and path.read_text()
        )
        return [json.loads(line) for line in lines.splitlines()]

    def test_pipes_change_what_hooks_only_see(self):
        pipes = [hook("input.received", name) for name in ("nothing", "broken", "shout", "odd", "leave", "ask_nicely")]
        hooks = [hook("input.received", name) for name in ("note", "note_later", "broken")]
        echo = self.echo(pipes=[*pipes, hook("component.response", "politely")], hooks=hooks)
        self.assertEqual(echo.ask("hello", session_id="s")["output"], "user: HELLO!, please Regards.")
        for payload in self.seen(2):
            self.assertEqual((payload["input"], payload["session_id"]), ("hello", "s"))
            self.assertEqual((payload["component_id"], payload["component_type"]), ("mem", "memory.short_term"))
            self.assertAlmostEqual(payload["timestamp"], time.time(), delta=60)
        self.assertEqual(echo.metric('woodwork_errors_total{where="pipe"}'), 3)
        self.eventually("the hook is counted", lambda: echo.metric('woodwork_errors_total{where="hook"}') == 1)
        self.assertEqual(echo.metric('woodwork_events_total{event="input.received"}'), 1)
        self.assertIn("scripts.py:", echo.wait_for_line("a pipe failed"))

    def test_threads_that_fail_are_told_in_one_line_without_secrets(self):
        text = "import os, threading\ndef fail():\n    raise ValueError(os.environ['KEY'])\nthreading.Thread(target=fail).start()\n"
        self.write("hooks/thread.py", text + "def seen(payload):\n    pass\n")
        told = {"event": "input.received", "script": "hooks/thread.py", "function": "seen"}
        path = self.describe("mem", "memory", "short_term", {"key": {"$env": "KEY"}}, hooks=[told])
        echo = self.start(path, KEY=SECRET)
        self.assertIn("ValueError: ***", echo.wait_for_line("a thread failed"))
        echo.stop()
        self.assertNotIn(SECRET, "".join(echo.log))

    def test_hooks_that_block_hold_up_nobody(self):
        hooks = [hook("input.received", "block"), hook("input.received", "block_loop"), hook("input.received", "note")]
        echo = self.start(
            self.describe("mem", "memory", "short_term", hooks=hooks, pipes=[hook("input.received", "ask_nicely")]),
            WOODWORK_GRACE="1",
        )
        for index in range(30):
            self.assertEqual(echo.ask("x", session_id=str(index))["output"], "user: x, please")
        self.assertEqual(echo.stop(), 0)

    def test_an_agent_tells_all_it_does(self):
        self.write("f.py", "def add(a: int) -> int:\n    return a + 1\n")
        tools = self.start(self.describe("tools", "api", "functions", {"path": "f.py"}))
        vendor = OpenAI(self, {"content": "Adding.", "tool_calls": [tool_call("add", {"a": 5})]}, "Eleven.")
        config = {"api_key": {"$env": "KEY"}}
        model = self.start(self.describe("model", "llm", "openai", config), KEY=SECRET, OPENAI_BASE_URL=f"{vendor.url}/v1")
        names = [
            "agent.thought",
            "agent.action",
            "tool.call",
            "tool.observation",
            "agent.step_complete",
            "agent.response",
            "input.received",
        ]
        agent = self.start(
            self.describe(
                "assistant", "agent", "llm", {"model": {"$ref": "model"}, "tools": [{"$ref": "tools"}], "max_steps": "2"},
                hooks=[hook(name, "note") for name in names], pipes=[hook("tool.call", "double")],
            ),
            peers={"model": model, "tools": tools},
        )  # fmt: skip
        self.assertEqual(agent.ask("?", session_id="s")["output"], "Eleven.")
        self.assertEqual(vendor.requests[1]["body"]["messages"][-1]["content"], "11")
        seen = self.seen(8)
        self.assertEqual(sum("step" in each for each in seen), 2)
        fields = {key: value for each in seen for key, value in each.items()}
        self.assertEqual(fields["thought"], "Adding.")
        self.assertEqual(fields["action"]["inputs"], {"a": 5})
        self.assertEqual((fields["tool"], fields["args"], fields["observation"]), ("add", {"a": 5}, "11"))
        self.assertEqual(fields["data"]["response"], "Eleven.")
        vendor.script = [{"tool_calls": [tool_call("nope", {})]}]
        answer = agent.post("/input", {"input": "?"})
        self.assertEqual(
            (answer.status, answer.json["error"]), (500, "`assistant` (agent llm) had no answer after 2 steps (`max_steps`)")
        )
        self.assertEqual(
            vendor.requests[-1]["body"]["messages"][-1]["content"], "Error: there is no tool `nope`; there are: add"
        )
        self.assertEqual(agent.metric('woodwork_events_total{event="agent.error"}'), 1)

    def test_outputs_go_along_routes(self):
        second = self.start(self.describe("second", "memory", "short_term"))
        first = self.start(self.describe("first", "memory", "short_term", routes=["second"]), peers={"second": second})
        first.ask("hello", session_id="s")
        recall = {"name": "recall", "arguments": {"session_id": "s"}}
        told = self.eventually("the output arrives", lambda: second.post("/call", recall).json["result"])
        self.assertEqual(told, [{"role": "user", "content": "user: hello"}])

    def test_a_real_engine_wins_over_the_stand_in(self):
        self.write("woodwork/__init__.py", "")
        self.write("woodwork/payloads.py", "from woodwork.types import ToolCallPayload\n")
        self.write(
            "woodwork/types/__init__.py",
            "class InputReceivedPayload:\n"
            "    def __init__(self, **fields):\n        self.__dict__.update(fields)\n"
            "    def to_dict(self):\n        return dict(self.__dict__)\n"
            "class GenericPayload(InputReceivedPayload): pass\nclass ToolCallPayload(InputReceivedPayload): pass\n",
        )
        echo = self.echo(pipes=[hook("input.received", "shout")])
        self.assertEqual(echo.ask("hello")["output"], "user: HELLO!")
        self.assertNotIn("failed", "".join(echo.log))


class Redis(Case):
    """Against a real server."""

    def setUp(self):
        super().setUp()
        self.program = shutil.which("redis-server")
        if self.program is None:
            if os.environ.get("CI") == "true":
                self.fail("there is no redis-server here; `sh tests/run.sh` installs what tests need")
            self.skipTest("there is no redis-server here; `sh tests/run.sh` installs what tests need")
        self.write("hooks/scripts.py", SCRIPT)
        self.write("hooks/neighbour.py", "MARK = '!'\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://:{SECRET}@127.0.0.1:{self.port}/1"
        self.server = None

    def serve(self):
        words = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--requirepass",
            SECRET,
            "--save",
            "",
            "--dir",
            str(self.folder),
        ]
        self.server = subprocess.Popen([self.program, *words], stdout=subprocess.DEVNULL)
        self.addCleanup(self.stop_server)

        def is_up():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        self.eventually("Redis listens", is_up)

    def stop_server(self):
        if self.server is not None:
            self.server.kill()
            self.server.wait()
            self.server = None

    def test_hooks_hear_the_components_they_name(self):
        self.serve()
        path = self.folder / "hooks/seen.txt"
        listener = self.start(
            self.describe(
                "listener", "memory", "short_term",
                hooks=[hook("talker:input.received", "note"), hook("*:component.response", "note"), hook("input.received", "broken")],
            ),
            REDIS_URL=self.url,
        )  # fmt: skip
        talker = self.start(self.describe("talker", "memory", "short_term"), REDIS_URL=self.url)
        listener.wait_for_line("connected to Redis")
        talker.wait_for_line("connected to Redis")

        def told():
            talker.ask("hello", session_id="s")
            return path.exists() and len(path.read_text().splitlines()) >= 2

        self.eventually("the listener is told", told)
        seen = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertEqual({each["component_id"] for each in seen}, {"talker"})
        self.assertEqual({each.get("input") for each in seen}, {"hello", None})
        self.assertIsNone(listener.metric('woodwork_errors_total{where="hook"}'))
        self.assertGreaterEqual(listener.metric('woodwork_bus_messages_total{outcome="received"}'), 2)
        self.assertGreaterEqual(talker.metric('woodwork_bus_messages_total{outcome="published"}'), 2)
        # Redis goes away and comes back: requests do not notice, events arrive again.
        self.stop_server()
        started = time.monotonic()
        for _ in range(20):
            talker.ask("alone", session_id="s")
        self.assertLess(time.monotonic() - started, 60)
        self.serve()
        path.unlink()
        self.eventually("the listener is told again", told)
        self.assertEqual((talker.stop(), listener.stop()), (0, 0))
        self.assertNotIn(SECRET, "".join(talker.log + listener.log))

    def test_a_wrong_password_is_told_and_hurts_nobody(self):
        self.serve()
        talker = self.start(
            self.describe("talker", "memory", "short_term"), REDIS_URL=f"redis://:wrong-word@127.0.0.1:{self.port}"
        )
        self.assertIn("WRONGPASS", talker.wait_for_line("Redis cannot be reached"))
        self.assertEqual(talker.ask("hello")["output"], "user: hello")
        self.assertNotIn("wrong-word", "".join(talker.log))

    def test_something_that_is_not_redis(self):
        with socket.create_server(("127.0.0.1", self.port)) as server:
            talker = self.start(self.describe("talker", "memory", "short_term"), REDIS_URL=self.url)
            client, _ = server.accept()
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            self.assertIn("does not speak", talker.wait_for_line("Redis cannot be reached"))
            client.close()
            for _ in range(600):
                talker.ask("x", session_id="s")
            self.assertGreater(talker.metric('woodwork_bus_messages_total{outcome="dropped"}'), 0)


if __name__ == "__main__":
    unittest.main()
