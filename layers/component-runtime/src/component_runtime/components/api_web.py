"""`api web`: somebody else's HTTP interface as one tool, confined to a base URL."""

from __future__ import annotations

from typing import Any, Dict, List
from urllib.parse import quote, unquote, urlencode, urlsplit

from .. import http_client
from ..config import Part
from ..documents import as_text, parse, write
from ..errors import StartError, ToolError
from ..http_client import Unreachable
from ..world import World
from .base import Base

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
LONGEST_ANSWER = 1 << 20
LONGEST_DOCUMENTATION = 16_000


class Web(Base):
    """The model is told the documentation and chooses methods and paths; hosts and headers are the project's choice."""

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        url = self.options.text("url").rstrip("/")
        self._url = url if "://" in url else f"http://{url}"
        try:
            parts = urlsplit(self._url)
            is_url = bool(parts.hostname) and parts.scheme in ("http", "https") and not parts.query and not parts.fragment
        except ValueError:
            is_url = False
        if not is_url:
            raise self.options.wrong("url", "an http or https URL without a query")
        self._headers = {name: as_text(value) for name, value in self.options.mapping("headers").items()}
        if any(char in name + value for name, value in self._headers.items() for char in "\r\n\0"):
            raise self.options.wrong("headers", "a dictionary of texts in one line")
        self._documentation = self._read_documentation()

    def tools(self) -> List[Dict[str, Any]]:
        about = f"Sends an HTTP request to {self._url} and returns status and body."
        properties = {
            "method": {"type": "string", "enum": list(METHODS)},
            "path": {"type": "string", "description": "Below the base URL, beginning with a slash."},
            "query": {"type": "object", "description": "Parameters of the query."},
            "body": {"description": "Sent as JSON; a text is sent as it is."},
        }
        parameters = {"type": "object", "properties": properties, "required": ["method", "path"], "additionalProperties": False}
        description = f"{about}\n\n{self._documentation}" if self._documentation else about
        return [{"name": "request", "description": description, "parameters": parameters}]

    def call(self, name: str, arguments: Dict[str, Any]) -> Any:
        if name != "request":
            raise ToolError(f"there is no tool `{name}`; there is: request")
        method, query, body = str(arguments.get("method", "GET")).upper(), arguments.get("query") or {}, arguments.get("body")
        if method not in METHODS:
            raise ToolError(f"the argument `method` is not one of {', '.join(METHODS)}")
        if not isinstance(query, dict):
            raise ToolError("the argument `query` is not an object")
        url = self._url + confined(arguments.get("path", "/"))
        if query:
            url += ("&" if "?" in url else "?") + urlencode(
                {key: _query_text(value) for key, value in query.items()}, doseq=True
            )
        headers = {"Accept": "application/json, text/*;q=0.9, */*;q=0.5", "User-Agent": "component-runtime", **self._headers}
        data = None
        if body is not None:
            data = body.encode("utf-8", "replace") if isinstance(body, str) else write(body)
            headers.setdefault("Content-Type", "text/plain; charset=utf-8" if isinstance(body, str) else "application/json")
        try:
            with http_client.send(method, url, headers, data, self.world.settings.tool_time, proxies=True) as reply:
                answer = b"" if method == "HEAD" else reply.read_some(LONGEST_ANSWER + 1)
        except Unreachable as problem:
            raise ToolError(f"{self._url} {problem}") from None
        result: Dict[str, Any] = {"status": reply.status, "body": _body(answer[:LONGEST_ANSWER])}
        if len(answer) > LONGEST_ANSWER:
            result["cut"] = True
        if "location" in reply.headers:
            result["location"] = reply.headers["location"]
        return result

    def _read_documentation(self) -> str:
        if not self.options.has("documentation"):
            return ""
        path = self.options.text("documentation")
        try:
            with open(self.world.path(path), encoding="utf-8", errors="replace") as file:
                return file.read(LONGEST_DOCUMENTATION)
        except OSError as problem:
            raise StartError(f"{self.part}: {path} cannot be read: {problem.strerror or problem}") from None


def confined(path: Any) -> str:
    """The path, escaped, when it stays below the base URL; else a `ToolError`."""
    if not isinstance(path, str):
        raise ToolError("the argument `path` is not a text")
    whole: str = path if path.startswith("/") else f"/{path}"
    before, mark, query = whole.partition("?")
    # Servers differ in how often they unescape a path before they look for dots in it.
    plain: str = before
    for _ in range(4):
        plain = unquote(plain)
    outside = before.startswith("//") or "\\" in plain or "://" in plain or ".." in plain.split("/")
    if outside or "#" in whole or any(ord(char) < 32 or ord(char) == 127 for char in plain + query):
        raise ToolError("the argument `path` does not stay below the base URL")
    return quote(before, safe="/%:@!$&'()*+,;=~-._") + mark + quote(query, safe="/%:@!$&'()*+,;=~-._?[]")


def _query_text(value: Any) -> Any:
    return [as_text(each) for each in value] if isinstance(value, list) else as_text(value)


def _body(data: bytes) -> Any:
    try:
        return parse(data) if data.strip()[:1] in (b"{", b"[") else data.decode("utf-8", "replace")
    except ValueError:
        return data.decode("utf-8", "replace")
