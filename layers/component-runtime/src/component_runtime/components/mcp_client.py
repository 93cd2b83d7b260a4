"""A client of the Model Context Protocol over its streamable HTTP transport (revision 2025-06-18; older servers are understood)."""

from __future__ import annotations

import itertools
import threading
from typing import Any, Dict, Iterator, List, Optional

from .. import __version__, http_client
from ..documents import parse, write
from ..errors import Failure, ToolError
from ..http_client import Reply, Unreachable

REVISION = "2025-06-18"
MAX_PAGES = 50


class SessionEnded(Exception):
    """The server does not know the session any more; a new one may be begun."""


class Client:
    """One server, and the session with it, which is begun when it is needed and again when the server has forgotten it."""

    def __init__(self, name: str, url: str, headers: Dict[str, str], seconds: float):
        self._who = f"the MCP server of `{name}`"
        self._url = url
        self._headers = headers
        self._seconds = seconds
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._session: Optional[Dict[str, str]] = None

    def tools(self) -> List[Dict[str, Any]]:
        """All tools, over all pages."""
        found: List[Dict[str, Any]] = []
        cursor: Optional[str] = None
        for _ in range(MAX_PAGES):
            result = self._request("tools/list", {} if cursor is None else {"cursor": cursor})
            page = result.get("tools")
            if not isinstance(page, list):
                raise self._failure("answered tools/list without `tools`")
            found += [tool for tool in page if isinstance(tool, dict) and isinstance(tool.get("name"), str)]
            cursor = result.get("nextCursor")
            if not isinstance(cursor, str) or not cursor:
                return found
        raise self._failure(f"has more than {MAX_PAGES} pages of tools")

    def call(self, name: str, arguments: Dict[str, Any]) -> Any:
        """What a tool answers: its structured content when there is some, else its text."""
        result = self._request("tools/call", {"name": name, "arguments": arguments})
        content = result.get("content")
        text = "\n".join(_text(item) for item in content) if isinstance(content, list) else ""
        if result.get("isError"):
            raise ToolError(text or "the tool failed and does not say why")
        structured = result.get("structuredContent")
        return structured if structured is not None else text

    def close(self) -> None:
        """Ends the session, when there is one, as far as the server lets it."""
        session, self._session = self._session, None
        if session and "Mcp-Session-Id" in session:
            try:
                http_client.send("DELETE", self._url, {**self._headers, **session}, None, 2, proxies=True).__exit__()
            except Unreachable:
                pass

    def _request(self, method: str, params: Dict[str, Any]) -> Dict[str, Any]:
        try:
            return self._exchange(method, params, self._begun())
        except SessionEnded:
            with self._lock:
                self._session = None
        try:
            return self._exchange(method, params, self._begun())
        except SessionEnded:
            raise self._failure("forgets its sessions at once") from None

    def _begun(self) -> Dict[str, str]:
        """The headers of the session."""
        with self._lock:
            if self._session is not None:
                return self._session
            about = {"name": "component-runtime", "version": __version__}
            params = {"protocolVersion": REVISION, "capabilities": {}, "clientInfo": about}
            session: Dict[str, str] = {}
            try:
                result = self._exchange("initialize", params, session)
            except SessionEnded:
                raise self._failure("answered 404") from None
            session["MCP-Protocol-Version"] = str(result.get("protocolVersion") or REVISION)
            with self._post({"jsonrpc": "2.0", "method": "notifications/initialized"}, session) as reply:
                if reply.status not in (200, 202, 204):
                    raise self._failure(f"answered {reply.status} to notifications/initialized")
            self._session = session
            return session

    def _exchange(self, method: str, params: Dict[str, Any], session: Dict[str, str]) -> Dict[str, Any]:
        number = next(self._ids)
        with self._post({"jsonrpc": "2.0", "id": number, "method": method, "params": params}, session) as reply:
            if reply.status == 404:
                raise SessionEnded
            if reply.status != 200:
                raise self._failure(f"answered {reply.status} to {method}")
            if method == "initialize" and "mcp-session-id" in reply.headers:
                session["Mcp-Session-Id"] = reply.headers["mcp-session-id"]
            for message in self._messages(reply):
                if message.get("id") == number and ("result" in message or "error" in message):
                    return self._result(message, method)
                if message.get("method") == "ping" and "id" in message:
                    self._post({"jsonrpc": "2.0", "id": message["id"], "result": {}}, session).__exit__()
        raise self._failure(f"did not answer {method}")

    def _messages(self, reply: Reply) -> Iterator[Dict[str, Any]]:
        try:
            if reply.headers.get("content-type", "").split(";")[0].strip().lower() == "text/event-stream":
                texts: Iterator[bytes] = (data.encode() for _, data in reply.events())
            else:
                texts = iter([reply.read()])
            for text in texts:
                value = parse(text)
                # Older revisions may answer with a batch.
                yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict))
        except Unreachable as problem:
            raise self._failure(str(problem), problem.timed_out) from None
        except ValueError as problem:
            raise self._failure(f"did not answer with JSON: {problem}") from None

    def _result(self, message: Dict[str, Any], method: str) -> Dict[str, Any]:
        error, result = message.get("error"), message.get("result")
        if isinstance(error, dict):
            told = f"{error.get('message')} ({error.get('code')})"
            if method == "tools/call":
                raise ToolError(told)
            raise self._failure(f"refused {method}: {told}")
        if not isinstance(result, dict):
            raise self._failure(f"answered {method} without a result")
        return result

    def _post(self, message: Dict[str, Any], session: Dict[str, str]) -> Reply:
        fixed = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        try:
            return http_client.send(
                "POST", self._url, {**fixed, **self._headers, **session}, write(message), self._seconds, proxies=True
            )
        except Unreachable as problem:
            raise self._failure(str(problem), problem.timed_out) from None

    def _failure(self, what: str, timed_out: bool = False) -> Failure:
        return Failure(self._who, what, timed_out)


def _text(item: Any) -> str:
    """A piece of a tool's answer as text; of pictures and the like only what they are."""
    if not isinstance(item, dict):
        return str(item)
    if item.get("type") == "text":
        return str(item.get("text", ""))
    resource = item.get("resource")
    if isinstance(resource, dict) and "text" in resource:
        return str(resource["text"])
    return f"({item.get('type')}: {item.get('uri') or item.get('mimeType') or 'not text'})"
