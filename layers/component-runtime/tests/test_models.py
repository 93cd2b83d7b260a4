"""Models over their vendors' protocols, spoken by stand-ins: shapes, streams, tool calls, retries, proxies."""

import json
import time
import unittest

from support import SECRET, Case, OpenAI, StandIn, events, send, send_pieces, tool_call

TOOLS = [{"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}]
CONVERSATION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "2 + 3?"},
    {
        "role": "assistant",
        "content": "I add.",
        "tool_calls": [tool_call("add", {"a": 2}, "c1"), tool_call("add", {"a": 3}, "c2")],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "2"},
    {"role": "tool", "tool_call_id": "c2", "content": "3"},
]


class Models(Case):
    def model(self, type_, config=None, **variables):
        config = {"api_key": {"$env": "KEY"}, **(config or {})}
        if type_ == "ollama":
            del config["api_key"]
        return self.start(self.describe("model", "llm", type_, config), KEY=SECRET, **variables)

    def chat(self, model, stream=False, messages=CONVERSATION, tools=TOOLS):
        answer = model.post("/chat", {"messages": messages, "tools": tools, "stream": stream})
        self.assertEqual(answer.status, 200, answer.body)
        if not stream:
            return answer.json["message"], []
        came = events(model.port, f"/stream/{answer.json['stream']}")
        self.assertEqual(came[-1][1], "final", came)
        return came[-1][2]["message"], [data["data"] for _, name, data in came if name == "chunk"]

    def test_openai_with_tools(self):
        said = {"content": "Let me see.", "tool_calls": [tool_call("add", {"a": 1}, "x"), tool_call("add", {"a": 2}, "y")]}
        vendor = OpenAI(self, said)
        model = self.model(
            "openai", {"model": "gpt-x", "temperature": "0.5", "max_tokens": 9}, OPENAI_BASE_URL=f"{vendor.url}/v1"
        )
        for stream in (False, True):
            with self.subTest(stream=stream):
                message, chunks = self.chat(model, stream)
                self.assertEqual(message, {"role": "assistant", **said})
                self.assertEqual("".join(chunks), "Let me see." if stream else "")
        body = vendor.requests[0]["body"]
        self.assertEqual((body["model"], body["temperature"], body["max_tokens"]), ("gpt-x", 0.5, 9))
        self.assertEqual(body["tools"], [{"type": "function", "function": TOOLS[0]}])
        self.assertEqual(body["messages"], CONVERSATION)

    def test_hugging_face_speaks_as_openai_does(self):
        vendor = OpenAI(self, "Bonjour.")
        model = self.model("hugging_face", {"base_url": f"{vendor.url}/v1"})
        self.assertEqual(model.ask("Hi")["output"], "Bonjour.")
        self.assertEqual(vendor.requests[0]["body"]["model"], "mistralai/Mixtral-8x7B-Instruct-v0.1")

    def test_claude_with_tools(self):
        blocks = [
            {"type": "thinking", "thinking": "..."},
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}},
        ]

        def answer(handler, asked):
            if asked["headers"].get("x-api-key") != SECRET or asked["path"] != "/v1/messages":
                return send(
                    handler, 401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
                )
            if not asked["body"].get("stream"):
                return send(handler, 200, {"content": blocks, "stop_reason": "tool_use"})
            told = [{"type": "message_start", "message": {}}, {"type": "ping"}]
            told += [
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Let me "}},
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "see."}},
                {"type": "content_block_stop", "index": 0},
                {
                    "type": "content_block_start",
                    "index": 1,
                    "content_block": {"type": "tool_use", "id": "t1", "name": "add", "input": {}},
                },
                {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
                {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ": 1}"}},
                {"type": "content_block_stop", "index": 1},
                {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
                {"type": "message_stop"},
            ]
            send_pieces(handler, [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in told])

        vendor = StandIn(self, answer)
        model = self.model("claude", ANTHROPIC_BASE_URL=vendor.url)
        expected = {"role": "assistant", "content": "Let me see.", "tool_calls": [tool_call("add", {"a": 1}, "t1")]}
        for stream in (False, True):
            with self.subTest(stream=stream):
                message, chunks = self.chat(model, stream)
                self.assertEqual(message, expected)
                self.assertEqual(chunks, ["Let me ", "see."] if stream else [])
        body = vendor.requests[0]["body"]
        self.assertEqual(body["system"], "Be brief.")
        self.assertEqual(body["max_tokens"], 4096)
        self.assertEqual(body["tools"], [{"name": "add", "description": "Adds.", "input_schema": TOOLS[0]["parameters"]}])
        self.assertEqual(
            body["messages"],
            [
                {"role": "user", "content": [{"type": "text", "text": "2 + 3?"}]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "I add."},
                        {"type": "tool_use", "id": "c1", "name": "add", "input": {"a": 2}},
                        {"type": "tool_use", "id": "c2", "name": "add", "input": {"a": 3}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "c1", "content": "2"},
                        {"type": "tool_result", "tool_use_id": "c2", "content": "3"},
                    ],
                },
            ],
        )
        self.assertEqual(vendor.requests[0]["headers"]["anthropic-version"], "2023-06-01")

    def test_ollama_with_tools(self):
        def answer(handler, asked):
            calls = [{"function": {"name": "add", "arguments": {"a": 1}}}]
            if not asked["body"]["stream"]:
                return send(
                    handler, 200, {"message": {"role": "assistant", "content": "See.", "tool_calls": calls}, "done": True}
                )
            told = [
                {"message": {"role": "assistant", "content": "Se"}, "done": False},
                {"message": {"role": "assistant", "content": "e."}, "done": False},
                {"message": {"role": "assistant", "content": "", "tool_calls": calls}, "done": False},
                {"message": {"role": "assistant", "content": ""}, "done": True},
            ]
            send_pieces(handler, [json.dumps(each) + "\n" for each in told], "application/x-ndjson")

        vendor = StandIn(self, answer)
        model = self.model("ollama", {"model": "qwen3", "max_tokens": 7}, OLLAMA_HOST=f"127.0.0.1:{vendor.port}")
        expected = {"role": "assistant", "content": "See.", "tool_calls": [tool_call("add", {"a": 1}, "call_0")]}
        for stream in (False, True):
            with self.subTest(stream=stream):
                message, chunks = self.chat(model, stream)
                self.assertEqual(message, expected)
                self.assertEqual(chunks, ["Se", "e."] if stream else [])
        body = vendor.requests[0]["body"]
        self.assertEqual(
            (vendor.requests[0]["path"], body["model"], body["options"]), ("/api/chat", "qwen3", {"num_predict": 7})
        )
        self.assertEqual(body["messages"][2]["tool_calls"][0], {"function": {"name": "add", "arguments": {"a": 2}}})
        self.assertEqual(body["messages"][3], {"role": "tool", "content": "2", "tool_name": "add"})

    def test_a_vendor_that_is_busy_is_asked_again(self):
        def busy(status, headers):
            return lambda handler, asked: send(handler, status, {"error": {"message": "slow down"}}, headers)

        vendor = OpenAI(self, busy(429, {"Retry-After": "0"}), busy(503, {"Retry-After": "0"}), "Now.")
        model = self.model("openai", OPENAI_BASE_URL=f"{vendor.url}/v1")
        self.assertEqual(model.ask("Hi")["output"], "Now.")
        self.assertEqual(len(vendor.requests), 3)

    def test_a_vendor_that_stays_busy_is_given_up(self):
        vendor = OpenAI(
            self, lambda handler, asked: send(handler, 529, {"error": {"message": "overloaded"}}, {"Retry-After": "0"})
        )
        answer = self.model("openai", OPENAI_BASE_URL=f"{vendor.url}/v1").post("/input", {"input": "Hi"})
        self.assertEqual(answer.status, 502)
        self.assertEqual(answer.json["error"], "OpenAI, asked by `model`, answered 529: overloaded")
        self.assertEqual(len(vendor.requests), 3)

    def test_a_refused_key_is_told_without_the_key(self):
        vendor = OpenAI(self, "never")
        wrong = "sk-wrong-9876543210"
        path = self.describe("model", "llm", "openai", {"api_key": {"$env": "KEY"}})
        model = self.start(path, KEY=wrong, OPENAI_BASE_URL=f"{vendor.url}/v1")
        answer = model.post("/input", {"input": "Hi"})
        self.assertEqual(answer.status, 502)
        self.assertIn("answered 401: Incorrect API key: Bearer ***", answer.json["error"])
        self.assertEqual(len(vendor.requests), 1)
        self.assertNotIn(wrong, "".join(model.log))

    def test_vendors_that_lie(self):
        def hang(handler, asked):
            time.sleep(20)

        def trickle(handler, asked):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(200):
                handler.wfile.write(b" ")
                time.sleep(0.1)

        def short(handler, asked):
            handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"choices"')

        def plain(status, body, content_type="application/json"):
            return lambda handler, asked: send(handler, status, body, content_type=content_type)

        rows = [
            ("hangs", hang, 504, "did not answer within 4 s"),
            ("trickles", trickle, 504, "did not finish in time"),
            ("breaks off", short, 502, "broke off 990 bytes before the end"),
            ("HTML", plain(200, b"<html>login</html>", "text/html"), 502, "did not answer with JSON"),
            ("a page as an error", plain(403, b"<html>blocked</html>", "text/html"), 502, "answered 403: <html>blocked</html>"),
            ("no choices", plain(200, {"choices": []}), 502, "answered without a message"),
            ("a list", plain(200, [1]), 502, "did not answer with a JSON object"),
            ("odd calls", plain(200, {"choices": [{"message": {"tool_calls": [5]}}]}), 502, "does not say which"),
            ("deep", plain(200, b"[" * 100_000), 502, "nested too deeply"),
            ("a redirect", plain(302, b""), 502, "answered 302"),
        ]
        vendor = OpenAI(self, "replaced below")
        model = self.model("openai", {"timeout": 4}, OPENAI_BASE_URL=f"{vendor.url}/v1")
        for name, answer, status, words in rows:
            with self.subTest(name):
                vendor.script = [answer]
                started = time.monotonic()
                reply = model.post("/input", {"input": "Hi"})
                self.assertEqual(reply.status, status, reply.body)
                self.assertIn(words, reply.json["error"])
                self.assertLess(time.monotonic() - started, 15)

    def test_streams_that_break_off_end_with_an_error(self):
        piece = 'data: {"choices": [{"delta": {"content": "Hal"}, "finish_reason": null}]}\n\n'
        rows = [
            ("ends early", [piece], "broke off in the middle of its answer"),
            ("not JSON", [piece, "data: {oops\n\n"], "sent something that is not JSON"),
            ("an error", [piece, 'data: {"error": {"message": "capacity"}}\n\n'], "broke off: capacity"),
            ("an odd shape", [piece, 'data: {"choices": [{"delta": [1]}]}\n\n'], "unexpected shape"),
        ]
        vendor = OpenAI(self, "replaced below")
        model = self.model("openai", OPENAI_BASE_URL=f"{vendor.url}/v1")
        for name, pieces, words in rows:
            with self.subTest(name):
                vendor.script = [lambda handler, asked, pieces=pieces: send_pieces(handler, pieces)]
                begun = model.post("/input", {"input": "Hi", "stream": True}).json
                came = events(model.port, f"/stream/{begun['stream']}")
                self.assertEqual([name for _, name, _ in came], ["chunk", "error"])
                self.assertIn(words, came[-1][2]["error"])

    def test_proxies_are_for_vendors_only(self):
        proxy = OpenAI(self, "never")
        proxy_paths = []

        def through(handler, asked):
            proxy_paths.append((asked["path"], asked["headers"].get("proxy-authorization")))
            send(handler, 200, {"choices": [{"message": {"content": "By proxy."}}]})

        proxy = StandIn(self, through)
        variables = {"http_proxy": f"http://user:word@127.0.0.1:{proxy.port}", "OPENAI_BASE_URL": "http://vendor.invalid/v1"}
        model = self.model("openai", **variables)
        self.assertEqual(model.ask("Hi")["output"], "By proxy.")
        self.assertEqual(proxy_paths, [("http://vendor.invalid/v1/chat/completions", "Basic dXNlcjp3b3Jk")])
        entry = self.start(self.describe("entry", "input", "api", routes=["model"]), peers={"model": model}, **variables)
        self.assertEqual(entry.ask("Hi")["output"], "By proxy.")
        self.assertEqual(len(proxy_paths), 2)

    def test_knowledge_is_put_before_the_question(self):
        self.write(
            "facts.txt",
            "Cats sleep sixteen hours a day.\n\n" + "Trains run on rails. " * 40 + "\n\nThe moon is far away. " * 30,
        )
        vendor = OpenAI(self, "16")
        path = self.describe(
            "model", "llm", "openai", {"api_key": {"$env": "KEY"}, "knowledge_base": {"$ref": "facts"}},
            folded=[{"name": "facts", "kind": "knowledge_base", "type": "text_file", "config": {"path": "facts.txt"}}],
        )  # fmt: skip
        model = self.start(path, KEY=SECRET, OPENAI_BASE_URL=f"{vendor.url}/v1")
        model.ask("How many hours do cats sleep?")
        system = vendor.requests[0]["body"]["messages"][0]
        self.assertEqual(system["role"], "system")
        self.assertIn("Cats sleep sixteen hours", system["content"])
        self.assertNotIn("moon", system["content"])

    def test_knowledge_by_embeddings_is_paid_for_once(self):
        words = ["cat", "train", "moon"]

        def answer(handler, asked):
            if asked["path"] == "/v1/chat/completions":
                return send(handler, 200, {"choices": [{"message": {"content": "16"}}]})
            texts = asked["body"]["input"]
            made = [
                {"index": i, "embedding": [text.lower().count(word) + 0.1 for word in words]} for i, text in enumerate(texts)
            ]
            send(handler, 200, {"data": made[::-1]})

        self.write("texts/a.txt", "The cat sleeps. " * 40 + "\n\n" + "A train runs. " * 40)
        self.write("texts/sub/b.txt", "The moon is far away. " * 40)
        self.write("texts/picture.bin", "\0" * 100)
        vendor = StandIn(self, answer)
        config = {"api_key": {"$env": "KEY"}, "file_to_embed": "texts", "path": "data/kb"}
        path = self.describe(
            "model", "llm", "openai", {"api_key": {"$env": "KEY"}, "knowledge_base": [{"$ref": "kb"}]},
            folded=[{"name": "kb", "kind": "knowledge_base", "type": "chroma", "config": config}],
        )  # fmt: skip
        for embedded in (2, 1):
            model = self.start(path, KEY=SECRET, OPENAI_BASE_URL=f"{vendor.url}/v1")
            before = len(vendor.requests)
            self.assertEqual(model.ask("Where is the moon?")["output"], "16")
            asked = vendor.requests[before:]
            self.assertEqual([one["path"] for one in asked], ["/v1/embeddings"] * embedded + ["/v1/chat/completions"])
            passages = asked[-1]["body"]["messages"][0]["content"].split("\n\n")
            self.assertTrue(passages[1].startswith("The moon"), passages)
            model.stop()
        # Without a place to keep them, and from a file that is damaged, it works as well.
        for content in (None, "damaged"):
            (self.folder / "data/kb/embeddings.sqlite3").unlink(missing_ok=True)
            if content:
                self.write("data/kb/embeddings.sqlite3", content * 100)
            else:
                (self.folder / "data/kb").rmdir()
                self.write("data/kb", "a file is in the way")
            model = self.start(path, KEY=SECRET, OPENAI_BASE_URL=f"{vendor.url}/v1")
            model.ask("Where is the moon?")
            model.wait_for_line("kept in memory only")
            if not content:
                (self.folder / "data/kb").unlink()

    def test_embeddings_that_are_none(self):
        rows = [
            {"data": []},
            {"data": [{"index": 0, "embedding": []}]},
            {"data": [{"index": 0, "embedding": ["x"]}]},
            {"data": 5},
            {},
        ]
        answers = list(rows)
        vendor = StandIn(self, lambda handler, asked: send(handler, 200, answers.pop(0)))
        self.write("a.txt", "text")
        config = {"api_key": {"$env": "KEY"}, "file_to_embed": "a.txt"}
        kb = self.start(self.describe("kb", "knowledge_base", "chroma", config), KEY=SECRET, OPENAI_BASE_URL=f"{vendor.url}/v1")
        for row in rows:
            with self.subTest(row=row):
                answer = kb.post("/call", {"name": "search", "arguments": {"query": "x"}})
                self.assertEqual((answer.status, "embeddings" in answer.json["error"]), (502, True))

    def test_sessions_do_not_mix(self):
        vendor = OpenAI(self, "A.")
        path = self.describe(
            "model", "llm", "openai", {"api_key": {"$env": "KEY"}, "memory": {"$ref": "mem"}},
            folded=[{"name": "mem", "kind": "memory", "type": "short_term", "config": {}}],
        )  # fmt: skip
        model = self.start(path, KEY=SECRET, OPENAI_BASE_URL=f"{vendor.url}/v1")
        one, two = model.ask("I am Ada.")["session_id"], model.ask("Who am I?")["session_id"]
        self.assertNotEqual(one, two)
        self.assertEqual([m["content"] for m in vendor.requests[1]["body"]["messages"]], ["Who am I?"])

    def test_a_memory_in_another_container(self):
        memory = self.start(self.describe("mem", "memory", "short_term", {"max_characters": 100}))
        vendor = OpenAI(self, "A.", "B.")
        path = self.describe("model", "llm", "openai", {"api_key": {"$env": "KEY"}, "memory": {"$ref": "mem"}})
        model = self.start(path, peers={"mem": memory}, KEY=SECRET, OPENAI_BASE_URL=f"{vendor.url}/v1")
        model.ask("One", session_id="s")
        model.ask("Two", session_id="s")
        self.assertEqual([m["content"] for m in vendor.requests[1]["body"]["messages"]], ["One", "A.", "Two"])
        self.assertEqual(
            memory.ask("Three", session_id="s")["output"], "user: One\nassistant: A.\nuser: Two\nassistant: B.\nuser: Three"
        )
        memory.ask("x" * 99, session_id="s")
        self.assertEqual(
            memory.post("/call", {"name": "recall", "arguments": {"session_id": "s"}}).json["result"][-1]["content"], "x" * 99
        )


if __name__ == "__main__":
    unittest.main()
