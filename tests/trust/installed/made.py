"""Wheels made at random, the same ones every time: odd names, all schemes, scripts, modes, hashes and empty folders."""

import base64
import csv
import hashlib
import io
import random
import zipfile
from pathlib import Path

SEED = 20_100
# What names are made of; no separator, nothing a rule refuses.
ODD = [*"abcxyzABCXYZ019_-+=@~", " ", ",", '"', "'", "#", "%", "&", "(", "ß", "é", "e\u0301", "中", "🛞", "..", ".x"]
MODES = [0o644] * 8 + [0o755] * 3 + [0o600, 0o700, 0o444, 0o111, 0o640, 0o666, 0o777, 0o4755, 0o2755, 0o1644]
SCRIPTS = [
    b"#!python\nprint('ours')\n",
    b"#!python3 -E\nprint('ours')\n",
    b"#!pythonw\r\nprint('ours')\r\n",
    b"#!/bin/sh\necho theirs\n",
    b"#!/usr/bin/env python\nprint('theirs')\n",
    b"\x7fELF\0\1\2\3" * 50,
    b"",
    b"#!python",
    b"#!python3.11\n\nprint('two ends')\n",
]


def make(folder: Path, first: int, count: int) -> list[tuple[str, str]]:
    """Writes wheels with these numbers; gives their requirements and hashes."""
    made = []
    for number in range(first, first + count):
        path = wheel(folder, number, random.Random(SEED + number))
        made.append((f"made-{number}==1.{number}", hashlib.sha256(path.read_bytes()).hexdigest()))
    return made


def wheel(folder: Path, number: int, dice: random.Random) -> Path:
    """One wheel, all of whose paths are its own, but for a file that all wheels bring and agree about."""
    name = dice.choice(["made_{}", "Made_{}", "made.{}", "MADE_{}"]).format(number)
    stem = f"{name}-1.{number}"
    package = dice.choice(["p{}", "P{}", "p é{}"]).format(number)
    files: dict[str, bytes] = {}

    def add(prefix: str, most: int) -> None:
        for _ in range(dice.randint(0, most)):
            files[f"{prefix}/{odd_path(dice)}"] = content(dice)

    files[f"{package}/__init__.py"] = b"" if dice.random() < 0.5 else b"name = __name__\n"
    add(package, 8)
    if dice.random() < 0.3:
        # Two names that only case tells apart.
        files[f"{package}/Twin.py"], files[f"{package}/twin.py"] = b"big = 1\n", b"big = 0\n"
    if dice.random() < 0.2:
        files[f"{package}/{'n' * 251}.txt"] = b"as long as a name can be"
    if dice.random() < 0.2:
        files["/".join([package, *["deep" * 12] * dice.randint(2, 12), "end.txt"])] = b"a long way down"
    if dice.random() < 0.2:
        files["made_shared/__init__.py"] = b"# Every wheel brings this file.\n"
    if dice.random() < 0.2:
        files[f"m{number}.py"] = b"import sys\n"
    if dice.random() < 0.1:
        files[f"zz{number}.pth"] = b"import sys\n"
    data = f"{stem}.data"
    for scheme, chance in (("purelib", 0.3), ("platlib", 0.3), ("headers", 0.3), ("data", 0.4)):
        if dice.random() < chance:
            place = {"data": f"{data}/data/{dice.choice(['share', 'etc', 'lib'])}"}.get(scheme, f"{data}/{scheme}")
            add(f"{place}/{package}", 3)
    if dice.random() < 0.1:
        files[f"{data}/data/lib64/l{number}.txt"] = b"lib64 is a link"
    if dice.random() < 0.1:
        files[f"{data}/data/lib/python3.11/site-packages/{package}/from_data.py"] = b"x = 1\n"
    for index in range(dice.randint(0, 3)):
        files[f"{data}/scripts/{dice.choice(['s', 'S', 's.', 's-'])}{number}-{index}"] = dice.choice(SCRIPTS)
    if dice.random() < 0.5:
        files[f"{stem}.dist-info/entry_points.txt"] = entry_points(number, dice).encode()
        if dice.random() < 0.3:
            files[f"{data}/scripts/tool{number}"] = b"the launcher takes its place"
    if dice.random() < 0.5:
        files[f"{stem}.dist-info/licenses/{odd_path(dice)}"] = b"Do as you like.\n"
    if dice.random() < 0.1:
        files[f"{stem}.dist-info/INSTALLER"] = b"somebody\n"
    if dice.random() < 0.1:
        files[f"{stem}.dist-info/REQUESTED"] = b""
    spelled = dice.choice([f"made-{number}", f"Made.{number}", name])
    files[f"{stem}.dist-info/METADATA"] = f"Metadata-Version: 2.1\nName: {spelled}\nVersion: 1.{number}\n".encode()
    pure = dice.choice(["true", "false"])
    lines = f"Wheel-Version: 1.0\nGenerator: made\nRoot-Is-Purelib: {pure}\nTag: py3-none-any\n"
    files[f"{stem}.dist-info/WHEEL"] = lines.encode()
    empty = [f"{package}/{odd(dice)}.empty/" for _ in range(dice.randint(0, 2))]
    return write(folder / f"{stem}-py3-none-any.whl", f"{stem}.dist-info/RECORD", files, empty, dice)


def odd(dice: random.Random) -> str:
    return "f" + "".join(dice.choice(ODD) for _ in range(dice.randint(1, 12))) + "z"


def odd_path(dice: random.Random) -> str:
    return "/".join([odd(dice) + ".d" for _ in range(dice.randint(0, 2))] + [odd(dice) + dice.choice([".py", ".txt", ".so", ""])])


def content(dice: random.Random) -> bytes:
    size = dice.choice([0, 1, 10, 1000, 5000, 70_000])
    return dice.randbytes(size) if dice.random() < 0.5 else (b"# All work and no play.\n" * (size // 24 + 1))[:size]


def entry_points(number: int, dice: random.Random) -> str:
    lines = ["# Comments may stand here.", "[console_scripts]", f"tool{number} = p{number}:main"]
    if dice.random() < 0.5:
        lines += [f"Tool-{number}.x = p{number}.sub:Class.method [extra,other]"]
    if dice.random() < 0.5:
        lines += ["", "[gui_scripts]", f"window{number}=p{number}:main"]
    if dice.random() < 0.5:
        lines += ["[some.group]", "odd name = anything"]
    return "\n".join(lines) + "\n"


def write(path: Path, record: str, files: dict[str, bytes], empty: list[str], dice: random.Random) -> Path:
    names = list(files)
    dice.shuffle(names)
    table = io.StringIO()
    rows = csv.writer(table, lineterminator=dice.choice(["\n", "\r\n"]))
    with zipfile.ZipFile(path, "w") as archive:
        for name in empty:
            archive.writestr(member(name, 0o40755), b"")
        for name in names:
            method = dice.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
            mode = 0o644 if name.startswith("made_shared/") else dice.choice(MODES)
            archive.writestr(member(name, 0o100000 | mode), files[name], method)
            kind = dice.choice(["sha256"] * 8 + ["sha384", "sha512"])
            digest = base64.urlsafe_b64encode(hashlib.new(kind, files[name]).digest()).rstrip(b"=").decode()
            rows.writerow([name, f"{kind}={digest}", len(files[name])])
        rows.writerow([record, "", ""])
        archive.writestr(member(record, 0o100644), table.getvalue())
    return path


def member(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info
