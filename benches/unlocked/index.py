"""A package index on this machine that has what pip's own index gave it once, and counts what it hands out."""

import gzip
import hashlib
import http.client
import re
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from pathlib import Path

from local_index import LocalIndex
from measure import quiet

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"


def upstream() -> str:
    """The index that pip is set to, else pip's own."""
    script = (
        "from pip._internal.commands.install import InstallCommand as C; "
        "print(C('install', '').parse_args([])[0].index_url)"
    )
    return quiet(sys.executable, "-c", script).rstrip("/")


class Index(LocalIndex):
    """Answers `/simple/NAME/`, in both forms, and `/file/...`, with the files and their metadata.

    What is not in `folder` yet is fetched from `upstream`, unless `frozen`: then it is an answer 404, kept in `refused`.
    """

    def __init__(self, folder: Path, upstream: str):
        self.folder, self.upstream = folder, upstream
        self.frozen, self.refused = False, []
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__()
        self.url = f"{self.address}/simple"

    def answer(self, path: str, headers: Message) -> tuple[bytes | None, dict[str, str]]:
        if path.startswith("/file/"):
            return self.file(path), {"Content-Type": "application/octet-stream"}
        wants_json = "json" in headers.get("Accept", "")
        kind = {"Content-Type": JSON if wants_json else HTML}
        body = self.page(path, wants_json)
        if body is None or "gzip" not in headers.get("Accept-Encoding", ""):
            return body, kind
        return self.squeeze(path, wants_json, body), kind | {"Content-Encoding": "gzip"}

    def is_wheel(self, path: str) -> bool:
        return path.startswith("/file/") and not path.endswith(".metadata")

    def page(self, path: str, wants_json: bool) -> bytes | None:
        """A page with the addresses of files turned to us."""
        accept = JSON if wants_json else HTML
        body = self.kept(f"{accept} {path}", self.upstream + path.removeprefix("/simple"), accept)
        return re.sub(rb'https?://([^/"]+)/([^"#]*)', rb"/file/\1/\2", body) if body else body

    def squeeze(self, path: str, wants_json: bool, body: bytes) -> bytes:
        place = self.folder / hashlib.sha256(f"gzip {wants_json} {path}".encode()).hexdigest()
        if not place.exists():
            place.write_bytes(gzip.compress(body, 6, mtime=0))
        return place.read_bytes()

    def file(self, path: str) -> bytes | None:
        scheme = urllib.parse.urlsplit(self.upstream).scheme
        return self.kept(path, f"{scheme}://{path.removeprefix('/file/')}", "*/*")

    def kept(self, key: str, url: str, accept: str) -> bytes | None:
        place = self.folder / hashlib.sha256(key.encode()).hexdigest()
        if place.exists():
            return place.read_bytes()
        if self.frozen:
            self.refused.append(key)
            return None
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=120) as answer:
                body = answer.read()
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
            print(f"{url}: {error}", file=sys.stderr)
            return None
        part = place.with_suffix(f".{threading.get_ident()}")
        part.write_bytes(body)
        part.rename(place)
        return body
