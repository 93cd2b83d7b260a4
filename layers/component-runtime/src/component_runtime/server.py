"""Accepts connections and has their requests answered, each connection by a thread of its own.

Everything is bounded: connections, requests at a time, sizes and times. Questions about health are answered even when the rest is full.
"""

from __future__ import annotations

import contextvars
import selectors
import socket
import threading
import time
from typing import Dict, List, Optional, Protocol, Set

from . import log, trace
from .errors import Refusal, StartError
from .http1 import Answer, Closed, Connection, Request
from .metrics import Metrics
from .secrets import scrub
from .settings import Settings

BUSY = {"Retry-After": "1"}


class Responder(Protocol):
    """What answers the requests."""

    def route_of(self, request: Request) -> str:
        """The route a request is counted under; one of few."""

    def is_vital(self, request: Request) -> bool:
        """Whether the request asks about the component itself, and is answered however much there is to do."""

    def is_stream(self, request: Request) -> bool:
        """Whether the answer is one that is read for long."""

    def respond(self, request: Request) -> Answer:
        """The answer, or a `Refusal`."""


class Server:
    """Listening sockets, and the connections that came in through them."""

    def __init__(self, settings: Settings, metrics: Metrics, responder: Responder):
        self.settings = settings
        self.metrics = metrics
        self.responder = responder
        self.draining = False
        self._listeners: List[socket.socket] = []
        self._slots = threading.Semaphore(settings.max_requests)
        self._readers = threading.Semaphore(max(1, settings.max_connections // 4))
        self._lock = threading.Lock()
        self._idle: Dict[Connection, float] = {}
        self._open: Set[Connection] = set()
        self._working = 0
        metrics.gauge("woodwork_http_in_flight", lambda: self._working)
        metrics.gauge("woodwork_connections", lambda: len(self._open))

    def listen(self, port: int) -> int:
        """Listens on a port of all addresses, or of WOODWORK_HOST; 0 takes a free port. Returns the port."""
        hosts = [self.settings.host] if self.settings.host else ["0.0.0.0", "::"]
        for index, host in enumerate(hosts):
            try:
                listener = _listener(host, port)
            except OSError as problem:
                if index == 0:
                    raise StartError(f"port {port} cannot be listened on: {problem}") from None
                log.debug("IPv6 is not listened on", reason=problem)
                continue
            self._listeners.append(listener)
            port = listener.getsockname()[1]
        return port

    def serve(self, wake: socket.socket) -> None:
        """Accepts until something arrives at `wake`; then listens no longer."""
        with selectors.DefaultSelector() as selector:
            selector.register(wake, selectors.EVENT_READ)
            for listener in self._listeners:
                selector.register(listener, selectors.EVENT_READ)
            while True:
                ready = {key.fileobj for key, _ in selector.select()}
                if wake in ready:
                    break
                for listener in self._listeners:
                    if listener in ready:
                        self._accept(listener)
        self.draining = True
        for listener in self._listeners:
            listener.close()

    def drain(self, deadline: float) -> bool:
        """Waits for requests that are worked on; false when some were left at the deadline.

        Open connections are still answered meanwhile: with the state of things, or with a refusal.
        """
        while self._working and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self._working

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except OSError as problem:
            # Out of file descriptors, or the client is gone again. The former would make this loop spin.
            log.warning("a connection was not accepted", reason=problem)
            time.sleep(0.05)
            return
        connection = Connection(sock, self.settings)
        with self._lock:
            if len(self._open) >= self.settings.max_connections:
                # Who waits longest without asking anything makes room.
                oldest = min(self._idle, key=self._idle.__getitem__, default=None)
                if oldest is None:
                    _turn_away(sock)
                    return
                self._idle.pop(oldest)
                self._open.discard(oldest)
                _shut(oldest)
            self._open.add(connection)
            self._idle[connection] = time.monotonic()
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._converse, args=(connection,), daemon=True, name="connection").start()
        except (OSError, RuntimeError) as problem:
            log.warning("a connection was turned away", reason=problem)
            self._forget(connection)
            sock.close()

    def _converse(self, connection: Connection) -> None:
        try:
            while self._exchange(connection):
                with self._lock:
                    if connection not in self._open:
                        break
                    self._idle[connection] = time.monotonic()
        except Closed:
            pass
        finally:
            self._forget(connection)
            connection.close()

    def _exchange(self, connection: Connection) -> bool:
        """One request and its answer; false when the connection is to end."""
        try:
            request = connection.request()
        except Refusal as refusal:
            self.metrics.count("woodwork_http_requests_total", route="unread", status=str(refusal.status))
            connection.answer(_refused(refusal), False, False)
            return False
        with self._lock:
            self._idle.pop(connection, None)
            self._working += 1
        started = time.monotonic()
        route, status = self.responder.route_of(request), "closed"
        slots = self._slots_for(request)
        has_slot = slots is None or slots.acquire(blocking=False)
        try:
            answer = contextvars.copy_context().run(self._answer, request, has_slot)
            status = str(answer.status)
            stays = request.keep_alive and not self.draining and not connection.has_unread_body()
            if answer.chunks is not None and request.version == "1.0":
                stays = False
            # The slot is kept meanwhile: clients that take their answers slowly must not pile up.
            connection.answer(answer, request.method == "HEAD", stays, request.version)
            return stays
        finally:
            if slots is not None and has_slot:
                slots.release()
            with self._lock:
                self._working -= 1
            self.metrics.count("woodwork_http_requests_total", route=route, status=status)
            self.metrics.time("woodwork_http_request_seconds", time.monotonic() - started, route=route)

    def _slots_for(self, request: Request) -> Optional[threading.Semaphore]:
        """Readers of streams have slots of their own; together they leave room for questions about health."""
        if self.responder.is_vital(request):
            return None
        return self._readers if self.responder.is_stream(request) else self._slots

    def _answer(self, request: Request, has_slot: bool) -> Answer:
        try:
            request_trace = trace.enter(request.headers)
            headers = {"X-Request-Id": request_trace.request_id}
        except Refusal as refusal:
            return _refused(refusal)
        try:
            if not has_slot:
                raise Refusal(503, "too many requests at a time (WOODWORK_MAX_REQUESTS)", BUSY)
            if self.draining and not self.responder.is_vital(request):
                raise Refusal(503, "this component is shutting down", BUSY)
            answer = self.responder.respond(request)
        except Refusal as refusal:
            if refusal.status >= 500:
                log.warning("a request was not fulfilled", path=request.path[:200], status=refusal.status, reason=refusal)
            answer = _refused(refusal)
        except Closed:
            raise
        except BaseException as problem:  # Not even a SystemExit of a script may end a thread without an answer.
            self.metrics.count("woodwork_errors_total", where="internal")
            log.error("a request failed", path=request.path[:200], reason=log.describe(problem))
            answer = _refused(Refusal(500, f"this component failed: {type(problem).__name__}"))
        answer.headers = {**(answer.headers or {}), **headers}
        return answer

    def _forget(self, connection: Connection) -> None:
        with self._lock:
            self._idle.pop(connection, None)
            self._open.discard(connection)


def _refused(refusal: Refusal) -> Answer:
    answer = Answer.json({"error": scrub(str(refusal))}, refusal.status)
    answer.headers = dict(refusal.headers)
    return answer


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _shut(connection: Connection) -> None:
    """Wakes the thread that waits for the connection's next request; it will find the connection ended."""
    try:
        connection.socket.shutdown(socket.SHUT_RD)
    except OSError:
        pass


def _turn_away(sock: socket.socket) -> None:
    body = b'{"error": "too many connections (WOODWORK_MAX_CONNECTIONS)"}\n'
    head = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n"
    try:
        sock.settimeout(0)
        sock.send(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    except OSError:
        pass
    sock.close()
