"""What does not depend on other builders: start-up, a wheel of 2 GB, half a million files, instructions."""

import shutil
import subprocess
import sys
from pathlib import Path

import made
from measure import Cost, measure, median

ROOT = Path(__file__).parents[2]
#: Files in a tree or in a wheel, for the question whether time grows with them or faster.
COUNTS = (125_000, 250_000, 500_000)
#: The wheel of 2 GB in its folder, in the store, as a layer, in the layout; and some.
ROOM = 9 << 30


class Builds:
    """Builds of what was made, on a small base; stores and outputs are gone afterwards."""

    def __init__(self, wain: Path, work: Path):
        self.wain, self.work, self.log = wain, work / "sizes", work / "sizes.log"
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.base = made.small_base(self.work / "base")
        self.project, self.wheels = self.work / "project", self.work / "wheels"

    def build(self) -> Cost:
        flags = ["--offline", "--no-index", "--progress", "quiet", "--base", f"layout:{self.base}"]
        links = ["--find-links", self.wheels] if self.wheels.exists() else []
        where = ["--cache-dir", self.work / "store", "--output", f"layout:{self.work / 'out'}"]
        return measure(self.wain, "build", self.project, *links, *flags, *where, log=self.log)

    def twice(self) -> tuple[Cost, Cost]:
        """A cold build, and one in which nothing has changed."""
        costs = self.build(), self.build()
        self.forget()
        return costs

    def forget(self) -> None:
        for name in ("store", "out", "wheels", "project"):
            shutil.rmtree(self.work / name, ignore_errors=True)


def start_up(wain: Path, work: Path, runs: int) -> dict[str, Cost]:
    """What the program needs to say something."""
    log = work / "start.log"
    flags = {"wain --version": "--version", "wain --help": "--help"}
    costs: dict[str, list[Cost]] = {words: [] for words in flags}
    for _ in range(7 * runs):
        for words, flag in flags.items():
            costs[words].append(measure(wain, flag, log=log, memory=False))
    return {words: median(several) for words, several in costs.items()}


def large_wheel(wain: Path, work: Path) -> Cost:
    """A cold build of a project with one wheel of 2 GB."""
    say("a wheel of 2 GB")
    builds = Builds(wain, work)
    if shutil.disk_usage(builds.work).free < ROOM:
        sys.exit(f"{builds.work} needs {ROOM >> 30} GiB free, for a wheel of 2 GB and its copies")
    try:
        made.write_project(builds.project, [made.large_wheel(builds.wheels)])
        return builds.build()
    finally:
        shutil.rmtree(builds.work)


def many_files(wain: Path, work: Path) -> list[tuple]:
    """For every count of files: the count, a cold build of a tree, again, of a wheel, again."""
    builds, growth = Builds(wain, work), []
    try:
        for count in COUNTS:
            say(f"{count:,} files")
            made.tree_of_many_files(builds.project, count)
            tree = builds.twice()
            made.write_project(builds.project, [made.wheel_of_many_files(builds.wheels, count)])
            growth.append((count, *tree, *builds.twice()))
    finally:
        shutil.rmtree(builds.work)
    return growth


def instructions(wain: Path) -> str:
    """The table of instructions as it is counted now, with the verdict in its last line."""
    say("instructions")
    command = [sys.executable, ROOT / "benches/instructions.py", "--wain", wain]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{done.stdout.rstrip()}\n{done.stderr.strip()}".rstrip()


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
