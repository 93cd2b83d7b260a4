"""A small project with made wheels and a made base: a build of it needs no network and takes a moment."""

import base64
import hashlib
import io
import json
import os
import random
import resource
import subprocess
import tarfile
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

PLATFORM = "linux/amd64"
# What takes so many seconds hangs: far longer than anything here takes on a loaded machine.
HANGS = 600


@dataclass
class Ran:
    """What a program left behind; `code` is negative when a signal ended it."""

    code: int
    out: str
    err: str
    seconds: float
    processor_seconds: float

    @property
    def digest(self) -> str:
        return self.out.strip() if self.code == 0 else ""

    def told(self) -> str:
        return f"exit code {self.code} after {self.seconds:.1f} s\n{self.out}{self.err}"


class Shop:
    """A folder with `project`, `wheels`, `base`, `home`, and `store` once something was built."""

    def __init__(self, folder: Path, program: Path, noise: int = 400_000):
        self.folder = folder
        self.program = program
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "home").mkdir()
        make_base(folder / "base")
        make_project(folder / "project", folder / "wheels", noise)

    @classmethod
    def of(cls, folder: Path, program: Path) -> "Shop":
        """The same folder, with another program."""
        shop = cls.__new__(cls)
        shop.folder, shop.program = folder, program
        return shop

    def words(self, *more: str) -> list[str]:
        """The command line of a build, with absolute paths."""
        base = ["--base", f"layout:{self.folder}/base", "--find-links", f"{self.folder}/wheels", "--no-index"]
        return [str(self.program), "build", f"{self.folder}/project", "--platform", PLATFORM, *base, *more]

    def variables(self, **more: str | None) -> dict[str, str]:
        """An environment that says nothing about this machine; `None` takes a variable away."""
        known = {"HOME": f"{self.folder}/home", "WAIN_CACHE_DIR": f"{self.folder}/store", "PATH": os.environ["PATH"]}
        return {name: value for name, value in {**known, **more}.items() if value is not None}

    def build(self, *more: str, env: dict | None = None, before: list[str] | None = None, **options) -> Ran:
        """Builds the project; `before` is a program that starts ours, with its arguments."""
        return run((before or []) + self.words(*more), env=self.variables(**(env or {})), cwd=self.folder, **options)

    def start(self, *more: str, env: dict | None = None, before: list[str] | None = None, **options) -> subprocess.Popen:
        """Begins to build the project, and says nothing."""
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        words = (before or []) + self.words(*more)
        return subprocess.Popen(words, env=self.variables(**(env or {})), cwd=self.folder, **{**quiet, **options})

    def leftovers(self) -> list[str]:
        """Unfinished work anywhere in the folder: what a run should have removed, or the next one."""
        found = []
        for folder, folders, files in os.walk(self.folder):
            inside = Path(folder).relative_to(self.folder)
            for name in folders + files:
                is_draft = name.startswith((".wain-", ".wain.", "wain-", "report.json."))
                if is_draft or (inside.name == "tmp" and inside.parent.name == "v1"):
                    found.append(str(inside / name))
        return found


def run(words: list[str], seconds: float = HANGS, **options) -> Ran:
    """Runs a program to its end; one that takes too long is killed and has the code -999."""
    begun, spent = time.monotonic(), processor_time()
    for stream in ("stdout", "stderr"):
        options.setdefault(stream, subprocess.PIPE)
    options.setdefault("stdin", subprocess.DEVNULL)
    with subprocess.Popen(words, **options) as process:
        try:
            out, err = process.communicate(timeout=seconds)
            code = process.returncode
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            code = -999
    text = [(part or b"").decode(errors="replace") for part in (out, err)]
    return Ran(code, *text, time.monotonic() - begun, processor_time() - spent)


