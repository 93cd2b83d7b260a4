"""Files of the cache that are not what they were: damaged one by one, gone in part, or never flushed to the disk."""

import gzip
import io
import os
import random
import re
import shutil
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

from shop import Shop, check_layout, run, write


def by_folder(path: Path, spoil: Callable[[Path], None]) -> None:
    path.unlink()
    spoil(path)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def link_to_itself_elsewhere(path: Path) -> None:
    elsewhere = path.with_name("elsewhere")
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def folder_with_content(path: Path) -> None:
    path.unlink()
    write(path / "inside/file", b"x")


DAMAGES = {
    "deleted": Path.unlink,
    "emptied": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"garbage"),
    "zeroed": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "one bit flipped": flip,
    "replaced by a folder": folder_with_content,
    "replaced by a dangling link": lambda path: by_folder(path, lambda path: path.symlink_to("nowhere")),
    "replaced by a link to itself": lambda path: by_folder(path, lambda path: path.symlink_to(path.name)),
    "replaced by a link to the bytes": link_to_itself_elsewhere,
    "replaced by a pipe": lambda path: by_folder(path, os.mkfifo),
    "unreadable": lambda path: path.chmod(0),
}


class Kept:
    """A project with all kinds of files in its cache, and its cache as the first build left it."""

    def __init__(self, shop: Shop):
        self.shop = shop
        # A lockfile without sizes, and an archive for a base that has to be unpacked: both leave traces in the cache.
        lock = shop.folder / "project/pylock.toml"
        lock.write_text(re.sub(r"^size = .*\n", "", lock.read_text(), flags=re.M))
        self.base = shop.folder / "base.tar.gz"
        pack(shop.folder / "base", self.base)
        self.store = shop.folder / "store"
        self.saved = shop.folder / "saved"
        self.output = shop.folder / "out"
        self.digest = self.build().digest
        if not self.digest:
            raise SystemExit(f"the first build failed: {self.build().told()}")
        self.store.rename(self.saved)

    def files(self) -> list[Path]:
        return sorted(path.relative_to(self.saved) for path in self.saved.rglob("*") if path.is_file())

    def restore(self) -> None:
        shutil.rmtree(self.store, ignore_errors=True)
        shutil.copytree(self.saved, self.store, symlinks=True)

    def build(self, **options):
        """Builds into a new folder, so that every layer is needed."""
        shutil.rmtree(self.output, ignore_errors=True)
        before = options.pop("before", [])
        words = ["--base", f"archive:{self.base}", "--output", f"layout:{self.output}"]
        # The shop has a base of its own.
        line = self.shop.words(*words)
        at = line.index("--base")
        del line[at:at + 2]
        return run(before + line, env=self.shop.variables(), cwd=self.shop.folder, **options)

    def check(self, most: int = 1, **options) -> list[str]:
        """What is wrong with the next two builds: the digest, the bytes, or too much talk."""
        wrong = []
        for number in (1, 2):
            ran = self.build(**options)
            warnings = [line for line in ran.err.splitlines() if line.startswith("warning:")]
            if ran.digest != self.digest:
                return [*wrong, f"build {number}: {ran.told()}"]
            try:
                if check_layout(self.output) != self.digest:
                    wrong.append(f"build {number} delivered another image")
            except Exception as error:
                wrong.append(f"build {number} delivered damage: {error!r}")
            if len(warnings) > (most if number == 1 else 0):
                wrong.append(f"build {number} warned {len(warnings)} times: {warnings}")
        wrong += [f"{name} is left" for name in self.shop.leftovers()]
        return wrong


def pack(folder: Path, file: Path) -> None:
    with gzip.open(file, "wb") as out, tarfile.open(fileobj=out, mode="w|") as archive:
        for name in ("oci-layout", "index.json", "blobs"):
            archive.add(folder / name, name)


def kind(file: Path) -> str:
    """`blobs/sha256`, `memos/layer`, or the name of a file that stands alone."""
    return "/".join(file.parts[1:3]) if len(file.parts) > 3 else file.name


