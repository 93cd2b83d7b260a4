"""Installed environments compared file by file."""

import csv
import hashlib
import os
import re
import stat
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

ALLOWED = Path(__file__).resolve().parents[1] / "equality.allow"
SITE = "lib/python3.11/site-packages"


@dataclass(frozen=True)
class Node:
    """What is at a path: its kind, its permission bits, and the hash of a file or the target of a link."""

    kind: str
    mode: int
    what: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.mode:04o} {self.what[:16]}".rstrip()


def read(folder: Path) -> dict[str, Node]:
    """Everything below a folder, by path."""
    tree = {}
    for here, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(here, name)
            found = os.lstat(path)
            mode = stat.S_IMODE(found.st_mode)
            if stat.S_ISLNK(found.st_mode):
                node = Node("link", 0o777, os.readlink(path))
            elif stat.S_ISDIR(found.st_mode):
                node = Node("folder", mode)
            elif stat.S_ISREG(found.st_mode):
                with open(path, "rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                node = Node("file" if found.st_nlink == 1 else "hard link", mode, digest)
            else:
                node = Node("special", mode)
            tree[os.path.relpath(path, folder)] = node
    return tree


@dataclass
class Rule:
    """A line of the allow-list: who installs, what may differ, where, and why."""

    tools: str
    what: str
    path: str
    why: str

    def allows(self, tool: str, what: str, path: str) -> bool:
        return tool in self.tools.split("+") and self.what == what and fnmatchcase(path, self.path)


def rules() -> list[Rule]:
    """The published list of what may differ."""
    lines = [line for line in ALLOWED.read_text().splitlines() if line and not line.startswith("#")]
    return [Rule(*(part.strip() for part in line.split("|"))) for line in lines]


@dataclass
class Comparison:
    """Two environments side by side."""

    files: int = 0
    allowed: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)


def compare(tool: str, theirs: Path, theirs_new: dict, ours: Path, ours_new: dict) -> Comparison:
    """Compares what an installer made with our layers, but for what each environment had when it was new."""
    result = Comparison()
    known = rules()
    all_old, all_new = read(theirs), read(ours)
    old, new = added(all_old, theirs_new), added(all_new, ours_new)

    # Rows of RECORD that need not agree: those of files that may differ.
    free = set()

    def differs(what: str, path: str, text: str) -> None:
        if not any(rule.allows(tool, what, path) for rule in known):
            result.differing.append(f"{path}: {text}")
            return
        result.allowed.append(path)
        if what in ("theirs", "content", "launcher"):
            free.add(os.path.relpath(path, SITE))

    records = []
    for path in sorted(old.keys() | new.keys()):
        a, b = old.get(path), new.get(path)
        if all_old.get(path) == all_new.get(path) and (a or b).kind == "folder":
            # Folders count where they differ; a new environment may have had one already.
            continue
        result.files += 1
        if a is None:
            differs("folder" if b.kind == "folder" else "ours", path, f"only we have it: {b}")
        elif b is None:
            differs("theirs", path, f"only {tool} has it: {a}")
        elif a.kind != b.kind:
            differs("kind", path, f"{tool} {a}, we {b}")
        elif a.mode != b.mode:
            differs("mode", path, f"{tool} {a}, we {b}")
        if not a or not b or a.kind != b.kind:
            continue
        if is_record(path):
            records.append(path)
        elif a.what != b.what:
            one, two = launcher(theirs / path), launcher(ours / path)
            differs("launcher" if one and one == two else "content", path, f"{tool} {a}, we {b}")
    for path in records:
        one, two = rows(theirs / path), rows(ours / path)
        for row in sorted(set(map(tuple, one)) ^ set(map(tuple, two))):
            if row[0] in free:
                continue
            if list(row) in one and any(rule.allows(tool, "row", row[0]) for rule in known):
                result.allowed.append(f"{path}: {row[0]}")
                free.add(row[0])
                continue
            differs("row", path, f"{tool if list(row) in one else 'our'} row {','.join(row)}")
        one, two = ([row for row in rows if row[0] not in free] for rows in (one, two))
        if one != two and sorted(one) == sorted(two):
            differs("order", path, "the rows are sorted in another way")
    return result


def added(tree: dict[str, Node], new: dict[str, Node]) -> dict[str, Node]:
    """What was not there, or not like this, when the environment was new."""
    return {path: node for path, node in tree.items() if new.get(path) != node}


def is_record(path: str) -> bool:
    return path.endswith(".dist-info/RECORD") and path.startswith(SITE) and path.count("/") == SITE.count("/") + 2


def rows(record: Path) -> list[list[str]]:
    with open(record, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


LAUNCHER = re.compile(
    r"#!(?P<interpreter>/app/\.venv/bin/python)3?\n"
    r"(# -\*- coding: utf-8 -\*-\n)?"
    r"(import re\n)?import sys\n"
    r"from (?P<module>[\w.]+) import (?P<name>\w+)\n"
    r"if __name__ == ['\"]__main__['\"]:\n"
    r"(    (if |elif |    )?sys\.argv\[0\].*\n){1,4}"
    r"    sys\.exit\((?P<call>[\w.]+)\(\)\)\n"
)


def launcher(path: Path) -> tuple[str, ...] | None:
    """What a script made for an entry point does: the interpreter, the import, the call."""
    try:
        found = LAUNCHER.fullmatch(path.read_text())
    except (OSError, UnicodeDecodeError):
        return None
    return found and found.group("interpreter", "module", "name", "call")
