"""A cache that several processes use, that others may write to, or that another version of the program left."""

import fcntl
import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

from faults_kill import Slow
from shop import HANGS, Shop, check_layout, run, write


def cache(shop: Shop, *words: str, before: list[str] | None = None, **options):
    """`wain cache ...`"""
    line = [*(before or []), str(shop.program), "cache", *words]
    return run(line, env=shop.variables(), cwd=shop.folder, **options)


def refused(ran, *parts: str) -> bool:
    """Whether a run ended as something outside went wrong, with one error that has these parts and a hint."""
    is_one = ran.err.count("error: ") == 1 and "hint: " in ran.err
    return ran.code == 3 and not ran.out and is_one and all(part in ran.err for part in parts)


def folders(table, shop: Shop, is_short: bool) -> None:
    """A folder that somebody else can change is refused; one that is only elsewhere is used."""
    store, elsewhere = shop.folder / "store", shop.folder / "elsewhere"
    expected = shop.build("--output", f"layout:{shop.folder}/first").digest

    def row(what: str, to: str, ran, ok: bool) -> None:
        table.row(what, to, f"exit code {ran.code}", ok=ok, detail=ran.told())

    for mode in (0o777, 0o1777, 0o757):
        for inside in (".", "v1", "v1/blobs", "v1/tmp"):
            (store / inside).chmod(mode)
            ran = shop.build()
            row(f"mode {mode:04o}", str(Path("store") / inside), ran, refused(ran, f"mode {mode:04o}", "chmod go-w"))
            (store / inside).chmod(0o700)
    if os.geteuid() == 0:
        for inside in (".", "v1", "v1/memos"):
            os.chown(store / inside, 12345, 12345)
            ran = shop.build()
            row("another owner", str(Path("store") / inside), ran, refused(ran, "belongs to user 12345", "change its owner"))
            os.chown(store / inside, 0, 0)
    for inside in ("v1", "v1/blobs", "v1/memos", "v1/tmp"):
        (store / inside).rename(elsewhere)
        (store / inside).symlink_to(elsewhere)
        ran = shop.build()
        row("a link inside", inside, ran, refused(ran, "not a folder"))
        (store / inside).unlink()
        elsewhere.rename(store / inside)
    store.rename(elsewhere)
    for what, make in (("a file in its place", lambda: store.write_text("")),
                       ("a dangling link in its place", lambda: store.symlink_to("nowhere"))):
        make()
        ran = shop.build()
        row(what, "store", ran, refused(ran, "store`"))
        store.unlink()
    store.symlink_to(elsewhere)
    ran = shop.build()
    row("a link to another disk", "store", ran, ran.digest == expected)
    store.unlink()
    elsewhere.rename(store)
    read_only(table, shop, expected, row)


