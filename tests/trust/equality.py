"""Is what we install what uv and pip install? Compared file by file, and then asked of the image's own Python.

    python3 tests/trust/equality.py                  everything: takes minutes, and some gigabytes in target/equality
    python3 tests/trust/equality.py greenlet made    some of fixtures/equality, and wheels made at random
    python3 tests/trust/equality.py --relock NAME REQUIREMENT...

For every project three environments are made from the same wheels, each at /app/.venv in a root file system of its own: uv's,
pip's, and ours, which umoci unpacks from the image. They may differ in what `equality.allow` lists, and in nothing else. In the
image, `pip check` has to agree, every row of every RECORD has to hold, packages and versions have to be those of the lockfile, no
file may belong to nobody, every module has to import as it does in uv's environment, and `pip uninstall` of everything has to leave
the empty environment.

A project in `FOREIGN` is for another processor: uv installs it from this one, all else runs in its image under QEMU.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

from common import ROOT, Table, need, wain, workshop
from installed import made, rooms, trees
from installed.rooms import Room

FIXTURES = ROOT / "fixtures/equality"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).absolute()
KEPT = TARGET / "equality"
TOOLS = TARGET / "test-tools"
BATCH = 50
MADE = {f"made-{first}": first for first in range(0, 200, BATCH)}
OUTSIDE = 3
HERE = "linux/amd64"
# PyPI's wheels of torch bring gigabytes of CUDA for x86-64, and none for arm64.
FOREIGN = {"torch": "linux/arm64"}
MACHINES = {HERE: "x86_64", "linux/arm64": "aarch64"}


def main() -> None:
    if sys.argv[1:2] == ["--relock"]:
        relock(sys.argv[2], sys.argv[3:])
        return
    known = [*sorted(path.stem for path in FIXTURES.glob("*.txt")), *MADE]
    wanted = [name for word in sys.argv[1:] or known for name in (MADE if word == "made" else [word])]
    if strangers := set(wanted) - set(known):
        sys.exit(f"there is no project {', '.join(sorted(strangers))}; there are {', '.join(known)}")
    if platform.machine() != "x86_64":
        sys.exit("the wheels of fixtures/equality are for x86-64")
    platforms = {FOREIGN.get(name, HERE) for name in wanted}
    emulators = {name: f"qemu-{MACHINES[name]}-static" for name in platforms - {HERE}}
    need("umoci", "unshare", *emulators.values())
    if not (TOOLS / "bin/uv").is_file():
        sys.exit("there is no uv in target/test-tools; `sh tests/run.sh` installs what the tests need")
    program = wain()
    table = Table(
        ("project", 15), ("wheels", 6), ("files", 6), ("uv: allowed", 11), ("differ", 6), ("pip: allowed", 12), ("differ", 6),
        ("RECORD rows", 11), ("imports", 11),
    )  # fmt: skip
    with workshop() as folder:
        tools = lay_out_tools(folder / "tools", list(emulators.values()))
        bases = {}
        for name in {HERE, *platforms}:
            (folder / MACHINES[name]).mkdir()
            bases[name] = image(program, folder / MACHINES[name], "empty", None, name)
        for name in wanted:
            row(table, program, folder, tools, bases, name)
    table.finish()


def row(table: Table, program: Path, folder: Path, tools: Path, bases: dict[str, Path], name: str) -> None:
    """Compares one project, and adds it to the table."""
    here = folder / name
    here.mkdir()
    wheels = fetch(name)
    target = FOREIGN.get(name, HERE)
    build = image(program, here, name, wheels, target)
    try:
        cells, faults = judge(here, tools, wheels, bases, build, target)
    except RuntimeError as error:
        cells, faults = ["-"] * 8, [str(error)]
    shown = faults[:20] + ([f"and {len(faults) - 20} more"] if len(faults) > 20 else [])
    table.row(name, *cells, ok=not faults, detail="\n".join(shown))
    shutil.rmtree(here)


def judge(here: Path, tools: Path, wheels: Path, bases: dict[str, Path], build: Path, target: str) -> tuple[list, list[str]]:
    """Makes the environments, compares them, and asks the image: cells of the table, and what is wrong."""
    emulator = None if target == HERE else f"/tools/qemu-{MACHINES[target]}-static"
    theirs = Room(unpack(bases[target], here / "theirs"), tools, wheels, emulator)
    ours = Room(unpack(build, here / "ours"), tools, wheels, emulator)
    our_new = trees.read(theirs.environment)
    # uv asks a Python that it starts itself, which has to be of this machine.
    native = theirs if target == HERE else Room(unpack(bases[HERE], here / "native"), tools, wheels)
    comparisons = {}
    for tool, room, makes, adds in (
        ("uv", native, rooms.uv_makes, partial(rooms.uv_adds, machine=None if target == HERE else MACHINES[target])),
        ("pip", theirs, rooms.venv_makes, rooms.pip_adds),
    ):
        makes(room)
        new = trees.read(room.environment)
        adds(room)
        if room is not theirs:
            theirs.clear()
            room.environment.rename(theirs.environment)
        comparisons[tool] = trees.compare(tool, theirs.environment, new, ours.environment, our_new)
        if tool == "uv":
            expected = ask(theirs)
    found = ask(ours)
    faults = [f"{tool}: {line}" for tool, comparison in comparisons.items() for line in comparison.differing]
    faults += asked(found, expected, wheels, our_new)
    faults += uninstalled(ours, found, our_new)
    imported = sum(outcome == "ok" for outcome in found["imports"].values())
    uv, pip = comparisons["uv"], comparisons["pip"]
    cells = [
        len(found["versions"]), uv.files, len(uv.allowed), len(uv.differing), len(pip.allowed), len(pip.differing),
        found["rows"], f"{imported} of {len(found['imports'])}",
    ]  # fmt: skip
    return cells, faults


def ask(room: Room) -> dict:
    """What the environment's own Python says of it."""
    return json.loads(room.do("/app/.venv/bin/python", "/tools/inside.py"))


