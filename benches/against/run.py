"""Builds the same projects with wain and with what a user would run instead, and compares.

    python3 benches/against/run.py [--sets api,science] [--only NAME,...] [--runs N] [--wain PATH] [--work DIR]

Needs Linux, root (dockerd and buildah do), Python 3.11, uv and pip from PyPI, and from Debian: docker.io
docker-registry buildah pigz isal time. The work folder takes about 6 GB. README.md, beside this folder, tells what is
measured and what came out.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from builders import Buildah, HandMade, Wain
from check import check
from docker import BuildKit, BuildKitAndPush, Daemon, WainIntoDocker
from layers import compare_layers
from measure import Cost, quiet
from prepare import DataSet, prepare
from report import print_targets, table

HERE = Path(__file__).parent
NEEDED = ["uv", "dockerd", "/usr/bin/docker", "buildah", "tar", "gzip", "pigz", "igzip", "docker-registry", "/usr/bin/time"]


def main() -> None:
    arguments = read_arguments()
    check_machine(arguments.wain)
    work = arguments.work
    clear(work / "runs")
    results = {}
    daemon = Daemon(work / "runs", arguments.driver)
    try:
        for name in arguments.sets.split(","):
            data = prepare(name, HERE / name, work, arguments.wain)
            builders = make_builders(data, work / "runs" / name, daemon, arguments)
            try:
                results[name] = compare(builders, arguments.runs, work / "runs" / name / "log")
                check(data, builders)
            finally:
                for builder in builders:
                    builder.stop()
            print(table(data, results[name], os.getloadavg()[0]), flush=True)
            results[name]["layers"] = compare_layers(data, work / "runs" / name, arguments)
    finally:
        daemon.stop()
    print_targets(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1, default=vars))


def clear(folder: Path) -> None:
    """Removes what the last time left, with the file systems that a stopped builder left mounted there."""
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in sorted((mount for mount in mounts if mount.startswith(f"{folder}/")), reverse=True):
        quiet("umount", mount)
    if folder.exists():
        shutil.rmtree(folder)


def make_builders(data: DataSet, work: Path, daemon: Daemon, arguments: argparse.Namespace) -> list:
    for archive in data.peer_archives:
        daemon.load(archive)
    builders = [
        Wain("wain", data, work, arguments.wain, wheels_in_store=False),
        Wain("wain-wheels-in-store", data, work, arguments.wain, wheels_in_store=True),
        WainIntoDocker("wain-into-docker", data, work, arguments.wain, daemon),
        BuildKit("buildkit", data, work, daemon),
        BuildKitAndPush("buildkit-and-push", data, work, daemon),
        Buildah("buildah", data, work, arguments.driver),
        HandMade("hand-made-gzip", data, work, "gzip -6"),
        HandMade("hand-made-pigz", data, work, "pigz -6 -n"),
        HandMade("hand-made-igzip", data, work, "igzip -1 -c -n"),
    ]
    only = arguments.only.split(",") if arguments.only else None
    return [builder for builder in builders if only is None or builder.name in only]


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
            for _ in range(2):
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
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        sys.exit(f"not found: {', '.join(missing)}; see the top of {__file__}")
    if os.geteuid() != 0:
        sys.exit("dockerd and buildah need root")
    if not wain.is_file():
        sys.exit(f"there is no {wain}: run `cargo build --release`, or give --wain")


def read_arguments() -> argparse.Namespace:
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent / "target"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", default="api,science", help="projects to build, with commas between them")
    parser.add_argument("--only", help="names of builders, with commas between them")
    parser.add_argument("--runs", type=int, default=3, help="rounds")
    parser.add_argument("--wain", type=Path, default=target / "release/wain", help="the program")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "wain-bench")
    parser.add_argument("--driver", default="overlay2", help="storage driver of dockerd and buildah; else vfs")
    parser.add_argument("--json", type=Path, help="write all numbers there")
    arguments = parser.parse_args()
    arguments.wain, arguments.work = arguments.wain.resolve(), arguments.work.resolve()
    return arguments


main()
