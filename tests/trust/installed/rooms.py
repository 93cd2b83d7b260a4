"""Unpacked root file systems, and programs run in them.

A room is what `umoci` unpacked from an image. Programs see it as `/`, with `/proc` and `/dev`, the tools and the wheels
mounted into it, and no network at all.
"""

import os
import shutil
import subprocess
from pathlib import Path

ENTER = """
set -e
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
mount --bind "$1" "$0/tools"
mount --bind "$2" "$0/wheels"
root=$0
shift 2
exec chroot "$root" "$@"
"""
ENVIRONMENT = "app/.venv"


class Room:
    """A root file system; `/tools` and `/wheels` lead out of it. One of another processor has an emulator, seen from inside."""

    def __init__(self, root: Path, tools: Path, wheels: Path, emulator: str | None = None):
        self.root, self.tools, self.wheels = root, tools, wheels
        self.emulator = [emulator] if emulator else []
        for name in ("proc", "dev", "tmp", "tools", "wheels"):
            (root / name).mkdir(exist_ok=True)

    @property
    def environment(self) -> Path:
        return self.root / ENVIRONMENT

    def run(self, *words: str) -> subprocess.CompletedProcess:
        """Runs a program to its end. The namespaces go with it, and so do the mounts."""
        enter = ["unshare", "--mount", "--pid", "--fork", "--net", "--kill-child"]
        if os.getuid() != 0:
            enter.append("--map-root-user")
        environment = {
            "PATH": f"/{ENVIRONMENT}/bin:/usr/bin:/bin",
            "HOME": "/tmp",
            "LANG": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
        }
        return subprocess.run(
            [*enter, "sh", "-c", ENTER, self.root, self.tools, self.wheels, *self.emulator, *words],
            env=environment | {"PATH": environment["PATH"] + ":/usr/sbin:/sbin"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            umask=0o022,
        )

    def do(self, *words: str) -> str:
        """Runs a program that has to go well, and gives what it printed."""
        ran = self.run(*words)
        if ran.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")
        return ran.stdout

    def pip(self, *words: str) -> subprocess.CompletedProcess:
        """pip of `/tools` at work on the environment, in which it is not installed."""
        return self.run(f"/{ENVIRONMENT}/bin/python", "/tools/pip/__pip-runner__.py", *words)

    def clear(self) -> None:
        shutil.rmtree(self.environment, ignore_errors=True)


def uv_makes(room: Room) -> None:
    """Makes an environment with uv."""
    room.clear()
    python = ["--python", "/usr/bin/python3.11", "--no-python-downloads"]
    room.do("/tools/uv", "venv", "--quiet", "--offline", "--no-cache", *python, f"/{ENVIRONMENT}")


def uv_adds(room: Room, machine: str | None) -> None:
    """Has uv install the requirements of `/wheels`; for another processor, if one is named."""
    foreign = ["--python-platform", f"{machine}-manylinux_2_36"] if machine else []
    room.do(
        "/tools/uv", "pip", "install", "--quiet", "--offline", "--no-cache", "--no-index", "--find-links", "/wheels",
        "--no-deps", "--require-hashes", "--link-mode", "copy", "--python", f"/{ENVIRONMENT}/bin/python",
        *foreign, "--requirement", "/wheels/requirements.txt",
    )  # fmt: skip


def venv_makes(room: Room) -> None:
    """Makes an environment with the standard library's venv."""
    room.clear()
    room.do("/usr/bin/python3.11", "-m", "venv", "--without-pip", f"/{ENVIRONMENT}")


def pip_adds(room: Room) -> None:
    """Has pip install the requirements of `/wheels`."""
    ran = room.pip(
        "install", "--quiet", "--no-cache-dir", "--no-index", "--find-links", "/wheels", "--no-deps",
        "--require-hashes", "--no-compile", "--requirement", "/wheels/requirements.txt",
    )  # fmt: skip
    if ran.returncode != 0:
        raise RuntimeError(f"pip install: exit code {ran.returncode}\n{ran.stdout}{ran.stderr}")
