#!/usr/bin/env python3
"""Markers and wheel tags mean what PyPA's `packaging` says they mean, for every platform and Python.

    python3 tests/trust/markers.py [--short] [--seed N]

A row for each kind of question, with how many were asked. Markers are every variable against every comparison and many values, and
sentences of them made at random; tags are every combination of interpreter, ABI and platform, compressed sets among them, and
the place of each in the order of preference. Questions are the same for the same seed.
"""

import argparse
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from common import ROOT, Table

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
TOOLS = (TARGET if TARGET.is_absolute() else ROOT / TARGET) / "test-tools/bin/python"

PYTHONS = ["3.8.0", "3.9.21", "3.10.12", "3.11.2", "3.12.0", "3.13.5", "3.14.1"]
MACHINES = {
    "amd64": "x86_64", "arm64": "aarch64", "arm/v7": "armv7l", "386": "i686",
    "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64",
}
LIBCS = ["glibc-2.17", "glibc-2.28", "glibc-2.31", "glibc-2.36", "glibc-2.41", "musl-1.1", "musl-1.2"]
COMPARISONS = ["==", "!=", "<", "<=", ">", ">=", "~=", "===", "in", "not in"]
VALUES = {
    "python_version": ["3", "3.1", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14", "3.11.*", "3.*", "4",
                       "3.11.2", "3.10, 3.11", "3.8 3.9 3.13", "3.111", "2.7"],
    "python_full_version": ["3.8.0", "3.8", "3.9.21", "3.10.12", "3.11.2", "3.11.*", "3.11.3", "3.12.0", "3.12.0rc1", "3.13.5",
                            "3.13.5.post1", "3.14", "3.11.2 3.12.0"],
    "implementation_version": ["3.11.2", "3.12", "3.13.*", "7.3.11"],
    "os_name": ["posix", "nt", "java", "pos"],
    "sys_platform": ["linux", "linux2", "win32", "darwin", "lin", "emscripten"],
    "platform_machine": ["x86_64", "aarch64", "armv7l", "i686", "AMD64", "arm64", "x86", "ppc64le", "aarch64 x86_64"],
    "platform_system": ["Linux", "Windows", "Darwin", "linux"],
    "platform_python_implementation": ["CPython", "PyPy", "cpython", "Jython"],
    "implementation_name": ["cpython", "pypy", "CPython"],
    "platform_release": ["", "4", "5.10.0", "5.10.0-amd64"],
    "platform_version": ["", "1", "#1 SMP"],
    "extra": ["test", "Test", "te.st", "te-st", "other"],
}


def variables(python: str, architecture: str, extra: str) -> dict[str, str]:
    """The environment of CPython on Linux, as a running one would tell it; nobody knows the kernel."""
    return {
        "implementation_name": "cpython", "implementation_version": python, "os_name": "posix",
        "platform_machine": MACHINES[architecture], "platform_python_implementation": "CPython",
        "platform_release": "", "platform_system": "Linux", "platform_version": "", "sys_platform": "linux",
        "python_full_version": python, "python_version": ".".join(python.split(".")[:2]), "extra": extra,
    }


def single() -> Iterator[str]:
    for variable, values in VALUES.items():
        for comparison in COMPARISONS:
            # Which extras are asked for is a set: nothing else can be asked of it.
            if variable == "extra" and comparison not in ("==", "!="):
                continue
            for value in values:
                yield f"{variable} {comparison} '{value}'"
                yield f'"{value}" {comparison} {variable}'


def sentence(dice: random.Random, known: list[str], depth: int = 0) -> str:
    if depth == 3 or dice.random() < 0.35:
        return dice.choice(known)
    parts = [sentence(dice, known, depth + 1) for _ in range(dice.randint(2, 3))]
    text = dice.choice([" and ", " or "]).join(parts)
    return f"({text})" if dice.random() < 0.6 else text


def their_marker(packaging, text: str, environment: dict[str, str]) -> str:
    try:
        return str(packaging.markers.Marker(text).evaluate(environment)).lower()
    except (packaging.markers.InvalidMarker, packaging.markers.UndefinedComparison, packaging.markers.UndefinedEnvironmentName,
            packaging.version.InvalidVersion):
        return "refused"


