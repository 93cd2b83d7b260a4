"""What a project without a lockfile costs, resolved and built: wain, uv in a Dockerfile, pex, pex in a Dockerfile.

    python3 benches/unlocked/run.py [--rounds N] [--only NAME...]

The project is `api` of benches/against without its lockfile, for Python 3.11. All take requirements and wheels from an index on
this machine, which fetched them from pip's in a round before the clock runs, and counts what it hands out. All have the same
base of Debian 12 already; caches of wheels, pages and resolutions are empty when a cold build begins. Needs root (for dockerd),
Debian 12, uv, Docker, cargo and a network; pex is installed by pip into the work folder.
"""

import gzip
import json
import os
import shutil
import statistics
import sys
import tarfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Behind our own folder: another `run` lies in the first of them.
sys.path[1:1] = [str(HERE.parent / "against"), str(HERE.parents[1] / "tests" / "trust")]

from builders import Project  # noqa: E402
from docker import Daemon  # noqa: E402
from images import Layout, sha256  # noqa: E402
from index import Index, upstream  # noqa: E402
from measure import Cost, measure, quiet  # noqa: E402
from prepare import DataSet, make_base  # noqa: E402
from rounds import read_arguments, seconds_table, turns  # noqa: E402

from common import need, wain, workshop  # noqa: E402

#: What lies on top of the base: by digest the bytes compressed, and unpacked.
Layers = dict[str, tuple[int, int]]
SITUATIONS = ("cold", "nothing changed", "one line changed")
#: Of Debian 12, as the base has it.
PYTHON = "/usr/bin/python3.11"
IMPORT = ["-c", "import shop.main"]


