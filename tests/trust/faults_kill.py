"""Builds that are killed at any moment, or asked to end: what is there is whole, and the next build is as ever."""

import os
import random
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from pathlib import Path

from shop import HANGS, Shop, check_archive, check_layout

OUTPUTS = ("layout", "archive", "default")
CACHES = ("cold", "partial", "warm")


def where(shop: Shop, output: str) -> tuple[list[str], Path]:
    """The arguments for an output, and where it is. The default lies inside the project."""
    place = shop.folder / "out" / output
    tag = ["--tag", "demo/api:1"]
    return {
        "layout": ([*tag, "--output", f"layout:{place}"], place),
        "archive": ([*tag, "--output", f"archive:{place}"], place),
        # Into the project, as people do: what a killed build leaves there must not get into the next image.
        "default": ([*tag, "--output", f"archive:{shop.folder}/project/shop.tar",
                     "--metadata-file", f"{shop.folder}/project/report.json"], shop.folder / "project/shop.tar"),
    }[output]


def read(output: str, place: Path) -> str:
    try:
        return check_layout(place) if output == "layout" else check_archive(place)
    except (OSError, ValueError, KeyError, tarfile.TarError) as error:
        return f"unreadable: {error!r}"


def clear(shop: Shop, cache: str, dice: random.Random) -> None:
    """Takes outputs and pins away, and as much of the cache as is wanted."""
    shutil.rmtree(shop.folder / "out", ignore_errors=True)
    for file in ("shop.tar", "report.json", "wain.lock"):
        (shop.folder / "project" / file).unlink(missing_ok=True)
    (shop.folder / "out").mkdir()
    if cache == "cold":
        shutil.rmtree(shop.folder / "store", ignore_errors=True)
    if cache == "partial":
        files = sorted(file for file in (shop.folder / "store/v1").rglob("*") if file.is_file())
        for file in dice.sample(files, len(files) // 2):
            file.unlink()


class Older:
    """What an output had before: the image of another state of the project."""

    def __init__(self, shop: Shop, output: str):
        words, self.place = where(shop, output)
        self.copy = shop.folder / "older"
        changed = shop.folder / "project/src/shop/__init__.py"
        text = changed.read_text()
        clear(shop, "warm", random.Random(1))
        changed.write_text("before = True\n")
        self.digest = shop.build(*words).digest
        changed.write_text(text)
        shutil.rmtree(self.copy, ignore_errors=True)
        self.copy.mkdir()
        self.place.rename(self.copy / "output")

    def put_back(self) -> None:
        if (self.copy / "output").is_dir():
            shutil.copytree(self.copy / "output", self.place)
        else:
            shutil.copy(self.copy / "output", self.place)


def how_long(shop: Shop, words: list[str], cache: str, dice: random.Random) -> float:
    """How long a build takes at most, in seconds."""
    seconds = []
    for _ in range(3):
        clear(shop, cache, dice)
        seconds.append(shop.build(*words).seconds)
    return max(seconds) * 1.1


def killed(table, shop: Shop, expected: str, rounds: int) -> None:
    """kill -9 at moments spread over the whole time that a build takes: the output has the old image, or the new one."""
    for output in OUTPUTS:
        words, place = where(shop, output)
        older = Older(shop, output)
        for cache in CACHES:
            dice = random.Random(f"{output} {cache}")
            length = how_long(shop, words, cache, dice)
            wrong, tried, stopped, whole = [], 0, 0, 0
            # Where too many were done before they were killed, more are tried.
            for number in range(5 * rounds):
                if number >= rounds and stopped >= rounds // 3:
                    break
                tried += 1
                clear(shop, cache, dice)
                older.put_back()
                process = shop.start(*words)
                time.sleep(length * (number % rounds + dice.random()) / rounds)
                if process.poll() is None:
                    stopped += 1
                else:
                    # Measured at a busier moment than this one.
                    length *= 0.9
                process.kill()
                process.wait()
                found = read(output, place)
                whole += found == expected
                if found not in (older.digest, expected):
                    wrong.append(f"round {number}: neither the old image nor the new one: {found}")
                again = shop.build(*words)
                if again.digest != expected or read(output, place) != expected:
                    wrong.append(f"round {number}: the next build: {again.told()}")
                wrong += [f"round {number}: {name} is left" for name in shop.leftovers()]
            # A sweep in which nothing was killed, or nothing was finished, has looked at one end only.
            if not rounds // 3 <= stopped:
                wrong.append(f"only {stopped} of {tried} builds were killed in time")
            fact = f"{stopped} of {tried} killed, {whole} had delivered"
            table.row("kill -9", f"{output}, {cache} cache", fact, ok=not wrong, detail="\n".join(wrong[:5]))


class Slow:
    """A build that can be met in the middle: it writes an archive into a pipe that nobody empties."""

    def __init__(self, shop: Shop, *words: str):
        self.shop = shop
        self.pipe = shop.folder / "pipe"
        os.mkfifo(self.pipe)
        (shop.folder / "tmp").mkdir(exist_ok=True)
        output = ["--output", f"archive:{self.pipe}", "--output", f"layout:{shop.folder}/after"]
        self.process = shop.start(*output, *words, env={"TMPDIR": f"{shop.folder}/tmp"})
        self.reader = os.open(self.pipe, os.O_RDONLY)
        # The first bytes are there: the build is in the middle of its delivery, and waits.
        os.read(self.reader, 512)

    def end(self, limit: float = HANGS) -> tuple[int, float]:
        """Waits for the end; gives the exit code and how long it took."""
        begun = time.monotonic()
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return -999, limit
        return self.process.returncode, time.monotonic() - begun

    def close(self) -> None:
        os.close(self.reader)
        self.pipe.unlink()
        shutil.rmtree(self.shop.folder / "after", ignore_errors=True)


def signals(table, shop: Shop, expected: str) -> None:
    """Whoever asks a build to end is obeyed, and nothing is left behind."""
    cases = [("SIGINT", [signal.SIGINT], 130), ("SIGINT twice", [signal.SIGINT] * 2, 130),
             ("SIGTERM", [signal.SIGTERM], 143), ("SIGHUP", [signal.SIGHUP], 129)]
    for name, numbers, code in cases:
        for words in ([], ["--no-cache"]):
            slow = Slow(shop, *words)
            for number in numbers:
                slow.process.send_signal(number)
            found, seconds = slow.end()
            left = shop.leftovers() + [str(file) for file in (shop.folder / "after",) if file.exists()]
            slow.close()
            # Nobody empties the pipe: a build that does not obey never ends.
            ok = found == code and not left
            what = " ".join(["while it delivers", *words])
            table.row(name, what, f"{found} after {seconds:.2f} s", ok=ok, detail=f"left: {left}")
    waiting(table, shop, cases)
    interrupted_while_reading(table, shop, expected)
    interrupted_anywhere(table, shop, expected)
    stopped(table, shop, expected)
    unread(table, shop, expected)


def waiting(table, shop: Shop, cases: list) -> None:
    """A build that waits for a server, which never answers."""
    for name, numbers, code in cases:
        with socket.create_server(("127.0.0.1", 0)) as server:
            mirror = f"http://127.0.0.1:{server.getsockname()[1]}/debian"
            process = subprocess.Popen([shop.program, "build", shop.folder / "project", "--mirror", mirror], env=shop.variables(),
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            connection, _ = server.accept()
            connection.recv(100)
            for number in numbers:
                process.send_signal(number)
            found = process.wait(HANGS)
            connection.close()
        left = shop.leftovers()
        table.row(name, "while it waits for a server", f"exit code {found}", ok=found == code and not left, detail=f"left: {left}")


def interrupted_while_reading(table, shop: Shop, expected: str) -> None:
    """A project whose reading takes long: whoever interrupts need not wait for its end."""
    large = shop.folder / "project/large"
    with large.open("wb") as file:
        # Minutes of work, so that only one who obeys ends soon.
        file.truncate(500 << 30)
    process = shop.start()
    while process.poll() is None and not is_open(process, large):
        time.sleep(0.02)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    code = process.wait(HANGS)
    seconds = time.monotonic() - begun
    large.unlink()
    left = shop.leftovers()
    found = f"{code} after {seconds:.2f} s"
    table.row("SIGINT", "while it reads 500 GiB", found, ok=code == 130 and seconds < 60 and not left, detail=f"left: {left}")


def is_open(process: subprocess.Popen, file: Path) -> bool:
    try:
        return any(entry.readlink() == file for entry in Path(f"/proc/{process.pid}/fd").iterdir())
    except FileNotFoundError:
        return False


def interrupted_anywhere(table, shop: Shop, expected: str) -> None:
    """SIGTERM at any moment: either the build was done, or it says that it was not."""
    words, place = where(shop, "layout")
    dice = random.Random(15)
    length = how_long(shop, words, "cold", dice)
    codes, wrong = {}, []
    for number in range(20):
        clear(shop, "cold", dice)
        process = shop.start(*words)
        # Before main() nobody listens yet, and the system's own way of ending a process is as good.
        time.sleep(0.02 + length * number / 20)
        process.terminate()
        code = process.wait(HANGS)
        codes[code] = codes.get(code, 0) + 1
        left = shop.leftovers()
        is_there = place.exists()
        # Between the delivery and the end of the process there is a moment, too.
        if code not in (0, 143, -signal.SIGTERM) or left or (code == 0 and not is_there) or (is_there and read("layout", place) != expected):
            wrong.append(f"round {number}: exit code {code}, output there: {place.exists()}, left: {left}")
    table.row("SIGTERM", "20 moments, cold cache", f"{codes}", ok=not wrong, detail="\n".join(wrong))


def stopped(table, shop: Shop, expected: str) -> None:
    """SIGSTOP, a pause, SIGCONT: as if nothing had been."""
    words, place = where(shop, "layout")
    clear(shop, "cold", random.Random(1))
    process = shop.start(*words, stdout=subprocess.PIPE, text=True)
    for _ in range(4):
        time.sleep(0.02)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.3)
        process.send_signal(signal.SIGCONT)
    digest = process.communicate(timeout=HANGS)[0].strip()
    table.row("SIGSTOP, SIGCONT", "4 times, cold cache", digest[7:19], ok=digest == expected == read("layout", place))


def unread(table, shop: Shop, expected: str) -> None:
    """A reader that goes away: of the archive, that is a failure; of the digest or the progress, it is its own affair."""
    slow = Slow(shop)
    slow.process.stderr, slow.process.stdout = None, None
    os.close(slow.reader)
    code, _ = slow.end()
    slow.reader = os.open(os.devnull, os.O_RDONLY)
    slow.close()
    table.row("SIGPIPE", "the reader of an archive goes", f"exit code {code}", ok=code == 141)
    for stream in ("stdout", "stderr"):
        words, place = where(shop, "layout")
        clear(shop, "warm", random.Random(1))
        reader, writer = os.pipe()
        os.close(reader)
        process = shop.start(*words, "--progress", "plain", **{stream: writer})
        os.close(writer)
        code = process.wait(HANGS)
        ok = code == 0 and read("layout", place) == expected
        table.row("SIGPIPE", f"the reader of {stream} is gone", f"exit code {code}", ok=ok)


def together(table, shop: Shop, expected: str) -> None:
    """Several builds at once on one cache, one of them killed: each gives its digest, and none waits for another."""
    others = {}
    for number in (1, 2):
        other = Shop(shop.folder / f"other-{number}", shop.program)
        (other.folder / "project/src/shop/words.txt").write_text(f"shop {number}\n")
        others[other] = other.build("--output", f"layout:{other.folder}/first").digest
    for count, is_mixed in ((2, False), (8, False), (8, True)):
        for kill in (False, True):
            clear(shop, "cold", random.Random(1))
            shops = [shop, *others] if is_mixed else [shop]
            begun = time.monotonic()
            running = []
            for number in range(count):
                one = shops[number % len(shops)]
                output = ["--output", f"layout:{shop.folder}/out/{number}"] if number % 2 else [
                    "--output", f"layout:{shop.folder}/out/same-{number % len(shops)}"]
                process = one.start(*output, env={"WAIN_CACHE_DIR": f"{shop.folder}/store"},
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                running.append((one, process))
            if kill:
                time.sleep(0.15)
                running[0][1].kill()
            wrong = []
            for number, (one, process) in enumerate(running):
                out, err = process.communicate(timeout=HANGS)
                wanted = expected if one is shop else others[one]
                if out.strip() != wanted and not (kill and number == 0):
                    wrong.append(f"build {number}: exit code {process.returncode}: {out}{err}")
            seconds = time.monotonic() - begun
            words, place = where(shop, "layout")
            # A draft that the killed one left beside the pins is swept when they are written again.
            for one in shops:
                (one.folder / "project/wain.lock").unlink(missing_ok=True)
                if one.build(*words).digest != (expected if one is shop else others[one]):
                    wrong.append("the next build is another")
            if shop.build(*words).digest != expected or read("layout", place) != expected:
                wrong.append("the next build is another")
            wrong += [f"{name} is left" for name in shop.leftovers()]
            what = f"{count} builds of {len(shops)} projects" + (", one killed" if kill else "")
            table.row("at once", what, f"{seconds:.1f} s", ok=not wrong, detail="\n".join(wrong))
