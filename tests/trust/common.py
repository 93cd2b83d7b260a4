"""What the tables of this folder share: the program under test, a folder to work in, a table that is green or red."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def wain() -> Path:
    """The program: `$WAIN`, or the one that cargo builds from this checkout."""
    if os.environ.get("WAIN"):
        return Path(os.environ["WAIN"]).resolve()
    profile = ["--release"] if os.environ.get("WAIN_PROFILE") == "release" else []
    subprocess.run(["cargo", "build", "--quiet", "--locked", *profile], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return (target if target.is_absolute() else ROOT / target) / ("release" if profile else "debug") / "wain"


@contextmanager
def workshop():
    """A folder that is gone afterwards, whatever happens in it."""
    folder = Path(tempfile.mkdtemp(prefix="wain-trust-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def need(*programs: str) -> None:
    """Ends with a clear word when a program is missing: a table is whole, or it is not printed."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        sys.exit(f"missing: {', '.join(missing)}; `sh tests/run.sh` installs what the tests need")


class Table:
    """Rows that passed or failed, printed as they come; `finish` ends the process."""

    def __init__(self, *columns: tuple[str, int]):
        self.widths = [width for _, width in columns]
        self.rows = 0
        self.failed = 0
        self._print([name for name, _ in columns], "result")

    def row(self, *cells: object, ok: bool, detail: str = "") -> None:
        self.rows += 1
        self.failed += not ok
        self._print([str(cell) for cell in cells], "ok" if ok else "FAIL")
        if detail and not ok:
            print("    " + detail.strip().replace("\n", "\n    "))

    def skip(self, *cells: object, why: str) -> None:
        """A row that cannot be tried here: said aloud, and a failure in continuous integration."""
        self.failed += os.environ.get("CI") == "true"
        self._print([str(cell) for cell in cells] + [""] * (len(self.widths) - len(cells)), f"SKIPPED: {why}")

    def finish(self) -> None:
        print(f"\n{self.rows} rows, {self.failed} failed")
        sys.exit(1 if self.failed or not self.rows else 0)

    def _print(self, cells: list[str], result: str) -> None:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, self.widths, strict=True))
        print(f"{line}  {result}", flush=True)
