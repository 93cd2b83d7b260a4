"""The table of reproducibility: whatever is different around a build and is no input of it, the digest is the same.

    python3 tests/trust/reproducibility.py [--also PROGRAM]

`--also` builds with another program of ours too: the release build, or one from another machine. Clocks need faketime; other
users and file systems need root.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import tarfile
from pathlib import Path

import faults_disk
import faults_surroundings
from common import Table, wain, workshop
from shop import PLATFORM, Shop, check_archive, check_layout, run

NOBODY = 65534
EPOCH = "315532801"


class Matrix:
    """Builds one shop again and again, and compares digests."""

    def __init__(self, table: Table, shop: Shop):
        self.table = table
        self.shop = shop
        self.out = shop.folder / "out"
        self.expected = self.build("first")

    def build(self, what: str, *words: str, cache: str = "cold", output: str = "layout", shop: Shop | None = None, **options) -> str:
        """Builds, reads what was delivered, and gives its digest; an empty text when anything went wrong."""
        shop = shop or self.shop
        if cache == "cold":
            shutil.rmtree(shop.folder / "store", ignore_errors=True)
        for path in (self.out, shop.folder / "project/wain.lock"):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        ran = shop.build("--output", f"{output}:{self.out}", "--progress", "quiet", *words, **options)
        self.told = ran.told()
        try:
            found = check_layout(self.out) if output == "layout" else check_archive(self.out)
        except Exception as error:
            self.told += repr(error)
            return ""
        return ran.digest if ran.digest == found else ""

    def row(self, what: str, how: str, *words: str, **options) -> None:
        digest = self.build(what, *words, **options)
        self.table.row(what, how, digest[7:19], ok=digest == self.expected != "", detail=self.told)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--also", type=Path, action="append", default=[])
    given = options.parse_args()
    table = Table(("what differs", 24), ("how", 44), ("digest", 12))
    program = wain()
    with workshop() as folder:
        matrix = Matrix(table, Shop(folder / "shop", program))
        table.row("nothing", "an empty cache", matrix.expected[7:19], ok=matrix.expected != "")
        settings(matrix)
        environment(matrix)
        processors(matrix)
        files(matrix, folder)
        lock_order(matrix, folder)
        caches(matrix)
        outputs(matrix)
        places(matrix, folder)
        programs(matrix, given.also)
        somebody_else(matrix)
    table.finish()


def settings(matrix: Matrix) -> None:
    matrix.row("SOURCE_DATE_EPOCH", "the default, said aloud", env={"SOURCE_DATE_EPOCH": EPOCH})
    other = matrix.build("SOURCE_DATE_EPOCH", env={"SOURCE_DATE_EPOCH": "1700000000"})
    again = matrix.build("SOURCE_DATE_EPOCH", env={"SOURCE_DATE_EPOCH": "1700000000", "TZ": "Asia/Tokyo"})
    ok = other == again != "" and other != matrix.expected
    matrix.table.row("SOURCE_DATE_EPOCH", "another: another digest, twice", again[7:19], ok=ok)


def environment(matrix: Matrix) -> None:
    for mask in (0o000, 0o022, 0o077):
        matrix.row("umask", f"{mask:03o}", preexec_fn=lambda mask=mask: os.umask(mask))
    for zone in ("UTC", "Pacific/Kiritimati", "America/St_Johns"):
        matrix.row("TZ", zone, env={"TZ": zone})
    for locale in ("C", "C.UTF-8", "tr_TR.UTF-8", "nonsense"):
        matrix.row("LC_ALL", locale, env={"LC_ALL": locale, "LANG": locale})
    matrix.row("HOME", "a new one", env={"HOME": f"{matrix.shop.folder}/another home"})
    matrix.row("HOME", "none", env={"HOME": None})
    matrix.row("names", "user, host, terminal", env={"USER": "somebody", "HOSTNAME": "elsewhere", "TERM": "vt52", "COLUMNS": "7"})
    clock = Clock()
    for time in faults_surroundings.CLOCKS:
        clock.row(matrix, time)


class Clock:
    """What makes a program believe another time."""

    def __init__(self):
        self.library = faults_surroundings.faketime()

    def row(self, matrix: Matrix, time: str) -> None:
        if not self.library:
            return matrix.table.skip("clock", time, why="there is no faketime; `sh tests/run.sh` installs it")
        matrix.row("clock", time, env={"LD_PRELOAD": self.library, "FAKETIME": f"@{time}"})


def processors(matrix: Matrix) -> None:
    for number in ("1", "2", "7"):
        matrix.row("RAYON_NUM_THREADS", number, env={"RAYON_NUM_THREADS": number})
        matrix.row("--jobs", number, "--jobs", number)
        matrix.row("--connections", number, "--connections", number)
    matrix.row("processors", "one of them", before=["taskset", "-c", "0"])


def files(matrix: Matrix, folder: Path) -> None:
    """The same files, put there in other ways."""
    shop = matrix.shop
    for seed in (1, 2, 3):
        other = copy(shop, folder / f"shuffled-{seed}", random.Random(seed))
        matrix.row("order of creation", f"shuffled, {seed}", shop=other)
    for mode in (0o600, 0o664, 0o666):
        other = copy(shop, folder / f"mode-{mode:o}", random.Random(4))
        for file in (other.folder / "project").rglob("*"):
            if file.is_file() and not file.is_symlink():
                file.chmod(mode | (mode & 0o444) >> 2 if os.access(file, os.X_OK) and file.suffix == ".sh" else mode)
                os.utime(file, (mode * 1e6, mode * 1e6))
        matrix.row("modes and times", f"{mode:o}", shop=other)
    git, tar = (copy(shop, folder / name, random.Random(5)) for name in ("git", "tar"))
    archive = folder / "project.tar"
    with tarfile.open(archive, "w") as out:
        out.add(git.folder / "project", "project")
    words = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-c", "init.defaultBranch=main", "-C", f"{git.folder}/project"]
    for step in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"]):
        subprocess.run([*words, *step], check=True)
    (git.folder / "project").rename(git.folder / "origin")
    subprocess.run(["git", "clone", "-q", git.folder / "origin", git.folder / "project"], check=True)
    matrix.row("how it came", "git clone", shop=git)
    shutil.rmtree(tar.folder / "project")
    with tarfile.open(archive) as source:
        source.extractall(tar.folder, filter="tar")
    matrix.row("how it came", "unpacked from a tar", shop=tar)


def lock_order(matrix: Matrix, folder: Path) -> None:
    """The project has another file then, its packages have the same layers."""
    shop = copy(matrix.shop, folder / "lock-order", random.Random(9))
    layers = []
    for number in range(2):
        head, *packages = (shop.folder / "project/pylock.toml").read_text().split("\n[[packages]]")
        (shop.folder / "project/pylock.toml").write_text("\n[[packages]]".join([head, *packages[::-1]]))
        report = folder / f"report-{number}.json"
        matrix.build("order in the lockfile", "--metadata-file", str(report), shop=shop)
        built = json.loads(report.read_text())["platforms"][PLATFORM]["layers"]
        layers.append([layer["digest"] for layer in built if layer["packages"]])
    matrix.table.row("order in the lockfile", "reversed: the layers of packages", f"{len(layers[0])} layers", ok=layers[0] == layers[1] != [])


def copy(shop: Shop, folder: Path, dice: random.Random) -> Shop:
    """The shop in another folder, its files made in another order, a project with a lockfile and wheels in the same places."""
    folder.mkdir()
    paths = [path for name in ("project", "wheels", "base", "home") for path in (shop.folder / name).rglob("*")]
    paths = [path for path in paths if path.is_symlink() or path.is_file()]
    dice.shuffle(paths)
    (folder / "home").mkdir()
    for path in paths:
        target = folder / path.relative_to(shop.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path.readlink()) if path.is_symlink() else shutil.copy(path, target)
    return Shop.of(folder, shop.program)


def caches(matrix: Matrix) -> None:
    matrix.build("cache")
    matrix.row("cache", "warm", cache="warm")
    for seed in (1, 2, 3, 4):
        files = sorted(file for file in (matrix.shop.folder / "store/v1").rglob("*") if file.is_file())
        for file in random.Random(seed).sample(files, len(files) // 2):
            file.unlink()
        matrix.row("cache", f"half of it gone, {seed}", cache="warm")
    matrix.row("cache", "none", "--no-cache")
    matrix.row("cache", "somewhere else", "--cache-dir", f"{matrix.shop.folder}/another store")


def outputs(matrix: Matrix) -> None:
    matrix.row("output", "layout")
    matrix.row("output", "archive", output="archive")
    matrix.row("output", "archive, warm", output="archive", cache="warm")
    matrix.row("output", "name of the image", "--tag", "elsewhere.example/another/name:7")


def places(matrix: Matrix, folder: Path) -> None:
    """Other working directories, other ways to write a path, other file systems."""
    shop = matrix.shop
    shutil.rmtree(shop.folder / "store", ignore_errors=True)
    words = ["--base", "layout:../base", "--find-links", "../wheels", "--no-index", "--output", f"layout:{matrix.out}"]
    (shop.folder / "project/wain.lock").unlink(missing_ok=True)
    ran = run([str(shop.program), "build", "--platform", PLATFORM, *words], env=shop.variables(), cwd=shop.folder / "project")
    matrix.table.row("paths", "relative, from inside the project", ran.digest[7:19], ok=ran.digest == matrix.expected, detail=ran.told())
    long = copy(shop, folder / ("a long folder " + "x" * 180), random.Random(6))
    matrix.row("paths", "a long folder with spaces", shop=long)
    memory = folder / "memory"
    with faults_disk.disk(memory, "size=64m,mode=700") as there:
        if there is None:
            return matrix.table.skip("file system", "tmpfs", why="nothing can be mounted here")
        matrix.row("file system", "tmpfs", shop=copy(shop, memory / "shop", random.Random(7)))
    if shutil.which("disorderfs"):
        disorder(matrix, folder)


def disorder(matrix: Matrix, folder: Path) -> None:
    """A file system that lists folders in another order each time."""
    project, view = matrix.shop.folder / "project", folder / "disordered"
    shop = copy(matrix.shop, folder / "disorder", random.Random(8))
    view.mkdir()
    subprocess.run(["disorderfs", "--shuffle-dirents=yes", "--quiet", project, view], check=True, capture_output=True)
    try:
        shutil.rmtree(shop.folder / "project")
        (shop.folder / "project").symlink_to(view)
        matrix.row("file system", "disorderfs", shop=shop)
    finally:
        subprocess.run(["umount", view], check=True)


def programs(matrix: Matrix, others: list[Path]) -> None:
    for program in others:
        matrix.row("program", str(program), shop=Shop.of(matrix.shop.folder, program.resolve()))


def somebody_else(matrix: Matrix) -> None:
    """Another user. Last, because the files belong to it then."""
    shop = matrix.shop
    if os.geteuid() != 0:
        return matrix.table.skip("user", str(NOBODY), why="only root can become somebody else")
    matrix.row("user", "0")
    program = shop.folder / "wain"
    shutil.copy(shop.program, program)
    shutil.rmtree(shop.folder / "store", ignore_errors=True)
    for path in [shop.folder.parent, shop.folder, *shop.folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    become = lambda: (os.setgroups([]), os.setgid(NOBODY), os.setuid(NOBODY))
    matrix.row("user", str(NOBODY), shop=Shop.of(shop.folder, program), preexec_fn=become)


if __name__ == "__main__":
    main()
