"""Tools that are other servers: web interfaces, and servers of the Model Context Protocol."""

import json
import unittest

from support import SECRET, Case, OpenAI, StandIn, send, send_pieces, tool_call


class Web(Case):
    def test_requests_stay_below_the_base_url(self):
        def answer(handler, asked):
            if asked["path"].startswith("/v1/text"):
                return send(handler, 418, b"short and stout", content_type="text/plain")
            if asked["path"].startswith("/v1/away"):
                return send(handler, 302, b"", {"Location": "http://elsewhere.invalid/"})
            if asked["path"].startswith("/v1/huge"):
                return send(handler, 200, b"x" * (2 << 20), content_type="text/plain")
            send(handler, 200, {"path": asked["path"], "method": asked["method"], "body": str(asked["body"])})

        server = StandIn(self, answer)
        self.write("docs/api.txt", "GET /items lists items.")
        config = {"url": f"{server.url}/v1/", "documentation": "docs/api.txt", "headers": {"X-Key": {"$env": "KEY"}}}
        web = self.start(self.describe("web", "api", "web", config), KEY=SECRET)
        (tool,) = web.get("/tools").json
        self.assertEqual(tool["name"], "request")
        self.assertIn("GET /items lists items.", tool["description"])

        def call(**arguments):
            return web.post("/call", {"name": "request", "arguments": arguments}).json

        for arguments, expected in [
            ({"method": "GET", "path": "/items", "query": {"q": "a b", "n": [1, 2]}}, "/v1/items?q=a+b&n=1&n=2"),
            ({"method": "get", "path": "items?x=1"}, "/v1/items?x=1"),
            ({"method": "GET", "path": "/a b/ü"}, "/v1/a%20b/%C3%BC"),
            ({"method": "GET", "path": "@elsewhere.invalid:80/"}, "/v1/@elsewhere.invalid:80/"),
        ]:
            with self.subTest(arguments=arguments):
                self.assertEqual(call(**arguments)["result"]["body"]["path"], expected)
        sent = call(method="POST", path="/items", body={"a": 1})["result"]
        self.assertEqual((sent["status"], sent["body"]["method"], sent["body"]["body"]), (200, "POST", "{'a': 1}"))
        self.assertEqual(server.requests[-1]["headers"]["x-key"], SECRET)
        self.assertEqual(call(method="GET", path="/text")["result"], {"status": 418, "body": "short and stout"})
        away = call(method="GET", path="/away")["result"]
        self.assertEqual((away["status"], away["location"]), (302, "http://elsewhere.invalid/"))
        huge = call(method="GET", path="/huge")["result"]
        self.assertEqual((len(huge["body"]), huge["cut"]), (1 << 20, True))
        count = len(server.requests)
        for path in [
            "//elsewhere.invalid/", "http://elsewhere.invalid/", "/../admin", "/a/../../admin", "/%2e%2e/admin", "/%252e%252e/admin",
            "/..\\admin", "/x\r\nHost: elsewhere.invalid", "/a#b", "/a?x=\n", 5,
        ]:  # fmt: skip
            with self.subTest(path=path):
                self.assertEqual(call(method="GET", path=path).get("error", "")[:19], "the argument `path`")
        self.assertEqual(len(server.requests), count)
        self.assertIn("error", call(method="CONNECT", path="/"))

    def test_a_url_without_a_scheme_is_http(self):
        server = StandIn(self, lambda handler, asked: send(handler, 200, {}))
        web = self.start(self.describe("web", "api", "web", {"url": f"127.0.0.1:{server.port}"}))
        self.assertEqual(
            web.post("/call", {"name": "request", "arguments": {"method": "GET", "path": "/"}}).json["result"]["status"], 200
        )


class McpServer(StandIn):
    """Speaks the protocol's streamable HTTP; `streams` has it answer by server-sent events."""

    def __init__(self, test, streams):
        self.streams = streams
        self.session = "session-1"
        super().__init__(test, self._answer)

    def _answer(self, handler, asked):
        headers, body = asked["headers"], asked["body"]
        if headers.get("authorization") != f"Bearer {SECRET}":
            return send(handler, 401, {"error": "unauthorized"})
        if asked["method"] == "DELETE":
            return send(handler, 200, b"")
        if body.get("method") == "initialize":
            result = {"protocolVersion": "2025-03-26", "capabilities": {"tools": {}}, "serverInfo": {"name": "stand-in"}}
            return send(handler, 200, {"jsonrpc": "2.0", "id": body["id"], "result": result}, {"Mcp-Session-Id": self.session})
        if headers.get("mcp-session-id") != self.session:
            return send(handler, 404, {"error": "unknown session"})
        if headers.get("mcp-protocol-version") != "2025-03-26":
            return send(handler, 400, {"error": "no version"})
        if "id" not in body or "result" in body:
            return send(handler, 202, b"")
        answer = {"jsonrpc": "2.0", "id": body["id"], **self._result(body["method"], body["params"])}
        if not self.streams:
            return send(handler, 200, answer)
        others = [
            {"jsonrpc": "2.0", "id": 900, "method": "ping"},
            {"jsonrpc": "2.0", "method": "notifications/message", "params": {}},
        ]
        send_pieces(handler, [f"event: message\ndata: {json.dumps(each)}\n\n" for each in [*others, answer]])

    @staticmethod
    def _result(method, params):
        schema = {"type": "object", "properties": {"text": {"type": "string"}}}
        if method == "tools/list":
            if "cursor" not in params:
                return {
                    "result": {"tools": [{"name": "echo", "description": "Echoes.", "inputSchema": schema}], "nextCursor": "2"}
                }
            return {"result": {"tools": [{"name": "fail", "inputSchema": schema}, {"name": "table"}]}}
        if params["name"] == "echo":
            picture = {"type": "image", "mimeType": "image/png", "data": "..."}
            return {"result": {"content": [{"type": "text", "text": params["arguments"]["text"]}, picture]}}
        if params["name"] == "table":
            return {"result": {"content": [], "structuredContent": {"rows": 2}}}
        if params["name"] == "fail":
            return {"result": {"content": [{"type": "text", "text": "it broke"}], "isError": True}}
        return {"error": {"code": -32602, "message": "unknown tool"}}


