"""Counts the instructions of the work that matters, and compares with the table beside this script.

    python3 benches/instructions.py [--wain PATH] [--tolerance PERCENT] [--update]

Clocks lie on a busy machine; counts do not. Each row is a build of something made here, run by `valgrind
--tool=callgrind` on one thread, and what its functions executed, in millions of instructions: *hashing* is sha256 and
CRC-32 (without the processor's help, which valgrind does not know), *inflating* is ours, the rest is everything else.
Fails when a number is larger than the table says by more than the tolerance; `--update` writes the table.

Counts depend on the compiler and on the C library, which the table names; against another compiler a difference says
less, and the last line tells.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "against"))

import made  # noqa: E402

TABLE = HERE / "instructions.txt"
COLUMNS = ["all", "hashing", "inflating", "rest"]
GROUPS = [("hashing", re.compile(r"sha2::|crc32")), ("inflating", re.compile(r"wainwright_blob::(inflate|huffman)"))]
#: Differences below so many millions are noise: threads wait for each other by spinning a little.
NOISE = 0.5


def main() -> None:
    arguments = read_arguments()
    compiler = run("rustc", "--version").strip()
    with tempfile.TemporaryDirectory(prefix="wain-instructions-") as folder:
        builds = Builds(arguments.wain, Path(folder))
        rows = {name: builds.count(command) for name, command in builds.commands()}
    if arguments.update:
        TABLE.write_text(f"{compiler}\n{table(rows)}")
        print(table(rows), end="")
        return
    if not TABLE.exists():
        sys.exit(f"there is no {TABLE}: write it with --update")
    known_compiler, known = read(TABLE.read_text())
    too_many = compare(rows, known, arguments.tolerance)
    if known_compiler != compiler:
        print(f"\nThe table was made by {known_compiler}; this is {compiler}.")
    if too_many:
        sys.exit("\n" + "\n".join(too_many))
    print(f"\nnothing grew by more than {arguments.tolerance:g} %")


class Builds:
    """What is built, and the counting of it."""

    def __init__(self, wain: Path, work: Path):
        self.wain, self.work = wain, work
        self.base = made.small_base(work / "base")

    def commands(self) -> list[tuple[str, list]]:
        """Each row and its command, in an order in which what must be there is there."""
        text = made.wheel_of_many_files(self.work / "text", 1000)
        data = made.wheel_of_data(self.work / "data", 12 << 20)
        few = made.many_wheels(self.work / "few", 60)
        tree = self.work / "tree"
        made.tree_of_many_files(tree, 2000)
        rows = [("start", [self.wain, "--version"])]
        rows.append(("a wheel of 1,000 modules", self.build("text", [text])))
        rows.append(("a wheel of one file of 12 MiB", self.build("data", [data])))
        rows.append(("a project of 2,000 files", self.build("tree", [], tree)))
        unchanged = self.build("few", few)
        rows.append(("60 wheels", unchanged))
        rows.append(("60 wheels, nothing changed", unchanged))
        return rows

    def build(self, name: str, wheels: list[Path], project: Path | None = None) -> list:
        if project is None:
            project = self.work / f"{name}-project"
            made.write_project(project, wheels)
        store, out = self.work / f"{name}-store", self.work / f"{name}-out"
        flags = ["--offline", "--no-index", "--progress", "quiet", "--jobs", "1", "--base", f"layout:{self.base}"]
        where = ["--find-links", self.work / name, "--cache-dir", store, "--output", f"layout:{out}"]
        return [self.wain, "build", project, *flags, *where]

    def count(self, command: list) -> dict[str, float]:
        """Millions of instructions in each group of functions."""
        out = self.work / "callgrind.out"
        valgrind = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"]
        run(*valgrind, *command)
        counts = dict.fromkeys(COLUMNS, 0.0)
        for count, function in functions(run("callgrind_annotate", "--threshold=100", "--auto=no", "--show-percs=no", out)):
            group = next((name for name, pattern in GROUPS if pattern.search(function)), "rest")
            for column in ("all", group):
                counts[column] += count / 1e6
        if not counts["all"]:
            sys.exit("callgrind counted nothing")
        return counts


def functions(text: str) -> list[tuple[int, str]]:
    """The lines `1,234  file:function [object]` of callgrind_annotate."""
    found = re.findall(r"^ *([\d,]+)  (\S.*)$", text, flags=re.MULTILINE)
    return [(int(count.replace(",", "")), name) for count, name in found if name != "PROGRAM TOTALS"]


def compare(rows: dict, known: dict, tolerance: float) -> list[str]:
    """Prints every row with how it changed; what grew too much."""
    print(f"{'':32}" + "".join(f"{column:>22}" for column in COLUMNS))
    too_many = [f"the table has no row `{name}`" for name in rows if name not in known]
    too_many += [f"the table has a row `{name}` that is not counted" for name in known if name not in rows]
    for name, counts in rows.items():
        cells = []
        for column in COLUMNS:
            now, before = counts[column], known.get(name, counts)[column]
            change = (now - before) / before * 100 if before else 0.0
            cells.append(f"{now:12.1f} ({change:+6.1f}%)")
            if now - before > max(before * tolerance / 100, NOISE):
                too_many.append(f"{name}, {column}: {before:.1f} became {now:.1f} million instructions")
        print(f"{name:32}" + "".join(f"{cell:>22}" for cell in cells))
    return too_many


def table(rows: dict) -> str:
    lines = [f"{'':32}" + "".join(f"{column:>12}" for column in COLUMNS)]
    lines += [f"{name:32}" + "".join(f"{counts[c]:12.1f}" for c in COLUMNS) for name, counts in rows.items()]
    return "\n".join(lines) + "\n"


def read(text: str) -> tuple[str, dict]:
    compiler, header, *lines = text.splitlines()
    rows = {}
    for line in lines:
        *words, a, b, c, d = line.split()
        rows[" ".join(words)] = dict(zip(header.split(), map(float, (a, b, c, d)), strict=True))
    return compiler, rows


def run(*command: object) -> str:
    """The output of a command, or the end of this program."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        sys.exit(f"not found: {words[0]}")
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(words)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def read_arguments() -> argparse.Namespace:
    target = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent / "target"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wain", type=Path, default=target / "release/wain", help="the program, a release build")
    parser.add_argument("--tolerance", type=float, default=5.0, help="percent that a number may grow by")
    parser.add_argument("--update", action="store_true", help="write the table")
    arguments = parser.parse_args()
    arguments.wain = arguments.wain.resolve()
    if not arguments.wain.is_file():
        sys.exit(f"there is no {arguments.wain}: run `cargo build --release`, or give --wain")
    return arguments


main()
