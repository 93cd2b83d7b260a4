"""The table of odd wheels: each gets the verdict it must get, whichever way it comes.

    python3 tests/trust/wheels.py [NAME...]         the made wheels of odd_wheels.py, all or those whose id holds a NAME
    python3 tests/trust/wheels.py --cases DIR       the wheels of a folder with a manifest.json
    python3 tests/trust/wheels.py --write DIR       writes the made wheels and their manifest.json, and judges nothing; with
                                                    --name greet, all of them as wheels of greet, without a manifest

A wheel comes four ways: to `wain check`, and to `wain build` from a folder (--find-links), from an index on this machine, and
from the cache with that index gone. Verdict and text must be the same. A refusal must name the file, the member it is about,
the rule and the next step; a wheel that is accepted must be told of with exactly the expected warnings.
"""

import argparse
import hashlib
import http.server
import json
import re
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from common import Table, wain, workshop
from odd_wheels import SAMPLES
from shop import make_base

# Rules that need another wheel or a base to be broken: alone, such a wheel is sound.
TOGETHER = ("W-CLASH", "E-CLASH", "E-BASE")
# Rules that always have a member to name.
ABOUT_MEMBERS = (
    "E-CRC", "E-DATA", "E-DUP", "E-ENC", "E-METHOD", "E-NAME", "E-PATH", "E-SCRIPT", "E-SIZE", "E-TYPE", "E-WHITEOUT")  # fmt: skip


@dataclass
class Case:
    """Wheels to build with, and what must come of it. Only the first is on trial, where there are several."""

    id: str
    what: str
    expect: str
    rule: str
    wheels: list[Path]
    base: str = "base"


@dataclass(frozen=True)
class Verdict:
    code: int
    rules: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return {0: " ".join(self.rules) or "ok", 1: " ".join(self.rules) or "refused"}.get(self.code, f"exit {self.code}")


