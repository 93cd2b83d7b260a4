"""Where a cold build spends its time: stages by the clock, functions by samples of processors."""

import argparse
import json
import re
import shutil
import statistics
import sys
from pathlib import Path

from builders import Wain
from measure import measure, quiet
from prepare import DataSet

#: What a function belongs to: the first that fits.
GROUPS = [
    ("sha256: RECORD, the tar, the compressed bytes, the wheels", r"sha2|sha256|oci::hasher|oci::digest"),
    ("inflating", r"wainwright_blob::(inflate|huffman)"),
    ("CRC-32", r"crc32"),
    ("the kernel: reading, writing, memory, the disk", r"^\[k\]"),
    ("copying and clearing memory", r"mem(cpy|move|set)|_avx|_erms"),
    ("joining, tar headers, RECORD, plans, everything else", r""),
]


def profile(data: DataSet, work: Path, arguments: argparse.Namespace) -> tuple[dict[str, float], dict[str, float]]:
    """The stages' median seconds, and each group's share of all samples (empty without `perf`)."""
    print("the profile", file=sys.stderr, flush=True)
    shutil.rmtree(work, ignore_errors=True)
    program = Wain("profile", data, work, arguments.wain, wheels_in_store=False)
    stages: dict[str, list[float]] = {}
    samples = dict.fromkeys((group for group, _ in GROUPS), 0)
    report = work / "report.json"
    for _ in range(arguments.runs):
        program.clean()
        measure(*program.command(), "--metadata-file", report, log=work / "log", memory=False)
        for stage, seconds in json.loads(report.read_text())["seconds"].items():
            stages.setdefault(stage, []).append(seconds)
        if shutil.which("perf"):
            program.clean()
            recorded = work / "perf.data"
            quiet("perf", "record", "--quiet", "--freq", "2000", "--output", recorded, *program.command())
            for function in functions(recorded):
                samples[next(group for group, pattern in GROUPS if re.search(pattern, function))] += 1
    shutil.rmtree(work)
    total = sum(samples.values())
    shares = {group: count / total for group, count in samples.items()} if total else {}
    return {stage: statistics.median(seconds) for stage, seconds in stages.items()}, shares


def functions(recorded: Path) -> list[str]:
    """The function of every sample; those of the kernel begin with `[k]`."""
    text = quiet("perf", "script", "--no-inline", "--input", recorded, "--fields", "ip,sym,dso")
    found = re.findall(r"^ *([0-9a-f]+) (.*)$", text, re.MULTILINE)
    return [f"{'[k] ' if address.startswith('ffff') else ''}{name}" for address, name in found]
