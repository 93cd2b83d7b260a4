"""The table of published wheels: none is refused, and what is accepted holds the files that Python finds in it.

    python3 tests/trust/popular.py DIR...        the wheels of these folders, below them too
    python3 tests/trust/popular.py --download    the newest wheels of the projects in popular.txt, into target/popular, once

`--download` asks the package index for every project of the list, with pip and its own settings; that is a job for a build
server, once in a while. For every wheel that `wain check` accepts, the names, sizes and checksums of its files must be those
of Python's zipfile, and every row of RECORD must be true of the bytes that zipfile reads.
"""

import argparse
import base64
import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common import ROOT, Table, wain

LIST = Path(__file__).with_name("popular.txt")
FOLDER = ROOT / "target" / "popular"


def names() -> list[str]:
    lines = (line.strip() for line in LIST.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def download() -> None:
    """Fetches what is missing. A project without a wheel for this machine is told, and no failure of ours."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    known = {path.name.split("-")[0].lower().replace("_", "-").replace(".", "-") for path in FOLDER.glob("*.whl")}
    for name in names():
        if name not in known:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
            ran = subprocess.run([*pip, "--only-binary", ":all:", "--dest", FOLDER, name], check=False)
            if ran.returncode:
                print(f"{name}: pip found no wheel", file=sys.stderr)


def compare(path: Path, said: dict) -> list[str]:
    """What our reader and Python's see differently."""
    wrong = []
    with zipfile.ZipFile(path) as archive:
        theirs = {info.filename: (info.file_size, info.CRC) for info in archive.infolist() if not info.is_dir()}
        ours = {file["name"]: (file["size"], file["crc32"]) for file in said["files"]}
        wrong += [f"{name}: {ours.get(name)} here, {theirs.get(name)} to zipfile" for name in ours.keys() ^ theirs.keys()]
        wrong += [f"{name}: {ours[name]} here, {theirs[name]} to zipfile" for name in ours if name in theirs and ours[name] != theirs[name]]
        record = next(name for name in theirs if name.count("/") == 1 and name.endswith(".dist-info/RECORD"))
        rows = csv.reader(io.StringIO(archive.read(record).decode()))
        for row in filter(None, rows):
            name = row[0].removeprefix("./").replace("\\", "/")
            if len(row) > 1 and row[1]:
                algorithm, _, expected = row[1].partition("=")
                found = base64.urlsafe_b64encode(hashlib.new(algorithm, archive.read(name)).digest()).decode()
                if found.rstrip("=") != expected.rstrip("="):
                    wrong.append(f"{name}: RECORD says {row[1]}")
        # zipfile compares the checksums while it reads.
        broken = archive.testzip()
        wrong += [f"{broken}: zipfile finds it damaged"] if broken else []
    return wrong


def judge(program: Path, path: Path) -> tuple[Path, dict, list[str]]:
    ran = subprocess.run([program, "check", "--json", path], capture_output=True, text=True, check=False)
    if ran.returncode not in (0, 1) or not ran.stdout:
        return path, {"verdict": f"exit {ran.returncode}"}, [ran.stderr]
    said = json.loads(ran.stdout)
    if said["verdict"] != "ok":
        return path, said, [said["message"]]
    try:
        return path, said, compare(path, said)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        return path, said, [f"Python: {error!r}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR")
    parser.add_argument("--download", action="store_true")
    arguments = parser.parse_args()
    if arguments.download:
        download()
    folders = arguments.folders or [FOLDER]
    paths = sorted({path.name: path for folder in folders for path in folder.rglob("*.whl")}.items())
    if not paths:
        sys.exit(f"no wheels in {', '.join(map(str, folders))}; name a folder, or give --download")
    program = wain()
    table = Table(("wheel", 70), ("verdict", 8), ("files", 6), ("warnings", 20))
    with ThreadPoolExecutor(2) as pool:
        for path, said, wrong in pool.map(lambda item: judge(program, item[1]), paths):
            warnings = sorted({warning["rule"] for warning in said.get("warnings", [])})
            cells = (path.name[:70], said["verdict"], len(said.get("files", [])), " ".join(warnings))
            table.row(*cells, ok=said["verdict"] == "ok" and not wrong, detail="\n".join(wrong[:10]))
    table.finish()


if __name__ == "__main__":
    main()
