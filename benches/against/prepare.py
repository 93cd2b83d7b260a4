"""Everything that is there before a clock runs: wheels in a folder, a base for all, images of uv and of the wheels.

The only part that uses the network. What it made is kept in the work folder for the next time.
"""

import json
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import made
from images import Layout, base_archive, first_layers, folder_archive, sha256
from measure import quiet

HERE = Path(__file__).parent
#: Wheels of the set that is made.
COUNT = 300

PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(36, 16, -1)] + ["manylinux2014_x86_64"]


@dataclass
class DataSet:
    """A project and what all builders are given for it."""

    name: str
    source: Path
    wheels: Path
    requirements: Path
    wain_lock: Path
    base: Layout
    store: Path
    store_with_wheels: Path
    peer_archives: list[Path]

    @property
    def command(self) -> str:
        return next(iter(tomllib.loads((self.source / "pyproject.toml").read_text())["project"]["scripts"]))


def prepare(name: str, work: Path, wain: Path) -> DataSet:
    """Fetches and makes what is missing. A set is a folder beside this file, or `made`."""
    is_made = name == "made"
    key = COUNT if is_made else sha256(HERE / name / "uv.lock")[:8]
    folder = work / "given" / f"{name}-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "project" if is_made else HERE / name
    shared = work / "given" / "shared"
    data = DataSet(
        name=name,
        source=source,
        wheels=folder / "wheels",
        requirements=folder / "requirements.txt",
        wain_lock=shared / "project/wain.lock",
        base=Layout(shared / "base"),
        store=shared / "store",
        store_with_wheels=folder / "store",
        peer_archives=[shared / "base.tar", shared / "uv.tar", folder / "wheels.tar"],
    )
    made_by = shared / "made-by"
    if not made_by.exists() or made_by.read_text() != sha256(wain):
        make_base(shared, wain)
        made_by.write_text(sha256(wain))
    if not data.peer_archives[2].exists():
        make_wheels(data) if is_made else fetch_wheels(data)
    # Made anew each time: the format of the store may have changed.
    shutil.rmtree(data.store_with_wheels, ignore_errors=True)
    shutil.copytree(data.store, data.store_with_wheels)
    for wheel in data.wheels.iterdir():
        digest = sha256(wheel)
        place = data.store_with_wheels / "v1/blobs/sha256" / digest[:2] / digest
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(wheel, place)
    return data


def make_base(shared: Path, wain: Path, base: str = "debian:trixie") -> None:
    """Has wain assemble its base, with an empty project on it, and takes that project off again.

    Another wain makes another one: what an older one remembers may mean nothing to it, and a cold build would pay.
    """
    print("assembling the base", file=sys.stderr)
    shutil.rmtree(shared, ignore_errors=True)
    project = shared / "project"
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text('[project]\nname = "empty"\nversion = "1"\nrequires-python = ">=3.11"\n')
    (project / "main.py").touch()
    quiet("uv", "lock", "--quiet", "--offline", "--python", sys.executable, cwd=project)
    store, whole = shared / "store", shared / "whole"
    words = [wain, "build", project, "--cache-dir", store, "--base", base, "--progress", "quiet"]
    quiet(*words, "--output", f"layout:{whole}")
    plan = json.loads(quiet(wain, "plan", project, "--cache-dir", store, "--base", base, "--json"))
    count = len(plan["images"][0]["base"]["layers"])
    layout = first_layers(Layout(whole), count, shared / "base.new")
    base_archive(layout, shared / "base.tar")
    (shared / "uv").mkdir()
    # What is on the PATH may be a script that finds uv.
    find = ["run", "--no-project", "--offline", "--python", sys.executable, "sh", "-c", 'echo "$UV"']
    shutil.copy2(quiet("uv", *find), shared / "uv/uv")
    folder_archive(shared / "uv", "bench/uv", shared / "uv.tar")
    layout.path.rename(shared / "base")


def fetch_wheels(data: DataSet) -> None:
    """Downloads the wheels that the lockfile names for the base's Python."""
    print(f"fetching the wheels of {data.name}", file=sys.stderr)
    export = ["uv", "export", "--quiet", "--frozen", "--no-emit-project", "--no-header", "--no-annotate"]
    quiet(*export, "--python", sys.executable, "--output-file", data.requirements, cwd=data.source)
    shutil.rmtree(data.wheels, ignore_errors=True)
    platforms = [f"--platform={platform}" for platform in PLATFORMS]
    pip = ["pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    done = subprocess.run(
        [sys.executable, "-m", *pip, "--python-version", "3.13", *platforms]
        + ["--requirement", data.requirements, "--dest", data.wheels],
        check=False,
    )
    if done.returncode != 0:
        sys.exit("the wheels cannot be fetched: is there a network, and pip?")
    folder_archive(data.wheels, f"bench/wheels-{data.name}", data.peer_archives[2])


def make_wheels(data: DataSet) -> None:
    """A project of many small wheels, all made here."""
    shutil.rmtree(data.wheels, ignore_errors=True)
    made.write_project(data.source, made.many_wheels(data.wheels, COUNT))
    shutil.copyfile(data.source / "requirements.txt", data.requirements)
    with open(data.source / "pyproject.toml", "a") as file:
        file.write('[project.scripts]\nmade = "made.main:main"\n')
        file.write('[build-system]\nrequires = ["uv_build"]\nbuild-backend = "uv_build"\n')
    (data.source / "main.py").unlink()
    package = data.source / "src/made"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('VERSION = "1"\n')
    imports = "".join(f"import made_{index:03}.module_0\n" for index in range(COUNT))
    (package / "main.py").write_text(f"{imports}\n\ndef main() -> None:\n    print(made_000)\n")
    folder_archive(data.wheels, f"bench/wheels-{data.name}", data.peer_archives[2])
