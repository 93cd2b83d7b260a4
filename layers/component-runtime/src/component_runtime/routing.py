"""Sends inputs and outputs along a component's routes."""

from __future__ import annotations

import contextvars
import threading
from typing import Any, List, Optional

from . import log
from .errors import Refusal
from .metrics import Metrics
from .peers import Peer
from .pool import Pool
from .streams import Stream


def first_answer(routes: List[Peer], question: Any, stream: Optional[Stream], metrics: Metrics) -> Any:
    """Asks all routes at once; the answer is that of the first, in the order of the routes, that has one.

    Only the first is read as a stream: chunks of two outputs cannot be told apart.
    """
    outcomes: List[Optional["tuple[bool, Any]"]] = [None] * len(routes)
    done = [threading.Event() for _ in routes]

    def ask(index: int) -> None:
        try:
            outcomes[index] = (True, routes[index].answer(question, stream if index == 0 else None))
        except BaseException as problem:
            metrics.count("woodwork_errors_total", where="route")
            log.error("a route failed", peer=routes[index].address.name, reason=problem)
            outcomes[index] = (False, problem)
        finally:
            done[index].set()

    for index in range(1, len(routes)):
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(ask, index), daemon=True, name=f"route-{index}").start()
    ask(0)
    for index, event in enumerate(done):
        event.wait()
        outcome = outcomes[index]
        if outcome is not None and outcome[0]:
            if stream is not None and index > 0:
                stream.reset()
            return outcome[1]
    first = outcomes[0]
    assert first is not None
    raise first[1] if isinstance(first[1], Refusal) else Refusal(502, f"no route answered: {type(first[1]).__name__}")


class Forwarder:
    """Sends outputs on to other components without waiting for what they say."""

    def __init__(self, routes: List[Peer], metrics: Metrics):
        self._routes = routes
        self._metrics = metrics
        self._pool = Pool("route", 8, 1000)

    def send(self, question: Any) -> None:
        """Has every route told."""
        for route in self._routes:
            if not self._pool.submit(lambda route=route: self._tell(route, question)):  # type: ignore[misc]
                self._metrics.count("woodwork_errors_total", where="route")
                log.error("an output was not sent on, too much waits", peer=route.address.name)

    def drain(self, deadline: float) -> bool:
        """Waits until all was sent; false when something was left."""
        return self._pool.drain(deadline)

    def _tell(self, route: Peer, question: Any) -> None:
        try:
            route.answer(question, None)
        except Exception as problem:
            self._metrics.count("woodwork_errors_total", where="route")
            log.error("an output could not be sent on", peer=route.address.name, reason=problem)
