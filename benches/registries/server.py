"""A registry on this machine that says what it was asked."""

import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from relay import Relay, free_port


class Server:
    """A new docker-registry, and what it was asked."""

    def __init__(self, folder: Path, relayed: bool):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        own = free_port()
        config = folder / "config.yml"
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: 127.0.0.1:{own}}}\n"
            f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        )
        self.log = open(folder / "log", "w+b")
        self.process = subprocess.Popen(
            ["docker-registry", "serve", config], stdout=self.log, stderr=subprocess.DEVNULL
        )
        self.relay = Relay(own) if relayed else None
        self.port = self.relay.port if self.relay else own
        wait_for(own, self.process)

    def requests(self) -> list[str]:
        """Method and path of every request so far, but for those that only say hello."""
        self.log.flush()
        asked = re.findall(r'"([A-Z]+) (\S+) HTTP', (self.folder / "log").read_text(errors="replace"))
        return [f"{method} {path}" for method, path in asked]

    def bytes(self) -> int:
        return self.relay.bytes if self.relay else 0

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        if self.relay:
            self.relay.stop()
        self.log.close()


def wait_for(port: int, process: subprocess.Popen) -> None:
    for _ in range(200):
        if process.poll() is not None:
            sys.exit("docker-registry does not start")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit("docker-registry does not answer")
