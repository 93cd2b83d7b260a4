"""Projects as people have them, with locks that the tools themselves wrote: one command builds each, and what was built runs.

    python3 tests/trust/projects.py                   everything: minutes, and 2 GB in target/projects
    python3 tests/trust/projects.py vision same       some of the projects
    python3 tests/trust/projects.py linux/s390x       some of the platforms of `cross`

Three kinds of rows. A project of fixtures/projects is built for amd64 and arm64 by `wain build`, without an argument about the
project; its image for amd64 says on a Docker daemon what it should, and every ELF file of both is for its processor. `same` is built
from the lock of each of six tools: one digest. `cross` is built for each of six processors, has what the markers ask for there, and
runs, under QEMU where it has to. Wants root, x86-64, the network, and what `sh tests/run.sh` installs.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

from common import ROOT, Table, need, wain, workshop
from outputs import Docker, Wrong, run, running

FIXTURES = ROOT / "fixtures/projects"
KEPT = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute() / "projects"
BOTH = "linux/amd64,linux/arm64"
PYTHON = ["--entrypoint", "/app/.venv/bin/python"]
OUTSIDE = 3


@dataclass
class Project:
    """What is written of a project in fixtures/projects, how its image is started, and what it says then."""

    lock: str
    says: str
    words: list[str]
    options: list[str]
    folder: str = "."


def started(lock: str, says: str, *words: str, folder: str = ".") -> Project:
    """Started as it starts by itself."""
    return Project(lock, says, list(words), [], folder)


def asked(lock: str, says: str, code: str) -> Project:
    """A service: its own Python answers instead."""
    return Project(lock, says, ["-c", code], PYTHON)


PROJECTS = {
    "api": asked(
        "uv.lock", "well",
        "import api, asyncio, importlib.metadata as m; m.version('uvicorn'); print(asyncio.run(asyncio.to_thread(api.health)).status)",
    ),
    "site": started("poetry.lock 2", "System check identified no issues (0 silenced).", "check"),
    "chat": started("poetry.lock 1", "hello"),
    "cli": started("pdm.lock", "HELLO WORLD (2.0.1)", "hello", "world"),
    "notes": asked("Pipfile.lock", "['buy milk']", "import app; print(app.app.test_client().get('/').json)"),
    "worker": asked("pip-compile", "worker default", "import main; w = main.worker('redis://nowhere'); print('worker', *w.queue_names())"),
    "report": started("pylock.toml", '{"apple":8,"pear":4}'),
    "workspace": started("uv.lock", "You owe €18.00.", folder="packages/billing"),
    "plain": started("none", "2026-02-28 by python-requests/", "2026-01-31"),
    "legacy": started("uv.lock", "HELLO, ADA!", "--upper", "Ada"),
    "vision": started("uv.lock", " pixels of edges"),
}  # fmt: skip

LOCKS = {
    "uv": "uv.lock",
    "Poetry": "poetry.lock",
    "PDM": "pdm.lock",
    "pylock": "pylock.toml",
    "pipenv": "Pipfile.lock",
    "pip-tools": "requirements.txt",
}


@dataclass
class Processor:
    """How a processor is named by ELF (`e_machine`, word size, byte order), by QEMU and by Python, and what `cross` has there."""

    machine: int
    bits: int
    order: str
    qemu: str
    python: str
    packages: str


PROCESSORS = {
    "linux/amd64": Processor(62, 64, "little", "x86_64", "x86_64", "cffi cross iniconfig markupsafe pycparser pyyaml"),
    "linux/arm64": Processor(183, 64, "little", "aarch64", "aarch64", "cffi cross markupsafe pluggy pycparser pyyaml"),
    "linux/arm/v7": Processor(40, 32, "little", "arm", "armv7l", "cross markupsafe zipp"),
    "linux/ppc64le": Processor(21, 64, "little", "ppc64le", "ppc64le", "cffi cross markupsafe pycparser wcwidth"),
    "linux/riscv64": Processor(243, 64, "little", "riscv64", "riscv64", "attrs cross markupsafe"),
    "linux/s390x": Processor(22, 64, "big", "s390x", "s390x", "cffi cross pycparser pyyaml toolz"),
}


class Outside(Exception):
    """The network did not give what a row needs."""


@dataclass
class Built:
    """An image in a layout: for each platform its config and the files of its layers."""

    layout: Path
    digest: str

    def document(self, digest: str) -> dict:
        return json.loads(self.blob(digest).read_bytes())

    def blob(self, digest: str) -> Path:
        return self.layout / "blobs" / digest.replace(":", "/")

    def manifests(self) -> dict[str, dict]:
        """The manifest for each platform."""
        top = self.document(self.digest)
        manifests = [self.document(entry["digest"]) for entry in top["manifests"]] if "manifests" in top else [top]
        found = {}
        for manifest in manifests:
            config = self.document(manifest["config"]["digest"])
            words = [config["os"], config["architecture"], config.get("variant")]
            found["/".join(word for word in words if word)] = manifest
        return found

    def elf_files(self, name: str) -> tuple[int, list[str]]:
        """How many ELF files are in the layers for a platform, and those of another processor."""
        wanted, count, strangers = PROCESSORS[name], 0, []
        for layer in self.manifests()[name]["layers"]:
            with tarfile.open(self.blob(layer["digest"]), "r|gz") as tar:
                for member in tar:
                    head = tar.extractfile(member).read(20) if member.isreg() and member.size >= 20 else b""
                    if not head.startswith(b"\x7fELF"):
                        continue
                    count += 1
                    order = {1: "little", 2: "big"}.get(head[5])
                    machine = int.from_bytes(head[18:20], order or "little")
                    if (machine, {1: 32, 2: 64}.get(head[4]), order) != (wanted.machine, wanted.bits, wanted.order):
                        strangers.append(f"{name}: /{member.name} is for machine {machine}, {order}-endian")
        return count, strangers


def build(program: Path, project: Path, layout: Path, *words: str, store: Path = KEPT / "store", env: dict | None = None) -> Built:
    """Builds a project as a user does; the words say for which platforms, and what is delivered besides."""
    command = [program, "build", "--output", f"layout:{layout}", "--tag", f"trust/{project.name}:1", *words]
    command += ["--progress", "quiet", "--cache-dir", store]
    ran = subprocess.run(command, cwd=project, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=env, timeout=900)
    if ran.returncode == OUTSIDE:
        raise Outside(ran.stderr)
    if ran.returncode:
        raise Wrong(f"wain build {' '.join(words)}: exit code {ran.returncode}\n{ran.stderr}")
    return Built(layout, ran.stdout.strip())


def copy(name: str, folder: Path) -> Path:
    """A copy of a project that may be written to."""
    return Path(shutil.copytree(FIXTURES / name, folder / name, ignore=shutil.ignore_patterns("wain.lock", ".wain")))


def checked(built: Built, platforms: str) -> str:
    """The numbers of ELF files for each platform, all of them for its processor."""
    if sorted(built.manifests()) != sorted(platforms.split(",")):
        raise Wrong(f"built for {', '.join(sorted(built.manifests()))}")
    counts, strangers = zip(*(built.elf_files(name) for name in platforms.split(",")), strict=True)
    if wrong := [line for lines in strangers for line in lines]:
        raise Wrong("\n".join(wrong))
    if not all(counts):
        raise Wrong("an image without a program")
    return " + ".join(map(str, counts))


def project_row(table: Table, program: Path, folder: Path, docker: Docker, name: str) -> None:
    """One project, for two platforms, by one command; then the same once more from what is pinned and kept."""
    project, start = PROJECTS[name], time.monotonic()
    cells = [name, project.lock, "amd64, arm64"]
    here = copy(name, folder) / project.folder
    try:
        built = build(program, here, folder / f"image-{name}", "--platform", BOTH, "--load", env=docker.env)
        took = f"{time.monotonic() - start:.0f} s"
        elf = checked(built, BOTH)
        words = ["run", "--rm", "--read-only", "--network=none", *project.options, f"trust/{here.name}:1", *project.words]
        said = docker(*words).strip()
        if project.says not in said:
            raise Wrong(f"it says {said!r}, and not {project.says!r}")
        again = build(program, here, folder / f"again-{name}", "--platform", BOTH, "--locked", "--offline")
        if again.digest != built.digest:
            raise Wrong(f"another digest the second time: {built.digest}, then {again.digest}")
        table.row(*cells, elf, said.splitlines()[-1][:44], took, ok=True)
    except (Wrong, Outside, subprocess.TimeoutExpired) as error:
        table.row(*cells, "-", "-", "-", ok=False, detail=str(error))
    finally:
        docker.forget()


def same_rows(table: Table, program: Path, folder: Path) -> None:
    """One project from the lock of each tool, each time with a store in which no layer of it is."""
    base = folder / "empty"
    base.mkdir()
    (base / "main.py").write_text("")
    (base / "requirements.txt").write_text("")
    build(program, base, folder / "image-empty", "--platform", BOTH, "--base", "debian:trixie", store=folder / "store-empty")
    expected = None
    for tool, lock in LOCKS.items():
        start, cells = time.monotonic(), ["same", lock, "amd64, arm64"]
        project = copy("same", folder / tool)
        for other in LOCKS.values():
            if other != lock:
                (project / other).unlink()
        if tool != "pipenv":
            (project / "Pipfile").unlink()
        # One base for all, whatever Debian publishes meanwhile.
        shutil.copy(base / "wain.lock", project)
        store = Path(shutil.copytree(folder / "store-empty", folder / f"store-{tool}"))
        try:
            built = build(program, project, folder / f"image-{tool}", "--platform", BOTH, store=store)
            expected = expected or built
            if built.digest != expected.digest:
                raise Wrong(difference(expected, built))
            table.row(*cells, checked(built, BOTH), built.digest[:31], f"{time.monotonic() - start:.0f} s", ok=True)
        except (Wrong, Outside, subprocess.TimeoutExpired) as error:
            table.row(*cells, "-", "-", "-", ok=False, detail=str(error))


def difference(one: Built, other: Built) -> str:
    """In which layers two images differ."""
    lines = [f"{one.digest}, and from this lock {other.digest}"]
    for name, manifest in one.manifests().items():
        layers = [{layer["digest"] for layer in made["layers"]} for made in (manifest, other.manifests()[name])]
        lines.append(f"{name}: {len(layers[0] ^ layers[1])} layers of {len(layers[0] | layers[1])} are in one image only")
    return "\n".join(lines)


def cross_row(table: Table, program: Path, folder: Path, name: str) -> None:
    """`cross` for one processor: what is installed, whose programs they are, and whether it starts."""
    start, cells = time.monotonic(), ["cross", "uv.lock", name.removeprefix("linux/")]
    processor = PROCESSORS[name]
    here = copy("cross", folder / processor.qemu)
    try:
        built = build(program, here, folder / f"image-{processor.qemu}", "--platform", name)
        elf = checked(built, name)
        said = emulated(folder / f"root-{processor.qemu}", built, name)
        expected = f"{processor.python} {processor.order} {processor.packages}"
        if said != expected:
            raise Wrong(f"it says {said!r}, and not {expected!r}")
        table.row(*cells, elf, said[:44], f"{time.monotonic() - start:.0f} s", ok=True)
    except Outside as error:
        table.skip(*cells, why=error.args[0].strip().replace("\n", " ")[:200])
    except (Wrong, subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        table.row(*cells, "-", "-", "-", ok=False, detail=str(error))


def emulated(folder: Path, built: Built, name: str) -> str:
    """What the image says when it is started as its config says, as its user, under QEMU unless it is this machine's."""
    config = built.document(built.manifests()[name]["config"]["digest"])["config"]
    run("umoci", "unpack", "--image", f"{built.layout}:1", folder)
    root, words = folder / "rootfs", [*config["Entrypoint"], *config.get("Cmd", [])]
    if name != "linux/amd64":
        qemu = f"qemu-{PROCESSORS[name].qemu}-static"
        shutil.copy(shutil.which(qemu), root / "tmp" / qemu)
        words = [f"/tmp/{qemu}", *words]
    who = config["User"] if ":" in config["User"] else f"{config['User']}:{config['User']}"
    enter = [shutil.which("unshare"), "--net", shutil.which("chroot"), f"--userspec={who}", root]
    return run(*enter, *words, env=dict(variable.split("=", 1) for variable in config["Env"])).strip()