class Index(http.server.ThreadingHTTPServer):
    """A package index (PEP 503) over some wheels; after `close` it answers nothing but 500."""

    def __init__(self, cases: list[Case]):
        self.files = {path.name: path for case in cases for path in case.wheels}
        self.is_open = True
        super().__init__(("127.0.0.1", 0), Page)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/simple/"


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        page, name = self.path.strip("/").split("/")[0], self.path.strip("/").split("/")[-1]
        files = self.server.files
        if not self.server.is_open:
            self.answer(500, b"")
        elif page == "simple":
            mine = [file for file in files if project(file) == name]
            links = "".join(f'<a href="/files/{file}#sha256={sha256(files[file])}">{file}</a>\n' for file in mine)
            self.answer(200 if mine else 404, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
        elif name in files:
            self.answer(200, files[name].read_bytes())
        else:
            self.answer(404, b"")

    def answer(self, code: int, body: bytes, kind: str = "application/octet-stream") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def project(file: str) -> str:
    return re.sub(r"[-_.]+", "-", file.split("-")[0]).lower()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Judge:
    """Lets the program judge cases."""

    def __init__(self, program: Path, folder: Path, cases: list[Case]):
        self.program, self.folder, self.index = program, folder, Index(cases)
        (folder / "home").mkdir()
        make_base(folder / "base")
        make_base(folder / "base-with-environment", {"app/.venv/bin/sh": b"of the base"})

    def check(self, case: Case) -> Verdict:
        return self.run("check", str(case.wheels[0]))

    def build(self, case: Case, way: str) -> Verdict:
        place = self.folder / "projects" / case.id
        place.mkdir(parents=True, exist_ok=True)
        (place / "main.py").write_text("")
        pins = (f"{project(path.name)}==1.0 --hash=sha256:{sha256(path)}\n" for path in case.wheels)
        (place / "requirements.txt").write_text("".join(pins))
        source = {
            "path": ["--no-index", "--find-links", str(case.wheels[0].parent)],
            "index": ["--index-url", self.index.url],
            "cache": ["--index-url", self.index.url, "--offline"],
        }[way]
        cache = self.folder / ("store-of-path" if way == "path" else "store-of-index")
        return self.run(
            "build", str(place), "--base", f"layout:{self.folder}/{case.base}", "--platform", "linux/amd64", "--progress",
            "plain", "--cache-dir", str(cache), "--output", f"layout:{self.folder}/out/{case.id}-{way}", *source,
        )  # fmt: skip

    def run(self, *words: str) -> Verdict:
        env = {"HOME": str(self.folder / "home"), "RUST_BACKTRACE": "1"}
        ran = subprocess.run(
            [self.program, *words], cwd=self.folder, env=env, capture_output=True, text=True, timeout=900, check=False)
        if ran.returncode not in (0, 1) or re.search(r"panicked|RUST_BACKTRACE|stack backtrace", ran.stderr):
            return Verdict(ran.returncode if ran.returncode > 1 else 70, (), ran.stdout + ran.stderr)
        told = re.findall(r"^(?:note: |error: |  hint: |  cause: ).*$", ran.stderr, re.MULTILINE)
        # `wain check` names the path it was given, a build the file.
        told = [line.replace(f"{path}/", "") for line in told for path in [self.parent(words)]]
        notes = [line.split(" (`wain explain")[0] for line in told if line.startswith("note: ") and re.search("W-[A-Z]", line)]
        errors = [line for line in told if not line.startswith("note: ")]
        rules = re.findall(r"(?:\(|^error: )(E-[A-Z0-9]+)[:)]", "\n".join(errors), re.MULTILINE)
        rules += sorted({rule for note in notes for rule in re.findall(r": (W-[A-Z]+): ", note)})
        return Verdict(ran.returncode, tuple(rules), "\n".join([*sorted(notes), *errors]))

    @staticmethod
    def parent(words: tuple[str, ...]) -> str:
        return str(Path(words[1]).parent) if words[0] == "check" else "\0"


def expected(case: Case) -> tuple[int, tuple[str, ...]]:
    if case.expect == "reject":
        return 1, (case.rule,)
    is_sound = case.rule == "-" or (case.rule in TOGETHER and len(case.wheels) == 1)
    return 0, () if is_sound else (case.rule,)


def complaints(case: Case, verdicts: dict[str, Verdict]) -> list[str]:
    """What is wrong about the verdicts."""
    code, rules = expected(case)
    found = []
    for way, verdict in verdicts.items():
        if (verdict.code, verdict.rules) != (code, rules):
            found.append(f"{way}: expected {rules or 'ok'}, found {verdict}")
    if len({verdict.text for verdict in verdicts.values()}) > 1:
        found.append("the ways differ")
    text = next(iter(verdicts.values())).text
    if code == 1:
        names = [path.name for path in case.wheels] if case.rule in TOGETHER else [case.wheels[0].name]
        if case.rule != "E-BASE":
            found += [f"it does not name `{name}`" for name in names if f"`{name}`" not in text]
        if case.rule in ABOUT_MEMBERS and f"({case.rule}): `" not in text:
            found.append("it does not name a member")
        if f"`wain explain {case.rule}`" not in text or "  hint: " not in text:
            found.append("it does not say what next")
    return found + [f"{way}:\n{verdict.text}" for way, verdict in verdicts.items()] if found else []


def judge(program: Path, folder: Path, cases: list[Case]) -> None:
    judge = Judge(program, folder, cases)
    table = Table(("wheel", 30), ("what", 62), ("expected", 10), ("check", 10), ("path", 10), ("index", 10), ("cache", 10))

    def ways(case: Case) -> dict[str, Verdict]:
        found = {} if case.rule in TOGETHER and len(case.wheels) > 1 or case.base != "base" else {"check": judge.check(case)}
        return found | {way: judge.build(case, way) for way in ("path", "index")}

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ways, cases))
        judge.index.is_open = False
        cached = list(pool.map(lambda case: judge.build(case, "cache"), cases))
    for case, verdicts, last in zip(cases, found, cached, strict=True):
        verdicts["cache"] = last
        wrong = complaints(case, verdicts)
        cells = [str(verdicts.get(way, "-")) for way in ("check", "path", "index", "cache")]
        table.row(case.id[:30], case.what[:62], " ".join(expected(case)[1]) or "ok", *cells, ok=not wrong, detail="\n".join(wrong))
    table.finish()