def asked(found: dict, expected: dict, wheels: Path, our_new: dict) -> list[str]:
    """What is wrong with the answers of the image's Python."""
    locked = sorted(line.split()[0] for line in requirements(wheels))
    faults = [f"RECORD: {line}" for line in found["broken"]]
    if found["versions"] != locked:
        faults.append(f"installed and not locked, or the other way: {sorted(set(found['versions']) ^ set(locked))}")
    own = {path for path, node in our_new.items() if node.kind != "folder"}
    faults += [f"{path}: belongs to no package" for path in found["unowned"] if path not in own]
    for module in sorted(found["imports"].keys() | expected["imports"].keys()):
        ours, theirs = found["imports"].get(module), expected["imports"].get(module)
        if ours != theirs:
            faults.append(f"import {module}: {ours}; in uv's environment: {theirs}")
    return faults


def uninstalled(room: Room, found: dict, our_new: dict) -> list[str]:
    """What is wrong with `pip check`, and what `pip uninstall` of everything leaves or takes too much."""
    faults = []
    check = room.pip("check")
    if check.returncode != 0:
        faults.append(f"pip check: {check.stdout}{check.stderr}")
    names = [version.split("==")[0] for version in found["versions"]]
    uninstall = room.pip("uninstall", "--quiet", "--yes", *names)
    if uninstall.returncode != 0:
        faults.append(f"pip uninstall: {uninstall.stdout}{uninstall.stderr}")
    left = {path: node for path, node in trees.read(room.environment).items() if node.kind != "folder"}
    own = {path: node for path, node in our_new.items() if node.kind != "folder"}
    faults += [f"pip uninstall leaves {path}" for path in sorted(left.keys() - own.keys())]
    faults += [f"pip uninstall takes {path}" for path in sorted(own.keys() - left.keys())]
    return faults


def lay_out_tools(tools: Path, emulators: list[str]) -> Path:
    """The programs that are mounted into rooms: uv, pip as a package, the questions, and emulators."""
    tools.mkdir()
    for emulator in emulators:
        shutil.copy(shutil.which(emulator), tools)
    shutil.copy(TOOLS / "bin/uv", tools / "uv")
    (pip,) = (TOOLS / "lib").glob("python3.*/site-packages/pip")
    shutil.copytree(pip, tools / "pip")
    shutil.copy(Path(__file__).parent / "installed/inside.py", tools / "inside.py")
    return tools