def processor_time() -> float:
    """The seconds of processors that all programs had that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


# What a reader of the outputs finds.


def check_layout(folder: Path) -> str:
    """Reads every byte of a layout with one image, and gives its digest; raises when anything is not as it says."""
    return check_image(lambda name: (folder / name).read_bytes())


def check_archive(file: Path) -> str:
    """The same for an archive."""
    with tarfile.open(file, "r:") as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
    return check_image(lambda name: members[name])


def check_image(read) -> str:
    def blob(descriptor: dict) -> bytes:
        found = read(f"blobs/{descriptor['digest'].replace(':', '/')}")
        if len(found) != descriptor["size"] or f"sha256:{hashlib.sha256(found).hexdigest()}" != descriptor["digest"]:
            raise ValueError(f"{descriptor['digest']} has other bytes")
        return found

    if json.loads(read("oci-layout"))["imageLayoutVersion"] != "1.0.0":
        raise ValueError("this is no layout")
    (top,) = {entry["digest"]: entry for entry in json.loads(read("index.json"))["manifests"]}.values()
    manifest = json.loads(blob(top))
    diff_ids = json.loads(blob(manifest["config"]))["rootfs"]["diff_ids"]
    for layer, diff_id in zip(manifest["layers"], diff_ids, strict=True):
        tar = unpack(blob(layer))
        if f"sha256:{hashlib.sha256(tar).hexdigest()}" != diff_id:
            raise ValueError(f"{layer['digest']} unpacks to something else than {diff_id}")
        with tarfile.open(fileobj=io.BytesIO(tar)) as entries:
            entries.getmembers()
    return top["digest"]


def unpack(layer: bytes) -> bytes:
    """The tar of a layer that is compressed or not."""
    if not layer.startswith(b"\x1f\x8b"):
        return layer
    stream = zlib.decompressobj(wbits=31)
    tar = stream.decompress(layer)
    if not stream.eof or stream.unused_data:
        raise ValueError("a layer is not one gzip member")
    return tar


def layers(folder: Path) -> list[bytes]:
    """The tars of all blobs of a layout that are layers."""
    found = []
    for file in sorted((folder / "blobs/sha256").iterdir()):
        content = file.read_bytes()
        if not content.startswith(b"{"):
            found.append(unpack(content))
    return found


# What is built.


def noise(length: int, seed: int = 1) -> bytes:
    """Bytes that do not get smaller, the same on every machine."""
    return random.Random(seed).randbytes(length)


def make_project(project: Path, wheels: Path, length: int) -> None:
    words = "".join(f"{number} times {number} is {number * number}\n" for number in range(20_000)).encode()
    so = b"\x7fELF for x86_64" + noise(20_000, 2)
    made = [
        make_wheel(wheels, "greet", "py3-none-any", {
            "greet/__init__.py": b"def main():\n    print('hello')\n",
            "greet/words.txt": words,
            "greet-1.0.dist-info/entry_points.txt": b"[console_scripts]\ngreet = greet:main\n",
        }),
        make_wheel(wheels, "noise", "py3-none-any", {"noise/__init__.py": b"", "noise/data.bin": noise(length)}),
        make_wheel(wheels, "fast", "cp313-cp313-manylinux_2_17_x86_64", {"fast/__init__.py": b"", "fast/_fast.so": so}),
    ]
    lock = 'lock-version = "1.0"\ncreated-by = "tests"\n'
    for name, file in made:
        content = file.read_bytes()
        lock += f'\n[[packages]]\nname = "{name}"\nversion = "1.0"\n[[packages.wheels]]\nname = "{file.name}"\n'
        lock += f'path = "../wheels/{file.name}"\nsize = {len(content)}\n'
        lock += f'hashes = {{ sha256 = "{hashlib.sha256(content).hexdigest()}" }}\n'
    write(project / "pylock.toml", lock.encode())
    dependencies = json.dumps([name for name, _ in made])
    write(project / "pyproject.toml", (
        f'[project]\nname = "shop"\nversion = "1.0"\nrequires-python = ">=3.13"\ndependencies = {dependencies}\n'
        '[project.scripts]\nshop = "shop:main"\n').encode())
    write(project / "src/shop/__init__.py", b"import greet\n\ndef main():\n    greet.main()\n")
    write(project / "src/shop/words.txt", words)
    write(project / "src/shop/noise.bin", noise(length // 2, 3))
    write(project / "run.sh", b"#!/bin/sh\nexec shop\n", 0o755)
    (project / "words").symlink_to("src/shop/words.txt")


def make_wheel(folder: Path, name: str, tag: str, members: dict[str, bytes]) -> tuple[str, Path]:
    """Writes a wheel with this Python's zlib; metadata and RECORD come by themselves."""
    info = f"{name}-1.0.dist-info"
    pure = "true" if tag.endswith("-none-any") else "false"
    members = dict(members)
    members[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
    wheel = f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: {pure}\nTag: {tag}\n"
    members[f"{info}/WHEEL"] = wheel.encode()
    record = ""
    for path, content in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(content)}\n"
    members[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(file, "w") as archive:
        for path, content in members.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return name, file


def make_base(folder: Path, more: dict[str, bytes] | None = None) -> None:
    """An OCI layout that looks like an image with Python 3.13, and more files; nothing in it can be run."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        def put(path: str, content: bytes = b"", link: str = "") -> None:
            member = tarfile.TarInfo(path)
            member.mode, member.size = 0o755, len(content)
            if link:
                member.type, member.linkname = tarfile.SYMTYPE, link
            archive.addfile(member, io.BytesIO(content))

        put("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
        put("etc/os-release", b'PRETTY_NAME="A base for tests"\n')
        put("usr/bin/python3.13", b"\x7fELF not really")
        put("usr/bin/python3", link="python3.13")
        libc = b"\x7fELF\0GNU C Library (Debian GLIBC 2.41-1) stable release version 2.41.\n\0"
        put("usr/lib/x86_64-linux-gnu/libc.so.6", libc)
        for path, content in (more or {}).items():
            put(path, content)

    def blob(media_type: str, content: bytes, **more) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        write(folder / f"blobs/sha256/{digest}", content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content), **more}

    kind = "application/vnd.oci.image"
    layer = blob(f"{kind}.layer.v1.tar", tar.getvalue())
    config = blob(f"{kind}.config.v1+json", json.dumps({
        "architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}).encode())
    manifest = json.dumps({"schemaVersion": 2, "mediaType": f"{kind}.manifest.v1+json", "config": config, "layers": [layer]})
    name = {"org.opencontainers.image.ref.name": "python"}
    entry = blob(f"{kind}.manifest.v1+json", manifest.encode(), annotations=name,
                 platform={"os": "linux", "architecture": "amd64"})
    write(folder / "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    write(folder / "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())


def write(path: Path, content: bytes, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
