"""Builds the same projects with wain and with what a user would run instead, and compares.

    python3 benches/against/run.py [--write] [--parts NAME,...] [--sets NAME,...] [--only NAME,...] [--runs N]

measures everything and prints the tables of README.md, in the folder above: the peers, the layers and the floor under
them, what grows with a project, a profile and the instructions. `--write` puts them there, part by part; the other
options do less.

Needs Linux, root (dockerd and buildah do), Python 3.11, cargo, uv and pip from PyPI, and from Debian: docker.io
docker-registry buildah pigz isal time valgrind linux-perf. A peer that is not installed is a row that says so. The work
folder takes about 16 GB. README.md tells what is measured.
"""

import argparse
import datetime
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from builders import Buildah, HandMade, Wain
from check import check
from docker import BuildKit, BuildKitAndPush, Daemon, WainIntoDocker
from hotspots import profile
from layers import compare_layers, floor
from measure import Cost, quiet
from prepare import DataSet, prepare
from report import layers_table, peers_table, profile_table, sizes_tables
from sizes import instructions, large_wheel, many_files, start_up
from targets import MISSED, Measured, targets_table

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
PARTS = ["peers", "layers", "sizes", "profile", "instructions"]
SETS = ["api", "science", "sixty", "made"]
#: Two sets are there for the builds in which nothing changes: not everybody has to build them.
BUILDERS_OF = {"sixty": ["wain", "buildkit", "buildkit-and-push"], "made": ["wain", "buildkit"]}
NEEDED = ["uv", "tar", "/usr/bin/time"]
DOCKER = ["dockerd", "/usr/bin/docker"]


def main() -> None:
    arguments = read_arguments()
    check_machine(arguments.wain)
    arguments.work.mkdir(parents=True, exist_ok=True)
    clear(arguments.work / "runs")
    missed = 0
    for part in arguments.parts:
        measured, tables = measure_part(part, arguments)
        text = "\n".join([targets_table(measured), *tables, "", machine()])
        missed += text.count(MISSED)
        print(f"\n## {part}\n\n{text}", flush=True)
        if arguments.write:
            write_tables(part, text)
    print(f"\n{missed} targets missed", file=sys.stderr)


def measure_part(part: str, arguments: argparse.Namespace) -> tuple[Measured, list[str]]:
    """The numbers of a part, and the tables of them."""
    wain, work, runs = arguments.wain, arguments.work, arguments.runs
    measured = Measured()
    match part:
        case "peers":
            measured.peers, tables = compare_peers(arguments)
        case "layers":
            science = prepare("science", work, wain)
            measured.floors = floor(science.wheels, 5 * runs)
            measured.layers = compare_layers(science, fresh(work / "runs/layers"), arguments)
            tables = [layers_table(science.name, measured.layers, measured.floors)]
        case "sizes":
            measured.starts = start_up(wain, work, runs)
            measured.large, measured.growth = large_wheel(wain, work), many_files(wain, work)
            tables = [sizes_tables(measured.starts, measured.large, measured.growth)]
        case "profile":
            science = prepare("science", work, wain)
            tables = [profile_table(science.name, *profile(science, work / "runs/profile", arguments))]
        case "instructions":
            measured.instructions = instructions(wain)
            tables = [f"\nMillions of instructions:\n\n```\n{measured.instructions}\n```"]
    return measured, tables


def compare_peers(arguments: argparse.Namespace) -> tuple[dict, list[str]]:
    """Every builder in every situation, for every set; as numbers and as tables."""
    work = arguments.work / "runs"
    results, tables = {}, []
    daemon = Daemon(work, arguments.driver) if has(*DOCKER) else None
    try:
        for name in arguments.sets:
            data = prepare(name, arguments.work, arguments.wain)
            builders, missing = make_builders(data, work / name, daemon, arguments)
            try:
                results[name] = compare(builders, arguments.runs, work / name / "log")
                check(data, builders)
            finally:
                for builder in builders:
                    builder.stop()
            results[name] |= {name: {} for name in missing}
            tables.append(peers_table(data, results[name], os.getloadavg()[0]))
    finally:
        if daemon:
            daemon.stop()
    return results, tables


def fresh(folder: Path) -> Path:
    clear(folder)
    folder.mkdir(parents=True)
    return folder


def machine() -> str:
    """On what, when and with which versions the numbers came about."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "?")
    versions = [first_line(tool, "--version") for tool in ("uv", "dockerd", "buildah")]
    load = f"{os.getloadavg()[0]:.1f}"
    commit = quiet("git", "-C", HERE, "rev-parse", "--short", "HEAD")
    return (
        f"Measured at {commit} on {datetime.date.today()}: {os.cpu_count()} cores of {model}, "
        f"Linux {platform.release().split('-')[0]}; {', '.join(versions)}. Load average at the end: {load}."
    )


def first_line(*command: str) -> str:
    if not has(command[0]):
        return f"no {command[0]}"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0].partition(", build")[0].partition(" (")[0]


def write_tables(part: str, text: str) -> None:
    """Puts the tables of a part between its marks in README.md."""
    mark, end = f"<!-- {part}: written by against/run.py -->", f"<!-- end of {part} -->"
    before, is_there, rest = README.read_text().partition(mark)
    _, is_closed, after = rest.partition(end)
    if not is_there or not is_closed:
        sys.exit(f"{README} has no marks for {part} to write between")
    README.write_text(f"{before}{mark}\n\n{text.strip()}\n\n{end}{after}")


def clear(folder: Path) -> None:
    """Removes what the last time left, with the file systems that a stopped builder left mounted there."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), reverse=True):
        quiet("umount", mount)
    if folder.exists():
        shutil.rmtree(folder)


