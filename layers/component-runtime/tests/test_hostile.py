"""What strangers, broken peers and careless scripts send or do, and what comes of it."""

import json
import socket
import threading
import time
import unittest

from support import HANGS, SECRET, Case, OpenAI, StandIn, raw, request, send, tool_call

FUNCTIONS = """
import os, sys


def leave():
    sys.exit("bye")


def interrupt():
    raise KeyboardInterrupt


def tell():
    raise ValueError("the key is " + os.environ["KEY"])


def recurse():
    return recurse()


def odd():
    class Odd:
        def __str__(self):
            raise RuntimeError("no text")
    return {"set": {1}, "nan": float("nan"), "bytes": b"x", "huge": 10 ** 5000, "complex": 1j, 5: None, "surrogate": "\\ud800"}


def unprintable():
    class Odd(Exception):
        def __str__(self):
            raise RuntimeError("no text")
    raise Odd


def circle():
    value = []
    value.append(value)
    return value


async def hang():
    import asyncio
    await asyncio.sleep(3600)
"""


def head(length, *more, method="POST", path="/input", version="1.1"):
    lines = [f"{method} {path} HTTP/{version}", "Host: x", *([] if length is None else [f"Content-Length: {length}"]), *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class Clients(Case):
    def setUp(self):
        super().setUp()
        limits = {"WOODWORK_MAX_BODY": "1000", "WOODWORK_HEADER_TIMEOUT": "2", "WOODWORK_BODY_TIMEOUT": "2"}
        self.component = self.start(self.describe("mem", "memory", "short_term"), **limits)

    def status(self, data):
        answer = raw(self.component.port, data)
        line, _, rest = answer.partition(b"\r\n")
        if b"\r\n\r\n" in rest:
            self.assertIn("error", json.loads(rest.split(b"\r\n\r\n", 1)[1]))
        return int(line.split()[1]) if line else None

    def test_requests_that_are_none(self):
        good = b'{"input": "x"}'
        rows = [
            ("no HTTP", b"hello\r\n\r\n", 400),
            ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n", 400),
            ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\n", 505),
            ("no host", b"GET /health HTTP/1.1\r\n\r\n", 400),
            ("two hosts", b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            ("folded header", b"GET /health HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400),
            ("blank before the colon", b"GET /health HTTP/1.1\r\nHost : a\r\n\r\n", 400),
            ("bare line feeds", b"GET /health HTTP/1.1\nHost: a\n\n", 408),
            ("zero byte", b"GET /health HTTP/1.1\r\nHost: a\0b\r\n\r\n", 400),
            ("many headers", b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431),
            ("large headers", b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", 431),
            ("endless headers", b"GET /health HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000, 431),
            ("odd escape", head(None, method="GET", path="/%ff%fe"), 400),
            ("length is a word", head("many") + good, 400),
            ("length is negative", head("-5") + good, 400),
            ("length has a plus", head("+14") + good, 400),
            ("two lengths", head("14", "Content-Length: 15") + good, 400),
            ("length and chunks", head("14", "Transfer-Encoding: chunked") + good, 400),
            ("another coding", head(None, "Transfer-Encoding: gzip, chunked") + good, 501),
            ("huge length", head("9" * 30), 413),
            ("too long", head("1001") + b"x" * 1001, 413),
            ("too long in chunks", head(None, "Transfer-Encoding: chunked") + b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n", 413),
            ("odd chunk", head(None, "Transfer-Encoding: chunked") + b"-1\r\n\r\n", 400),
            ("chunk that is longer", head(None, "Transfer-Encoding: chunked") + b"1\r\nxyz\r\n0\r\n\r\n", 400),
            ("slow body", head("100") + b"{", 408),
            ("slow headers", b"POST /input HTTP/1.1\r\nHost", 408),
        ]
        for name, data, status in rows:
            with self.subTest(name):
                self.assertEqual(self.status(data), status)
        self.assertEqual(self.component.get("/health").status, 200)

    def test_bodies_that_are_not_what_they_must_be(self):
        rows = [
            (b"", 400), (b"{", 400), (b"[]", 400), (b"null", 400), (b'"x"', 400), (b"{}", 400), (b'{"input": 5}', 400),
            (b'{"input": null}', 400), (b'{"input": "x", "inputs": []}', 400), (b'{"input": "x", "stream": "yes"}', 400),
            (b'{"input": "x", "session_id": 5}', 400), (b'{"input": "x", "session_id": ""}', 400),
            (b'{"input": "x", "session_id": "' + b"s" * 257 + b'"}', 400), (b'{"input": NaN}', 400), (b'{"input": "\xff"}', 400),
            (b'{"input": "x", "inputs": {"a": ' + b"[" * 400 + b"]" * 400 + b"}}", 400), (b"[" * 999, 400),
            (b'{"input": "x", "inputs": {"n": ' + b"9" * 900 + b"}}", 200),
            (b'\xef\xbb\xbf{"input": "with a byte order mark"}', 200), (b'{"input": "\\ud800 alone"}', 200),
            (b'{"input": "x", "session_id": "\\u0000/../x"}', 200), (b'{"input": "x", "unknown": 1}', 200),
        ]  # fmt: skip
        for body, status in rows:
            with self.subTest(body=body[:60]):
                self.assertEqual(self.component.post("/input", body).status, status)

    def test_paths_and_methods(self):
        rows = [
            ("GET", "/nothing", 404, None), ("GET", "/input", 405, "POST"), ("DELETE", "/health", 405, "GET, HEAD"),
            ("GET", "/stream/unknown", 404, None), ("GET", "/stream/", 404, None), ("GET", "/stream/a/b", 404, None),
            ("POST", "/../input", 404, None), ("POST", "/other/input", 404, None), ("POST", "/chat", 404, None),
            ("GET", "/mem/input", 405, "POST"), ("HEAD", "/health", 200, None), ("GET", "/?q=1", 200, None), ("GET", "//health", 404, None),
        ]  # fmt: skip
        for method, path, status, allow in rows:
            with self.subTest(method=method, path=path):
                answer = self.component.post(path, {"value": "x", "messages": [{}]}) if method == "POST" else None
                answer = answer or request(self.component.port, method, path)
                self.assertEqual((answer.status, answer.headers.get("allow")), (status, allow))

    def test_one_connection_many_requests(self):
        body = b'{"input": "x", "session_id": "s"}'
        one = head(len(body)) + body
        chunked = (
            head(None, "Transfer-Encoding: chunked")
            + b"5\r\n"
            + body[:5]
            + b"\r\n%x\r\n" % (len(body) - 5)
            + body[5:]
            + b"\r\n0\r\n\r\n"
        )
        expected = head(len(body), "Expect: 100-continue", "Connection: close") + body
        answer = raw(self.component.port, one + chunked + b"\r\n" + expected)
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 3)
        self.assertEqual(answer.count(b"HTTP/1.1 100 Continue"), 1)
        old = raw(self.component.port, b"GET /health HTTP/1.0\r\n\r\n")
        self.assertIn(b"Connection: close", old)

    def test_a_request_is_known_by_its_id(self):
        answer = self.component.post("/input", {"input": "x"}, headers={"X-Request-Id": "abc-1"})
        self.assertEqual(answer.headers["x-request-id"], "abc-1")
        answer = self.component.post("/input", {"input": "x"}, headers={"X-Request-Id": "bad id\u00ff"})
        self.assertRegex(answer.headers["x-request-id"], "^[0-9a-f]{16}$")
        answer = self.component.post("/input", {"input": "x"}, headers={"X-Woodwork-Hops": "17"})
        self.assertEqual(answer.status, 508)

    def test_metrics_are_few_whatever_is_asked(self):
        for index in range(300):
            self.component.get(f"/x{index}")
        text = self.component.get("/metrics").body.decode()
        self.assertLess(len(text.splitlines()), 200)
        self.assertEqual(self.component.metric('woodwork_http_requests_total{route="other",status="404"}'), 300)
        for line in text.splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? [0-9.e+-]+)$')


class Crowds(Case):
    def test_too_many_requests_are_told_so(self):
        self.write("f.py", self.nap())
        component = self.start(self.describe("f", "api", "functions", {"path": "f.py"}), WOODWORK_MAX_REQUESTS="2")
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.append(component.post("/call", {"name": "nap"}))) for _ in range(6)
        ]  # fmt: skip
        for thread in threads:
            thread.start()
        self.eventually("the others are told", lambda: len(answers) == 4)
        self.assertEqual(component.get("/health").status, 200)
        self.eventually("two are at work", lambda: component.metric("woodwork_http_in_flight") == 3)
        self.wake()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answer.status for answer in answers), [200, 200, 503, 503, 503, 503])
        self.assertEqual({answer.headers.get("retry-after") for answer in answers if answer.status == 503}, {"1"})

    def test_idle_connections_make_room(self):
        component = self.start(self.describe("mem", "memory", "short_term"), WOODWORK_MAX_CONNECTIONS="10")
        idle = [socket.create_connection(("127.0.0.1", component.port)) for _ in range(30)]
        try:
            for _ in range(20):
                self.assertEqual(component.get("/health").status, 200)
            self.assertLessEqual(component.metric("woodwork_connections"), 10)
        finally:
            for sock in idle:
                sock.close()

    def test_clients_that_do_not_read_leave_room_for_others(self):
        limits = {"WOODWORK_MAX_CONNECTIONS": "16", "WOODWORK_MAX_REQUESTS": "4", "WOODWORK_BODY_TIMEOUT": "2"}
        self.write("f.py", "def big():\n    return 'x' * 9_000_000\n")
        component = self.start(self.describe("f", "api", "functions", {"path": "f.py"}), **limits)
        body = b'{"name": "big"}'
        deaf = [socket.create_connection(("127.0.0.1", component.port)) for _ in range(8)]
        try:
            for sock in deaf:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.sendall(b"POST /call HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            self.eventually("all slots are taken", lambda: component.get("/").status == 503)
            self.assertEqual(component.get("/health").status, 200)
            self.eventually("they are given up", lambda: component.get("/").status == 200)
        finally:
            for sock in deaf:
                sock.close()

    def test_too_many_streams(self):
        done = threading.Event()
        vendor = OpenAI(self, lambda handler, asked: done.wait(HANGS))
        path = self.describe("model", "llm", "openai", {"api_key": {"$env": "KEY"}, "timeout": HANGS})
        model = self.start(path, KEY=SECRET, OPENAI_BASE_URL=f"{vendor.url}/v1")
        statuses = [model.post("/input", {"input": "x", "stream": True}).status for _ in range(70)]
        self.assertEqual((statuses.count(200), statuses.count(503)), (64, 6))
        done.set()
        self.eventually("the streams end", lambda: model.metric("woodwork_streams_open") == 0)
        self.assertEqual(model.post("/input", {"input": "x", "stream": True}).status, 200)


class Functions(Case):
    def test_functions_that_misbehave(self):
        self.write("f.py", FUNCTIONS)
        path = self.describe("f", "api", "functions", {"path": "f.py", "key": {"$env": "KEY"}})
        component = self.start(path, KEY=SECRET, WOODWORK_TOOL_TIMEOUT="5")
        rows = [
            ("leave", {"error": "SystemExit: bye"}),
            ("interrupt", {"error": "KeyboardInterrupt"}),
            ("tell", {"error": "ValueError: the key is ***"}),
            ("recurse", {"error": "RecursionError: maximum recursion depth exceeded"}),
            ("unprintable", {"error": "Odd"}),
            ("hang", {"error": "TimeoutError: it did not finish within 5 s"}),
        ]
        for name, expected in rows:
            with self.subTest(name):
                self.assertEqual(component.post("/call", {"name": name}).json, expected)
        odd = component.post("/call", {"name": "odd"}).json["result"]
        self.assertEqual((odd["set"], odd["nan"], odd["bytes"], odd["complex"], odd["5"]), ([1], "nan", "x", "1j", None))
        self.assertTrue(odd["huge"].startswith("0x"))
        self.assertEqual(component.post("/call", {"name": "circle"}).status, 200)
        self.assertNotIn(SECRET, "".join(component.log))
        for body in [{}, {"name": 5}, {"name": "nap", "arguments": []}, {"name": "nap", "arguments": "x"}]:
            self.assertEqual(component.post("/call", body).status, 400)


class Peers(Case):
    """Peers that hang, lie or break; the answer names them."""

    def test_peers_that_misbehave(self):
        def hang(handler, asked):
            time.sleep(20)

        def plain(status, body, content_type="application/json"):
            return lambda handler, asked: send(handler, status, body, content_type=content_type)

        rows = [
            ("hangs", hang, 504, "did not answer within 4 s"),
            ("500", plain(500, {"error": f"my key is {SECRET}"}), 502, "answered 500: my key is ***"),
            ("HTML", plain(200, b"<html>", "text/html"), 502, "did not answer with JSON"),
            ("an HTML error", plain(503, b"<html>", "text/html"), 502, "answered 503"),
            ("no output", plain(200, {"answer": 1}), 502, "answered without `output`"),
            ("a number", plain(200, b"5"), 502, "answered without `output`"),
            ("empty", plain(200, b""), 502, "did not answer with JSON"),
            ("closes", lambda handler, asked: None, 502, "broke off"),
            ("its own peer is late", plain(504, {"error": "late"}), 504, "answered 504: late"),
        ]
        answer = []
        peer = StandIn(self, lambda handler, asked: answer[0](handler, asked))
        path = self.describe("entry", "input", "api", {"note": {"$env": "KEY"}}, routes=["next"])
        entry = self.start(path, peers={"next": peer}, KEY=SECRET, WOODWORK_REQUEST_TIMEOUT="4")
        for name, behaviour, status, words in rows:
            with self.subTest(name):
                answer[:] = [behaviour]
                reply = entry.post("/input", {"input": "x"})
                self.assertEqual(reply.status, status, reply.body)
                self.assertIn("`next`", reply.json["error"])
                self.assertIn(words, reply.json["error"])
        self.assertNotIn(SECRET, "".join(entry.log))
        sent = peer.requests[-1]["headers"]
        self.assertRegex(sent["traceparent"], "^00-[0-9a-f]{32}-[0-9a-f]{16}-01$")
        self.assertEqual(sent["x-woodwork-hops"], "1")

    def test_a_peer_that_is_away_and_one_that_comes_late(self):
        late = StandIn(self, lambda handler, asked: send(handler, 200, {"output": "here", "session_id": "s"}), listens=False)
        entry = self.start(self.describe("entry", "input", "api", routes=["next"]), peers={"next": late})
        answer = entry.post("/input", {"input": "x"})
        self.assertEqual(answer.status, 502)
        self.assertIn("`next`", answer.json["error"])
        threading.Timer(0.4, late.listen).start()
        self.assertEqual(entry.ask("x")["output"], "here")

    def test_the_first_route_that_answers(self):
        good = self.start(self.describe("good", "memory", "short_term"))
        bad = StandIn(self, lambda handler, asked: send(handler, 500, {}))
        path = self.describe("entry", "input", "api", routes=["bad", "good"])
        self.assertEqual(self.start(path, peers={"bad": bad, "good": good}).ask("x")["output"], "user: x")

    def test_an_agent_whose_tools_misbehave(self):
        good = self.start(self.describe("good", "memory", "short_term"))
        broken = [False]

        def behave(handler, asked):
            if broken[0]:
                return send(handler, 500, b"<html>", content_type="text/html")
            send(handler, 200, [{"name": "look", "parameters": None}, {"name": 5}, "x", {"name": "bad name/é"}])

        tools = StandIn(self, behave)
        vendor = OpenAI(
            self,
            {
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{not json"}},
                    tool_call("look", {}, "2"),
                ]
            },
            "Done.",
        )
        model = self.start(
            self.describe("model", "llm", "openai", {"api_key": {"$env": "KEY"}}),
            KEY=SECRET,
            OPENAI_BASE_URL=f"{vendor.url}/v1",
        )
        config = {"model": {"$ref": "model"}, "tools": [{"$ref": "tools"}, {"$ref": "good"}]}
        agent = self.start(
            self.describe("assistant", "agent", "llm", config), peers={"model": model, "tools": tools, "good": good}
        )
        agent.get("/tools")
        vendor.script.insert(
            0,
            lambda handler, asked: (
                broken.__setitem__(0, True),
                send(handler, 200, {"choices": [{"message": vendor.script[0]}]}),
            ),
        )
        self.assertEqual(agent.ask("x")["output"], "Done.")
        names = [tool["function"]["name"] for tool in vendor.requests[0]["body"]["tools"]]
        self.assertEqual(names, ["look", "bad_name__", "recall", "remember"])
        told = [message["content"] for message in vendor.requests[-1]["body"]["messages"] if message["role"] == "tool"]
        self.assertEqual(told[0], "Error: the arguments are not a JSON object")
        self.assertIn("`tools`", told[1])
        self.assertIn("answered 500", told[1])

    def test_routes_that_form_a_circle(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        one = self.start(self.describe("one", "memory", "short_term", routes=["two"]), peers={"two": port})
        two = self.start(
            self.describe("two", "memory", "short_term", routes=["one"]), peers={"one": one}, WOODWORK_PORT=str(port)
        )
        one.ask("x", session_id="s")
        self.eventually("the circle is told", lambda: "their routes form a circle" in "".join(one.log + two.log))
        received = 'woodwork_events_total{event="input.received"}'

        def is_quiet():
            before = two.metric(received)
            time.sleep(0.5)
            return two.metric(received) == before

        self.eventually("nothing goes round any more", is_quiet)


if __name__ == "__main__":
    unittest.main()
