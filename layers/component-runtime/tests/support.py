"""What the tests share: components as processes of their own, and stand-ins for the servers they talk to."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"
SECRET = "sk-test-0123456789"
# What takes so many seconds hangs: far longer than anything here takes on a loaded machine.
HANGS = 300


class Answer:
    """An HTTP answer that was read to its end."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


def request(port, method, path, body=None, headers=None, seconds=HANGS):
    """Sends one request; a body that is not bytes is sent as JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method, path, body=data, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def raw(port, data, seconds=HANGS):
    """Sends bytes as they are and returns all that comes back."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as sock:
        sock.sendall(data)
        parts = []
        while True:
            try:
                part = sock.recv(65536)
            except ConnectionResetError:
                break
            if not part:
                break
            parts.append(part)
        return b"".join(parts)


def events(port, path, headers=None, seconds=HANGS):
    """The server-sent events of a path: number, name and data of each."""
    text = request(port, "GET", path, headers=headers, seconds=seconds).body.decode()
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


class Process:
    """A component that serves, in a process of its own."""

    def __init__(self, folder, environment, python=sys.executable, arguments=()):
        self.log = []
        self._heard = threading.Condition()
        self.port = None
        self.ports = []
        self.process = subprocess.Popen(
            [python, "-m", "component_runtime", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self):
        with self.process.stderr as lines:
            for line in lines:
                with self._heard:
                    self.log.append(line)
                    self._heard.notify_all()
        with self._heard:
            self.log.append("")
            self._heard.notify_all()

    def wait_for_line(self, word, seconds=HANGS):
        """The first line of the log with that word in it."""
        deadline = time.monotonic() + seconds
        with self._heard:
            while True:
                for line in self.log:
                    if word in line:
                        return line
                if self.log[-1:] == [""] or time.monotonic() > deadline:
                    raise AssertionError(f"no `{word}` in:\n" + "".join(self.log))
                self._heard.wait(0.2)

    def wait_until_it_listens(self):
        line = self.wait_for_line("listening")
        ports = line.split("ports=")[1].split()[0] if "ports=" in line else json.loads(line)["ports"]
        self.ports = [int(port) for port in ports.split(",")]
        self.port = self.ports[0]

    def get(self, path, **more):
        return request(self.port, "GET", path, **more)

    def post(self, path, body, **more):
        return request(self.port, "POST", path, body, **more)

    def ask(self, text, **more):
        """The answer to an input; anything but success is a failure of the test."""
        answer = self.post("/input", {"input": text, **more})
        if answer.status != 200:
            raise AssertionError(f"{answer.status}: {answer.body!r}\n" + "".join(self.log))
        return answer.json

    def metric(self, line):
        """The value of a series, or nothing."""
        for each in self.get("/metrics").body.decode().splitlines():
            if each.startswith(line + " "):
                return float(each.rsplit(" ", 1)[1])
        return None

    def stop(self, number=signal.SIGTERM, seconds=HANGS):
        """Sends a signal and returns the exit code."""
        self.process.send_signal(number)
        return self.end(seconds)

    def end(self, seconds=HANGS):
        try:
            code = self.process.wait(seconds)
            self._listener.join(HANGS)
            return code
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


class Case(unittest.TestCase):
    """A test with a project folder, and components that are ended with it."""

    maxDiff = None

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="component-runtime-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def describe(self, name, kind, type_, config=None, **more):
        """Writes the component.json of a component and returns where."""
        document = {
            "schema": 1, "project": "demo", "name": name, "kind": kind, "type": type_, "service": name,
            "config": config or {}, "hooks": [], "pipes": [], "routes": [], "folded": [], "peers": {}, "environment": [],
        }  # fmt: skip
        document.update(more)
        return self.write(f"{name}.json", json.dumps(document, indent=2) + "\n")

    def environment(self, path, **variables):
        inherited = {key: os.environ[key] for key in ("PATH", "LANG", "SYSTEMROOT") if key in os.environ}
        fixed = {
            "PYTHONPATH": f"{self.folder}{os.pathsep}{SOURCE}", "COMPONENT_FILE": str(path), "WOODWORK_PORT": "0",
            "WOODWORK_HOST": "127.0.0.1", "WOODWORK_LOG": "debug", "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        return {**inherited, **fixed, **variables}

    def start(self, path, peers=None, wait=True, arguments=(), **variables):
        """Starts the component that a component.json describes; `peers` are components that run."""
        if peers is not None:
            urls = {name: f"http://127.0.0.1:{getattr(peer, 'port', peer)}" for name, peer in peers.items()}
            variables["WOODWORK_PEERS"] = json.dumps(urls)
        process = Process(self.folder, self.environment(path, **variables), arguments=arguments)
        self.addCleanup(self._kill, process)
        if wait:
            process.wait_until_it_listens()
        return process

    def run_to_end(self, path, *arguments, **variables):
        """The exit code and the log of a process that is expected to end by itself."""
        process = self.start(path, wait=False, arguments=arguments, **variables)
        code = process.end()
        return code, "".join(process.log)

    def nap(self):
        """The text of a function that ends when somebody calls `wake`."""
        awake = str(self.folder / "awake")
        return (
            f"def nap():\n    import os, time\n    while not os.path.exists({awake!r}):\n"
            "        time.sleep(0.02)\n    return 'rested'\n"
        )

    def wake(self):
        (self.folder / "awake").touch()

    def eventually(self, what, check, seconds=HANGS):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = check()
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"never: {what}")

    @staticmethod
    def _kill(process):
        if process.process.poll() is None:
            process.process.kill()
        process.end()


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Clients that go away in the middle are what some tests are about."""


class StandIn:
    """A server that answers with what a function says, and remembers what it was asked."""

    def __init__(self, test, answer, listens=True):
        self.requests = []
        self.test = test
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self):
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size)
                asked = {
                    "method": self.command, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()},
                    "body": json.loads(body) if body[:1] in (b"{", b"[") else body,
                }  # fmt: skip
                stand_in.requests.append(asked)
                answer(self, asked)
                self.close_connection = True

            do_GET = do_POST = do_DELETE = do_PUT = _any

            def log_message(self, *_):
                pass

        self.server = _Quiet(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self.server.daemon_threads = True
        self.server.server_bind()
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        test.addCleanup(self.server.server_close)
        if listens:
            self.listen()

    def listen(self):
        """Begins to answer; until then connections are refused."""
        self.test.addCleanup(self.server.shutdown)
        self.server.server_activate()
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def send(handler, status, value, headers=None, content_type="application/json"):
    """Answers with a value as JSON, or with bytes."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    handler.send_response(status)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Content-Length", str(len(data)))
    for name, text in (headers or {}).items():
        handler.send_header(name, text)
    handler.end_headers()
    handler.wfile.write(data)