def make_builders(
    data: DataSet, work: Path, daemon: Daemon | None, arguments: argparse.Namespace
) -> tuple[list, list[str]]:
    """The builders that can run here, and the names of those that cannot."""
    for archive in data.peer_archives if daemon else []:
        daemon.load(archive)
    wain = arguments.wain
    all_builders = {
        "wain": ([], lambda name: Wain(name, data, work, wain, wheels_in_store=False)),
        "wain-wheels-in-store": ([], lambda name: Wain(name, data, work, wain, wheels_in_store=True)),
        "wain-into-docker": (DOCKER, lambda name: WainIntoDocker(name, data, work, wain, daemon)),
        "buildkit": (DOCKER, lambda name: BuildKit(name, data, work, daemon)),
        "buildkit-and-push": ([*DOCKER, "docker-registry"], lambda name: BuildKitAndPush(name, data, work, daemon)),
        "buildah": (["buildah"], lambda name: Buildah(name, data, work, arguments.driver)),
        "hand-made-gzip": (["gzip"], lambda name: HandMade(name, data, work, "gzip -6")),
        "hand-made-pigz": (["pigz"], lambda name: HandMade(name, data, work, "pigz -6 -n")),
        "hand-made-igzip": (["igzip"], lambda name: HandMade(name, data, work, "igzip -1 -c -n")),
    }
    only = arguments.only or BUILDERS_OF.get(data.name) or list(all_builders)
    wanted = {name: all_builders[name] for name in only}
    builders = [make(name) for name, (tools, make) in wanted.items() if has(*tools)]
    return builders, [name for name, (tools, _) in wanted.items() if not has(*tools)]


def has(*tools: str) -> bool:
    return all(shutil.which(tool) for tool in tools)


def compare(builders: list, runs: int, log: Path) -> dict:
    """Every round asks every builder for every situation, so that a busy moment hits all alike."""
    results = {
        builder.name: {"cold": [], "unchanged": [], "line": [], "digests": set(), "size": 0} for builder in builders
    }
    number = 0
    for run in range(runs):
        number += 2
        for builder in builders:
            print(f"round {run + 1} of {runs}: {builder.name}", file=sys.stderr)
            result = results[builder.name]
            builder.project.edit(0)
            add(result, "cold", builder.cold(log))
            result["digests"].add(builder.digest())
            result["size"] = builder.size()
            if builder.name == "buildkit":
                add(result, "cold, cache mount kept", builder.cold_with_cache_mount(log))
            for _ in range(4):
                add(result, "unchanged", builder.build(log))
            for edit in (number - 1, number):
                builder.project.edit(edit)
                add(result, "line", builder.build(log))
    for result in results.values():
        result["digests"] = len(result["digests"])
    return results


def add(result: dict, situation: str, cost: Cost) -> None:
    result.setdefault(situation, []).append(cost)


def check_machine(wain: Path) -> None:
    missing = [tool for tool in NEEDED if not has(tool)]
    if missing:
        sys.exit(f"not found: {', '.join(missing)}; see the top of {__file__}")
    if os.geteuid() != 0:
        sys.exit("dockerd and buildah need root")
    if not wain.is_file():
        sys.exit(f"there is no {wain}: run `cargo build --release`, or give --wain")


def read_arguments() -> argparse.Namespace:
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the tables into benches/README.md")
    parser.add_argument("--parts", type=names, default=PARTS, help=f"what to measure, of {','.join(PARTS)}")
    parser.add_argument("--sets", type=names, default=SETS, help=f"projects to build, of {','.join(SETS)}")
    parser.add_argument("--only", type=names, help="names of builders, with commas between them")
    parser.add_argument("--runs", type=int, default=3, help="rounds")
    parser.add_argument("--wain", type=Path, default=target / "release/wain", help="the program")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "wain-bench")
    parser.add_argument("--driver", default="overlay2", help="storage driver of dockerd and buildah; else vfs")
    arguments = parser.parse_args()
    arguments.wain, arguments.work = arguments.wain.resolve(), arguments.work.resolve()
    for given, known in ((arguments.parts, PARTS), (arguments.sets, SETS)):
        if unknown := set(given) - set(known):
            parser.error(f"not known: {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    if arguments.write and (arguments.sets, arguments.only) != (SETS, None):
        parser.error("--write is for whole parts: not with --sets or --only")
    return arguments


def names(text: str) -> list[str]:
    return text.split(",")


main()
