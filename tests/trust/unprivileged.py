"""The table of privileges: a build needs none. They are taken away thing by thing, and then all at once.

    python3 tests/trust/unprivileged.py [--short] [--debian [--packages CACHE]]

Needs root, to become nobody, and bwrap for what is hidden. `--short` takes everything away at once only. `--debian` assembles the Debian base as well, whose own Python
compiles its library: first as root, then without anything, from packages that are fetched once, or copied from a cache.
"""

import argparse
import ctypes
import errno
import os
import shutil
import sys
from pathlib import Path

import seccomp
from common import Table, need, wain, workshop
from shop import PLATFORM, Shop, check_layout, run

NOBODY = 65534
# What other builders need, and what a sandbox does not give.
FORBIDDEN = ["mount", "umount2", "unshare", "setns", "pivot_root", "chroot", "chown", "fchown", "lchown", "fchownat", "mknod",
             "mknodat", "ptrace", "bpf", "keyctl", "io_uring_setup", "setuid", "setgid", "personality"]


def nothing_left() -> None:
    """Becomes nobody, without a capability or a way to get one, in a kernel that forbids what needs one."""
    libc = ctypes.CDLL(None, use_errno=True)
    drop_from_bounding_set, last_capability = 24, 63
    for capability in range(last_capability + 1):
        # Fails for numbers that this kernel does not have.
        libc.prctl(drop_from_bounding_set, capability, 0, 0, 0)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    SANDBOX()


# Made before the privileges are gone: afterwards Python may be unable to read its own modules.
SANDBOX = seccomp.before(
    seccomp.refusal(errno.EPERM, *FORBIDDEN),
    seccomp.refusal(errno.EPERM, "clone", namespaces_only=True),
    # Its flags are in memory, where a filter cannot look; the C library takes `clone` then.
    seccomp.refusal(errno.ENOSYS, "clone3"),
)


def hidden(folder: Path) -> list[str]:
    """A view of the machine: nothing can be written but one folder; no /proc, no /sys, no network, no terminal."""
    return ["bwrap", "--ro-bind", "/", "/", "--bind", str(folder), str(folder), "--dev", "/dev", "--tmpfs", "/proc", "--tmpfs", "/sys",
            "--remount-ro", "/proc", "--remount-ro", "/sys", "--unshare-net", "--unshare-pid", "--unshare-ipc", "--die-with-parent",
            "--new-session", "--chdir", str(folder), sys.executable, __file__, "--inside"]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--debian", action="store_true")
    options.add_argument("--packages", type=Path)
    options.add_argument("--short", action="store_true")
    given = options.parse_args()
    need("bwrap", "unshare")
    if os.geteuid() != 0:
        sys.exit("only root can take everything away")
    table = Table(("without", 42), ("what", 40), ("found", 34))
    program = wain()
    with workshop() as folder:
        shop = Shop(folder / "shop", program)
        expected = shop.build("--output", f"layout:{folder}/first").digest
        shop = Shop.of(shop.folder, Path(shutil.copy(program, shop.folder / "wain")))
        sandbox_bites(table, shop)
        rows(table, shop, shop.words(), expected, "a made base", given.short)
        if given.debian:
            debian(table, shop, given.packages, given.short)
    table.finish()


def debian(table: Table, shop: Shop, packages: Path | None, short: bool) -> None:
    """The base that is assembled: once with the network and all privileges, then with neither."""
    hand_over(shop, 0)
    store = shop.folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    if packages:
        shutil.copytree(packages, store, ignore=shutil.ignore_patterns("tmp"), symlinks=True)
    words = [str(shop.program), "build", f"{shop.folder}/project", "--platform", PLATFORM, "--find-links", f"{shop.folder}/wheels", "--no-index"]
    output = ["--output", f"layout:{shop.folder}/first"]
    # What the environment says about the network counts for this one.
    ran = run([*words, *output], env={**os.environ, **shop.variables()}, cwd=shop.folder)
    if ran.code == 3:
        return table.skip("everything", "the Debian base", why=ran.err.strip().splitlines()[-1])
    told = " ".join(file.name for file in (store / "v1/memos").iterdir())
    table.row("nothing", "the Debian base", ran.digest[7:19], ok=ran.code == 0 and "runtime" in told, detail=ran.told() + told)
    rows(table, shop, [*words, "--offline"], ran.digest, "the Debian base", short)


def sandbox_bites(table: Table, shop: Shop) -> None:
    """What must fail for the rest of the table to mean anything."""
    hand_over(shop, NOBODY)
    attempts = ["unshare -U true", "unshare -r true", "mknod zero c 1 5", "chown 1 wain", "mount -t tmpfs x home", "test -w /var/tmp",
                "test -e /proc/self", "test -e /sys/kernel", "mkdir /anything", "cat /etc/shadow"]
    script = "for attempt in " + " ".join(f"'{attempt}'" for attempt in attempts) + '; do $attempt 2>/dev/null && echo "$attempt"; done; id -u'
    ran = run([*hidden(shop.folder), "sh", "-c", script], cwd=shop.folder)
    table.row("everything", "what needs privileges fails", "uid " + ran.out.strip()[:30], ok=ran.out == f"{NOBODY}\n", detail=ran.told())


def rows(table: Table, shop: Shop, words: list[str], expected: str, what: str, short: bool) -> None:
    temporary = {"TMPDIR": f"{shop.folder}/tmp"}
    cases = [
        ("root, capabilities, system calls", {"preexec_fn": nothing_left}, [], temporary),
        ("the same and HOME, TMPDIR, PATH", {"preexec_fn": nothing_left}, [], {"HOME": None, "PATH": None}),
        ("root, a file system, /proc, /sys", {}, hidden(shop.folder), temporary),
        ("all of it", {}, hidden(shop.folder), {"HOME": None, "PATH": None}),
    ]
    # A build that keeps nothing needs a place for a moment, and finds nothing that an earlier one fetched.
    caches = ["cold cache", "warm cache", *(["--no-cache"] if "--offline" not in words else [])]
    out = shop.folder / "out"
    for name, options, before, variables in cases[-1:] if short else cases:
        for cache in caches:
            if cache == "cold cache":
                # Files that were fetched stay; everything is made anew.
                for kind in ("layer", "runtime", "base", "wheel-facts"):
                    shutil.rmtree(shop.folder / "store/v1/memos" / kind, ignore_errors=True)
            more = ["--output", f"layout:{out}"]
            if cache == "--no-cache":
                more, variables = [*more, cache], {**variables, **temporary}
            shutil.rmtree(out, ignore_errors=True)
            (shop.folder / "tmp").mkdir(exist_ok=True)
            hand_over(shop, NOBODY)
            ran = run([*before, *words, *more], env=shop.variables(**variables), cwd=shop.folder, **options)
            left = shop.leftovers()
            ok = ran.code == 0 and ran.digest == expected == check_layout(out) and not left
            told = f"{ran.told()}\nleft: {left}"
            table.row(name, f"{what}, {cache}", f"{ran.digest[7:19]}, {ran.seconds:.1f} s", ok=ok, detail=told)


def hand_over(shop: Shop, owner: int) -> None:
    for path in [shop.folder.parent, shop.folder, *shop.folder.rglob("*")]:
        os.chown(path, owner, owner, follow_symlinks=False)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        nothing_left()
        os.execvpe(sys.argv[2], sys.argv[2:], os.environ)
    main()