def main() -> None:
    known = [*PROJECTS, "same", *PROCESSORS]
    wanted = sys.argv[1:] or known
    if strangers := set(wanted) - set(known):
        sys.exit(f"there is no {', '.join(sorted(strangers))}; there are {', '.join(known)}")
    if platform.machine() != "x86_64" or os.geteuid() != 0:
        sys.exit("only root on x86-64 can start the images: on a Docker daemon, and under QEMU")
    emulators = [f"qemu-{processor.qemu}-static" for processor in PROCESSORS.values() if processor.python != "x86_64"]
    need("docker", "dockerd", "umoci", "unshare", "chroot", *emulators)
    program = wain()
    # What pip is told on this machine is no part of a project.
    os.environ.pop("PIP_FIND_LINKS", None)
    table = Table(("project", 9), ("lock", 16), ("for", 12), ("ELF files", 11), ("says", 44), ("took", 6))
    with workshop() as folder:
        names = [name for name in wanted if name in PROJECTS]
        if names:
            (folder / "docker").mkdir()
            with running(Docker(folder / "docker")) as docker:
                for name in names:
                    project_row(table, program, folder, docker, name)
        if "same" in wanted:
            same_rows(table, program, folder)
        for name in wanted:
            if name in PROCESSORS:
                cross_row(table, program, folder, name)
    table.finish()


if __name__ == "__main__":
    main()
