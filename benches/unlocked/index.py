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
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "text/html"


def upstream() -> str:
    """The index that pip is set to, else pip's own."""
    from measure import quiet

    script = (
        "from pip._internal.commands.install import InstallCommand as C; "
        "print(C('install', '').parse_args([])[0].index_url)"
    )
    return quiet(sys.executable, "-c", script).rstrip("/")


class Index:
    """Answers `/simple/NAME/`, in both forms, and `/file/...`, with the files and their metadata.

    What is not in `folder` yet is fetched from `upstream`, unless `frozen`: then it is an answer 404, kept in `refused`.
    """

    def __init__(self, folder: Path, upstream: str):
        self.folder, self.upstream = folder, upstream
        self.frozen, self.refused = False, []
        self.lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self.forget()
        index = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, with_body: bool) -> None:
                is_file = self.path.startswith("/file/")
                wants_json = "json" in self.headers.get("Accept", "")
                body = index.file(self.path) if is_file else index.page(self.path, wants_json)
                squeezed = body is not None and not is_file and "gzip" in self.headers.get("Accept-Encoding", "")
                body = index.squeeze(self.path, wants_json, body) if squeezed else body
                self.send_response(404 if body is None else 200)
                kind = "application/octet-stream" if is_file else JSON if wants_json else HTML
                self.send_header("Content-Type", kind)
                if squeezed:
                    self.send_header("Content-Encoding", "gzip")
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                index.count(self.path, len(body or b"") if with_body else 0)
                if with_body and body:
                    self.wfile.write(body)

            def do_GET(self) -> None:
                self.answer(True)

            def do_HEAD(self) -> None:
                self.answer(False)

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def forget(self) -> None:
        """Counts from nothing again."""
        self.requests = self.wheels = self.pages = 0

    def count(self, path: str, size: int) -> None:
        with self.lock:
            self.requests += 1
            if path.startswith("/file/") and not path.endswith(".metadata"):
                self.wheels += size
            else:
                self.pages += size

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

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
