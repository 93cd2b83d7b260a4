"""What a project may hold: links, pipes, odd names, huge files, ignore files that nobody should have written."""

import io
import os
import shutil
import socket
import tarfile
import threading
import time
from pathlib import Path

from shop import Ran, Shop, check_layout, layers, write

NOBODY = 65534


class Tree:
    """A project of its own for every row."""

    def __init__(self, table, shop: Shop):
        self.table = table
        self.shop = shop
        self.project = shop.folder / "project"
        self.out = shop.folder / "out"
        self.clean = shop.folder / "clean"
        shutil.copytree(self.project, self.clean, symlinks=True)

    def fresh(self) -> Path:
        for path in (self.project, self.out):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(self.clean, self.project, symlinks=True)
        return self.project

    def build(self, **options) -> Ran:
        shutil.rmtree(self.out, ignore_errors=True)
        return self.shop.build("--output", f"layout:{self.out}", **options)

    def members(self) -> dict[str, tarfile.TarInfo]:
        """What stands below /app in the image that was built last."""
        check_layout(self.out)
        found = {}
        for layer in layers(self.out):
            with tarfile.open(fileobj=io.BytesIO(layer), encoding="utf-8", errors="surrogateescape") as archive:
                found |= {member.name.removeprefix("app/"): member for member in archive if member.name.startswith("app/")}
        return found

    def refused(self, name: str, where: str, *parts: str, code: int = 1, **options) -> None:
        """The build must fail with these parts in its message, and deliver nothing."""
        ran = self.build(**options)
        ok = ran.code == code and all(part in ran.err for part in parts) and not self.out.exists() and clean(ran.err)
        self.table.row(name, where, f"exit code {ran.code}, {ran.seconds:.1f} s", ok=ok, detail=ran.told())

    def taken(self, name: str, where: str, check=lambda members: True, part: str = "", **options) -> str:
        """The build must go well; `check` looks at what is below /app."""
        ran = self.build(**options)
        ok = ran.code == 0 and part in ran.err and clean(ran.err) and check(self.members())
        self.table.row(name, where, f"exit code {ran.code}, {ran.seconds:.1f} s", ok=ok, detail=ran.told())
        return ran.digest


def clean(text: str) -> bool:
    """Whether a text leaves a terminal alone, and holds no panic."""
    harmful = any(letter < " " and letter not in "\n\t" for letter in text) or any(bidi in text for bidi in "\u202e\u2066\u200f")
    return not harmful and "panicked" not in text and "bug:" not in text


def all_rows(table, shop: Shop, expected: str, short: bool) -> None:
    tree = Tree(table, shop)
    links(tree, expected)
    special(tree)
    changing(tree)
    names(tree)
    metadata(tree, expected)
    junk(tree, expected)
    ignore_files(tree)
    settings(tree)
    large(tree, short)


def links(tree: Tree, expected: str) -> None:
    project = tree.fresh()
    (project / "src/inside").symlink_to("../run.sh")
    tree.taken("link", "to a file inside", lambda found: found["src/inside"].linkname == "../run.sh")
    for target in ("/etc/passwd", "../../../etc/passwd", "src/../../outside"):
        project = tree.fresh()
        (project / "out-link").symlink_to(target)
        tree.refused("link", f"to {target}", "out-link", target, "hint: ")
    project = tree.fresh()
    (project / "loop").symlink_to("loop")
    (project / "up").symlink_to(".")
    tree.taken("link", "loops", lambda found: found["loop"].issym() and found["up"].linkname == ".")
    project = tree.fresh()
    (project / "one").write_text("same")
    (project / "two").write_text("same")
    copies = tree.taken("hard links", "as copies")
    (project / "two").unlink()
    os.link(project / "one", project / "two")
    linked = tree.build().digest
    tree.table.row("hard links", "the same digest as copies", linked[7:19], ok=linked == copies != "")


def special(tree: Tree) -> None:
    project = tree.fresh()
    os.mkfifo(project / "src/pipe")
    tree.refused("special file", "named pipe", "src/pipe", "named pipe", "hint: ")
    project = tree.fresh()
    os.mkfifo(project / "pylock.toml.pipe")
    (project / "pylock.toml").unlink()
    (project / "pylock.toml.pipe").rename(project / "pylock.toml")
    tree.refused("special file", "the lockfile is a pipe", "`pylock.toml` is a named pipe", "hint: ")
    for name in ("pyproject.toml", ".gitignore", ".dockerignore", "wainwright.toml", "wain.lock"):
        project = tree.fresh()
        (project / name).unlink(missing_ok=True)
        os.mkfifo(project / name)
        ran = tree.build()
        # A `.gitignore` that is no file is none; everything else is read.
        ok = ran.code == (0 if name == ".gitignore" else 1) and clean(ran.err)
        tree.table.row("special file", f"{name} is a pipe", f"exit code {ran.code}", ok=ok, detail=ran.told())
    project = tree.fresh()
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(project)
        listener.bind("socket")
        os.chdir("/")
        tree.refused("special file", "socket", "socket", "hint: ")
    if os.geteuid() == 0:
        project = tree.fresh()
        os.mknod(project / "zero", 0o666 | 0o020000, os.makedev(1, 5))
        tree.refused("special file", "device", "zero", "device", "hint: ")
    if os.geteuid() == 0:
        unreadable(tree)


