"""Disks that are full, cannot be written, or fail: exit code 3 with the place and the sizes, nothing half-written."""

import errno
import os
import re
import resource
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import seccomp
from shop import Ran, Shop, check_archive, check_layout, run

PLACES = ("cache", "layout", "archive", "TMPDIR")


@contextmanager
def disk(folder: Path, options: str):
    """A file system in memory, gone afterwards; `None` where nothing may be mounted."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
    try:
        yield folder if done.returncode == 0 else None
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def on(shop: Shop, place: str, folder: Path) -> tuple[list[str], dict[str, str], Path | None]:
    """Arguments and environment of a build that has one thing on this disk, and where its output is then."""
    output = shop.folder / "out"
    words, env, output = {
        "cache": (["--output", f"layout:{output}"], {"WAIN_CACHE_DIR": f"{folder}/cache"}, output),
        "layout": (["--output", f"layout:{folder}/image"], {}, folder / "image"),
        "archive": (["--output", f"archive:{folder}/image.tar"], {}, folder / "image.tar"),
        "TMPDIR": (["--output", f"layout:{output}", "--no-cache"], {"TMPDIR": str(folder)}, output),
    }[place]
    return [*words, "--progress", "quiet"], env, output


def all_rows(table, shop: Shop, expected: str, short: bool) -> None:
    larger = Shop(shop.folder / "larger", shop.program, noise=6_000_000)
    digest = larger.build("--output", f"layout:{larger.folder}/first").digest
    full(table, larger, digest, [1, 8, 64] if short else [1, 2, 4, 8, 16, 32, 64])
    read_only(table, shop, expected)


def full(table, shop: Shop, expected: str, sizes: list[int]) -> None:
    folder = shop.folder / "disk"
    for place in PLACES:
        failed = 0
        for size in sizes:
            shutil.rmtree(shop.folder / "out", ignore_errors=True)
            with disk(folder, f"size={size}m,mode=700") as there:
                if there is None:
                    return table.skip("full disk", "all", why="nothing can be mounted here")
                words, env, output = on(shop, place, folder)
                ran = shop.build(*words, env=env)
                failed += ran.code != 0
                wrong = full_is_told(ran, str(folder)) if ran.code else []
                if ran.code and output.exists():
                    wrong.append("half an output is there")
                left = [str(path) for path in folder.rglob("*") if path.is_file() and is_unfinished(path.relative_to(folder))]
                wrong += [f"{path} is left" for path in left]
                remount(folder, "size=512m")
                again = shop.build(*words, env=env)
                if again.digest != expected:
                    wrong.append(f"with room again: {again.told()}")
                found = f"exit code {ran.code}, {again.digest[7:19]} with room"
                table.row("full disk", f"{place} on {size} MiB", found, ok=not wrong, detail="\n".join([*wrong, ran.told()]))
        if not 0 < failed < len(sizes):
            table.row("full disk", f"{place}: sizes", f"{failed} of {len(sizes)} too small", ok=False)
    no_inodes(table, shop, expected, folder)


def is_unfinished(path: Path) -> bool:
    return any(part == "tmp" or part.startswith((".wain-", "wain-")) for part in path.parts)


def full_is_told(ran: Ran, place: str) -> list[str]:
    wrong = []
    if ran.code != 3 or ran.out:
        wrong.append(f"exit code {ran.code}, printed {ran.out!r}")
    if "no space left" not in ran.err or place not in ran.err or "hint: " not in ran.err:
        wrong.append("the message does not say that there is no space, where, and what to do")
    if not re.search(r"\d+ bytes to write, \d+ bytes free", ran.err):
        wrong.append("the message does not say how much was needed and how much is free")
    return wrong


def no_inodes(table, shop: Shop, expected: str, folder: Path) -> None:
    """A disk with room for bytes and none for names."""
    for place in PLACES:
        shutil.rmtree(shop.folder / "out", ignore_errors=True)
        with disk(folder, "size=64m,nr_inodes=6,mode=700"):
            words, env, output = on(shop, place, folder)
            ran = shop.build(*words, env=env)
            # An archive needs one name only.
            if place == "archive":
                ok = ran.digest == expected == check_archive(output)
            else:
                ok = ran.code == 3 and str(folder) in ran.err and "hint: " in ran.err and not output.exists()
            remount(folder, "nr_inodes=10000")
            ok = ok and shop.build(*words, env=env).digest == expected
            table.row("no inodes left", f"{place}", f"exit code {ran.code}", ok=ok, detail=ran.told())


def read_only(table, shop: Shop, expected: str) -> None:
    """File systems that nobody may write to: the one place is told, and the project's own may be read-only."""
    folder = shop.folder / "disk"
    cases = [
        ("cache, cold", {"WAIN_CACHE_DIR": f"{folder}/cache"}, [], 3, "--no-cache"),
        ("HOME", {"HOME": str(folder), "WAIN_CACHE_DIR": None}, [], 3, "--no-cache"),
        ("HOME, --no-cache", {"HOME": str(folder), "WAIN_CACHE_DIR": None}, ["--no-cache"], 0, ""),
        ("layout", {}, ["--output", f"layout:{folder}/image"], 3, "use another output"),
        ("archive", {}, ["--output", f"archive:{folder}/image.tar"], 3, "use another output"),
        ("report", {}, ["--metadata-file", f"{folder}/report.json"], 3, "use another output"),
        ("TMPDIR, --no-cache", {"TMPDIR": str(folder)}, ["--no-cache"], 3, ""),
        ("TMPDIR", {"TMPDIR": str(folder)}, [], 0, ""),
    ]
    for name, env, words, code, hint in cases:
        shutil.rmtree(shop.folder / "out", ignore_errors=True)
        with disk(folder, "size=64m,mode=700") as there:
            if there is None:
                return table.skip("read-only disk", "all", why="nothing can be mounted here")
            remount(folder, "ro")
            ran = shop.build("--output", f"layout:{shop.folder}/out", *words, env=env)
            ok = ran.code == code and (str(folder) in ran.err and hint in ran.err if code else ran.digest == expected)
            table.row("read-only disk", name, f"exit code {ran.code}", ok=ok, detail=ran.told())
    read_only_inputs(table, shop, expected)


