"""The builders that are compared. Each builds one project: from nothing, again, and after an edit.

`cold()` throws away, unmeasured, everything but the base and the wheels, and builds. `build()` builds on what is there.
Both take a log file and return a `Cost`. `digest()` and `size()` speak of what the last build made.
"""

import os
import re
import shutil
import sys
from pathlib import Path

from images import Layout
from measure import Cost, measure, quiet
from prepare import DataSet

HERE = Path(__file__).parent


class Project:
    """A copy of a project that may be edited."""

    def __init__(self, data: DataSet, path: Path):
        self.path = path
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(data.source, path)
        self.file = next(path.glob("src/*/__init__.py"))

    def edit(self, number: int) -> None:
        """Changes one line of one file."""
        text, count = re.subn(r"\d+\"$", f'{number}"', self.file.read_text(), flags=re.MULTILINE)
        assert count == 1
        self.file.write_text(text)


class Builder:
    """What all have in common."""

    def stop(self) -> None:
        """Ends what was started for it."""


class Wain(Builder):
    """Ours, into an OCI layout. `wheels_in_store` or `wheels`: where the wheels are when a cold build begins."""

    def __init__(self, name: str, data: DataSet, work: Path, program: Path, wheels_in_store: bool, jobs: int = 0):
        self.name, self.data, self.work, self.program = name, data, work / name, program
        self.wheels_in_store, self.jobs = wheels_in_store, jobs
        self.work.mkdir(parents=True)
        self.project = Project(data, self.work / "project")
        shutil.copyfile(data.wain_lock, self.project.path / "wain.lock")
        self.store, self.out = self.work / "store", self.work / "out"

    def output(self) -> list[str]:
        return ["--output", f"layout:{self.out}"]

    def command(self) -> list:
        links = [] if self.wheels_in_store else ["--find-links", self.data.wheels]
        jobs = ["--jobs", self.jobs] if self.jobs else []
        flags = ["--offline", "--no-index", "--locked", "--progress", "quiet"]
        where = ["--cache-dir", self.store, *self.output(), "--tag", "bench/wain:latest"]
        return [self.program, "build", self.project.path, *links, *jobs, *flags, *where]

    def clean(self) -> None:
        for folder in (self.store, self.out):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.data.store_with_wheels if self.wheels_in_store else self.data.store, self.store)

    def cold(self, log: Path) -> Cost:
        self.clean()
        return self.build(log, memory=True)

    def build(self, log: Path, memory: bool = False) -> Cost:
        return measure(*self.command(), log=log, memory=memory)

    def digest(self) -> str:
        return Layout(self.out).manifest_digest()

    def size(self) -> int:
        return Layout(self.out).size()


class Buildah(Builder):
    """`buildah build --layers` with the same Dockerfile, into its own store."""

    def __init__(self, name: str, data: DataSet, work: Path, driver: str):
        self.name, self.work = name, work / name
        self.driver = "overlay" if driver == "overlay2" else driver  # By the name that containers/storage gives it.
        self.temporary = self.work / "tmp"
        self.temporary.mkdir(parents=True)
        self.project = Project(data, self.work / "project")
        shutil.copyfile(data.requirements, self.project.path / "requirements.txt")
        write_dockerfile(self.work / "Dockerfile", data)
        self.environment = {**os.environ, "TMPDIR": str(self.temporary)}
        for archive in data.peer_archives:
            quiet(*self.buildah("pull", "--quiet", f"docker-archive:{archive}"), env=self.environment)
        self.given = set(self.images())

    def buildah(self, *words: str) -> list:
        storage = ["--storage-driver", self.driver, "--root", self.work / "root", "--runroot", self.work / "run"]
        return ["buildah", *storage, *words]

    def images(self) -> list[str]:
        return quiet(*self.buildah("images", "--all", "--quiet", "--no-trunc"), env=self.environment).split()

    def cold(self, log: Path) -> Cost:
        made = sorted(set(self.images()) - self.given)
        if made:
            quiet(*self.buildah("rmi", "--force", *made), env=self.environment)
        for entry in self.temporary.iterdir():
            shutil.rmtree(entry)  # The cache mounts.
        return self.build(log, memory=True)

    def build(self, log: Path, memory: bool = False) -> Cost:
        options = ["--layers", "--isolation", "chroot", "--pull-never"]
        options += ["--file", self.work / "Dockerfile", "--tag", "bench/buildah"]
        command = self.buildah("build", *options, self.project.path)
        return measure(*command, log=log, memory=memory, env=self.environment)

    def digest(self) -> str:
        return self.inspect("{{.FromImageDigest}}")

    def size(self) -> int:
        text = quiet(*self.buildah("images", "--json", "bench/buildah"), env=self.environment)
        number, unit = re.search(r'"size": "([\d.]+) ([KMG]?B)"', text).groups()
        return int(float(number) * {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}[unit])

    def inspect(self, template: str) -> str:
        words = ["inspect", "--type", "image", "--format", template, "bench/buildah"]
        return quiet(*self.buildah(*words), env=self.environment)


class HandMade(Builder):
    """uv, tar and a compressor, see hand_made.py."""

    def __init__(self, name: str, data: DataSet, work: Path, compressor: str):
        self.name, self.data, self.work = name, data, work / name
        self.compressor = compressor.split()
        self.work.mkdir(parents=True)
        self.project = Project(data, self.work / "project")
        shutil.copyfile(data.requirements, self.project.path / "requirements.txt")
        self.out, self.scratch = self.work / "out", self.work / "scratch"

    def cold(self, log: Path) -> Cost:
        for folder in (self.out, self.scratch):
            shutil.rmtree(folder, ignore_errors=True)
        return self.build(log, memory=True)

    def build(self, log: Path, memory: bool = False) -> Cost:
        folders = [self.project.path, self.data.wheels, self.data.base.path, self.out, self.scratch]
        return measure(sys.executable, HERE / "hand_made.py", *folders, *self.compressor, log=log, memory=memory)

    def digest(self) -> str:
        return Layout(self.out).manifest_digest()

    def size(self) -> int:
        return Layout(self.out).size()


def write_dockerfile(path: Path, data: DataSet) -> None:
    text = (HERE / "Dockerfile").read_text()
    for word, value in {"@SET@": data.name, "@CACHE@": f"uv-{data.name}", "@COMMAND@": data.command}.items():
        text = text.replace(word, value)
    path.write_text(text)