def read_only(table, shop: Shop, expected: str, row) -> None:
    """Where nothing can be written, a warm cache is read, and a cold one is a clear error."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        print("SKIPPED: read-only caches: this needs root and mount namespaces")
        return
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    before = ["unshare", "--mount", "sh", "-c", script, f"{shop.folder}/store"]
    shop.build()
    ran = shop.build(before=before)
    row("a read-only disk", "a warm cache", ran, ran.digest == expected and "warning" not in ran.err)
    changed = shop.folder / "project/src/shop/words.txt"
    old = changed.read_bytes()
    changed.write_bytes(b"other words\n")
    ran = shop.build(before=before)
    row("a read-only disk", "a build that makes a layer", ran, refused(ran, "store/v1/tmp", "--no-cache"))
    changed.write_bytes(old)
    for words in (["status"], ["prune", "--dry-run"]):
        ran = cache(shop, *words, before=before)
        row("a read-only disk", f"wain cache {' '.join(words)}", ran, ran.code == 0)
    ran = cache(shop, "clear", before=before)
    row("a read-only disk", "wain cache clear", ran, refused(ran, "cannot remove"))


def snapshot(folder: Path) -> dict[str, tuple]:
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (state.st_mode, state.st_mtime_ns, content)
    return found


def versions(table, shop: Shop, is_short: bool) -> None:
    """What other versions keep lies beside ours and is left alone: by builds, and by whoever removes files."""
    others = {"v0": "layout", "v2": "blobs/sha256/ab", "v10": "memos", "v1.bak": "blobs/sha256/ab", "v1-old": ""}
    for name, inside in others.items():
        write(shop.folder / "store" / name / inside / ("a" * 64), name.encode())
        (shop.folder / "store" / name).chmod(0o700)
    (shop.folder / "store").chmod(0o700)
    before = {name: snapshot(shop.folder / "store" / name) for name in others}
    digests = {shop.build("--output", f"layout:{shop.folder}/out-{number}").digest for number in range(2)}
    ran = cache(shop, "prune", "--max-size", "0")
    digests.add(shop.build("--output", f"layout:{shop.folder}/out-2").digest)
    ran = cache(shop, "clear") if ran.code == 0 else ran
    after = {name: snapshot(shop.folder / "store" / name) for name in others}
    ok = ran.code == 0 and after == before and len(digests) == 1 and "" not in digests
    table.row("other versions", "build, prune, clear", f"{len(others)} folders untouched", ok=ok, detail=ran.told())
    left = sorted(path.name for path in (shop.folder / "store").iterdir())
    table.row("other versions", "what clear leaves", ", ".join(left), ok=left == sorted(others))
    # The same layout with other facts in it: a memo of another format has another key, and a foreign file no meaning.
    expected = shop.build("--output", f"layout:{shop.folder}/out-3").digest
    for file in [file for file in (shop.folder / "store/v1/memos").rglob("*") if file.is_file()]:
        write(file.with_name("0" * 64), file.read_bytes())
        write(file.parent.parent / "ff" / ("f" * 64), b'{"format":99}')
    write(shop.folder / "store/v1/future/file", b"x")
    ran = shop.build("--output", f"layout:{shop.folder}/out-4")
    table.row("other versions", "their files inside ours", "ignored", ok=ran.digest == expected, detail=ran.told())


def locks(table, shop: Shop, is_short: bool) -> None:
    """Nobody removes what a build uses, nobody waits for the dead, and whoever waits says for whom."""
    expected = shop.build("--output", f"layout:{shop.folder}/first").digest
    hung(table, shop, is_short)
    held(table, shop, expected, is_short)
    removed_meanwhile(table, shop, expected, 1 if is_short else 6)
    if not is_short:
        without_locks(table, shop, expected)


def hung(table, shop: Shop, is_short: bool) -> None:
    """A build that stands still in the middle of its delivery, and may go on any time."""
    slow = Slow(shop)
    slow.process.send_signal(signal.SIGSTOP)
    pid = str(slow.process.pid)
    before = snapshot(shop.folder / "store/v1/blobs")
    for words in (["prune", "--max-size", "0"], ["clear"])[:1 if is_short else 2]:
        ran = cache(shop, *words, "--lock-timeout", "6s")
        told = f"waiting for process {pid} " in ran.err
        ok = refused(ran, f"in use by process {pid} for more than 6 s") and told and ran.seconds > 5.5
        ok &= snapshot(shop.folder / "store/v1/blobs") == before
        table.row("a build hangs", f"wain cache {words[0]}", f"refused after {ran.seconds:.1f} s", ok=ok, detail=ran.told())
    ran = shop.build("--output", f"layout:{shop.folder}/beside")
    table.row("a build hangs", "another build", f"{ran.seconds:.1f} s", ok=ran.code == 0, detail=ran.told())
    slow.process.kill()
    slow.process.wait()
    slow.close()
    ran = cache(shop, "prune", "--max-size", "0")
    ok = ran.code == 0 and "left: 0 files" in ran.out
    table.row("a build was killed", "wain cache prune", f"{ran.seconds:.1f} s", ok=ok, detail=ran.told())


def held(table, shop: Shop, expected: str, is_short: bool) -> None:
    """Somebody removes files, and does not come to an end."""
    folder = os.open(shop.folder / "store/v1", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    seconds = 1 if is_short else 6
    ran = shop.build("--lock-timeout", f"{seconds}s")
    told = f"warning: waiting for process {os.getpid()} " in ran.err
    ok = refused(ran, f"in use by process {os.getpid()} for more than {seconds} s") and told == (seconds > 5)
    table.row("a removal hangs", "a build", f"refused after {ran.seconds:.1f} s", ok=ok, detail=ran.told())
    process = shop.start("--output", f"layout:{shop.folder}/waited", stdout=subprocess.PIPE, text=True)
    time.sleep(1)
    is_waiting = process.poll() is None
    os.close(folder)
    digest = process.communicate(timeout=HANGS)[0].strip()
    table.row("a removal ends", "a build that waits for it", digest[7:19], ok=is_waiting and digest == expected)


def removed_meanwhile(table, shop: Shop, expected: str, rounds: int) -> None:
    """Builds, at once and one after the other, some of them killed, while the cache is emptied again and again."""
    for at_once, in_turn in ((8, 1), (2, 6)):
        wrong, stop, removals = [], threading.Event(), []

        def remove() -> None:
            while not stop.wait(0.02):
                for words in (["prune", "--max-size", "0"], ["clear"]):
                    removals.append(cache(shop, *words))

        def build(one: int) -> None:
            for number in range(rounds * in_turn):
                out = shop.folder / f"out-{one}"
                shutil.rmtree(out, ignore_errors=True)
                process = shop.start("--output", f"layout:{out}", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                is_killed = number % at_once == one
                if is_killed:
                    time.sleep(0.05)
                    process.kill()
                digest, told = process.communicate(timeout=HANGS)
                if is_killed and process.returncode < 0:
                    continue
                if digest.strip() != expected or "rebuilding it" in told or check_layout(out) != expected:
                    wrong.append(f"build {number} of {one}: exit code {process.returncode}: {digest}{told}")

        remover = threading.Thread(target=remove)
        builders = [threading.Thread(target=build, args=(one,)) for one in range(at_once)]
        for thread in (remover, *builders):
            thread.start()
        for builder in builders:
            builder.join()
        stop.set()
        remover.join()
        wrong += [ran.told() for ran in removals if ran.code]
        ran = shop.build("--output", f"layout:{shop.folder}/last")
        wrong += [f"{name} is left" for name in shop.leftovers()]
        files = sum(int(ran.out.split()[1]) for ran in removals)
        ok = not wrong and files > 0 and ran.digest == expected
        what = f"{at_once} at once, {rounds * in_turn} in turn, some killed"
        table.row("the cache is emptied meanwhile", what, f"{len(removals)} times, {files} files", ok=ok,
                  detail="\n".join(wrong[:4]))


def without_locks(table, shop: Shop, expected: str) -> None:
    """A file system that knows no locks: builds go on as ever, and whoever removes files is careful."""
    before = ["strace", "-f", "-o", "/dev/null", "-e", "trace=flock", "-e", "inject=flock:error=EOPNOTSUPP"]
    ran = shop.build("--output", f"layout:{shop.folder}/unlocked", before=before)
    table.row("no locks", "a build", ran.digest[7:19], ok=ran.digest == expected, detail=ran.told())
    found = snapshot(shop.folder / "store/v1/blobs")
    for words in (["prune", "--max-size", "0"], ["clear"]):
        ran = cache(shop, *words, before=before)
        ok = ran.code == 0 and "what was used in the last 24 hours stays" in ran.err
        ok &= bool(found) and snapshot(shop.folder / "store/v1/blobs") == found
        table.row("no locks", f"wain cache {words[0]}, used today", "all stays", ok=ok, detail=ran.told())
    for file in (shop.folder / "store/v1").rglob("*"):
        if file.is_file():
            os.utime(file, (time.time() - 2 * 86_400,) * 2)
    ran = cache(shop, "prune", "--max-size", "0", before=before)
    table.row("no locks", "wain cache prune, used two days ago", ran.out.split("(")[0], ok="left: 0 files" in ran.out)
