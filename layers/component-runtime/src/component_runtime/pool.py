"""A few threads that do what nobody waits for. Unlike those of `concurrent.futures` they never hold up the end of the process."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from typing import Callable, Tuple

from . import log


class Pool:
    """At most so many threads, made when they are needed, and a bounded queue in front of them."""

    def __init__(self, name: str, threads: int, waiting: int):
        self._name = name
        self._threads = threads
        self._waiting: "queue.Queue[Tuple[contextvars.Context, Callable[[], None]]]" = queue.Queue(waiting)
        self._lock = threading.Lock()
        self._started = 0
        self._idle = 0
        self._unfinished = 0

    def submit(self, work: Callable[[], None]) -> bool:
        """Has the work done soon; false when too much waits already, and the work is not done."""
        with self._lock:
            try:
                self._waiting.put_nowait((contextvars.copy_context(), work))
            except queue.Full:
                return False
            self._unfinished += 1
            if self._idle < self._waiting.qsize() and self._started < self._threads:
                self._started += 1
                threading.Thread(target=self._work, daemon=True, name=f"{self._name}-{self._started}").start()
        return True

    def drain(self, deadline: float) -> bool:
        """Waits for all that was submitted; false when some was left at the deadline."""
        while self._unfinished and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self._unfinished

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            context, work = self._waiting.get()
            with self._lock:
                self._idle -= 1
            try:
                context.run(work)
            except BaseException as problem:  # The thread goes on, whatever the work was.
                log.error("work in the background failed", pool=self._name, reason=log.describe(problem))
            finally:
                with self._lock:
                    self._unfinished -= 1
