"""Odd surroundings: clocks, locales, streams, terminals, folders that are gone. The image is the same, or one error is clear.

A panic in a worker has no row: nothing outside the program can cause one. `crates/engine/src/cpu.rs` tries it.
"""

import errno
import fcntl
import os
import pty
import re
import shutil
import struct
import subprocess
import termios

from shop import HANGS, Shop, check_layout

FAKETIME = "libfaketime.so.1"
CLOCKS = ["1970-01-02 00:00:00", "2001-09-09 01:46:40", "2038-01-20 00:00:00", "2106-02-08 00:00:00"]


def all_rows(table, shop: Shop, expected: str) -> None:
    def row(name: str, where: str, code: int = 0, part: str = "", words: tuple = (), **options) -> None:
        """A build that must give the usual image, or this exit code and a message with this part."""
        out = shop.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        # Made anew, so that the surroundings matter for everything.
        shutil.rmtree(shop.folder / "store", ignore_errors=True)
        ran = shop.build("--output", f"layout:{out}", *words, **options)
        ok = ran.code == code and part in ran.err and "panicked" not in ran.err and "bug:" not in ran.err
        if code == 0:
            ok = ok and check_layout(out) == expected
        table.row(name, where, f"exit code {ran.code}", ok=ok, detail=ran.told())

    clocks(table, row)
    for name in ("tr_TR.UTF-8", "C", "garbage_XX.nothing", ""):
        row("locale", f"LC_ALL={name}", env={"LC_ALL": name, "LANG": name})
    for name in ("Pacific/Kiritimati", ":/nonexistent", "UTC+99", "<+1234>-12:34"):
        row("time zone", f"TZ={name}", env={"TZ": name})
    streams(table, shop, expected)
    terminals(table, shop, expected)
    folders(row, shop)
    processors(row)
    caches(row, shop)


def faketime() -> str:
    """The library that makes a program believe another time; an empty text where there is none."""
    find = f"find /usr/lib /usr/lib64 -name {FAKETIME} 2>/dev/null | head -n1"
    return subprocess.run(["sh", "-c", find], capture_output=True, text=True).stdout.strip()