def unprivileged() -> list[str]:
    """What a program is started with, so that modes count; root is above them otherwise."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


def forget_layers(store: Path, but: Path) -> None:
    """Takes away what is remembered of layers, so that wheels are needed again."""
    for file in sorted((store / "v1/memos/layer").rglob("*")):
        if file.is_file() and file != store / but:
            file.unlink()


def damage(table, shop: Shop, is_short: bool) -> None:
    """Every file of the cache, with every kind of damage, with its layers and without."""
    kept = Kept(shop)
    kinds: dict[str, list[Path]] = {}
    for file in kept.files():
        kinds.setdefault(kind(file), []).append(file)
    if not {"blobs/sha256", "memos/base", "memos/layer", "memos/wheel-size", "size"} <= set(kinds):
        raise SystemExit(f"the cache does not hold what it should: {sorted(kinds)}")
    names = ["emptied", "one bit flipped", "replaced by a folder"] if is_short else list(DAMAGES)
    for name in names:
        before = unprivileged() if name == "unreadable" else []
        for where, files in kinds.items():
            # Blobs are wheels, layers and the base: short, too, means one of each.
            chosen = files if not is_short or where == "blobs/sha256" else files[:1]
            wrong, count = [], 0
            for file in chosen:
                for is_forgetful in (False, True):
                    kept.restore()
                    if is_forgetful:
                        forget_layers(kept.store, file)
                    DAMAGES[name](kept.store / file)
                    wrong += [f"{file}: {line}" for line in kept.check(before=before)]
                    count += 2
            found = f"{count} builds, {len(wrong)} wrong"
            table.row(name, f"{len(chosen)} of {where}", found, ok=not wrong, detail="\n".join(wrong[:4]))
        kept.restore()
        for file in kept.files():
            DAMAGES[name](kept.store / file)
        wrong = kept.check(most=len(kept.files()), before=before)
        table.row(name, "all files at once", f"{len(wrong)} wrong", ok=not wrong, detail="\n".join(wrong))


def cleaners(table, shop: Shop, is_short: bool) -> None:
    """Programs that remove old files at random, before a build and during it."""
    kept = Kept(shop)
    wrong, rounds = [], 5 if is_short else 40
    for number in range(rounds):
        kept.restore()
        dice = random.Random(number)
        for file in dice.sample(kept.files(), len(kept.files()) // 2):
            (kept.store / file).unlink()
        wrong += [f"round {number}: {line}" for line in kept.check()]
    table.row("half of the files are gone", f"{rounds} random halves", f"{len(wrong)} wrong", ok=not wrong,
              detail="\n".join(wrong[:4]))
    for name in ("v1", "v1/blobs", "v1/blobs/sha256", "v1/memos", "v1/tmp"):
        kept.restore()
        shutil.rmtree(kept.store / name)
        wrong = kept.check()
        table.row("a folder is gone", name, f"{len(wrong)} wrong", ok=not wrong, detail="\n".join(wrong))
    during(table, kept, 3 if is_short else 20)


def during(table, kept: Kept, rounds: int) -> None:
    """A cleaner that never rests, while builds run. What it takes from under a build is made again."""
    wrong, codes = [], {}
    for number in range(rounds):
        kept.restore()
        dice, stop = random.Random(number), threading.Event()
        files = [kept.store / file for file in kept.files() if "blobs" in file.parts]

        def clean() -> None:
            while not stop.wait(0.01):
                dice.choice(files).unlink(missing_ok=True)

        cleaner = threading.Thread(target=clean)
        cleaner.start()
        ran = kept.build()
        stop.set()
        cleaner.join()
        codes[ran.code] = codes.get(ran.code, 0) + 1
        if ran.digest != kept.digest:
            wrong.append(f"round {number}: {ran.told()}")
        wrong += [f"round {number}: {line}" for line in kept.check(most=5)]
    table.row("files vanish during a build", f"{rounds} builds", f"exit codes {codes}", ok=not wrong,
              detail="\n".join(wrong[:4]))


# A loss of power: what was not flushed is empty, or not there at all.

CALL = re.compile(r"(fsync|fdatasync|rename|renameat|renameat2)\((.*)\) += 0$")


def power(table, shop: Shop, is_short: bool) -> None:
    kept = Kept(shop)
    shutil.rmtree(kept.store, ignore_errors=True)
    # A log for each thread: in one for all, calls that overlap are torn in two.
    logs = shop.folder / "calls"
    logs.mkdir()
    watch = ["strace", "-ff", "-y", "-s", "4096", "-e", "trace=fsync,fdatasync,rename,renameat,renameat2", "-o", f"{logs}/thread"]
    ran = kept.build(before=watch)
    flushed = set().union(*(flushed_files(log.read_text()) for log in logs.iterdir()))
    files = [kept.store / file for file in kept.files()]
    blobs = [file for file in files if "blobs" in file.parts]
    left_out = [str(file) for file in blobs if file not in flushed]
    table.row("blobs are flushed before they count", f"{len(blobs)} blobs", f"{len(left_out)} were not",
              ok=bool(blobs) and not left_out and ran.digest == kept.digest, detail="\n".join(left_out) or ran.told())
    unflushed = [file for file in files if file not in flushed]
    for name in ("emptied", "zeroed", "deleted"):
        kept.restore()
        for file in unflushed:
            DAMAGES[name](file)
        wrong = kept.check()
        table.row("a loss of power", f"{len(unflushed)} files never flushed: {name}", f"{len(wrong)} wrong",
                  ok=bool(unflushed) and not wrong, detail="\n".join(wrong))
    refuse_to_flush(table, kept)


def flushed_files(log: str) -> set[Path]:
    """Where the files are that were flushed under their temporary names, and renamed after that."""
    flushed, placed = set(), set()
    for line in log.splitlines():
        call = CALL.search(line)
        if not call:
            continue
        if call[1].startswith("f"):
            flushed.update(re.findall(r"<([^>]*)>", call[2]))
            continue
        source, target = re.findall(r'"([^"]*)"', call[2])
        if source in flushed:
            placed.add(Path(target))
    return placed


def refuse_to_flush(table, kept: Kept) -> None:
    """A disk that cannot flush: one clear error, and nothing of it is believed afterwards."""
    shutil.rmtree(kept.store, ignore_errors=True)
    ran = kept.build(before=["strace", "-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO"])
    said = ran.err.strip().splitlines()
    blobs = [file for file in (kept.store / "v1/blobs").rglob("*") if file.is_file()]
    ok = ran.code == 3 and any(line.startswith("error: ") for line in said) and not blobs and not kept.output.exists()
    table.row("the disk fails to flush", "a cold build", f"exit code {ran.code}, {len(blobs)} blobs", ok=ok, detail=ran.told())
    wrong = kept.check()
    table.row("the disk fails to flush", "the next build", f"{len(wrong)} wrong", ok=not wrong, detail="\n".join(wrong))
