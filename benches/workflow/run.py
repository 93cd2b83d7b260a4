"""What the images of a workflow cost: ten components, built by wain and by ten times `docker build`.

    python3 benches/workflow/run.py [--rounds N] [--only NAME...]

The workflow is the folder `project`: three models, three agents, two sets of functions, an MCP server and an input, with hooks and
pipes, which want langchain, langchain-openai, openai, mcp, or some of these. All have the same base of Debian 13 with Python 3.13, the
same versions of the same wheels (those of wain.lock), and the same files beside them. When a cold build begins `wain` has the wheels in
its store, BuildKit has them unpacked in the cache of uv, and nobody has a layer; nobody uses the network then. Before, wheels come by way
of an index on this machine. Needs root (for dockerd), uv, Docker, cargo and a network.
"""

import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Behind our own folder: other `run`s lie in these.
sys.path[1:1] = [str(HERE.parent / name) for name in ("against", "unlocked", "registries")]
sys.path.append(str(HERE.parents[1] / "tests" / "trust"))

from docker import Daemon  # noqa: E402
from images import Layout, sha256  # noqa: E402
from index import Index, upstream  # noqa: E402
from measure import Cost, measure, quiet  # noqa: E402
from prepare import make_base  # noqa: E402
from rounds import read_arguments, seconds_table, turns  # noqa: E402
from server import Server  # noqa: E402

from common import need, wain, workshop  # noqa: E402

SITUATIONS = ("cold", "nothing changed", "one line of a pipe changed")
#: The pipe that is changed: two agents have it.
PIPE = "pipes/shape.py"
NAMES = {"OPENAI_API_KEY": "none", "TICKETS_TOKEN": "none"}
RUNTIME = "opt/component-runtime"
#: What the images may be at most, compressed and with their base.
MOST_BYTES = 100_000_000


class Given:
    """What everybody is given: a base, a workflow with its lock, the wheels, and the files of every component."""

    def __init__(self, kept: Path, work: Path, program: Path):
        self.program, self.work = program, work
        shared = kept / "workflow-base"
        made_by = shared / "made-by"
        if not made_by.exists() or made_by.read_text() != sha256(program):
            make_base(shared, program)
            made_by.write_text(sha256(program))
        self.archives = [shared / "base.tar", shared / "uv.tar"]
        self.base = [layer["digest"] for layer in Layout(shared / "base").manifest()["layers"]]
        self.index = Index(kept / "unlocked-index", upstream())
        self.environment = {"PATH": f"{shared}/uv:/usr/bin:/bin", "HOME": str(work / "home"), "LANG": "C.UTF-8"}
        self.source, whole = work / "source", work / "whole"
        shutil.copytree(HERE / "project", self.source)
        shutil.copyfile(shared / "project/wain.lock", self.source / "wain.lock")
        shutil.copytree(shared / "store", whole)
        build = [program, "build", self.source, "--index-url", self.index.url, "--cache-dir", whole]
        quiet(*build, "--progress", "quiet", "--output", f"layout:{work}/images", env=self.environment)
        self.components = sorted(path.name for path in (work / "images").iterdir())
        self.lock = tomllib.loads((self.source / "wain.lock").read_text())["components"]["main.ww"]
        self.store = work / "store"
        shutil.copytree(shared / "store", self.store)
        for digest in self.wheels():
            place = Path("v1/blobs/sha256", digest[:2], digest)
            if (whole / place).exists():
                (self.store / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(whole / place, self.store / place)
        self.context = work / "context"
        self.write_context()

    def wheels(self) -> list[str]:
        packages = self.lock["package"]
        return [wheel["hashes"]["sha256"] for package in packages for wheel in package.get("wheels", [])]

    def requirements(self, component: str) -> str:
        """What wain locked for a component, as uv reads it; nothing when it requires nothing."""
        text = (HERE / "project/main.ww").read_text()
        wanted = re.search(rf"^{component} = .*?^    requirements: (\[.*?\])", text, re.MULTILINE | re.DOTALL)
        wanted = sorted(json.loads(wanted[1]))
        if not wanted:
            return ""
        packages = {(one["name"], one["version"]): one for one in self.lock["package"]}
        lines = []
        for one in next(each for each in self.lock["set"] if each["requirements"] == wanted)["packages"]:
            wheels = packages[one["name"], one["version"]].get("wheels", [])
            hashes = "".join(f" --hash=sha256:{wheel['hashes']['sha256']}" for wheel in wheels)
            marker = f" ; {one['marker']}" if "marker" in one else ""
            lines.append(f"{one['name']}=={one['version']}{marker}{hashes}\n")
        return "".join(lines)

    def write_context(self) -> None:
        """For BuildKit: requirements, and what wain put beside the packages, taken from its images."""
        (self.context / "requirements").mkdir(parents=True)
        for component in self.components:
            layout, folder = Layout(self.work / "images" / component), self.work / "unpacked" / component
            for layer in layout.manifest()["layers"][len(self.base) :]:
                with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layout.blob(layer).read_bytes()))) as archive:
                    members = [member for member in archive if not member.name.startswith("app/.venv")]
                    archive.extractall(folder, members, filter="fully_trusted")
            shutil.copytree(folder / "app", self.context / "app" / component)
            shutil.copytree(folder / RUNTIME, self.context / "runtime", dirs_exist_ok=True)
            if text := self.requirements(component):
                (self.context / self.file_of(component)).write_text(text)

    def file_of(self, component: str) -> str:
        text = self.requirements(component)
        return f"requirements/{hashlib.sha256(text.encode()).hexdigest()[:8]}.txt" if text else ""


