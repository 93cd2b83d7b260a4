#!/usr/bin/env python3
"""What `system-packages` adds to an image of Debian equals what apt-get installs in it, file by file.

A base is made with debootstrap, as the official images are. Packages are added to it twice: by wain, to an image of it; by
apt-get, in a copy of it that `chroot` enters. Then the two trees are compared: paths, kinds, permissions, owners, contents.
Needs root, a Debian mirror, and about 2 GB of disk. Another release than bookworm: `system_packages.py trixie`.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from common import Table, need, wain, workshop

SETS = [
    ["libgl1", "libglib2.0-0"],
    ["libgomp1", "libpq5", "libmagic1"],
    ["procps", "curl", "git"],
    ["libtirpc3", "libblas3", "liblapack3"],
    ["poppler-utils", "fonts-dejavu-core"],
    ["ffmpeg"],
]
# What apt and dpkg write that says nothing about the packages, and what a container runtime mounts over.
NOT_COMPARED = ("app", "dev", "etc/apt", "etc/hosts", "etc/resolv.conf", "proc", "run", "sys", "tmp", "var/cache/apt", "var/lib/apt", "var/log")
# Differences with their reason; `?` stands for one component.
EXPECTED = {
    r"etc/ld\.so\.cache": "without the name of the program that wrote it; what ldconfig prints is compared",
    r"var/lib/dpkg/status": "fields in another order; what dpkg-query prints is compared",
    r"var/lib/dpkg/(status-old|lock|lock-frontend|triggers/(Lock|Unincorp))": "what dpkg keeps for itself",
    r"etc/rc.\.d/.*": "made by update-rc.d in a maintainer script",
    r"var/cache/(debconf|fontconfig|ldconfig)(/.*)?": "caches that maintainer scripts fill",
    r"usr/lib/[^/]+/gdk-pixbuf-2.0/2.10.0/loaders.cache": "made by a maintainer script",
    r"usr/share/glib-2.0/schemas/gschemas.compiled": "made by a trigger",
    r"usr/lib/[^/]+/gio/modules/giomodule.cache": "made by a trigger",
    r"usr/share/mime/.*": "made of its packages by a maintainer script",
    r"usr/local/share/fonts": "made by a maintainer script",
    r"etc/fonts/conf.d/.*": "links that a maintainer script makes",
    r"var/lib/(fontconfig|systemd|ucf|dbus).*": "state of maintainer scripts",
    r"etc/(passwd|group|shadow|gshadow|subuid|subgid)-?": "accounts that maintainer scripts add",
}


def image(root: Path, layout: Path) -> None:
    """Writes an image of a tree."""
    (layout / "blobs/sha256").mkdir(parents=True)

    def put(content: bytes, media_type: str) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        (layout / "blobs/sha256" / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    words = ["tar", "-C", root, "--numeric-owner", "--sort=name", "--exclude=./dev/*", "--exclude=./proc/*", "-c", "."]
    tar = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout
    oci = "application/vnd.oci.image."
    layer = put(gzip.compress(tar, 1, mtime=0), oci + "layer.v1.tar+gzip")
    architecture = subprocess.run(["dpkg", "--print-architecture"], stdout=subprocess.PIPE, text=True, check=True)
    config = {
        "architecture": architecture.stdout.strip(),
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]},
    }
    config = put(json.dumps(config).encode(), oci + "config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": config, "layers": [layer]}
    manifest = put(json.dumps(manifest).encode(), oci + "manifest.v1+json")
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))


def tree(root: Path) -> dict:
    """Every path with all that is compared of it."""
    found = {}
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if str(here / name) not in NOT_COMPARED]
        for name in folders + files:
            path = Path(folder) / name
            if str(here / name) in NOT_COMPARED:
                continue
            status = path.lstat()
            mode, owner = oct(stat.S_IMODE(status.st_mode)), (status.st_uid, status.st_gid)
            if stat.S_ISLNK(status.st_mode):
                fact = ("link", os.readlink(path))
            elif stat.S_ISREG(status.st_mode):
                content = path.read_bytes()
                if path.match("var/lib/dpkg/triggers/*"):
                    # One line for each interest, in the order in which packages were installed.
                    content = b"".join(sorted(content.splitlines(keepends=True)))
                fact = ("file", mode, owner, hashlib.sha256(content).hexdigest())
            else:
                fact = ("folder", mode, owner)
            found[str(here / name)] = fact
    return found


def said(root: Path, *words: str) -> str:
    """What a program in a tree prints, sorted."""
    ran = subprocess.run(["chroot", root, *words], stdout=subprocess.PIPE, text=True, check=True)
    return "\n".join(sorted(line for line in ran.stdout.splitlines() if "Cache generated by" not in line))


def differences(ours: Path, theirs: Path) -> tuple[list[str], int]:
    one, other = tree(ours), tree(theirs)
    wrong, allowed = [], 0
    for path in sorted(one.keys() | other.keys()):
        if one.get(path) == other.get(path):
            continue
        if any(re.fullmatch(pattern, path) for pattern in EXPECTED):
            allowed += 1
            continue
        wrong.append(f"{path}: {one.get(path)} by wain, {other.get(path)} by apt")
    fields = "${binary:Package} ${Version} ${Status} ${Conffiles} ${Depends} ${Provides} ${Description}\n"
    for words in (["dpkg-query", "-W", "-f", fields], ["/sbin/ldconfig", "-p"], ["dpkg", "--audit"]):
        if said(ours, *words) != said(theirs, *words):
            wrong.append(f"{' '.join(words[:2])} prints something else")
    return wrong, allowed


def main() -> None:
    need("debootstrap", "umoci", "chroot")
    if os.geteuid() != 0:
        sys.exit("only root can make a Debian and enter it")
    suite = sys.argv[1] if len(sys.argv) > 1 else "bookworm"
    mirror = os.environ.get("MIRROR", "http://deb.debian.org/debian")
    program = wain()
    table = Table(("packages", 44), ("added", 6), ("files", 7), ("differ as expected", 18))
    with workshop() as folder:
        root = folder / "root"
        words = ["debootstrap", "--variant=minbase", "--include=python3,ca-certificates", suite, root, mirror]
        log = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if log.returncode:
            sys.exit(f"debootstrap failed:\n{log.stdout[-2000:]}")
        sources = [f"deb {mirror} {suite} main", f"deb {mirror} {suite}-updates main"]
        sources.append(f"deb {mirror}-security {suite}-security main")
        (root / "etc/apt/sources.list").write_text("\n".join(sources) + "\n")
        for name in ("resolv.conf", "hosts"):
            shutil.copy(f"/etc/{name}", root / "etc" / name)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        # As a base that was built today: some packages want others of exactly their own version.
        for words in (["update", "-qq"], ["upgrade", "-y", "-qq"], ["clean"]):
            subprocess.run(["chroot", root, "apt-get", *words], env=environment, check=True, stdout=subprocess.DEVNULL)
        image(root, folder / "base")
        for number, packages in enumerate(SETS):
            if suite != "bookworm":
                packages = ["libglib2.0-0t64" if name == "libglib2.0-0" else name for name in packages]
            project, ours, theirs = folder / "project", folder / f"ours-{number}", folder / f"theirs-{number}"
            shutil.rmtree(project, ignore_errors=True)
            project.mkdir()
            (project / "main.py").write_text("")
            (project / "requirements.txt").write_text("")
            setting = f'base = "layout:{folder}/base"\nsystem-packages = {json.dumps(packages)}\n'
            (project / "wainwright.toml").write_text(setting)
            words = [program, "build", project, "--cache-dir", folder / "cache", "--mirror", mirror]
            words += ["--tag", "x:1", "--output", f"layout:{folder}/out-{number}", "--metadata-file", folder / "report"]
            built = subprocess.run(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            if built.returncode:
                table.row(" ".join(packages), "", "", "", ok=False, detail=built.stderr[-2000:])
                continue
            added = len(re.findall(r"^name = ", (project / "wain.lock").read_text(), re.MULTILINE))
            subprocess.run(["umoci", "unpack", "--image", f"{folder}/out-{number}:1", ours], check=True, stderr=subprocess.DEVNULL)
            subprocess.run(["cp", "-a", root, theirs], check=True)
            words = ["chroot", theirs, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
            installed = subprocess.run(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if installed.returncode:
                sys.exit(f"apt-get failed:\n{installed.stdout[-2000:]}")
            wrong, allowed = differences(ours / "rootfs", theirs)
            files = len(tree(ours / "rootfs"))
            table.row(" ".join(packages), added, files, allowed, ok=not wrong, detail="\n".join(wrong[:40]))
            for path in (ours, theirs, folder / f"out-{number}"):
                shutil.rmtree(path)
    table.finish()


if __name__ == "__main__":
    main()
