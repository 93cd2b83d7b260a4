"""What a machine with nothing pays when the registry has what another machine made: bytes, requests and seconds.

    python3 benches/registries/shared.py [--rounds N] [--set NAME] [--only wain buildkit]

One machine builds and pushes a project. Another one, which has the base and nothing else, builds and pushes it again: the same;
with one line changed; with one package less. `wain` shares by `--cache-to` and `--cache-from`, BuildKit by its inline cache
(`BUILDKIT_INLINE_CACHE=1`, `--cache-from`), with the Dockerfile of benches/against. Bytes of the registry are those that pass a
relay, both ways, in a round before the clock runs. wain fetches wheels from an index on this machine, which counts them, too;
BuildKit has them on its disk, and they are not counted. Needs root, for dockerd.
"""

import argparse
import hashlib
import os
import re
import shutil
import statistics
import sys
import tempfile
from email.message import Message
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Behind our own folder: another `run` lies in the first of them.
sys.path[1:1] = [str(HERE.parent / "against"), str(HERE.parents[1] / "tests" / "trust")]

from builders import Project, write_dockerfile  # noqa: E402
from docker import Daemon  # noqa: E402
from local_index import LocalIndex  # noqa: E402
from measure import measure, quiet  # noqa: E402
from prepare import DataSet, prepare  # noqa: E402
from server import Server  # noqa: E402

from common import need, wain, workshop  # noqa: E402

CASES = ("nothing changed", "one line changed", "one package less")
#: A package that no other of the set needs.
LEAF = {"sixty": "structlog", "api": "httpx"}


class Index(LocalIndex):
    """A page of links to wheels, and the wheels."""

    def __init__(self, folder: Path):
        self.files = {file.name: file for file in sorted(folder.glob("*.whl"))}
        digests = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in self.files.items()}
        links = (f'<a href="{name}#sha256={digest}">{name}</a>\n' for name, digest in digests.items())
        self.page = "".join(links).encode()
        self.total = sum(file.stat().st_size for file in self.files.values())
        super().__init__()
        self.url = f"{self.address}/"

    def answer(self, path: str, headers: Message) -> tuple[bytes | None, dict[str, str]]:
        if self.is_wheel(path):
            return self.files[path.strip("/")].read_bytes(), {"Content-Type": "application/octet-stream"}
        return self.page if path.strip("/") == "" else None, {"Content-Type": "text/html"}

    def is_wheel(self, path: str) -> bool:
        return path.strip("/") in self.files


def change(project: Project, case: str, leaf: str, number: int) -> None:
    """Makes the project what the second machine finds."""
    if case == "one line changed":
        project.edit(number)
    if case == "one package less":
        for name, pattern in (
            ("pyproject.toml", rf'    "{leaf}[^"]*",\n'),
            ("requirements.txt", rf"^{leaf}==.*(?:\n +--hash.*)*\n"),
        ):
            file = project.path / name
            text, count = re.subn(pattern, "", file.read_text(), flags=re.MULTILINE)
            if count != 1:
                sys.exit(f"{leaf} stands {count} times in {name}")
            file.write_text(text)


def new_project(data: DataSet, path: Path) -> Project:
    project = Project(data, path)
    (project.path / "uv.lock").unlink()
    shutil.copyfile(data.requirements, project.path / "requirements.txt")
    return project


class Wain:
    name = "wain"

    def __init__(self, data: DataSet, work: Path, index: Index):
        self.data, self.work, self.index, self.program = data, work / "wain", index, wain()
        self.work.mkdir()

    def forget(self) -> None:
        """A machine that has the base and nothing else."""
        shutil.rmtree(self.work / "store", ignore_errors=True)
        shutil.copytree(self.data.store, self.work / "store")

    def project(self) -> Project:
        project = new_project(self.data, self.work / "project")
        shutil.copyfile(self.data.wain_lock, project.path / "wain.lock")
        return project

    def command(self, project: Project, registry: str, tag: str, is_first: bool) -> list:
        cache = f"{registry}/bench/cache"
        words = ["--cache-to", cache] if is_first else ["--cache-from", cache, "--cache-verify", "none"]
        where = ["--cache-dir", self.work / "store", "--tag", f"{registry}/bench/app:{tag}", "--push"]
        links = ["--no-index", "--find-links", self.index.url]
        return [self.program, "build", project.path, "--locked", "--progress", "quiet", *links, *where, *words]

    def environment(self) -> dict:
        return {**os.environ, "HOME": str(self.work)}

    def options(self) -> dict:
        return {"memory": False}

    def stop(self) -> None:
        pass


