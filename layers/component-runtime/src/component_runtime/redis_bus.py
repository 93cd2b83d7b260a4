"""Carries events between containers through Redis' publish and subscribe.

No request waits for Redis: events queue up while it is away, and those that find the queue full are dropped and counted. Delivery is
at most once. Everything goes through one channel, `<prefix>:<project>:events`.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import Any, Callable, Dict

from . import log
from .documents import parse, write
from .events import Events
from .metrics import Metrics
from .resp import Connection, RedisError

WAITING = 1000
LARGEST = 1 << 20
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 15.0
PING_SECONDS = 20.0


class RedisBus:
    """Two threads: one that publishes, and where hooks listen to other components, one that is told."""

    def __init__(self, url: str, prefix: str, events: Events, metrics: Metrics):
        self._url = url
        self._events = events
        self._metrics = metrics
        self._part = events.component.part
        self.channel = f"{prefix}:{events.component.project or 'project'}:events"
        self._waiting: "queue.Queue[str]" = queue.Queue(WAITING)
        self._unsent = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begins to connect; the component does not wait for it."""
        self._events.publish = self.publish
        threading.Thread(target=self._forever, args=(self._send_all,), daemon=True, name="redis-publish").start()
        if self._events.listens_to_others():
            threading.Thread(target=self._forever, args=(self._listen,), daemon=True, name="redis-subscribe").start()

    def publish(self, event: str, payload: Dict[str, Any]) -> None:
        """Has an event of this component sent; returns at once."""
        message = {
            "event": event,
            "component": self._part.name,
            "component_type": f"{self._part.kind}.{self._part.type}",
            "payload": payload,
        }
        try:
            text = write(message).decode("ascii")
            if len(text) > LARGEST:
                raise ValueError(f"it is larger than {LARGEST} bytes")
            with self._lock:
                self._waiting.put_nowait(text)
                self._unsent += 1
        except (queue.Full, ValueError, RecursionError) as problem:
            self._metrics.count("woodwork_bus_messages_total", outcome="dropped")
            log.debug("an event was not published", event=event, reason=problem or "the queue is full")

    def drain(self, deadline: float) -> bool:
        """Waits until everything is sent; false when something was left."""
        while self._unsent and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self._unsent

    def _forever(self, work: Callable[[Connection], None]) -> None:
        """Connects and works; when that ends, again, after pauses that grow while it does not work."""
        pause = FIRST_PAUSE
        told = False
        while True:
            try:
                connection = Connection(self._url)
                log.info("connected to Redis", channel=self.channel)
                pause, told = FIRST_PAUSE, False
                try:
                    work(connection)
                finally:
                    connection.close()
            except (OSError, RedisError, ValueError) as problem:
                self._metrics.count("woodwork_bus_messages_total", outcome="failed")
                if not told:  # An outage is told once, not for as long as it lasts.
                    log.warning("Redis cannot be reached; events of this component stay in it meanwhile", reason=problem)
                told = True
            except BaseException as problem:
                log.error("the bus failed", reason=log.describe(problem))
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)

    def _send_all(self, connection: Connection) -> None:
        while True:
            try:
                text = self._waiting.get(timeout=PING_SECONDS)
            except queue.Empty:
                connection.command("PING")
                continue
            try:
                connection.command("PUBLISH", self.channel, text)
                self._metrics.count("woodwork_bus_messages_total", outcome="published")
            finally:
                # What was being sent when the connection broke is not sent again: nobody knows whether it arrived.
                with self._lock:
                    self._unsent -= 1

    def _listen(self, connection: Connection) -> None:
        connection.send("SUBSCRIBE", self.channel)
        silent_since = time.monotonic()
        while True:
            message = connection.read(PING_SECONDS)
            if message is None:
                if time.monotonic() - silent_since > 3 * PING_SECONDS:
                    raise ConnectionError("the server says nothing any more")
                connection.send("PING")
                continue
            silent_since = time.monotonic()
            if isinstance(message, list) and len(message) == 3 and message[0] == "message" and isinstance(message[2], str):
                self._hear(message[2])

    def _hear(self, text: str) -> None:
        try:
            value = parse(text.encode())
        except ValueError:
            value = None
        if not isinstance(value, dict) or not isinstance(value.get("payload"), dict):
            log.debug("a message on the bus is not one of ours")
            return
        component, event = str(value.get("component")), str(value.get("event"))
        if component == self._part.name:
            return  # Our own events were told to our hooks when they happened.
        self._metrics.count("woodwork_bus_messages_total", outcome="received")
        self._events.hear(component, str(value.get("component_type")), event, value["payload"])