class Mcp(Case):
    def test_tools_of_a_remote_server(self):
        for streams in (False, True):
            with self.subTest(streams=streams):
                server = McpServer(self, streams)
                config = {
                    "server": "acme/mcp", "url": f"{server.url}/mcp", "env": {"ACME_TOKEN": {"$env": "KEY"}, "RATE_LIMIT": 5000},
                    "toolsets": "repos,issues", "readonly": True,
                }  # fmt: skip
                tools = self.start(self.describe("acme", "mcp", "server", config), KEY=f"{SECRET}\n")
                listed = tools.get("/tools").json
                self.assertEqual([tool["name"] for tool in listed], ["echo", "fail", "table"])
                self.assertEqual(listed[0]["parameters"]["properties"], {"text": {"type": "string"}})
                for name, arguments, expected in [
                    ("echo", {"text": "hi"}, {"result": "hi\n(image: image/png)"}),
                    ("table", {}, {"result": {"rows": 2}}),
                    ("fail", {}, {"error": "it broke"}),
                    ("nope", {}, {"error": "unknown tool (-32602)"}),
                ]:
                    self.assertEqual(tools.post("/call", {"name": name, "arguments": arguments}).json, expected)
                # The server is started anew and knows the session no more.
                server.session = "session-2"
                self.assertEqual(tools.post("/call", {"name": "table", "arguments": {}}).json, {"result": {"rows": 2}})
                headers = server.requests[-1]["headers"]
                self.assertEqual((headers["x-mcp-toolsets"], headers["x-mcp-readonly"]), ("repos,issues", "true"))
                self.assertEqual(tools.stop(), 0)
                self.assertEqual(server.requests[-1]["method"], "DELETE")

    def test_a_server_that_refuses_or_is_away(self):
        server = McpServer(self, False)
        path = self.describe("acme", "mcp", "server", {"server": f"{server.url}/mcp", "auth": {"token": {"$env": "KEY"}}})
        tools = self.start(path, KEY="another-token")
        answer = tools.get("/tools")
        self.assertEqual((answer.status, answer.json["error"]), (502, "the MCP server of `acme` answered 401 to initialize"))
        server.server.shutdown()
        server.server.server_close()
        self.assertEqual(tools.get("/tools").status, 502)

    def test_an_agent_with_two_toolboxes_of_the_same_names(self):
        self.write("f.py", "def echo(text: str) -> str:\n    return 'f ' + text\n\ndef only() -> str:\n    return 'x'\n")
        functions = self.start(self.describe("functions", "api", "functions", {"path": "f.py"}))
        server = McpServer(self, True)
        path = self.describe("acme", "mcp", "server", {"server": f"{server.url}/mcp", "auth": {"token": {"$env": "KEY"}}})
        acme = self.start(path, KEY=SECRET)
        calls = [
            tool_call("acme__echo", {"text": "1"}, "a"),
            tool_call("functions__echo", {"text": "2"}, "b"),
            tool_call("only", {}, "c"),
        ]
        vendor = OpenAI(self, {"tool_calls": calls}, "Done.")
        model = self.start(
            self.describe("model", "llm", "openai", {"api_key": {"$env": "KEY"}}),
            KEY=SECRET,
            OPENAI_BASE_URL=f"{vendor.url}/v1",
        )
        config = {"model": {"$ref": "model"}, "tools": [{"$ref": "functions"}, {"$ref": "acme"}]}
        agent = self.start(
            self.describe("assistant", "agent", "llm", config), peers={"model": model, "functions": functions, "acme": acme}
        )
        self.assertEqual(agent.ask("go")["output"], "Done.")
        told = [message["content"] for message in vendor.requests[1]["body"]["messages"] if message["role"] == "tool"]
        self.assertEqual(told, ["1\n(image: image/png)", "f 2", "x"])


if __name__ == "__main__":
    unittest.main()