def unreadable(tree: Tree) -> None:
    """Files and folders that this user may not read. Root may read all, so this is somebody else."""
    program = tree.shop.folder / "wain"
    shutil.copy(tree.shop.program, program)
    for name in ("src/shop/words.txt", "src/shop"):
        project = tree.fresh()
        (project / name).chmod(0)
        for path in [tree.shop.folder.parent, tree.shop.folder, *tree.shop.folder.rglob("*")]:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        before, tree.shop.program = tree.shop.program, program
        become = lambda: (os.setgid(NOBODY), os.setuid(NOBODY))
        tree.refused("may not be read", name, f"project/{name}", "hint: ", code=3, preexec_fn=become)
        tree.shop.program = before
        for path in [tree.shop.folder.parent, tree.shop.folder, *tree.shop.folder.rglob("*")]:
            os.chown(path, 0, 0, follow_symlinks=False)


def changing(tree: Tree) -> None:
    """Files that are written to while they are read: an error, or an image that holds one state of them."""
    for what in ("grows", "shrinks", "is replaced", "vanishes"):
        found = {}
        for _ in range(12):
            project = tree.fresh()
            file = project / "src/changing.bin"
            file.write_bytes(bytes(4_000_000))
            stop = threading.Event()

            def change() -> None:
                while not stop.is_set():
                    try:
                        if what == "grows":
                            with file.open("ab") as out:
                                out.write(b"x" * 1000)
                        elif what == "shrinks":
                            os.truncate(file, max(os.path.getsize(file) - 1000, 0))
                        elif what == "is replaced":
                            (project / ".wain-new").write_bytes(os.urandom(8) * 500_000)
                            (project / ".wain-new").rename(file)
                        else:
                            file.unlink(missing_ok=True)
                            file.write_bytes(bytes(4_000_000))
                    except FileNotFoundError:
                        return

            thread = threading.Thread(target=change)
            thread.start()
            ran = tree.build()
            stop.set()
            thread.join()
            if ran.code == 0:
                tree.members()
                found["whole"] = found.get("whole", 0) + 1
            elif "src/changing.bin" in ran.err and clean(ran.err):
                found["refused"] = found.get("refused", 0) + 1
            else:
                found[ran.told()] = 1
        ok = set(found) <= {"whole", "refused"}
        summary = ", ".join(f"{count} {what}" for what, count in found.items()) if ok else "otherwise"
        tree.table.row("changing", f"a file {what}", summary, ok=ok, detail="\n".join(found))


def names(tree: Tree) -> None:
    for name in (".wh.words.txt", ".wh..wh..opq", ".wh.folder/x"):
        project = tree.fresh()
        write(project / "src" / name, b"x")
        tree.refused("name", name, ".wh.", "hint: ")
    odd = ["new\nline", "\x1b[31mred", "\u202ereversed", "\udcff\udcfe", "quote\"'`$(x)", " space ", "ü", "u\u0308", "back\\slash", "-rf"]
    project = tree.fresh()
    for name in odd:
        write(project / "src" / name, name.encode(errors="surrogateescape"))
    holds = lambda found: all(f"src/{name}" in found for name in odd)
    tree.taken("name", "newline, ESC, bidi, bytes, quotes", holds)
    project = tree.fresh()
    os.mkfifo(project / "src/\x1b[31m\n\u202epipe")
    tree.refused("name", "ESC and newline in a refusal", "named pipe")
    project = tree.fresh()
    for name in ("README", "readme", "caf\u00e9", "cafe\u0301"):
        write(project / "src" / name, name.encode())
    tree.taken("name", "two that differ by case, or by form", part="warning: ")
    project = tree.fresh()
    long = "/".join(["folder-" + "x" * 90] * 5)
    write(project / long / ("y" * 255), b"long")
    tree.taken("name", "of 735 bytes, a part of 255", lambda found: f"{long}/{'y' * 255}" in found)
    project = tree.fresh()
    os.chdir(project)
    for _ in range(30):
        os.mkdir("z" * 200)
        os.chdir("z" * 200)
    Path("deep").write_text("deep")
    os.chdir("/")
    ran = tree.build()
    # Longer than any path that the system takes in one piece.
    ok = ran.code in (0, 1, 3) and clean(ran.err) and "zzz" in (ran.err if ran.code else "zzz")
    tree.table.row("name", "of 6000 bytes", f"exit code {ran.code}", ok=ok, detail=ran.told())
    shutil.rmtree(project)


