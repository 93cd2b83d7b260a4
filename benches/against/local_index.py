"""A package index on this machine that counts what it hands out."""

import threading
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LocalIndex:
    """Answers GET and HEAD; what, subclasses say. Counts requests, and bytes of wheels and of everything else."""

    def __init__(self):
        self.lock = threading.Lock()
        self.forget()
        index = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self, with_body: bool) -> None:
                body, headers = index.answer(self.path, self.headers)
                self.send_response(404 if body is None else 200)
                for name, value in headers.items():
                    self.send_header(name, value)
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
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path: str, headers: Message) -> tuple[bytes | None, dict[str, str]]:
        """The body of an answer, if there is one, and its headers but for the length."""
        raise NotImplementedError

    def is_wheel(self, path: str) -> bool:
        """Whether a path is that of a file to install."""
        raise NotImplementedError

    def forget(self) -> None:
        """Counts from nothing again."""
        self.requests = self.wheels = self.pages = 0

    def count(self, path: str, size: int) -> None:
        with self.lock:
            self.requests += 1
            if self.is_wheel(path):
                self.wheels += size
            else:
                self.pages += size

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
