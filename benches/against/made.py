"""Wheels and projects that are made, not fetched: many wheels, a large one, one of many files, a tree of many files.

Everything comes out the same each time.
"""

import base64
import hashlib
import io
import random
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

from images import Layout, sha256

MIB = 1 << 20
TIME = (2020, 2, 2, 0, 0, 0)
#: What the names of members of more than 4 GiB end with: their size is not known when they are begun.
LONG = "-zip64.bin"
#: What a member holds, part by part.
Parts = Callable[[], Iterator[bytes]]


def write_wheel(folder: Path, name: str, members: dict[str, tuple[Parts, int]], level: int = 6) -> Path:
    """Writes a wheel of members, each with its parts and its method (`zipfile.ZIP_DEFLATED` or `ZIP_STORED`)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    info = f"{name.replace('-', '_')}-1.0.dist-info"
    texts = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: made\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    for file, text in texts.items():
        members[file] = (lambda text=text: iter([text.encode()])), zipfile.ZIP_DEFLATED
    rows = []
    with zipfile.ZipFile(path, "w", compresslevel=level) as archive:
        for file, (parts, method) in members.items():
            digest, size = hashlib.sha256(), 0
            with archive.open(member(file, method, level), "w", force_zip64=file.endswith(LONG)) as out:
                for part in parts():
                    digest.update(part)
                    size += len(part)
                    out.write(part)
            value = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
            rows.append(f"{file},sha256={value},{size}\n")
        rows.append(f"{info}/RECORD,,\n")
        archive.writestr(member(f"{info}/RECORD", zipfile.ZIP_DEFLATED, level), "".join(rows))
    return path


def member(name: str, method: int, level: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, TIME)
    info.compress_type, info.external_attr = method, 0o644 << 16
    info._compresslevel = level  # As `writestr` sets it; `open` has no argument for it.
    return info


def text_of(number: int) -> bytes:
    """A small module; every one is another."""
    function = "def function_{0}_{1}(value):\n    return value * {1} + {0}\n\n"
    return "".join(function.format(number, line) for line in range(12)).encode()


def many_wheels(folder: Path, count: int) -> list[Path]:
    """Small wheels of ten modules each."""
    return [
        write_wheel(
            folder,
            f"made-{index:03}",
            {
                f"made_{index:03}/module_{file}.py": (
                    lambda number=index * 10 + file: iter([text_of(number)]),
                    zipfile.ZIP_DEFLATED,
                )
                for file in range(10)
            },
        )
        for index in range(count)
    ]


def large_wheel(folder: Path) -> Path:
    """About 2 GB: what does not compress, deflated and stored, and one member of more than 4 GiB that does."""
    noise = random.Random(7).randbytes(MIB)  # Repeats outside of the window of deflate.
    pattern = random.Random(8).randbytes(4096) * 256
    members = {
        "large/noise.bin": (lambda: (noise for _ in range(900)), zipfile.ZIP_DEFLATED),
        "large/stored.bin": (lambda: (noise for _ in range(1000)), zipfile.ZIP_STORED),
        f"large/long{LONG}": (lambda: (pattern for _ in range(4200)), zipfile.ZIP_DEFLATED),
    }
    return write_wheel(folder, "large", members, level=1)


def wheel_of_data(folder: Path, size: int) -> Path:
    """A wheel of one file that compresses to about half, as machine code does."""
    words = random.Random(9)
    vocabulary = [words.randbytes(words.randint(1, 12)) for _ in range(4000)]
    data = b"".join(words.choice(vocabulary) + words.randbytes(words.randint(0, 2)) for _ in range(size // 7))
    data = (data * 2)[:size]
    return write_wheel(folder, "data", {"data/lib.so": ((lambda: iter([data])), zipfile.ZIP_DEFLATED)})


def wheel_of_many_files(folder: Path, count: int) -> Path:
    """A wheel of many small modules, a thousand in each package."""
    members = {}
    for index in range(count):
        parts = lambda number=index: iter([b"value = %d\n" % number * 20])
        members[f"many/package_{index // 1000}/module_{index % 1000}.py"] = parts, zipfile.ZIP_DEFLATED
    return write_wheel(folder, "many", members, level=1)


def tree_of_many_files(folder: Path, count: int) -> None:
    """A project of many small files, a thousand in each folder."""
    write_project(folder, [])
    for index in range(count):
        parent = folder / f"data/{index // 1000}"
        if index % 1000 == 0:
            parent.mkdir(parents=True)
        (parent / f"{index % 1000}.txt").write_bytes(b"value = %d\n" % index * 20)


def write_project(folder: Path, wheels: list[Path]) -> None:
    """A project whose requirements are exactly these wheels."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "main.py").write_text('print("hello")\n')
    lines = []
    for wheel in sorted(wheels):
        name, version = wheel.name.split("-")[:2]
        lines.append(f"{name.replace('_', '-')}=={version} --hash=sha256:{sha256(wheel)}\n")
    (folder / "requirements.txt").write_text("".join(lines))
    (folder / "pyproject.toml").write_text('[project]\nname = "made"\nversion = "1"\nrequires-python = ">=3.11"\n')


#: What a C library says of itself, and what its version is read from.
LIBC = b"(Debian GLIBC 2.41-1) stable release version 2.41.\n\0"


def small_base(path: Path) -> Path:
    """A layout that looks like a Debian image with Python 3.13. Nothing in it can be run."""
    files = {
        "etc/os-release": b'PRETTY_NAME="A base for measurements"\n',
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n",
        "usr/bin/python3.13": b"\x7fELF not really",
        "usr/lib/x86_64-linux-gnu/libc.so.6": b"\x7fELF\0GNU C Library " + LIBC,
    }
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            header = tarfile.TarInfo(name)
            header.size, header.mode = len(data), 0o755
            archive.addfile(header, io.BytesIO(data))
        link = tarfile.TarInfo("usr/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, "python3.13"
        archive.addfile(link)
    layout = Layout(path)
    layout.blobs.mkdir(parents=True, exist_ok=True)
    layer = layout.put(tar.getvalue(), "application/vnd.oci.image.layer.v1.tar")
    config = {"architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/usr/bin:/bin"]}}
    config["rootfs"] = {"type": "layers", "diff_ids": [layer["digest"]]}
    layout.write([layer], config)
    return path