def read_only_inputs(table, shop: Shop, expected: str) -> None:
    """Project, wheels and base on a disk that cannot be written: the base stays without a pin, with a warning."""
    words = ["--output", f"layout:{shop.folder}/out"]
    (shop.folder / "project/wain.lock").unlink(missing_ok=True)
    shutil.rmtree(shop.folder / "out", ignore_errors=True)
    shutil.rmtree(shop.folder / "store", ignore_errors=True)
    for name in ("project", "wheels", "base"):
        subprocess.run(["mount", "--bind", shop.folder / name, shop.folder / name], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", shop.folder / name], check=True)
    try:
        ran = shop.build(*words)
    finally:
        for name in ("project", "wheels", "base"):
            subprocess.run(["umount", "-l", shop.folder / name], check=True)
    ok = ran.digest == expected and "the base is not pinned" in ran.err
    table.row("read-only disk", "project, wheels and base", f"exit code {ran.code}", ok=ok, detail=ran.told())


# What the kernel can answer, to which calls, and what is to happen: 0 is the usual digest, 3 is an error that names a path.
# Of writes only those to files: threads wake each other, and errors are told, with a few bytes.
FEW = 1000
ANSWERS = [
    ("quota exceeded", errno.EDQUOT, ["write", "pwrite64"], FEW, 3, "no space left"),
    ("no space", errno.ENOSPC, ["write", "pwrite64"], FEW, 3, "no space left"),
    ("I/O error", errno.EIO, ["write", "pwrite64"], FEW, 3, ""),
    ("I/O error", errno.EIO, ["fdatasync", "fsync"], None, 3, ""),
    ("no space", errno.ENOSPC, ["fdatasync", "fsync"], None, 3, "no space left"),
    ("quota exceeded", errno.EDQUOT, ["rename", "renameat", "renameat2"], None, 3, "no space left"),
    ("quota exceeded", errno.EDQUOT, ["mkdir", "mkdirat"], None, 3, "no space left"),
    ("not permitted", errno.EPERM, ["rename", "renameat", "renameat2"], None, 3, ""),
    ("no locks (NFS)", errno.ENOLCK, ["flock"], None, 0, ""),
    ("no locks", errno.EOPNOTSUPP, ["flock"], None, 0, ""),
    ("no hard links", errno.EPERM, ["link", "linkat"], None, 0, ""),
    ("no reflinks", errno.ENOTTY, ["ioctl"], None, 0, ""),
    ("not permitted", errno.EPERM, ["copy_file_range", "sendfile", "fallocate"], None, 0, ""),
    ("not permitted", errno.EPERM, ["chmod", "fchmod", "fchmodat", "chown", "fchown", "lchown", "fchownat"], None, 0, ""),
    ("not permitted", errno.EPERM, ["unlink", "unlinkat"], None, 0, ""),
    ("an old kernel", errno.ENOSYS, ["statx", "clone3", "openat2", "faccessat2", "renameat2", "getrandom"], None, 0, ""),
    ("not permitted", errno.EPERM, ["sched_getaffinity", "memfd_create", "ftruncate"], None, None, ""),
]


def failing_calls(table, shop: Shop, expected: str) -> None:
    """The kernel answers with errors that disks, quotas, networks and sandboxes give."""
    for what, code, calls, larger_than, wanted, part in ANSWERS:
        for output in ("layout", "archive"):
            shutil.rmtree(shop.folder / "out", ignore_errors=True)
            shutil.rmtree(shop.folder / "store", ignore_errors=True)
            (shop.folder / "out").mkdir()
            place = shop.folder / "out/image"
            words = ["--output", f"{output}:{place}", "--progress", "quiet"]
            refuse = seccomp.before(seccomp.refusal(code, *calls, larger_than=larger_than))
            ran = shop.build(*words, preexec_fn=refuse)
            if ran.code == 0:
                read = check_layout if output == "layout" else check_archive
                ok = wanted in (0, None) and ran.digest == expected == read(place)
            else:
                ok = wanted in (3, None) and ran.code == 3 and str(shop.folder) in ran.err and part in ran.err
                ok = ok and "hint: " in ran.err and not place.exists()
            again = shop.build(*words)
            ok = ok and again.digest == expected
            if not (wanted == 0 and "unlink" in calls):
                ok = ok and not shop.leftovers()
            where = f"{calls[0]}{' ...' if calls[1:] else ''}, {output}"
            told = "\n".join([ran.told(), f"left: {shop.leftovers()}", "" if again.digest == expected else again.told()])
            table.row(what, where, f"exit code {ran.code}", ok=ok, detail=told)
            for name in shop.leftovers():
                path = shop.folder / name
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def limits(table, shop: Shop, expected: str, short: bool) -> None:
    """Limits of a process: open files, file sizes, memory, threads."""
    def limited(which: int, number: int):
        return lambda: resource.setrlimit(which, (number, number))

    def row(name: str, where: str, ran: Ran, may_fail: bool) -> None:
        is_clear = ran.code == 3 and "error: " in ran.err and "hint: " in ran.err and "panicked" not in ran.err
        ok = ran.digest == expected or (may_fail and is_clear)
        out = shop.folder / "out"
        ok = ok and (check_layout(out) == expected if ran.code == 0 else not out.exists())
        shutil.rmtree(out, ignore_errors=True)
        again = shop.build("--output", f"layout:{out}")
        ok = ok and again.digest == expected and not shop.leftovers()
        told = "\n".join([ran.told(), f"left: {shop.leftovers()}"])
        table.row(name, where, f"exit code {ran.code}, {ran.seconds:.1f} s", ok=ok, detail=told)

    def attempt(which: int, number: int, *words: str) -> Ran:
        shutil.rmtree(shop.folder / "out", ignore_errors=True)
        shutil.rmtree(shop.folder / "store", ignore_errors=True)
        output = ["--output", f"layout:{shop.folder}/out", "--progress", "quiet"]
        return shop.build(*output, *words, preexec_fn=limited(which, number))

    for number in (256, 64, 32, 24, 16, 12, 8):
        ran = attempt(resource.RLIMIT_NOFILE, number, "--jobs", "8")
        row("open files", f"ulimit -n {number}", ran, may_fail=number < 64)
    for number in (0, 4096, 100_000, 1_000_000):
        ran = attempt(resource.RLIMIT_FSIZE, number)
        row("size of files", f"ulimit -f {number} bytes", ran, may_fail=True)
    # Below this the program itself does not fit.
    starts = lambda number: run([shop.program, "--version"], preexec_fn=limited(resource.RLIMIT_AS, number << 20)).code == 0
    least = next(number for number in range(8, 1000, 2) if starts(number))
    for number in range(least, least + 300, 50 if short else 10):
        ran = attempt(resource.RLIMIT_AS, number << 20, "--jobs", "8")
        row("memory", f"ulimit -v {number} MiB", ran, may_fail=number < 128)
    if os.geteuid() != 0:
        return table.skip("processes", "ulimit -u", why="only root can become somebody who has such a limit")
    nobody = 65534
    anywhere = shop.folder / "wain"
    shutil.copy(shop.program, anywhere)
    shutil.rmtree(shop.folder / "store", ignore_errors=True)
    for path in [shop.folder.parent, shop.folder, *shop.folder.rglob("*")]:
        os.chown(path, nobody, nobody, follow_symlinks=False)
    shop = Shop.of(shop.folder, anywhere)
    for number in (1, 2, 3, 4, 6, 8, 12, 100):
        def become(number=number):
            resource.setrlimit(resource.RLIMIT_NPROC, (number, number))
            os.setgid(nobody)
            os.setuid(nobody)

        shutil.rmtree(shop.folder / "store", ignore_errors=True)
        shutil.rmtree(shop.folder / "out", ignore_errors=True)
        ran = shop.build("--output", f"layout:{shop.folder}/out", "--progress", "quiet", preexec_fn=become)
        shutil.rmtree(shop.folder / "store", ignore_errors=True)
        row("processes", f"ulimit -u {number}", ran, may_fail=number < 100)
        shutil.rmtree(shop.folder / "out", ignore_errors=True)
