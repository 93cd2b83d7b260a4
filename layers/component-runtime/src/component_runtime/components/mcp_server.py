"""`mcp server`: the tools of a remote MCP server, offered to this project's agents."""

from __future__ import annotations

from typing import Any, Dict, List

from ..config import Part
from ..documents import as_text
from ..errors import StartError
from ..world import World
from .base import Base
from .mcp_client import Client

# Servers that are known by their name in the registry; all others need their `url`.
KNOWN = {
    "github/mcp-server": "https://api.githubcopilot.com/mcp/",
    "github/github-mcp-server": "https://api.githubcopilot.com/mcp/",
}
# Endings of names in `env` that hold what a server running locally would take as its login.
LOGINS = ("TOKEN", "API_KEY", "PAT", "SECRET")


class Server(Base):
    """Only servers that are reached over HTTP: nothing is started in a container."""

    def __init__(self, part: Part, world: World):
        super().__init__(part, world)
        server = self.options.text("server")
        url = self.options.text("url", "") or (server if "://" in server else KNOWN.get(server, ""))
        if not url.startswith(("http://", "https://")):
            raise StartError(f"{part}: where the server is must be told by the key `url`, or by a `server` that is an http URL")
        self._client = Client(part.name, url, self._headers(), world.settings.tool_time)

    def tools(self) -> List[Dict[str, Any]]:
        return [
            {
                "name": tool["name"],
                "description": str(tool.get("description") or tool.get("title") or ""),
                "parameters": tool.get("inputSchema") or {"type": "object", "properties": {}},
            }
            for tool in self._client.tools()
        ]

    def call(self, name: str, arguments: Dict[str, Any]) -> Any:
        return self._client.call(name, arguments)

    def close(self) -> None:
        self._client.close()

    def _headers(self) -> Dict[str, str]:
        """The login, and what the server is to offer."""
        headers = {name: as_text(value) for name, value in self.options.mapping("headers").items()}
        token = self._token().strip()
        if token:
            headers.setdefault("Authorization", token if " " in token else f"Bearer {token}")
        toolsets = self.options.part.config.get("toolsets")
        if toolsets:
            headers["X-MCP-Toolsets"] = ",".join(map(as_text, toolsets)) if isinstance(toolsets, list) else as_text(toolsets)
        if self.options.flag("readonly"):
            headers["X-MCP-Readonly"] = "true"
        if any(char in name + value for name, value in headers.items() for char in "\r\n\0"):
            raise self.options.wrong("headers", "a dictionary of texts in one line (and so must the login be)")
        return headers

    def _token(self) -> str:
        auth, env = self.options.mapping("auth"), self.options.mapping("env")
        for key in ("token", "bearer", "api_key", "access_token"):
            if auth.get(key):
                return as_text(auth[key])
        if auth:
            raise self.options.wrong("auth", "a dictionary with a `token`; other headers go into `headers`")
        logins = [as_text(value) for name, value in env.items() if name.upper().endswith(LOGINS) and value]
        return logins[0] if len(logins) == 1 else ""