def their_tags(packaging, python: str, architecture: str, libc: str) -> dict[str, int]:
    """Every tag with its place, on a machine that `packaging` is made to believe in."""
    version = tuple(int(number) for number in python.split(".")[:2])
    name, _, number = libc.partition("-")
    major, minor = (int(part) for part in number.split("."))
    machine = MACHINES[architecture]
    if name == "glibc":
        packaging._manylinux._get_glibc_version = lambda: (major, minor)
        packaging._manylinux._have_compatible_abi = lambda executable, archs: True
        platforms = list(packaging._manylinux.platform_tags([machine]))
    else:
        platforms = [f"musllinux_{major}_{one}_{machine}" for one in range(minor, -1, -1)]
    platforms.append(f"linux_{machine}")
    interpreter = f"cp{version[0]}{version[1]}"
    tags = [*packaging.tags.cpython_tags(version, [interpreter], platforms),
            *packaging.tags.compatible_tags(version, interpreter, platforms)]
    places: dict[str, int] = {}
    for place, tag in enumerate(tags):
        places.setdefault(str(tag), place)
    return places


def tag_questions(dice: random.Random, count: int) -> list[str]:
    interpreters = ["cp38", "cp310", "cp311", "cp312", "cp313", "cp314", "cp32", "cp27", "py3", "py2", "py311", "py39", "py2.py3", "pp310"]
    abis = ["none", "abi3", "cp38", "cp310", "cp311", "cp312", "cp313", "cp313t", "cp314", "cp37m"]
    machines = [*MACHINES.values(), "ppc64", "armv6l"]
    platforms = ["any", "win_amd64", "macosx_11_0_arm64"]
    platforms += [f"{kind}_{machine}" for machine in machines for kind in
                  ("linux", "manylinux1", "manylinux2010", "manylinux2014", "manylinux_2_5", "manylinux_2_12", "manylinux_2_16", "manylinux_2_17",
                   "manylinux_2_28", "manylinux_2_31", "manylinux_2_36", "manylinux_2_39", "musllinux_1_0", "musllinux_1_1", "musllinux_1_2")]
    every = [f"{python}-{abi}-{platform}" for python in interpreters for abi in abis for platform in platforms]
    chosen = dice.sample(every, count)
    for index in range(0, count, 5):
        python, abi, platform = chosen[index].split("-")
        chosen[index] = f"{python}-{abi}-{platform}.{dice.choice(platforms)}"
    return chosen


def ours(questions: list[str]) -> list[str]:
    program = ["cargo", "run", "--quiet", "--locked", "-p", "wainwright-lock", "--example", "judge"]
    if os.environ.get("WAIN_JUDGE"):
        program = [os.environ["WAIN_JUDGE"]]
    done = subprocess.run(program, cwd=ROOT, input="\n".join(questions) + "\n", capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the judge failed: {done.stderr}")
    answers = done.stdout.splitlines()
    if len(answers) != len(questions):
        sys.exit(f"{len(questions)} questions, {len(answers)} answers")
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="a part of the questions")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    try:
        import packaging.markers
        import packaging.tags
        import packaging._manylinux
        import packaging.version
    except ImportError:
        if not TOOLS.exists() or sys.executable == str(TOOLS):
            sys.exit("missing: the Python package `packaging`; `sh tests/run.sh` installs what the tests need")
        os.execv(TOOLS, [str(TOOLS), *sys.argv])

    dice = random.Random(arguments.seed)
    share = 1 if arguments.short else 5
    known = list(single())
    # Inside brackets `packaging` compares another spelling of an extra as it is written; names are one however they are spelled.
    simple = [text for text in known if "te.st" not in text]
    rows: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for architecture in MACHINES:
        for python in PYTHONS:
            environment = variables(python, architecture, "te-st")
            group = rows.setdefault(("marker", architecture), [])
            asked = dice.sample(known, min(len(known), 120 * share))
            asked += [sentence(dice, simple) for _ in range(40 * share)]
            group += [(f"marker\t{python}\t{architecture}\tte-st\t{text}", their_marker(packaging, text, environment)) for text in asked]
            for libc in LIBCS:
                group = rows.setdefault(("tags", libc), [])
                places = their_tags(packaging, python, architecture, libc)
                for text in [*dice.sample(sorted(places), 20), *tag_questions(dice, 20 * share)]:
                    tags = packaging.tags.parse_tag(text)
                    found = [places[str(tag)] for tag in tags if str(tag) in places]
                    group.append((f"tags\t{python}\t{architecture}\t{libc}\t{text}", str(min(found)) if found else "none"))

    questions = [question for group in rows.values() for question, _ in group]
    answers = iter(ours(questions))
    table = Table(("questions", 10), ("about", 12), ("asked", 7), ("same", 7))
    for (what, about), group in rows.items():
        wrong = [(question, theirs, answer) for (question, theirs), answer in zip(group, answers) if theirs != answer]
        detail = "\n".join(f"{question}: packaging says {theirs}, we say {answer}" for question, theirs, answer in wrong[:10])
        table.row(what, about, len(group), len(group) - len(wrong), ok=not wrong, detail=detail)
    print(f"packaging {packaging.__version__}, seed {arguments.seed}")
    table.finish()


if __name__ == "__main__":
    main()