def edit(files: list[Path], number: int) -> None:
    """Changes one line of a pipe, wherever it lies."""
    for file in files:
        text, count = re.subn(r'^VERSION = ".*"$', f'VERSION = "{number}"', file.read_text(), flags=re.MULTILINE)
        assert count == 1, file
        file.write_text(text)


class Wain:
    """`wain build -c main.ww`: one image for each component, each into a layout of its own."""

    name = "wain, into layouts"
    output = ["--output", "layout:@/out"]

    def __init__(self, given: Given, daemon: Daemon):
        self.given, self.daemon, self.work = given, daemon, given.work / type(self).__name__

    def clean(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.given.source, self.work / "project")
        shutil.copytree(self.given.store, self.work / "store")

    def edit(self, number: int) -> None:
        edit([self.work / "project" / PIPE], number)

    def build(self, log: Path, memory: bool = False) -> Cost:
        output = [word.replace("@", str(self.work)) for word in self.output]
        words = ["-c", self.work / "project/main.ww", "--offline", "--locked", "--progress", "quiet"]
        command = [self.given.program, "build", *words, "--cache-dir", self.work / "store", *output]
        return self.run(command, log, memory)

    def run(self, command: list, log: Path, memory: bool) -> Cost:
        return measure(*command, log=log, memory=memory, env=self.given.environment)

    def push(self, registry: str, log: Path) -> Cost:
        """Builds, and pushes to a registry alone."""
        words = ["-c", self.work / "project/main.ww", "--no-index", "--locked", "--progress", "quiet"]
        command = [self.given.program, "build", *words, "--cache-dir", self.work / "store", "--registry", registry]
        return measure(*command, log=log, memory=False, env=self.given.environment)

    def layers(self) -> dict[str, dict[str, int]]:
        found = {}
        for component in self.given.components:
            manifest = Layout(self.work / "out" / component).manifest()
            found[component] = {layer["digest"]: layer["size"] for layer in manifest["layers"]}
        return found

    def check(self) -> None:
        """Those that go into the daemon are tried."""


class WainIntoDocker(Wain):
    """The same with `--load`: where BuildKit's images end, too."""

    name = "wain, `--load`"
    output = ["--load", "--tag", "bench/wain:1"]

    def clean(self) -> None:
        for component in self.given.components:
            self.daemon.forget(f"bench/wain-{component}:1")
        super().clean()

    def run(self, command: list, log: Path, memory: bool) -> Cost:
        environment = {**self.given.environment, "DOCKER_HOST": self.daemon.host}
        return measure(*command, log=log, daemon=self.daemon.process.pid, env=environment)

    def layers(self) -> None:
        """They are those of the layouts."""

    def check(self) -> None:
        check(self.daemon, {component: f"bench/wain-{component}:1" for component in self.given.components})