def image(program: Path, folder: Path, name: str, wheels: Path | None, target: str) -> Path:
    """An image with these wheels, as an OCI layout."""
    project = folder / "project"
    project.mkdir()
    (project / "main.py").write_text("")
    (project / "requirements.txt").write_text("".join(line + "\n" for line in requirements(wheels)) if wheels else "")
    pins = KEPT / ("wain.lock" if target == HERE else f"wain-{MACHINES[target]}.lock")
    if pins.is_file():
        shutil.copy(pins, project / "wain.lock")
    store = os.environ.get("WAIN_CACHE_DIR") or str(KEPT / "store")
    words = ["build", project, "--base", "debian:bookworm", "--platform", target, "--tag", "equality:1"]
    links = ["--no-index", *(["--find-links", wheels] if wheels else [])]
    output = ["--output", f"layout:{folder / 'image'}", "--progress", "quiet", "--cache-dir", store]
    ran = subprocess.run([program, *words, *links, *output], capture_output=True, text=True)
    if ran.returncode != 0:
        print(f"wain build of {name}: {ran.stderr}", file=sys.stderr)
        sys.exit(ran.returncode)
    # All images of a run stand on the same base.
    pins.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(project / "wain.lock", pins)
    return folder / "image"


def unpack(layout: Path, into: Path) -> Path:
    """Unpacks an image with umoci; gives its root file system."""
    subprocess.run(["umoci", "unpack", "--rootless", "--image", f"{layout}:1", into], check=True, capture_output=True)
    return into / "rootfs"


def requirements(wheels: Path) -> list[str]:
    return [line for line in (wheels / "requirements.txt").read_text().splitlines() if not line.startswith("#")]


def fetch(name: str) -> Path:
    """A folder with the wheels of a project and its requirements; what is there and has the right hash is kept."""
    folder = KEPT / "wheels" / name
    if name in MADE:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        lines = [f"{requirement} --hash=sha256:{digest}" for requirement, digest in made.make(folder, MADE[name], BATCH)]
        (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in lines))
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(FIXTURES / f"{name}.txt", folder / "requirements.txt")
    locked = set(re.findall("sha256:([0-9a-f]{64})", (folder / "requirements.txt").read_text()))
    there = set()
    for path in folder.glob("*.whl"):
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest in locked:
            there.add(digest)
        else:
            path.unlink()
    if there == locked:
        return folder
    # Every platform tag of the image, since pip takes those given and derives none.
    machine = MACHINES[FOREIGN.get(name, HERE)]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(36, 4, -1)]
    tags += [f"{tag}_{machine}" for tag in ("manylinux2014", "manylinux2010", "manylinux1", "linux")]
    words = ["download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", folder]
    words += ["--python-version", "3.11.2", "--implementation", "cp", "--abi", "cp311", "--abi", "abi3", "--abi", "none"]
    words += [word for tag in tags for word in ("--platform", tag)]
    ran = subprocess.run([TOOLS / "bin/python", "-m", "pip", *words, "--requirement", folder / "requirements.txt"])
    if ran.returncode != 0:
        print(f"the wheels of {name} cannot be fetched", file=sys.stderr)
        sys.exit(OUTSIDE)
    return folder


def relock(name: str, wanted: list[str]) -> None:
    """Writes fixtures/equality/NAME.txt: versions as uv resolves them, each with the hash of its one wheel."""
    machine = MACHINES[FOREIGN.get(name, HERE)]
    pip = [TOOLS / "bin/python", "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"]
    if name in FOREIGN:
        # pip takes wheels for another platform only if it is told where they would go.
        tags = [f"manylinux_2_{minor}_{machine}" for minor in (28, 27, 26, 17)] + [f"manylinux2014_{machine}"]
        pip += ["--target", "nowhere", *(word for tag in tags for word in ("--platform", tag))]
    target = ["--only-binary", ":all:", "--python-version", "3.11", "--python-platform", f"{machine}-manylinux_2_28"]
    with workshop() as folder:
        (folder / "in").write_text("".join(f"{line}\n" for line in wanted))
        words = ["pip", "compile", "--quiet", "--generate-hashes", *target, folder / "in", "-o", folder / "out"]
        subprocess.run([TOOLS / "bin/uv", *words], check=True)
        report = ["--only-binary", ":all:", "--require-hashes", "--report", "-", "-r", folder / "out"]
        answer = json.loads(subprocess.run([*pip, *report], check=True, stdout=subprocess.PIPE).stdout)
    lines = []
    for item in answer["install"]:
        package = re.sub("[-_.]+", "-", item["metadata"]["name"]).lower()
        digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
        lines.append(f"{package}=={item['metadata']['version']} --hash=sha256:{digest}\n")
    (FIXTURES / f"{name}.txt").write_text(f"# {' '.join(wanted)}\n" + "".join(sorted(lines)))


if __name__ == "__main__":
    main()
