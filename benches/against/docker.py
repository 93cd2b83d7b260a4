"""A Docker daemon, and the builders that need it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from builders import Builder, Project, Wain, write_dockerfile
from measure import Cost, measure, quiet
from prepare import DataSet


class Daemon:
    """A Docker daemon of our own, in a folder of its own; with the base, uv and the wheels in it."""

    def __init__(self, work: Path, driver: str):
        self.path, self.driver = work / "docker", driver
        self.path.mkdir(parents=True)
        self.host = f"unix://{self.path}/s"
        arguments = ["dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none"]
        arguments += [f"--storage-driver={driver}", f"--data-root={self.path}/data", f"--exec-root={self.path}/exec"]
        with open(self.path / "log", "wb") as log:
            self.process = subprocess.Popen(
                [*arguments, "-H", self.host, "-p", self.path / "pid"], stdout=log, stderr=log
            )
        for _ in range(100):
            if subprocess.run([*self.client(), "version"], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        self.stop()
        sys.exit(f"dockerd does not start:\n{(self.path / 'log').read_text()[-2000:]}")

    def client(self) -> list:
        # Clients from 23 on need a plugin for BuildKit; Debian's 20.10 has it built in.
        return ["/usr/bin/docker", "-H", self.host]

    def load(self, archive: Path) -> None:
        quiet(*self.client(), "load", "--input", archive)

    def forget(self, image: str) -> None:
        """Removes an image, and those that had its name before: they hold the same layers."""
        subprocess.run([*self.client(), "rmi", "--force", image], capture_output=True, check=False)
        quiet(*self.client(), "image", "prune", "--force")

    def size(self, image: str) -> int:
        return int(quiet(*self.client(), "image", "inspect", "--format", "{{.Size}}", image))

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class WainIntoDocker(Wain):
    """Ours, loaded into the daemon that BuildKit builds in: both end at the same place."""

    def __init__(self, name: str, data: DataSet, work: Path, program: Path, daemon: Daemon):
        super().__init__(name, data, work, program, wheels_in_store=False)
        self.daemon = daemon

    def output(self) -> list[str]:
        return ["--output", "docker"]

    def cold(self, log: Path) -> Cost:
        self.daemon.forget("bench/wain")
        return super().cold(log)

    def build(self, log: Path, memory: bool = False) -> Cost:
        environment = {**os.environ, "DOCKER_HOST": self.daemon.host}
        cost = measure(*self.command(), log=log, memory=memory, env=environment)
        self.made = log.read_text().split()[-1]
        return cost

    def digest(self) -> str:
        return self.made

    def size(self) -> int:
        return self.daemon.size("bench/wain")


class BuildKit(Builder):
    """`docker build` with BuildKit, into the daemon's own store: nothing is compressed or written out."""

    tag = "bench/buildkit"

    def __init__(self, name: str, data: DataSet, work: Path, daemon: Daemon):
        self.name, self.daemon, self.work = name, daemon, work / name
        self.work.mkdir(parents=True)
        self.project = Project(data, self.work / "project")
        shutil.copyfile(data.requirements, self.project.path / "requirements.txt")
        write_dockerfile(self.work / "Dockerfile", data)

    def run(self, log: Path, *options: str) -> Cost:
        build = ["build", "--network=none", "--file", self.work / "Dockerfile", "--tag", self.tag, *options]
        environment = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
        command = self.command([*self.daemon.client(), *build, self.project.path])
        return measure(*command, log=log, daemon=self.daemon.process.pid, env=environment)

    def command(self, build: list) -> list:
        return build

    def cold(self, log: Path) -> Cost:
        self.daemon.forget(self.tag)
        quiet(*self.daemon.client(), "builder", "prune", "--all", "--force")
        return self.run(log)

    def cold_with_cache_mount(self, log: Path) -> Cost:
        """Cold, but uv finds every wheel unpacked in its cache mount, from an earlier build."""
        return self.run(log, "--no-cache")

    def build(self, log: Path, memory: bool = False) -> Cost:
        return self.run(log)

    def digest(self) -> str:
        return quiet(*self.daemon.client(), "image", "inspect", "--format", "{{.Id}}", self.tag)

    def size(self) -> int:
        return self.daemon.size(self.tag)


class BuildKitAndPush(BuildKit):
    """BuildKit, then `docker push` to an empty registry on this machine: like ours, an image that others can have."""

    def __init__(self, name: str, data: DataSet, work: Path, daemon: Daemon):
        super().__init__(name, data, work, daemon)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.tag = f"127.0.0.1:{port}/bench/buildkit"
        self.registry = None

    def command(self, build: list) -> list:
        push = [*self.daemon.client(), "push", "--quiet", self.tag]
        return ["bash", "-ec", f'"${{@:1:{len(build)}}}"; "${{@:{len(build) + 1}}}"', "both", *build, *push]

    def cold(self, log: Path) -> Cost:
        self.stop()
        storage = self.work / "registry"
        shutil.rmtree(storage, ignore_errors=True)
        config = self.work / "registry.yml"
        address = self.tag.partition("/")[0]
        config.write_text(
            f"version: 0.1\nlog: {{level: error}}\nhttp: {{addr: {address}}}\n"
            f"storage: {{filesystem: {{rootdirectory: {storage}}}}}\n"
        )
        with open(self.work / "registry.log", "wb") as out:
            self.registry = subprocess.Popen(["docker-registry", "serve", config], stdout=out, stderr=out)
        time.sleep(0.5)
        return super().cold(log)

    def digest(self) -> str:
        return quiet(*self.daemon.client(), "image", "inspect", "--format", "{{.RepoDigests}}", self.tag)

    def size(self) -> int:
        blobs = (self.work / "registry").glob("**/blobs/sha256/*/*/data")
        return sum(blob.stat().st_size for blob in blobs)

    def stop(self) -> None:
        if self.registry:
            self.registry.terminate()
            self.registry.wait()
            self.registry = None