class Docker:
    """A `docker build` for every component, one after the other."""

    name = "ten times `docker build`"

    def __init__(self, given: Given, daemon: Daemon):
        self.given, self.daemon = given, daemon
        self.work = given.work / type(self).__name__
        self.tags = {component: f"bench/docker-{component}" for component in given.components}

    def clean(self) -> None:
        """Only the cache mount stays, with uv's cache."""
        for tag in self.tags.values():
            self.daemon.forget(tag)
        quiet(*self.daemon.client(), "builder", "prune", "--all", "--force", "--filter", "type=regular")
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.given.context, self.work / "context")
        self.write("1")

    def write(self, offline: str) -> None:
        for component in self.given.components:
            text = (HERE / "Dockerfile").read_text()
            if not self.given.file_of(component):
                start, end = text.rindex("RUN "), text.rindex("COPY ")
                text = text[:start] + text[end:]
            words = {"@INDEX@": self.given.index.url, "@OFFLINE@": offline, "@COMPONENT@": component}
            words["@REQUIREMENTS@"] = self.given.file_of(component)
            for word, value in words.items():
                text = text.replace(word, value)
            (self.work / f"Dockerfile.{component}").write_text(text)

    def fill_cache(self, log: Path) -> None:
        """With the network, which is the index on this machine."""
        self.clean()
        self.write("0")
        self.build(log)

    def edit(self, number: int) -> None:
        edit(list((self.work / "context").rglob(PIPE)), number)

    def build(self, log: Path, memory: bool = False) -> Cost:
        client = " ".join(map(str, self.daemon.client()))
        build = f"{client} build --network=host --file {self.work}/Dockerfile.%s --tag %s {self.work}/context"
        script = self.script([build % (component, tag) for component, tag in self.tags.items()])
        environment = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
        return measure("bash", "-ec", script, log=log, daemon=self.daemon.process.pid, env=environment)

    def script(self, builds: list[str]) -> str:
        return "\n".join(builds)

    def push(self, registry: str, log: Path) -> Cost:
        """A `docker push` for every component; what was built last is what leaves."""
        client = " ".join(map(str, self.daemon.client()))
        tags = {tag: f"{registry}/{component}" for component, tag in self.tags.items()}
        script = "\n".join(f"{client} tag {tag} {name}\n{client} push --quiet {name}" for tag, name in tags.items())
        return measure("bash", "-ec", script, log=log, daemon=self.daemon.process.pid)

    def layers(self) -> dict[str, dict[str, int]]:
        """The daemon has them as they are; gzip, as a push would do it, is added here."""
        sizes, found = {}, {}
        for component, tag in self.tags.items():
            saved = self.work / "saved.tar"
            quiet(*self.daemon.client(), "save", "--output", saved, tag)
            found[component] = {}
            with tarfile.open(saved) as archive:
                for name in json.load(archive.extractfile("manifest.json"))[0]["Layers"]:
                    tar = archive.extractfile(name).read()
                    digest = sha256(tar)
                    if digest not in sizes:
                        sizes[digest] = len(gzip.compress(tar, 6))
                    found[component][digest] = sizes[digest]
            saved.unlink()
        return found

    def check(self) -> None:
        check(self.daemon, self.tags)


class DockerAtOnce(Docker):
    """All ten at the same time; BuildKit does once what several want."""

    name = "the same, all at once"

    def script(self, builds: list[str]) -> str:
        started = "\n".join(f"{build} & running+=($!)" for build in builds)
        return f'running=()\n{started}\nfor one in "${{running[@]}}"; do wait "$one"; done'