class BuildKit:
    name = "buildkit"

    def __init__(self, data: DataSet, work: Path, index: Index):
        self.data, self.work = data, work / "buildkit"
        self.work.mkdir()
        self.daemon = Daemon(self.work, "overlay2")
        for archive in data.peer_archives:
            self.daemon.load(archive)
        write_dockerfile(self.work / "Dockerfile", data)

    def forget(self) -> None:
        images = quiet(*self.daemon.client(), "image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
        for image in images:
            if "/bench/app:" in image:
                self.daemon.forget(image)
        quiet(*self.daemon.client(), "builder", "prune", "--all", "--force")

    def project(self) -> Project:
        return new_project(self.data, self.work / "project")

    def command(self, project: Project, registry: str, tag: str, is_first: bool) -> list:
        name = f"{registry}/bench/app:{tag}"
        build = [*self.daemon.client(), "build", "--network=none", "--file", self.work / "Dockerfile", "--tag", name]
        build += ["--build-arg", "BUILDKIT_INLINE_CACHE=1"]
        build += [] if is_first else ["--cache-from", f"{registry}/bench/app:first"]
        build += [project.path]
        push = [*self.daemon.client(), "push", "--quiet", name]
        return ["bash", "-ec", f'"${{@:1:{len(build)}}}"; "${{@:{len(build) + 1}}}"', "both", *build, *push]

    def environment(self) -> dict:
        return {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}

    def options(self) -> dict:
        return {"daemon": self.daemon.process.pid}

    def stop(self) -> None:
        self.daemon.stop()


def go(tool, work: Path, index: Index, leaf: str, number: int, relayed: bool) -> dict:
    """All cases once, with a registry of their own.

    For each: seconds; of the registry requests and bytes; of the index requests, bytes of wheels and of pages.
    """
    found = {}
    server = Server(work / "registry", relayed)
    registry = f"127.0.0.1:{server.port}"
    try:
        tool.forget()
        first = tool.command(tool.project(), registry, "first", True)
        measure(*first, log=work / "log", env=tool.environment(), **tool.options())
        for at, case in enumerate(CASES):
            tool.forget()
            project = tool.project()
            change(project, case, leaf, number)
            command = tool.command(project, registry, f"second{at}", False)
            asked, moved = len(server.requests()), server.bytes()
            wheels, pages, questions = index.wheels, index.pages, index.requests
            cost = measure(*command, log=work / "log", env=tool.environment(), **tool.options())
            of_index = (index.requests - questions, index.wheels - wheels, index.pages - pages)
            found[case] = (cost.seconds, len(server.requests()) - asked, server.bytes() - moved, *of_index)
    finally:
        server.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", choices=sorted(LEAF), default="sixty")
    parser.add_argument("--only", nargs="*", metavar="NAME", default=["wain", "buildkit"])
    kept = Path(tempfile.gettempdir()) / "wain-bench"
    parser.add_argument("--work", type=Path, default=kept, help="where wheels and bases are kept for the next time")
    arguments = parser.parse_args()
    need("docker-registry", "dockerd", "uv", "time")
    os.environ.setdefault("WAIN_PROFILE", "release")
    data = prepare(arguments.set, arguments.work, wain())
    makers = {"wain": Wain, "buildkit": BuildKit}
    leaf, tools = LEAF[arguments.set], []
    index = Index(data.wheels)
    with workshop() as work:
        try:
            for name in arguments.only:
                tools.append(makers[name](data, work, index))
            counted = {tool.name: go(tool, work, index, leaf, 100, relayed=True) for tool in tools}
            times: dict = {tool.name: {case: [] for case in CASES} for tool in tools}
            for number in range(arguments.rounds):
                for tool in tools:
                    for case, row in go(tool, work, index, leaf, number + 101, relayed=False).items():
                        times[tool.name][case].append(row[0])
        finally:
            index.stop()
            for tool in tools:
                tool.stop()
    report(counted, times, index.total)


def report(counted: dict, times: dict, total: int) -> None:
    print(f"\nAll wheels together: {total:,} bytes.")
    words = ("seconds", "times wain's", "registry: requests", "bytes, both ways", "times wain's")
    words += ("index: requests", "bytes of wheels", "bytes of pages")
    for case in CASES:
        print(f"\n#### {case}\n\n| | {' | '.join(words)} |\n{'|---' * (len(words) + 1)}|")
        ours = counted.get("wain", {}).get(case)
        our_time = statistics.median(times["wain"][case]) if ours and times["wain"][case] else None
        for name, rows in counted.items():
            _, asked, moved, *of_index = rows[case]
            time = statistics.median(times[name][case]) if times[name][case] else None
            shown = ["" if time is None else f"{time:.2f}", f"{time / our_time:.1f}" if time and our_time else ""]
            shown += [f"{asked:,}", f"{moved:,}", f"{moved / ours[2]:.0f}" if ours else ""]
            shown += [f"{number:,}" for number in of_index] if name == "wain" else ["", "on its disk", ""]
            print(f"| {name} | {' | '.join(shown)} |")


if __name__ == "__main__":
    main()