def send_pieces(handler, pieces, content_type="text/event-stream", headers=None, pause=0.0):
    """Answers piece by piece, without a length."""
    handler.send_response(200)
    handler.send_header("Content-Type", content_type)
    handler.send_header("Connection", "close")
    for name, text in (headers or {}).items():
        handler.send_header(name, text)
    handler.end_headers()
    for piece in pieces:
        handler.wfile.write(piece.encode())
        handler.wfile.flush()
        time.sleep(pause)


class OpenAI(StandIn):
    """Speaks OpenAI's chat completions. `script` are the messages it answers with, one after the other; the last is repeated."""

    def __init__(self, test, *script):
        self.script = list(script)
        super().__init__(test, self._answer)

    def _answer(self, handler, asked):
        if asked["path"] != "/v1/chat/completions":
            return send(handler, 404, {"error": {"message": "no such path"}})
        if asked["headers"].get("authorization") != f"Bearer {SECRET}":
            return send(handler, 401, {"error": {"message": f"Incorrect API key: {asked['headers'].get('authorization')}"}})
        message = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if callable(message):
            return message(handler, asked)
        message = {"role": "assistant", "content": None, **({"content": message} if isinstance(message, str) else message)}
        if not asked["body"].get("stream"):
            return send(handler, 200, {"choices": [{"message": message, "finish_reason": "stop"}]})
        deltas = [{"content": piece} for piece in _pieces(message["content"] or "")]
        for index, call in enumerate(message.get("tool_calls") or []):
            text = call["function"]["arguments"]
            deltas.append(
                {
                    "tool_calls": [
                        {"index": index, "id": call["id"], "function": {"name": call["function"]["name"], "arguments": ""}}
                    ]
                }
            )
            deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in _pieces(text)]
        lines = [f"data: {json.dumps({'choices': [{'delta': delta, 'finish_reason': None}]})}\n\n" for delta in deltas]
        lines += [f"data: {json.dumps({'choices': [{'delta': {}, 'finish_reason': 'stop'}]})}\n\n", "data: [DONE]\n\n"]
        send_pieces(handler, lines)


def tool_call(name, arguments, call_id="call_1"):
    """A tool call as OpenAI writes it."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


def _pieces(text):
    return [text[index : index + 4] for index in range(0, len(text), 4)]
