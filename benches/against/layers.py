"""Making the layers of some wheels: how far from the floor, and against packing the same files with tar and gzip."""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

from builders import Wain
from images import Layout
from measure import measure
from prepare import DataSet

ROOT = Path(__file__).parents[2]
PACKERS = {"gzip -6": "gzip -6", "pigz -6 (all cores)": "pigz -6", "igzip -1": "igzip -1 -c"}


def compare_layers(data: DataSet, work: Path, arguments: argparse.Namespace) -> dict[str, dict]:
    """Costs and sizes by name. Wheels, store and tree lie in the page cache for everybody.

    Ours is the whole program, from reading the lockfile to a finished image layout. The others are told only what it
    takes to pack what uv has unpacked; one row, as people do it, with uv unpacking it first.
    """
    log = work / "log"
    programs = {
        "wain": Wain("layers", data, work, arguments.wain, wheels_in_store=True),
        "wain, one core": Wain("layers-1", data, work, arguments.wain, wheels_in_store=True, jobs=1),
    }
    tree, cache, out = work / "tree", work / "uv-cache", work / "packed"
    uv = f'{install(data)} --cache-dir "{cache}" --target "$0"'
    commands = {"uv, tar, gzip -6": f'{uv} && {pack("gzip -6")}'}
    for name, packer in PACKERS.items():
        if shutil.which(packer.split()[0]):
            commands[f"tar, {name}"] = pack(packer)
    rows: dict[str, dict] = {name: {"costs": [], "size": 0} for name in [*programs, *commands]}
    for _ in range(arguments.runs):
        for name, program in programs.items():
            rows[name]["costs"].append(program.cold(log))
            rows[name]["size"] = made_size(program)
        for folder in (tree, cache):
            shutil.rmtree(folder, ignore_errors=True)
        for name, command in commands.items():
            rows[name]["costs"].append(measure("bash", "-o", "pipefail", "-c", command, tree, out, log=log))
            rows[name]["size"] = out.stat().st_size
    return rows


def install(data: DataSet) -> str:
    words = "uv pip install --quiet --no-index --require-hashes --link-mode copy"
    target = "--python-version 3.13 --python-platform x86_64-manylinux_2_36"
    return f'{words} {target} --find-links "{data.wheels}" --requirements "{data.requirements}"'


def pack(packer: str) -> str:
    return f'tar -C "$0" --sort=name -cf - . | {packer} > "$1"'


def made_size(program: Wain) -> int:
    """Bytes of all layers but those of the base."""
    return program.size() - program.data.base.size()


def floor(wheels: Path, rounds: int) -> dict[str, tuple[float, ...]]:
    """Runs the bench of the floor: seconds, those of the best round, of processors; all as multiples of the floor's."""
    print("the floor", file=sys.stderr, flush=True)
    command = ["cargo", "bench", "--quiet", "--locked", "--package", "wainwright-layer", "--bench", "floor"]
    done = subprocess.run(
        [*command, "--", str(wheels), "--rounds", str(rounds)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    rows = re.findall(r"^(floor|ours.*?)" + 6 * r" +([\d.]+)" + "$", done.stdout, re.MULTILINE)
    if done.returncode != 0 or len(rows) != 3:
        sys.exit(f"the floor cannot be measured:\n{done.stdout}{done.stderr[-2000:]}")
    return {name: tuple(map(float, numbers)) for name, *numbers in rows}