def metadata(tree: Tree, expected: str) -> None:
    project = tree.fresh()
    (project / "run.sh").chmod(0o6755)
    (project / "src").chmod(0o1777)
    os.utime(project / "run.sh", (-1_000_000_000, -1_000_000_000))
    os.utime(project / "pyproject.toml", (2**33, 2**33))
    try:
        os.setxattr(project / "run.sh", "user.secret", b"canary")
        os.setxattr(project / "run.sh", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    except OSError:
        # Not every file system has them.
        pass
    same = lambda found: found["run.sh"].mode == 0o755 and not any("SCHILY" in key for key in found["run.sh"].pax_headers)
    digest = tree.taken("metadata", "setuid, sticky, times, xattrs", same, part="warning: ")
    tree.table.row("metadata", "the digest without them", digest[7:19], ok=digest == expected)
    if os.geteuid() == 0:
        project = tree.fresh()
        os.chown(project / "run.sh", 3_000_000_000, 3_000_000_000)
        digest = tree.taken("metadata", "owner 3000000000", lambda found: found["run.sh"].uid == 0)
        tree.table.row("metadata", "the digest without it", digest[7:19], ok=digest == expected)


def junk(tree: Tree, expected: str) -> None:
    project = tree.fresh()
    for name in (".git/config", ".venv/pyvenv.cfg", "node_modules/x", "src/shop/__pycache__/x.pyc", ".env", "key.pem", "id_rsa",
                 ".wain/x", ".mypy_cache/x", "env/pyvenv.cfg", "env/bin/python",
                 # A build that was killed in the middle of an output, or is at work at this moment.
                 ".wain-a1B2c3", "data/.wain-d4E5f6/blobs/sha256/0"):
        write(project / name, b"-----BEGIN PRIVATE KEY-----\n")
    digest = tree.taken("junk and secrets", "13 of them", part=".env")
    tree.table.row("junk and secrets", "the digest without them", digest[7:19], ok=digest == expected)


def ignore_files(tree: Tree) -> None:
    nasty = "*a" * 200 + "b\n" + "**/" * 200 + "x\n" + "[a-z]" * 100 + "\n" + "(a+)+$\n"
    for name in (".gitignore", ".dockerignore"):
        project = tree.fresh()
        write(project / name, nasty.encode())
        write(project / ("a" * 250), b"x")
        write(project / ("a/" * 100 + "c"), b"x")
        ran = tree.build()
        ok = ran.code == 0 and ran.processor_seconds < 10
        tree.table.row("ignore file", f"{name}: catastrophic", f"{ran.code}, {ran.processor_seconds:.1f} s of processors", ok=ok, detail=ran.told())
        project = tree.fresh()
        write(project / name, b"fine\n" * 300_000)
        tree.refused("ignore file", f"{name}: 1.5 MB", name)
        project = tree.fresh()
        write(project / name, b"fine\nalso fine\n[z-a]\n")
        tree.refused("ignore file", f"{name}: bad in line 3", f"{name}:3")
        project = tree.fresh()
        write(project / name, b"fine\n\xff\xfe\n")
        tree.refused("ignore file", f"{name}: no UTF-8", name)


def settings(tree: Tree) -> None:
    bad = {
        "an unknown key": 'prots = [80]\n', "a wrong type": 'env = "x"\n', "a key twice": 'python = "3.13"\npython = "3.13"\n',
        "NUL": 'env = { A = "a\\u0000b" }\n', "deep nesting": "env = " + "[" * 10_000 + "\n", "a lone [": "[\n",
        "a number too large": "ports = [99999]\n", "a tag of 300 letters": f'user = "{"x" * 300}"\n',
        "an owner too large": 'user = "4294967296"\n', "50 MB": "# " + "x" * 50_000_000 + "\n",
    }
    for what, text in bad.items():
        project = tree.fresh()
        write(project / "wainwright.toml", text.encode())
        tree.refused("settings", what, "wainwright.toml")
    project = tree.fresh()
    write(project / "wainwright.toml", '\ufeffworkdir = "/app"\r\nlabels = { "a.b" = "$x \\"y\\" \\n" }\r\n'.encode())
    tree.taken("settings", "BOM, CRLF, quotes")
    for text in ("", "-1", "abc", "99999999999"):
        tree.fresh()
        tree.refused("SOURCE_DATE_EPOCH", repr(text), "SOURCE_DATE_EPOCH", code=2, env={"SOURCE_DATE_EPOCH": text})


def large(tree: Tree, short: bool) -> None:
    size = (256 << 20) if short else (4 << 30)
    project = tree.fresh()
    with (project / "src/sparse.bin").open("wb") as file:
        file.truncate(size)
    most = peak_memory(tree)
    tree.table.row("large", f"a sparse file of {size >> 20} MiB", f"{most >> 20} MiB of memory", ok=most < 200 << 20)
    project = tree.fresh()
    count = 5_000 if short else 100_000
    for number in range(count):
        write(project / f"many/{number % 1000}/{number}.txt", b"%d" % number)
    begun = time.monotonic()
    ran = tree.build()
    seconds = time.monotonic() - begun
    ok = ran.code == 0 and len(tree.members()) > count
    tree.table.row("large", f"{count} files", f"{count / seconds:.0f} a second", ok=ok, detail=ran.told())


def peak_memory(tree: Tree) -> int:
    """The most memory that a build had at a time, in bytes; without an output that would take as much disk."""
    shutil.rmtree(tree.out, ignore_errors=True)
    process = tree.shop.start("--output", f"layout:{tree.out}")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"exit code {process.returncode}")
    return usage.ru_maxrss * 1024
