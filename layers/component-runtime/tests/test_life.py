"""From the start of the process to its end: configuration, health, signals, what is logged, what is left behind."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from support import SECRET, Case, OpenAI, events, raw


class Start(Case):
    def refused(self, words, path, **variables):
        code, log = self.run_to_end(path, **variables)
        self.assertEqual(code, 78, log)
        self.assertIn(words, log)
        self.assertNotIn("Traceback", log)
        self.assertNotIn(SECRET, log)
        # With `--check` the same is found without serving.
        self.assertEqual(self.run_to_end(path, "--check", **variables)[0], 78)

    def test_secrets_that_are_missing(self):
        config = {"api_key": {"$env": "OPENAI_API_KEY"}, "prompt": {"variables": {"who": {"$env": "WHO"}}}}
        path = self.describe("model", "llm", "openai", config)
        self.refused(
            "OPENAI_API_KEY is not set: `model` (llm openai) needs it for its key `api_key`; the environment variable WHO", path
        )
        self.refused(
            "WHO is not set: `model` (llm openai) needs it for its key `prompt.variables.who`", path, OPENAI_API_KEY=SECRET
        )
        self.refused("needs the key `api_key`", path, OPENAI_API_KEY="", WHO="x")
        self.refused("`api_key` must be a text in one line", path, OPENAI_API_KEY=f"{SECRET}\n{SECRET}x", WHO="x")

    def test_configurations_that_are_wrong(self):
        self.write("empty.py", "import os\n_x = 1\n")
        self.write("broken.py", "x = (\n")
        self.write("leaves.py", "raise SystemExit(0)\n")
        self.write("tells.py", "import os\nraise ValueError(os.environ['KEY'])\n")
        hook = {"event": "input.received", "script": "empty.py", "function": "seen"}
        folded = {"name": "kb", "kind": "core", "type": "code", "config": {}}
        chroma = {"api_key": "sk-12345", "path": "old", "file_to_embed": "x.pdf"}
        self.write("old/chroma.sqlite3", "")
        self.write("x.pdf", "%PDF")
        neo4j = {"kb": {"kind": "knowledge_base", "type": "neo4j", "url": "http://neo4j:7687"}}
        asks = {"model": "m", "knowledge_base": {"$ref": "kb"}}
        rows = [
            ("has no function `seen`", self.describe("a", "memory", "short_term", hooks=[hook])),
            ("the file no.py is not in", self.describe("b", "memory", "short_term", pipes=[{**hook, "script": "no.py"}])),
            ("broken.py cannot be loaded: SyntaxError", self.describe("c", "api", "functions", {"path": "broken.py"})),
            ("leaves.py cannot be loaded: SystemExit", self.describe("d", "api", "functions", {"path": "leaves.py"})),
            ("ValueError: ***", self.describe("e", "api", "functions", {"path": "tells.py", "key": {"$env": "KEY"}})),
            ("defines no function", self.describe("f", "api", "functions", {"path": "empty.py"})),
            ("needs the key `path`", self.describe("g", "api", "functions")),
            ("is of a kind that this runtime does not run", self.describe("h", "output", "voice")),
            ("which this runtime cannot search", self.describe("aa", "llm", "ollama", asks, peers=neo4j)),
            ("is a database of Chroma", self.describe("bb", "knowledge_base", "chroma", chroma)),
            ("add pypdf to the", self.describe("cc", "knowledge_base", "chroma", {**chroma, "path": "new"})),
            ("`kb` (core code) is of a kind", self.describe("i", "memory", "short_term", folded=[folded])),
            ("needs the key `model`", self.describe("j", "agent", "llm", {"tools": []})),
            ("uses `model`, which is neither", self.describe("k", "agent", "llm", {"model": {"$ref": "model"}})),
            ("must be the name of a component", self.describe("l", "agent", "llm", {"model": "model"})),
            ("uses `out`, which is neither", self.describe("m", "input", "api", routes=["out"])),
            ("the key `port` must be from", self.describe("n", "input", "api", {"port": 70000})),
            ("the key `port` must be a number", self.describe("o", "input", "api", {"port": "http"})),
            ("schema 2 is not known", self.describe("p", "input", "api", schema=2)),
            ("`name` is not a text", self.describe(5, "input", "api")),
            ("`routes` is not a list", self.describe("q", "input", "api", routes="x")),
            ("`url` must be an http", self.describe("r", "api", "web", {"url": "ftp://x"})),
            ("where the server is must be told", self.describe("s", "mcp", "server", {"server": "acme/mcp"})),
            (
                "prompts/no.txt cannot be read",
                self.describe("t", "llm", "ollama", {"model": "m", "prompt": {"file": "prompts/no.txt"}}),
            ),
            ("is not JSON", self.write("u.json", "{")),
            ("zero character", self.describe("nul", "api", "functions", {"path": "\0"})),
            ("is not JSON", self.describe("half", "api", "functions", {"path": "\ud800"})),
            ("an object is expected", self.describe("list", "memory", "short_term", [1])),
            ("an object is expected", self.write("v.json", "[]")),
            ("is not JSON", self.write("w.json", "[" * 100_000)),
            ("cannot be read", self.folder / "nothing.json"),
        ]
        for words, path in rows:
            with self.subTest(words, path=path.name):
                code, log = self.run_to_end(path, KEY=SECRET)
                self.assertEqual(code, 78, log)
                self.assertIn(words, log)
                self.assertEqual(len(log.splitlines()), 1, log)
                self.assertNotIn(SECRET, log)

    def test_environments_that_are_wrong(self):
        path = self.describe("a", "memory", "short_term")
        rows = [
            ("WOODWORK_PORT is `http`", {"WOODWORK_PORT": "http"}), ("WOODWORK_PORT is 70000", {"WOODWORK_PORT": "70000"}),
            ("WOODWORK_GRACE is nan", {"WOODWORK_GRACE": "nan"}),
            ("WOODWORK_PEERS is not a JSON object", {"WOODWORK_PEERS": "x=y"}),
            ("WOODWORK_PEERS: `a` is not a text", {"WOODWORK_PEERS": '{"a": 1}'}),
            ("the URL of the peer `a`", {"WOODWORK_PEERS": '{"a": "a:80"}'}),
        ]  # fmt: skip
        for words, variables in rows:
            with self.subTest(words):
                code, log = self.run_to_end(path, **variables)
                self.assertEqual((code, words in log), (78, True), log)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            code, log = self.run_to_end(path, WOODWORK_PORT=str(taken.getsockname()[1]))
        self.assertEqual((code, "cannot be listened on" in log), (78, True), log)
        self.assertEqual(self.run_to_end(path, "--serve")[0], 2)

    def test_check_loads_everything_and_serves_nothing(self):
        self.write("f.py", "def add(a: int) -> int:\n    return a\n")
        code, log = self.run_to_end(self.describe("f", "api", "functions", {"path": "f.py"}), "--check")
        self.assertEqual(code, 0)
        self.assertIn("can be started", log)
        self.assertNotIn("listening", log)

    def test_peers_of_the_file_are_used_and_the_environment_wins(self):
        peer = self.start(self.describe("next", "memory", "short_term"))
        told = {"next": {"kind": "memory", "type": "short_term", "url": f"http://127.0.0.1:{peer.port}"}}
        entry = self.start(self.describe("entry", "input", "api", routes=["next"], peers=told))
        self.assertEqual(entry.ask("x")["output"], "user: x")
        wrong = {"next": {"kind": "memory", "type": "short_term", "url": "http://127.0.0.1:1"}}
        entry = self.start(self.describe("entry", "input", "api", routes=["next"], peers=wrong), peers={"next": peer})
        self.assertEqual(entry.ask("x")["output"], "user: x")

    def test_an_input_has_a_second_listener(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        entry = self.start(self.describe("entry", "input", "api", {"port": str(port)}))
        self.assertEqual(entry.ports[1], port)
        entry.port = port
        self.assertEqual(entry.get("/").json["name"], "entry")
        self.assertEqual(entry.post("/input", {"input": "x"}).status, 503)

    def test_ipv6_is_listened_on_too(self):
        if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
            self.skipTest("there is no IPv6 here")
        component = self.start(self.describe("a", "memory", "short_term"), WOODWORK_HOST="")
        try:
            with socket.create_connection(("::1", component.port), timeout=5) as sock:
                sock.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                self.assertIn(b"200 OK", sock.recv(1000))
        except OSError as problem:
            self.skipTest(f"IPv6 is switched off here: {problem}")

    def test_nothing_is_written_and_no_user_is_needed(self):
        self.write("hooks/h.py", "import helper\ndef seen(payload):\n    helper.x\n")
        self.write("hooks/helper.py", "x = 1\n")
        hook = {"event": "input.received", "script": "hooks/h.py", "function": "seen"}
        path = self.describe("a", "memory", "short_term", hooks=[hook])
        before = sorted(self.folder.rglob("*"))
        # The image forbids bytecode by a variable; without it only the runtime's own folder would get some.
        elsewhere = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": f"{self.folder}.bytecode"}
        self.addCleanup(shutil.rmtree, elsewhere["PYTHONPYCACHEPREFIX"], ignore_errors=True)
        component = self.start(path, HOME="/nonexistent", **elsewhere)
        component.ask("x")
        self.assertEqual(component.stop(), 0)
        self.assertEqual(sorted(self.folder.rglob("*")), before)

    def test_logs_can_be_json(self):
        component = self.start(self.describe("a", "memory", "short_term"), WOODWORK_LOG_FORMAT="json")
        component.post("/input", {"input": "x"})
        component.stop()
        for line in component.log[:-1]:
            told = json.loads(line)
            self.assertEqual(told["component"], "a")
            self.assertLessEqual({"time", "level", "message"}, set(told))


class End(Case):
    def health(self, port):
        environment = {**self.environment("unused"), "WOODWORK_PORT": str(port)}
        return subprocess.run(
            [sys.executable, "-m", "component_runtime", "--health"], env=environment, cwd=self.folder
        ).returncode

    def test_health(self):
        component = self.start(self.describe("a", "memory", "short_term"))
        self.assertEqual(self.health(component.port), 0)
        self.assertEqual((component.get("/health").json, component.get("/ready").status), ({"status": "ok"}, 200))
        component.stop()
        self.assertEqual(self.health(component.port), 1)
        self.assertEqual(self.health("x"), 1)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.assertEqual(self.health(silent.getsockname()[1]), 1)

    def slow(self, **variables):
        self.write("f.py", self.nap())
        return self.start(self.describe("f", "api", "functions", {"path": "f.py"}), **variables)

    def start_nap(self, component):
        """Calls the function from the background, and returns as soon as it runs."""
        call = b"POST /call HTTP/1.1\r\nHost: x\r\nContent-Length: 15\r\n\r\n" + b'{"name": "nap"}'
        threading.Thread(target=raw, args=(component.port, call)).start()
        self.eventually("it naps", lambda: component.metric("woodwork_http_in_flight") == 2)

    def test_requests_are_finished(self):
        component = self.slow(WOODWORK_GRACE="3600")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(component.post("/call", {"name": "nap"})))
        thread.start()
        kept = socket.create_connection(("127.0.0.1", component.port))
        kept.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"200 OK", kept.recv(1000))
        self.eventually("it naps", lambda: component.metric("woodwork_http_in_flight") == 2)
        component.process.send_signal(signal.SIGTERM)
        component.wait_for_line("shutting down")
        with self.assertRaises(OSError):
            component.get("/health")
        kept.sendall(b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"503", kept.recv(1000).split(b"\r\n")[0])
        kept.close()
        self.wake()
        thread.join()
        self.assertEqual(answers[0].json, {"result": "rested"})
        self.assertEqual(component.end(), 0)

    def test_the_grace_is_bounded(self):
        component = self.slow(WOODWORK_GRACE="0.5")
        self.start_nap(component)
        self.assertEqual(component.stop(signal.SIGINT), 0)
        self.assertIn("not everything was finished", "".join(component.log))

    def test_a_signal_that_another_thread_gets_ends_it(self):
        component = self.slow(WOODWORK_GRACE="0.5")
        self.start_nap(component)
        pid = component.process.pid
        others = [int(thread) for thread in os.listdir(f"/proc/{pid}/task") if int(thread) != pid]
        self.assertEqual(ctypes.CDLL(None).tgkill(pid, others[-1], int(signal.SIGTERM)), 0)
        self.assertEqual(component.end(), 0)

    def test_a_second_signal_ends_at_once(self):
        component = self.slow(WOODWORK_GRACE="3600")
        self.start_nap(component)
        component.process.send_signal(signal.SIGTERM)
        component.wait_for_line("shutting down")
        self.assertEqual(component.stop(), 0)

    def test_a_stream_ends_with_an_event(self):
        def endless(handler, asked):
            handler.send_response(200)
            handler.end_headers()
            while True:
                handler.wfile.write(b'data: {"choices": [{"delta": {"content": "x"}, "finish_reason": null}]}\n\n')
                time.sleep(0.05)

        vendor = OpenAI(self, endless)
        path = self.describe("model", "llm", "openai", {"api_key": {"$env": "KEY"}})
        model = self.start(path, KEY=SECRET, OPENAI_BASE_URL=f"{vendor.url}/v1", WOODWORK_GRACE="1")
        begun = model.post("/input", {"input": "x", "stream": True}).json
        came = []
        reader = threading.Thread(target=lambda: came.extend(events(model.port, f"/stream/{begun['stream']}")))
        reader.start()
        self.eventually("somebody reads", lambda: model.metric("woodwork_http_in_flight") == 2)
        self.eventually("chunks come", lambda: model.metric("woodwork_stream_chunks_total"))
        self.assertEqual(model.stop(), 0)
        reader.join()
        self.assertEqual(came[-1][1:], ("error", {"error": "`model` (llm openai) is shutting down"}))
        self.assertGreater(len(came), 5)

    def test_scripts_cannot_keep_the_process(self):
        self.write(
            "f.py",
            "import atexit, threading, time, concurrent.futures\natexit.register(time.sleep, 3600)\n"
            "threading.Thread(target=time.sleep, args=(3600,)).start()\nconcurrent.futures.ThreadPoolExecutor().submit(time.sleep, 3600)\n"
            "def add():\n    pass\n",
        )
        component = self.start(self.describe("f", "api", "functions", {"path": "f.py"}))
        self.assertEqual(component.stop(), 0)

    def test_a_signal_while_scripts_load(self):
        loading = self.folder / "loading"
        self.write("f.py", f"import time\nopen({str(loading)!r}, 'w').close()\ntime.sleep(3600)\n")
        component = self.start(self.describe("f", "api", "functions", {"path": "f.py"}), wait=False)
        self.eventually("the script is loaded", loading.exists)
        self.assertEqual(component.stop(), 0)


if __name__ == "__main__":
    unittest.main()