def clocks(table, row) -> None:
    library = faketime()
    if not library:
        return table.skip("clock", "1970 to 2106", why="there is no faketime; `sh tests/run.sh` installs it")
    for clock in CLOCKS:
        row("clock", clock, env={"LD_PRELOAD": library, "FAKETIME": f"@{clock}"})
    row("clock", "runs backwards", env={"LD_PRELOAD": library, "FAKETIME": "+0 x-1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})


def streams(table, shop: Shop, expected: str) -> None:
    """Standard streams that are closed or full."""
    def closed(*numbers: int):
        return lambda: [os.close(number) for number in numbers]

    full = open("/dev/full", "wb")
    cases = [("stdin closed", {"preexec_fn": closed(0)}, 0), ("stdout closed", {"preexec_fn": closed(1)}, 0),
             ("stderr closed", {"preexec_fn": closed(2)}, 0), ("all closed", {"preexec_fn": closed(0, 1, 2)}, 0),
             ("stdout full", {"stdout": full}, 3), ("stderr full", {"stderr": full}, 0)]
    for name, options, code in cases:
        out = shop.folder / "out"
        for progress in ("plain", "tty", "json"):
            shutil.rmtree(out, ignore_errors=True)
            ran = shop.build("--output", f"layout:{out}", "--progress", progress, **options)
            ok = ran.code == code and check_layout(out) == expected
            table.row("streams", f"{name}, --progress {progress}", f"exit code {ran.code}", ok=ok, detail=ran.told())
    full.close()


def terminals(table, shop: Shop, expected: str) -> None:
    """Terminals that are narrow, dumb or without colours."""
    cases = [("80 columns", 80, {"TERM": "xterm"}), ("20 columns", 20, {"TERM": "xterm"}), ("1 column", 1, {"TERM": "xterm"}),
             ("0 columns", 0, {"TERM": "xterm"}), ("TERM=dumb", 80, {"TERM": "dumb"}), ("no TERM", 80, {}),
             ("NO_COLOR", 80, {"TERM": "xterm", "NO_COLOR": "1"})]
    for name, columns, env in cases:
        out = shop.folder / "out"
        shutil.rmtree(out, ignore_errors=True)
        shutil.rmtree(shop.folder / "store", ignore_errors=True)
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = shop.start("--output", f"layout:{out}", env=env, stderr=slave, stdin=slave)
        os.close(slave)
        text = b""
        try:
            while part := os.read(master, 65536):
                text += part
        except OSError as error:
            # The other end is closed: nothing more will come.
            if error.errno != errno.EIO:
                raise
        code = process.wait(HANGS)
        os.close(master)
        ok = code == 0 and check_layout(out) == expected and b"panicked" not in text
        if name in ("TERM=dumb", "no TERM"):
            ok = ok and b"\x1b" not in text
        if name == "NO_COLOR":
            ok = ok and not re.search(rb"\x1b\[[0-9;]*m", text)
        table.row("terminal", name, f"exit code {code}, {len(text)} bytes", ok=ok, detail=text.decode(errors="replace"))


def folders(row, shop: Shop) -> None:
    """Folders that are not there."""
    def deleted() -> None:
        gone = shop.folder / "gone"
        gone.mkdir(exist_ok=True)
        os.chdir(gone)
        gone.rmdir()

    store = f"{shop.folder}/store"
    row("folders", "the working directory is deleted", preexec_fn=deleted)
    row("folders", "no HOME, a cache is given", env={"HOME": None, "WAIN_CACHE_DIR": store})
    row("folders", "no HOME, no cache", part="not using a cache", env={"HOME": None, "WAIN_CACHE_DIR": None})
    row("folders", "HOME is empty", part="not using a cache", env={"HOME": "", "WAIN_CACHE_DIR": None})
    row("folders", "HOME cannot be made", 3, "/proc/nothing", env={"HOME": "/proc/nothing", "WAIN_CACHE_DIR": None})
    row("folders", "TMPDIR is missing", env={"TMPDIR": "/nonexistent"})
    row("folders", "TMPDIR is missing, --no-cache", 3, "/nonexistent", ("--no-cache",), env={"TMPDIR": "/nonexistent"})
    row("folders", "no PATH", env={"PATH": None})
    row("folders", "variables that are no text", env={"ODD": "\udcff\udcfe", "LARGE": "x" * 100_000})


def processors(row) -> None:
    for number in ("0", "1", "7", "abc", ""):
        row("processors", f"RAYON_NUM_THREADS={number}", env={"RAYON_NUM_THREADS": number})
    row("processors", "one (taskset)", before=["taskset", "-c", "0"])
    for number in ("1", "2", "1024"):
        row("processors", f"--jobs {number}", words=("--jobs", number))
    for number in ("0", "abc", "-1"):
        row("processors", f"--jobs {number}", 2, "--jobs", words=(f"--jobs={number}",))


def caches(row, shop: Shop) -> None:
    """Caches in odd places, and caches that others could change."""
    for name in ("with space", "new\nline", "ünï", "-rf", "x" * 200):
        row("cache", f"called {name[:20]!r}", words=("--cache-dir", f"{shop.folder}/caches/{name}"))
    link = shop.folder / "link"
    (shop.folder / "real").mkdir()
    (shop.folder / "real").chmod(0o700)
    link.symlink_to("real")
    row("cache", "a link to a folder", words=("--cache-dir", str(link)))
    link.unlink()
    link.symlink_to("nothing")
    row("cache", "a link to nothing", 3, str(link), ("--cache-dir", str(link)))
    anybody = shop.folder / "anybody"
    anybody.mkdir()
    anybody.chmod(0o777)
    row("cache", "anybody may write to it", 3, "chmod go-w", ("--cache-dir", str(anybody)))
    (shop.folder / "file").write_text("")
    row("cache", "a file", 3, "/file", ("--cache-dir", f"{shop.folder}/file"))
    if os.geteuid() == 0:
        anybody.chmod(0o700)
        os.chown(anybody, 1, 1)
        row("cache", "somebody else's", 3, "belongs to user 1", ("--cache-dir", str(anybody)))
    inside = shop.folder / "project/cache"
    for what in ("cold", "warm"):
        row("cache", f"inside the project, {what}", words=("--cache-dir", str(inside)))
    shutil.rmtree(inside)
