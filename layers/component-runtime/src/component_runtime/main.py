"""From the environment to a serving component, and from a signal to the end."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
import threading
import time
from typing import Any, List, Mapping, Optional

from . import __version__, config, log, paths, secrets
from .components.input_api import Input
from .endpoints import Endpoints
from .errors import EXIT_CONFIG, StartError
from .redis_bus import RedisBus
from .server import Server
from .settings import Settings
from .world import World

USAGE = "usage: python -m component_runtime [--check | --health]"
# How long streams have to send their last event, and exit handlers of scripts to run.
LAST_SECONDS = 2.0


def main(arguments: List[str], environment: Mapping[str, str]) -> int:
    """The exit code: 0 after a signal, 78 when the component is set up wrongly, 2 for wrong arguments."""
    if arguments not in ([], ["--check"]):
        print(USAGE, file=sys.stderr)
        return 2
    # As process 1 of a container nothing ends us that we do not listen to; loading scripts may take a while.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    log.set_up(environment.get("WOODWORK_COMPONENT_NAME", "component"), "info", False)
    try:
        settings = Settings.read(environment)
        log.set_up(environment.get("WOODWORK_COMPONENT_NAME", "component"), settings.log_level, settings.log_json)
        secrets.learn_url(settings.redis_url or "")
        component = config.load(settings.component_file, environment, settings.peers)
        log.set_up(component.part.name, settings.log_level, settings.log_json)
        paths.arrange(os.path.dirname(os.path.abspath(settings.component_file)))
        world = World(settings, component, environment)
        built = world.build()
        running = Running(world, built)
        if arguments:
            log.info("the component can be started", part=component.part)
            return 0
        running.listen()
    except StartError as problem:
        log.error(str(problem))
        return EXIT_CONFIG
    return running.run()


class Running:
    """A component that serves."""

    def __init__(self, world: World, component: Any):
        self.world = world
        self.component = component
        self.bus: Optional[RedisBus] = None
        if world.settings.redis_url:
            self.bus = RedisBus(world.settings.redis_url, world.settings.bus_prefix, world.events, world.metrics)
        self.endpoints = Endpoints(world, component, lambda: self.server.draining)
        self.server = Server(world.settings, world.metrics, self.endpoints)

    def listen(self) -> None:
        """Takes the ports."""
        part = self.component.part
        port = self.server.listen(self.world.settings.port)
        ports = [port]
        if isinstance(self.component, Input) and self.component.port not in (0, port):
            ports.append(self.server.listen(self.component.port))
        labels = {"name": part.name, "kind": part.kind, "type": part.type, "runtime": __version__}
        self.world.metrics.count("woodwork_component_info", **labels)
        if self.bus is not None:
            self.bus.start()
        log.info("listening", ports=",".join(map(str, ports)), part=part)

    def run(self) -> int:
        """Serves until a signal comes, then finishes what was begun."""
        waker, wake = socket.socketpair()
        waker.setblocking(False)
        signals: List[int] = []

        def stop(number: int, _: object) -> None:
            if signals and self.server.draining:
                os._exit(0)  # The second signal: whoever sends it does not want to wait.
            signals.append(number)

        # A handler runs when the main thread comes to it, and that waits for sockets: a signal that another thread gets, or that comes
        # just before the wait, would be noticed with the next request. What is written here ends the wait.
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        self.server.serve(wake)
        started = time.monotonic()
        log.info("shutting down", grace=self.world.settings.grace)
        # Nothing that is waited for below may keep the container.
        self._end_after(self.world.settings.grace + LAST_SECONDS)
        self._drain(started + self.world.settings.grace)
        self.component.close()
        log.info("ended", seconds=round(time.monotonic() - started, 2))
        # Threads and exit handlers of scripts must not keep it either; the end of the interpreter would wait for some of them.
        self._end_after(LAST_SECONDS)
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    @staticmethod
    def _end_after(seconds: float) -> None:
        end = threading.Timer(seconds, os._exit, (0,))
        end.daemon = True
        end.start()

    def _drain(self, deadline: float) -> None:
        # Streams that are still written to at the end of the grace are told, and sent, that it is over.
        while not self.endpoints.wait_for_jobs() and time.monotonic() < deadline - min(
            LAST_SECONDS, self.world.settings.grace / 4
        ):
            time.sleep(0.02)
        self.world.streams.close(f"{self.component.part} is shutting down")
        finished = self.server.drain(max(deadline, time.monotonic() + 0.2))
        finished = self.endpoints.forwarder.drain(deadline) and finished
        finished = self.world.events.drain(deadline) and finished
        if self.bus is not None:
            # An outage of Redis must not use up the grace.
            self.bus.drain(min(deadline, time.monotonic() + 1))
        if not finished:
            log.warning("not everything was finished within the grace (WOODWORK_GRACE)")
