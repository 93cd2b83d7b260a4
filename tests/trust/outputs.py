#!/usr/bin/env python3
"""Every output is taken by every reader people have, under the right name and with the right digest.

    python3 tests/trust/outputs.py

A small real project is built for one platform and for two; each row is one reader. The first run fetches packages, which
stay in `target/tmp/trust-store`. Wants root, for a Docker daemon of its own.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from common import ROOT, Table, need, wain, workshop

NAME = "docker.io/demo/hello:1"
SAYS = "Hello, world!\n"
PLATFORMS = ["linux/amd64", "linux/amd64,linux/arm64"]


class Wrong(Exception):
    """What a reader did, and what it should have done."""


def run(*words: object, stdin: object = subprocess.DEVNULL, env: dict | None = None) -> str:
    """What a program printed; a failure is told with its last words."""
    words = [str(word) for word in words]
    ran = subprocess.run(words, stdin=stdin, capture_output=True, text=True, env=env, timeout=600)
    if ran.returncode:
        raise Wrong(f"{' '.join(words)}\nexit code {ran.returncode}: {ran.stderr.strip()[-800:]}")
    return ran.stdout


def same(found: object, expected: object, what: str) -> None:
    if found != expected:
        raise Wrong(f"{what}: found {found!r}, expected {expected!r}")


@dataclass
class Image:
    """What was built: a layout and an archive, and the digests in them."""

    layout: Path
    archive: Path
    platforms: list[str]
    words: list[str]
    digest: str

    def document(self, digest: str) -> dict:
        return json.loads((self.layout / "blobs" / digest.replace(":", "/")).read_bytes())

    @property
    def config(self) -> str:
        """The digest of the config for this machine: what Docker and podman call an image."""
        manifest = self.document(self.digest)
        for entry in manifest.get("manifests", []):
            if entry["platform"]["architecture"] == "amd64":
                manifest = self.document(entry["digest"])
        return manifest["config"]["digest"]


def build(program: Path, folder: Path, platforms: str, tags: list[str]) -> Image:
    """Builds the project into a layout and an archive below `folder`."""
    folder.mkdir(parents=True)
    shutil.copytree(ROOT / "fixtures/projects/hello", folder / "hello")
    store = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "tmp/trust-store"
    words = [str(program), "build", str(folder / "hello"), "--cache-dir", str(store), "--platform", platforms]
    for tag in tags:
        words += ["--tag", tag]
    layout, archive = folder / "image", folder / "image.tar"
    out = run(*words, "--output", f"layout:{layout}", "--output", f"archive:{archive}")
    return Image(layout, archive, platforms.split(","), words, out.strip())


class Docker:
    """A daemon of its own, without a network."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.host = f"unix://{folder}/socket"
        self.env = {**os.environ, "DOCKER_HOST": self.host}
        self.log = (folder / "log").open("w")
        words = ["dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--host", self.host]
        words += ["--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_for("dockerd", lambda: self("version"))

    def __call__(self, *words: object, **options: object) -> str:
        return run("docker", *words, env=self.env, **options)

    def forget(self) -> None:
        if ids := self("images", "--quiet").split():
            self("image", "rm", "--force", *set(ids))

    def check(self, name: str, image: Image) -> None:
        short = name.removeprefix("docker.io/").removeprefix("library/")
        found = self("image", "inspect", "--format", "{{.Id}} {{.RepoTags}}", short).strip()
        same(found, f"{image.config} [{short}]", "docker inspect")
        same(self("run", "--rm", "--read-only", "--network=none", short), SAYS, "docker run")


def storage(program: str, folder: Path) -> list[object]:
    """Starts a command line of podman or buildah, with storage of its own: the kind without copies where that works."""
    words = [program, "--root", folder / "root", "--runroot", folder / "run", "--storage-driver"]
    try:
        run(*words, "overlay", "info")
        return [*words, "overlay"]
    except Wrong:
        shutil.rmtree(folder)
        return [*words, "vfs"]


class Podman:
    """Storage of its own."""

    def __init__(self, folder: Path):
        self.words = storage("podman", folder)

    def __call__(self, *words: object, **options: object) -> str:
        return run(*self.words, *words, **options)

    def forget(self) -> None:
        self("rmi", "--all", "--force")

    def check(self, name: str, image: Image) -> None:
        lines = self("images", "--no-trunc", "--format", "{{.ID}} {{.Repository}}:{{.Tag}}").split("\n")
        same(lines, [f"{image.config} {name}", ""], "podman images")


class Containerd:
    """containerd, with `ctr` to talk to it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.socket = folder / "socket"
        settings = f'version = 2\nroot = "{folder}/root"\nstate = "{folder}/state"\n'
        settings += 'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        settings += f'[grpc]\naddress = "{self.socket}"\n[ttrpc]\naddress = "{folder}/ttrpc"\n'
        (folder / "config.toml").write_text(settings)
        log = (folder / "log").open("w")
        words = ["containerd", "--config", str(folder / "config.toml")]
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("containerd", lambda: self("version"))

    def __call__(self, *words: object) -> str:
        return run("ctr", "--address", self.socket, *words)

    def forget(self) -> None:
        for name in self("images", "ls", "--quiet").split():
            self("images", "rm", "--sync", name)

    def check(self, name: str, image: Image) -> None:
        lines = self("images", "ls").strip().split("\n")[1:]
        same([line.split()[0::2][:2] for line in lines], [[name, image.digest]], "ctr images ls")
        same(self("images", "check", "--quiet").strip(), name, "ctr images check")


def wait_for(what: str, question: object) -> None:
    limit = time.monotonic() + 300
    while True:
        try:
            return question()
        except Wrong as error:
            if time.monotonic() > limit:
                sys.exit(f"{what} does not answer: {error}")
            time.sleep(0.1)


@contextmanager
def running(daemon: object):
    """Ends a daemon in any case, and lets go of what it mounted."""
    try:
        yield daemon
    finally:
        daemon.process.send_signal(signal.SIGTERM)
        daemon.process.wait(30)
        # A mount would keep the folder.
        subprocess.run(["umount", f"{daemon.folder}/exec/netns/default"], stderr=subprocess.DEVNULL)


def docker_load(docker: Docker, image: Image) -> None:
    docker("load", "--input", image.archive)
    docker.check(NAME, image)


def docker_pipe(docker: Docker, image: Image) -> None:
    """Standard output carries the archive and nothing else."""
    words = [*image.words, "--output", "archive:-", "--progress", "quiet"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as build:
        docker("load", stdin=build.stdout)
    same(build.returncode, 0, "wain build --output archive:-")
    docker.check(NAME, image)


def docker_from_us(docker: Docker, image: Image) -> None:
    run(*image.words, "--load", env=docker.env)
    docker.check(NAME, image)


def podman_load(podman: Podman, image: Image) -> None:
    podman("load", "--quiet", "--input", image.archive)
    podman.check(NAME, image)


def podman_pull(podman: Podman, image: Image) -> None:
    # It makes a name of the path, which has to be one that can be a name.
    source = f"oci:{os.path.relpath(image.layout)}:1"
    same("sha256:" + podman("pull", "--quiet", source).strip(), image.config, "podman pull")


def ctr_import(containerd: Containerd, image: Image) -> None:
    containerd("images", "import", "--all-platforms", image.archive)
    containerd.check(NAME, image)


def skopeo(folder: Path, source: str, image: Image) -> None:
    """Copies into another layout: every digest stays."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    words = ["--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests", source, f"oci:{copy}:1"]
    run("skopeo", *words)
    found = json.loads((copy / "index.json").read_bytes())["manifests"][0]["digest"]
    same(found, image.digest, "the digest of the copy")


def skopeo_docker(folder: Path, image: Image) -> None:
    """Docker's form has no manifest: what stays is the config, of the image for this machine."""
    copy = folder / "docker-copy"
    shutil.rmtree(copy, ignore_errors=True)
    run("skopeo", "--insecure-policy", "copy", "--quiet", f"docker-archive:{image.archive}", f"dir:{copy}")
    found = json.loads((copy / "manifest.json").read_bytes())["config"]["digest"]
    same(found, image.config, "the digest of the config")


def umoci(folder: Path, image: Image) -> None:
    names = ["1"] if len(image.platforms) == 1 else [f"1-{name.replace('/', '-')}" for name in image.platforms]
    for name in names:
        bundle = folder / f"bundle-{name}"
        shutil.rmtree(bundle, ignore_errors=True)
        run("umoci", "unpack", "--rootless", "--image", f"{image.layout}:{name}", bundle)
        for path in ["app/.venv/bin/hello", "app/.venv/bin/python3"]:
            if not os.path.lexists(bundle / "rootfs" / path):
                raise Wrong(f"{name} has no {path}")


def buildah(words: list[object], source: str, image: Image) -> None:
    container = run(*words, "from", "--quiet", "--pull-never", source).strip()
    try:
        found = json.loads(run(*words, "inspect", container))["FromImageID"]
        same(f"sha256:{found}", image.config, "buildah inspect")
        said = run(*words, "run", "--isolation", "chroot", container, "--", "/app/.venv/bin/hello")
        same(said, SAYS, "buildah run")
    finally:
        run(*words, "rm", container)


# Tags as people write them, and the name that every reader shows.
NAMES = [
    ("hello:1", "docker.io/library/hello:1"),
    ("demo/hello", "docker.io/demo/hello:latest"),
    ("ghcr.io/acme/hello:2.0", "ghcr.io/acme/hello:2.0"),
    ("localhost:5000/hello:dev", "localhost:5000/hello:dev"),
]


def main() -> None:
    need("docker", "dockerd", "podman", "skopeo", "umoci", "buildah", "containerd", "ctr", "runc")
    if os.geteuid() != 0:
        sys.exit("only root can start a Docker daemon")
    program = wain()
    table = Table(("reader", 38), ("output", 13), ("platforms", 9))

    def row(reader: str, source: str, platforms: object, check: object) -> None:
        try:
            check()
            table.row(reader, source, platforms, ok=True)
        except (Wrong, subprocess.TimeoutExpired) as error:
            table.row(reader, source, platforms, ok=False, detail=str(error))

    with workshop() as folder:
        os.chdir(folder)
        for name in ["docker", "podman", "containerd"]:
            (folder / name).mkdir()
        podman, builder = Podman(folder / "podman"), storage("buildah", folder / "buildah")
        with running(Docker(folder / "docker")) as docker, running(Containerd(folder / "containerd")) as containerd:
            versions = [
                docker("version", "--format", "docker {{.Server.Version}}"),
                *(run(reader, "--version") for reader in ["podman", "skopeo", "umoci", "buildah", "containerd"]),
            ]
            print("\n".join(text.split("\n")[0] for text in versions))
            for platforms in PLATFORMS:
                count = len(platforms.split(","))
                image = build(program, folder / f"for-{count}", platforms, ["demo/hello:1"])
                for daemon, reader, source, check in [
                    (docker, "docker load", "archive:FILE", docker_load),
                    (docker, "docker load", "archive:-", docker_pipe),
                    (docker, "docker", "--load", docker_from_us),
                    (podman, "podman load", "archive:FILE", podman_load),
                    (podman, "podman pull oci:", "layout:DIR", podman_pull),
                    (containerd, "ctr images import", "archive:FILE", ctr_import),
                ]:
                    daemon.forget()
                    row(reader, source, count, lambda: check(daemon, image))
                    daemon.forget()
                files = [(f"oci:{os.path.relpath(image.layout)}:1", "layout:DIR"), (f"oci-archive:{image.archive}", "archive:FILE")]
                for source, output in files:
                    kind = source.split(":")[0]
                    row(f"skopeo copy {kind}:", output, count, lambda: skopeo(folder, source, image))
                    row(f"buildah from {kind}:", output, count, lambda: buildah(builder, source, image))
                docker_archive = f"docker-archive:{image.archive}"
                copy = "docker-archive:"
                row(f"skopeo copy {copy}", "archive:FILE", count, lambda: skopeo_docker(folder, image))
                row(f"buildah from {copy}", "archive:FILE", count, lambda: buildah(builder, docker_archive, image))
                row("umoci unpack", "layout:DIR", count, lambda: umoci(folder, image))
            for at, (tag, name) in enumerate(NAMES):
                image = build(program, folder / f"name-{at}", "linux/amd64", [tag])
                loads = [["load", "--input"], ["load", "--quiet", "--input"], ["images", "import"]]
                for daemon, words in zip([docker, podman, containerd], loads, strict=True):
                    def check() -> None:
                        daemon.forget()
                        daemon(*words, image.archive)
                        daemon.check(name, image)
                    row(f"{type(daemon).__name__.lower()} calls it {tag}", "archive:FILE", 1, check)
    table.finish()


if __name__ == "__main__":
    main()