class Given:
    """What everybody is given: a base, the index, and a project that has no lockfile."""

    def __init__(self, kept: Path, work: Path, program: Path):
        self.program, self.work = program, work
        shared = kept / "unlocked-base"
        made_by = shared / "made-by"
        state = f"{program.stat().st_size} {program.stat().st_mtime_ns}"
        if not made_by.exists() or made_by.read_text() != state:
            make_base(shared, program, "debian:bookworm")
            made_by.write_text(state)
        self.base = Layout(shared / "base")
        self.store, self.wain_lock = shared / "store", shared / "project/wain.lock"
        self.archives = [shared / "base.tar", shared / "uv.tar"]
        self.bin = work / "bin"
        self.bin.mkdir()
        (self.bin / "uv").symlink_to(shared / "uv/uv")
        self.index = Index(kept / "unlocked-index", upstream())
        self.source = work / "source"
        shutil.copytree(HERE.parent / "against/api", self.source)
        (self.source / "uv.lock").unlink()
        file = self.source / "pyproject.toml"
        file.write_text(file.read_text().replace(">=3.13", ">=3.11"))
        self.pex = kept / "unlocked-pex"
        if not (self.pex / "bin/pex").exists():
            quiet(sys.executable, "-m", "venv", "--clear", self.pex)
            quiet(self.pex / "bin/pip", "install", "--quiet", "pex")

    def project(self, path: Path) -> Project:
        return Project(DataSet("api", self.source, *[None] * 7), path)

    def environment(self, home: Path) -> dict:
        """Nothing of this machine's settings for pip and uv."""
        home.mkdir(parents=True, exist_ok=True)
        return {"PATH": f"{self.bin}:{self.pex}/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}


class Wain:
    """`wain build` into an OCI layout: uv resolves for all platforms, `pylock.toml` is written, layers are made."""

    name = "wain"

    def __init__(self, given: Given):
        self.given, self.work = given, given.work / self.name

    def clean(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        self.environment = self.given.environment(self.work / "home")
        self.project = self.given.project(self.work / "project")
        shutil.copyfile(self.given.wain_lock, self.project.path / "wain.lock")
        shutil.copytree(self.given.store, self.work / "store")

    def build(self, log: Path) -> Cost:
        words = ["--index-url", self.given.index.url, "--base", "debian:bookworm", "--progress", "quiet"]
        where = ["--cache-dir", self.work / "store", "--output", f"layout:{self.work}/out", "--tag", "bench/app:1"]
        command = [self.given.program, "build", self.project.path, *words, *where]
        return measure(*command, log=log, memory=False, env=self.environment)

    def layers(self) -> Layers:
        layout = Layout(self.work / "out")
        layers = layout.manifest()["layers"][len(self.given.base.manifest()["layers"]) :]
        return {
            layer["digest"]: (layer["size"], len(gzip.decompress(layout.blob(layer).read_bytes()))) for layer in layers
        }

    def check(self, daemon: Daemon) -> None:
        archive = self.work / "image.tar"
        quiet(*[self.given.program, "build", self.project.path, "--index-url", self.given.index.url], "--base",
              "debian:bookworm", "--progress", "quiet", "--cache-dir", self.work / "store", "--output",
              f"archive:{archive}", "--tag", "bench/app:1", env=self.environment)  # fmt: skip
        daemon.load(archive)
        run(daemon, "bench/app:1")


class Docker:
    """A Dockerfile in BuildKit, into the daemon's own store."""

    def __init__(self, given: Given, daemon: Daemon):
        self.given, self.daemon, self.work = given, daemon, given.work / self.name
        self.tag = f"bench/{self.name}"

    def clean(self) -> None:
        self.daemon.forget(self.tag)
        quiet(*self.daemon.client(), "builder", "prune", "--all", "--force")
        shutil.rmtree(self.work, ignore_errors=True)
        self.project = self.given.project(self.work / "project")
        self.write()

    def docker(self, context: Path) -> list:
        words = ["build", "--network=host", "--file", self.work / "Dockerfile", "--tag", self.tag, context]
        return [*self.daemon.client(), *words]

    def build(self, log: Path) -> Cost:
        environment = {**os.environ, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
        command = self.docker(self.project.path)
        return measure(*command, log=log, daemon=self.daemon.process.pid, env=environment)

    def layers(self) -> Layers:
        """The daemon has them as they are; gzip, as a push would do it, is added here."""
        saved = self.work / "saved.tar"
        quiet(*self.daemon.client(), "save", "--output", saved, self.tag)
        with tarfile.open(saved) as archive:
            names = json.load(archive.extractfile("manifest.json"))[0]["Layers"]
            tars = [archive.extractfile(name).read() for name in names[len(self.given.base.manifest()["layers"]) :]]
        saved.unlink()
        return {sha256(tar): (len(gzip.compress(tar, 6)), len(tar)) for tar in tars}

    def check(self, _: Daemon) -> None:
        run(self.daemon, self.tag)


class UvSync(Docker):
    """`uv sync`: resolves for all platforms, writes uv.lock, installs."""

    name = "uv sync in a Dockerfile"
    dependencies = ["sync", "--quiet", "--no-dev", "--no-install-project"]
    project_too = ["sync", "--quiet", "--no-dev", "--no-editable"]

    def __init__(self, given: Given, daemon: Daemon):
        super().__init__(given, daemon)
        self.tag = f"bench/{type(self).__name__.lower()}"

    def write(self) -> None:
        text = (HERE / "Dockerfile.uv").read_text()
        steps = {"@DEPENDENCIES@": self.dependencies, "@PROJECT@": self.project_too}
        for word, step in steps.items():
            text = text.replace(f"[{word}]", json.dumps(["/usr/local/bin/uv", *step]))
        (self.work / "Dockerfile").write_text(text.replace("@INDEX@", self.given.index.url))


class UvPip(UvSync):
    """`uv pip install`: resolves for this platform, keeps no lockfile; the least that uv can do."""

    name = "uv pip install in a Dockerfile"
    dependencies = ["pip", "install", "--quiet", "-r", "pyproject.toml"]
    project_too = ["pip", "install", "--quiet", "--no-deps", "."]


class Pex:
    """`pex` into one file, with the project's sources; no base, no image."""

    name = "pex"
    options: list[str] = []

    def __init__(self, given: Given, _: Daemon | None = None):
        self.given, self.work = given, given.work / self.name.replace(" ", "-")

    def clean(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        self.environment = self.given.environment(self.work / "home")
        self.project = self.given.project(self.work / "project")
        project = tomllib.loads((self.project.path / "pyproject.toml").read_text())["project"]
        (self.work / "requirements.txt").write_text("".join(f"{line}\n" for line in project["dependencies"]))
        (self.work / "context").mkdir()

    def pex(self) -> list:
        words = ["--requirement", self.work / "requirements.txt", "--sources-directory", self.project.path / "src"]
        # The very Python of the base: markers ask for its patch release, too.
        index = ["--index-url", self.given.index.url, "--no-pypi", "--python", PYTHON]
        output = ["--output-file", self.work / "context/app.pex"]
        return [self.given.pex / "bin/pex", *words, *index, *self.options, *output]

    def build(self, log: Path) -> Cost:
        return measure(*self.pex(), log=log, memory=False, env=self.environment)

    def layers(self) -> Layers:
        file = self.work / "context/app.pex"
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
        return {sha256(file): (file.stat().st_size, unpacked)}

    def check(self, _: Daemon) -> None:
        quiet(PYTHON, self.work / "context/app.pex", *IMPORT, env=self.environment)


class PexInDocker(Pex):
    """The same, then a Dockerfile that makes a virtual environment of it, as pex advises."""

    name = "pex in a Dockerfile"
    options = ["--include-tools"]
    tag = "bench/pex"

    def __init__(self, given: Given, daemon: Daemon):
        super().__init__(given)
        self.docker = Docker.__new__(Docker)
        self.docker.given, self.docker.daemon, self.docker.work, self.docker.tag = given, daemon, self.work, self.tag

    def clean(self) -> None:
        self.docker.daemon.forget(self.tag)
        quiet(*self.docker.daemon.client(), "builder", "prune", "--all", "--force")
        super().clean()
        shutil.copyfile(HERE / "Dockerfile.pex", self.work / "Dockerfile")

    def build(self, log: Path) -> Cost:
        environment = {**self.environment, "DOCKER_BUILDKIT": "1", "BUILDKIT_PROGRESS": "plain"}
        pex, docker = self.pex(), self.docker.docker(self.work / "context")
        both = ["bash", "-ec", f'"${{@:1:{len(pex)}}}"; "${{@:{len(pex) + 1}}}"', "both", *pex, *docker]
        return measure(*both, log=log, daemon=self.docker.daemon.process.pid, env=environment)

    def layers(self) -> Layers:
        return self.docker.layers()

    def check(self, daemon: Daemon) -> None:
        run(daemon, self.tag)


def run(daemon: Daemon, image: str) -> None:
    """Imports the program, and so most of what was installed, in a container."""
    words = ["run", "--rm", "--network=none", "--entrypoint=/app/.venv/bin/python3", image, *IMPORT]
    quiet(*daemon.client(), *words)


@dataclass
class Round:
    """What each situation cost, what it took from the index (requests, bytes of wheels, of pages), what came out."""

    costs: dict[str, Cost]
    taken: dict[str, tuple[int, int, int]]
    layers: dict[str, Layers]


def go(builder, index: Index, log: Path, number: int) -> Round:
    """All situations once."""
    builder.clean()
    found = Round({}, {}, {})
    for situation in SITUATIONS:
        if situation == "one line changed":
            builder.project.edit(number)
        index.forget()
        found.costs[situation] = builder.build(log)
        found.taken[situation] = (index.requests, index.wheels, index.pages)
        if situation != "nothing changed":
            found.layers[situation] = builder.layers()
    return found


def main() -> None:
    makers = {maker.name: maker for maker in (Wain, UvSync, UvPip, Pex, PexInDocker)}
    arguments = read_arguments(__doc__, makers, "base, index and pex")
    need("dockerd", "uv")
    if not Path(PYTHON).exists():
        sys.exit(f"{PYTHON} is missing: pex builds for a Python of this machine, and the base has that of Debian 12")
    os.environ.setdefault("WAIN_PROFILE", "release")
    arguments.work.mkdir(parents=True, exist_ok=True)
    with workshop() as work:
        given = Given(arguments.work, work, wain())
        daemon = Daemon(work, "overlay2")
        try:
            for archive in given.archives:
                daemon.load(archive)
            builders = [Wain(given) if makers[name] is Wain else makers[name](given, daemon) for name in arguments.only]
            tables = compare(builders, given.index, daemon, work / "log", arguments.rounds)
        finally:
            daemon.stop()
            given.index.stop()
        print("\n".join(tables))
        print(f"\n{versions(given)}; load average at the end: {os.getloadavg()[0]:.1f}.")


def compare(builders: list, index: Index, daemon: Daemon, log: Path, rounds: int) -> list[str]:
    for builder in builders:
        print(f"{builder.name}: a build that is not measured", file=sys.stderr, flush=True)
        builder.clean()
        builder.build(log)
        builder.check(daemon)
    index.frozen = True
    found: dict[str, list[Round]] = {builder.name: [] for builder in builders}
    for number, builder in turns(builders, rounds):
        found[builder.name].append(go(builder, index, log, 101 + number))
        seconds = found[builder.name][-1].costs["cold"].seconds
        print(f"round {number + 1}, {builder.name}: {seconds:.2f} s", file=sys.stderr, flush=True)
    if index.refused:
        sys.exit(f"the index was asked for what it had not seen before: {sorted(set(index.refused))}")
    return report(found)


def report(found: dict[str, list[Round]]) -> list[str]:
    costs = {
        name: {situation: [each.costs[situation] for each in rounds] for situation in SITUATIONS}
        for name, rounds in found.items()
    }
    lines = seconds_table("", costs)
    head = "| from the index | cold: requests | bytes of wheels | of pages and metadata | nothing changed | one line |"
    lines += ["", head, "|---|---|---|---|---|---|"]
    for name, rounds in found.items():
        counts = [[statistics.median_low(each.taken[s][k] for each in rounds) for k in range(3)] for s in SITUATIONS]
        cells = [f"{count:,}" for count in counts[0]] + [f"{count[0]:,} requests" for count in counts[1:]]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    head = "| result, on top of the base | compressed | unpacked | new bytes for one changed line | distinct digests of cold builds |"
    lines += ["", head, "|---|---|---|---|---|"]
    for name, rounds in found.items():
        cold = rounds[0].layers["cold"]
        anew = sum(size for digest, (size, _) in rounds[0].layers["one line changed"].items() if digest not in cold)
        results = len({tuple(each.layers["cold"]) for each in rounds})
        cells = [f"{sum(sizes) / 1e6:.1f} MB" for sizes in zip(*cold.values(), strict=True)]
        lines.append(f"| {name} | {' | '.join(cells)} | {anew:,} bytes | {results} of {len(rounds)} |")
    return lines


def versions(given: Given) -> str:
    said = [quiet(given.bin / "uv", "--version").split(" (")[0], f"pex {quiet(given.pex / 'bin/pex', '--version')}"]
    docker = quiet("/usr/bin/docker", "--version").split(",")[0]
    return f"{quiet(given.program, '--version')}, {', '.join(said)}, {docker}; {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
