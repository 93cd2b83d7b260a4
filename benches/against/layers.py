"""The floor of it all: making the layers of some wheels, against packing the same files with tar and gzip."""

import argparse
import json
import subprocess
from pathlib import Path

from builders import Wain
from images import Layout
from measure import measure
from prepare import DataSet

PACKERS = {"tar, gzip -6": "gzip -6", "tar, pigz -6 (all cores)": "pigz -6", "tar, igzip -1": "igzip -1 -c"}


def compare_layers(data: DataSet, work: Path, arguments: argparse.Namespace) -> dict[str, dict]:
    """Costs and sizes by name. Wheels, store and tree lie in the page cache for everybody.

    Ours is the whole program, from reading the lockfile to a finished image layout; the part that makes the layers is
    told besides. The others are told only what the packing takes, once uv has made the tree.
    """
    log = work / "log"
    programs = {
        "wain": Wain("layers", data, work, arguments.wain, wheels_in_store=True),
        "wain, one core": Wain("layers-1", data, work, arguments.wain, wheels_in_store=True, jobs=1),
    }
    rows: dict[str, dict] = {name: {"costs": [], "making": []} for name in [*programs, *PACKERS]}
    tree = work / "tree"
    for _ in range(arguments.runs):
        for name, program in programs.items():
            rows[name]["costs"].append(program.cold(log))
            rows[name]["making"].append(seconds_of_making(program.report))
            rows[name]["size"] = made_size(program.report)
        if not tree.exists():
            unpack(program, tree)
        for name, packer in PACKERS.items():
            out = work / "packed"
            command = f'tar -C "$0" --sort=name -cf - . | {packer} > "$1"'
            rows[name]["costs"].append(measure("bash", "-c", command, tree, out, log=log))
            rows[name]["size"] = out.stat().st_size
    return rows


def seconds_of_making(report: Path) -> float:
    return json.loads(report.read_text())["seconds"]["execute"]


def ours(report: Path) -> list[dict]:
    """The layers that were made, with digest and size."""
    (image,) = json.loads(report.read_text())["platforms"].values()
    return [layer for layer in image["layers"] if not layer["cached"]]


def made_size(report: Path) -> int:
    return sum(layer["size"] for layer in ours(report))


def unpack(program: Wain, tree: Path) -> None:
    """What the layers install, as files."""
    tree.mkdir()
    for layer in ours(program.report):
        subprocess.run(["tar", "-C", tree, "-xzf", Layout(program.out).blob(layer)], check=True)