def write(folder: Path) -> list[Case]:
    """Writes the made wheels, and the manifest that describes them."""
    folder.mkdir(parents=True, exist_ok=True)
    cases, rows = [], []
    for sample in SAMPLES:
        wheel = sample.wheel()
        path = folder / wheel.filename
        path.write_bytes(wheel.bytes())
        cases.append(Case(sample.id, sample.what, sample.expect, sample.rule, [path]))
        rows.append({
            "id": sample.id, "file": path.name, "group": sample.group, "what": sample.what, "expect": sample.expect,
            "rule": sample.rule, "sha256": sha256(path),
        })  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(rows, indent=1) + "\n")
    return cases


def read(folder: Path) -> list[Case]:
    """The cases of a folder, and those that two of them make together."""
    cases = []
    for row in json.loads((folder / "manifest.json").read_text()):
        path = folder / row["file"]
        if sha256(path) != row["sha256"]:
            raise SystemExit(f"{path} is not what manifest.json says")
        cases.append(Case(row["id"], row["what"], row["expect"], row["rule"], [path]))
    pair = [case.wheels[0] for case in cases if case.rule in ("W-CLASH", "E-CLASH")]
    if len(pair) == 2:
        cases.append(Case("dup_pair", "both wheels of the pair in one image", "reject", "E-CLASH", pair))
    return cases


def together(folder: Path) -> list[Case]:
    """Wheels that are sound alone."""
    from odd_zip import Wheel

    def pair(id: str, first: tuple[str, bytes], second: tuple[str, bytes]) -> list[Path]:
        paths = []
        for number, (name, content) in (("one", first), ("two", second)):
            wheel = Wheel(f"{id}_{number}")
            wheel.file(name, content)
            paths.append(folder / wheel.filename)
            paths[-1].write_bytes(wheel.bytes())
        return paths

    same = pair("same", ("shared/a.py", b"1"), ("shared/a.py", b"1"))
    other = pair("other", ("shared/a.py", b"1"), ("shared/a.py", b"2"))
    below = pair("below", ("shared/a", b"1"), ("shared/a/b.py", b"2"))
    return [
        Case("two_same", "two wheels, one path, the same bytes", "accept", "W-CLASH", same),
        Case("two_different", "two wheels, one path, other bytes", "reject", "E-CLASH", other),
        Case("two_below", "a file below a file of another wheel", "reject", "E-CLASH", below),
        Case("base_environment", "a base that has the environment already", "reject", "E-BASE", same[:1], "base-with-environment"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, metavar="DIR")
    parser.add_argument("--write", type=Path, metavar="DIR")
    parser.add_argument("--name", default="")
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    if arguments.write and arguments.name:
        arguments.write.mkdir(parents=True, exist_ok=True)
        for sample in SAMPLES:
            (arguments.write / f"{sample.id}.whl").write_bytes(sample.wheel(arguments.name).bytes())
        return
    if arguments.write:
        print(f"{len(write(arguments.write))} wheels and manifest.json are in {arguments.write}")
        return
    program = wain()
    with workshop() as folder:
        if arguments.cases:
            cases = read(arguments.cases.resolve())
        else:
            cases = write(folder / "wheels") + together(folder / "wheels")
        if arguments.names:
            cases = [case for case in cases if any(name in case.id for name in arguments.names)]
        judge(program, folder, cases)


if __name__ == "__main__":
    main()