def check(daemon: Daemon, tags: dict[str, str]) -> None:
    """Has every component load all it has: configuration, hooks, pipes, functions, packages."""
    variables = [word for name, value in NAMES.items() for word in ("--env", f"{name}={value}")]
    python = ["--entrypoint=/app/.venv/bin/python"]
    for component, tag in tags.items():
        run = [*daemon.client(), "run", "--rm", "--network=none", *variables, *python, tag]
        done = subprocess.run([*map(str, run), "-m", "component_runtime", "--check"], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{tag} does not work ({done.returncode}):\n{done.stdout}{done.stderr}")
        if component in ("planner", "researcher"):
            quiet(*run, "-c", "import langchain, langchain_openai, mcp")


@dataclass
class Found:
    """What a builder's rounds gave."""

    costs: dict[str, list[Cost]] = field(default_factory=lambda: {situation: [] for situation in SITUATIONS})
    layers: dict[str, dict[str, int]] | None = None


def main() -> None:
    makers = {"layouts": Wain, "load": WainIntoDocker, "docker": Docker, "at-once": DockerAtOnce}
    arguments = read_arguments(__doc__, makers, "base and index")
    need("dockerd", "uv")
    os.environ.setdefault("WAIN_PROFILE", "release")
    arguments.work.mkdir(parents=True, exist_ok=True)
    with workshop() as work:
        given = Given(arguments.work, work, wain())
        daemon = Daemon(work, "overlay2")
        try:
            for archive in given.archives:
                daemon.load(archive)
            builders = [makers[name](given, daemon) for name in arguments.only]
            tables = compare(builders, given, work / "log", arguments.rounds)
        finally:
            daemon.stop()
            given.index.stop()
        print("\n".join(tables))
        versions = [quiet(given.program, "--version"), quiet("/usr/bin/docker", "--version").split(",")[0]]
        print(f"\n{'; '.join(versions)}; {os.cpu_count()} cores; load average at the end: {os.getloadavg()[0]:.1f}.")


def compare(builders: list, given: Given, log: Path, rounds: int) -> list[str]:
    dockers = [builder for builder in builders if isinstance(builder, Docker)]
    for docker in dockers[:1]:
        print("filling the cache of uv", file=sys.stderr, flush=True)
        docker.fill_cache(log)
    given.index.stop()
    found = {builder.name: Found() for builder in builders}
    for number, builder in turns(builders, rounds):
        one = found[builder.name]
        builder.clean()
        for situation in SITUATIONS:
            if situation == SITUATIONS[-1]:
                builder.edit(101 + number)
            one.costs[situation].append(builder.build(log))
            if number == 0 and situation == "cold":
                builder.check()
                one.layers = builder.layers()
        seconds = ", ".join(f"{one.costs[situation][-1].seconds:.2f}" for situation in SITUATIONS)
        print(f"round {number + 1}, {builder.name}: {seconds} s", file=sys.stderr, flush=True)
    pushing = [builder for builder in builders if type(builder) in (Wain, Docker)]
    return report(found, given) + pushes(pushing, given, log)


def pushes(builders: list, given: Given, log: Path) -> list[str]:
    """Requests and bytes of pushing all ten, to a new registry for each builder, through a relay."""
    lines = ["", f"| pushed, all ten | {' | '.join(SITUATIONS)} |", "|---|---|---|---|"]
    for builder in builders:
        builder.clean()
        builder.build(log)
        server = Server(given.work / "registry", relayed=True)
        cells = []
        for situation in SITUATIONS:
            if situation == SITUATIONS[-1]:
                builder.edit(999)
                builder.build(log)
            before = len(server.requests()), server.bytes()
            cost = builder.push(f"127.0.0.1:{server.port}/bench", log)
            requests, moved = len(server.requests()) - before[0], server.bytes() - before[1]
            cells.append(f"{requests} requests, {moved:,} bytes, {cost.seconds:.2f} s")
        server.stop()
        name = "wain" if isinstance(builder, Wain) else "ten times `docker push`"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def report(found: dict[str, Found], given: Given) -> list[str]:
    lines = seconds_table("ten components", {name: one.costs for name, one in found.items()})
    lines += ["", "| images | smallest | largest | all ten, each by itself | all ten, shared layers once | layers |"]
    lines += ["|---|---|---|---|---|---|"]
    for name, one in found.items():
        if one.layers:
            sizes = [sum(layers.values()) for layers in one.layers.values()]
            all_of_them = [digest for layers in one.layers.values() for digest in layers]
            unique = {digest: size for layers in one.layers.values() for digest, size in layers.items()}
            megabytes = [f"{size / 1e6:.1f} MB" for size in (min(sizes), max(sizes), sum(sizes), sum(unique.values()))]
            cells = [*megabytes, f"{len(unique)} of {len(all_of_them)}"]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    for name, one in found.items():
        for component, layers in (one.layers or {}).items():
            if name == Wain.name and sum(layers.values()) >= MOST_BYTES:
                sys.exit(f"the image of {component} has {sum(layers.values()):,} bytes")
    return lines


if __name__ == "__main__":
    main()
