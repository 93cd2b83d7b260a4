"""What pushing and pulling an image costs: requests, bytes and seconds, with wain and with what one would use instead.

    python3 benches/registries/run.py [--rounds N] [--size MB] [--only NAME...]

An image of twelve layers is made on the spot, in an OCI layout for `wain` and `skopeo`, in their own stores for `docker` and
`buildah`. Every builder pushes it to a `docker-registry` of its own on this machine, new for every round: all of it, the same
again, and again with one layer changed; then it is pulled. Requests are counted in the registry's own access log, bytes by a
relay in front of it, in a round before the clock runs: the relay costs time. Needs root, for dockerd and buildah.
"""

import argparse
import gzip
import io
import json
import os
import random
import shutil
import statistics
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "against"))
sys.path.insert(0, str(HERE.parents[1] / "tests" / "trust"))

from docker import Daemon  # noqa: E402
from images import CONFIG, LAYER, Layout, docker_archive, new_config, sha256  # noqa: E402
from measure import measure, quiet  # noqa: E402
from server import Server  # noqa: E402

from common import need, wain, workshop  # noqa: E402

LAYERS = 12
CASES = ("push, all of it", "push, nothing changed", "push, one layer changed", "pull")


def contents(number: int, size: int) -> bytes:
    """A tar with one file, half of which compresses. Its numbers are the same in every run."""
    noise = random.Random(number)
    block = noise.randbytes(8 << 10)
    data = b"".join(noise.randbytes(8 << 10) + block for _ in range(size >> 14))
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
        header = tarfile.TarInfo(f"data/{number}")
        header.size = len(data)
        archive.addfile(header, io.BytesIO(data))
    return tar.getvalue()


class Image:
    """The same image as a layout and as an archive for a daemon."""

    def __init__(self, folder: Path, name: str, numbers: list[int], size: int):
        self.name = name
        self.layout, self.archive = folder / f"{name}-layout", folder / f"{name}.tar"
        layout = Layout(self.layout)
        layout.blobs.mkdir(parents=True)
        tars = [contents(number, size) for number in numbers]
        layers = [layout.put(gzip.compress(tar, 6, mtime=0), LAYER) for tar in tars]
        config = {**new_config(LAYERS), "created": "1970-01-01T00:00:00Z"}
        diff_ids = [f"sha256:{sha256(tar)}" for tar in tars]
        layout.write(layers, {**config, "rootfs": {"type": "layers", "diff_ids": diff_ids}})
        docker_archive(self.archive, f"bench/{name}", tars, config)


class Tool:
    """One way to push and pull. Commands take the image and its name in the registry."""

    name: str

    def prepare(self, image: Image, reference: str) -> None:
        """What comes before a push, not measured."""

    def push(self, image: Image, reference: str) -> list:
        raise NotImplementedError

    def before_pull(self, reference: str) -> None:
        """Forgets what it has of the image."""

    def pull(self, reference: str) -> list:
        raise NotImplementedError

    environment: dict = {}

    def stop(self) -> None:
        pass


class Wain(Tool):
    name = "wain"

    def __init__(self, program: Path, work: Path):
        self.program, self.work = program, work / "wain"
        self.work.mkdir()
        self.environment = {"HOME": str(self.work), "XDG_CACHE_HOME": str(self.work / "cache")}

    def push(self, image: Image, reference: str) -> list:
        return [self.program, "push", f"layout:{image.layout}", reference]

    def before_pull(self, reference: str) -> None:
        shutil.rmtree(self.work / "cache", ignore_errors=True)
        shutil.rmtree(self.work / "pulled", ignore_errors=True)

    def pull(self, reference: str) -> list:
        return [self.program, "pull", reference, "--output", f"layout:{self.work}/pulled"]


class Skopeo(Tool):
    name = "skopeo"

    def __init__(self, work: Path):
        self.work = work / "skopeo"
        self.work.mkdir()

    def push(self, image: Image, reference: str) -> list:
        return ["skopeo", "copy", "--dest-tls-verify=false", f"oci:{image.layout}:latest", f"docker://{reference}"]

    def before_pull(self, reference: str) -> None:
        shutil.rmtree(self.work / "pulled", ignore_errors=True)

    def pull(self, reference: str) -> list:
        return ["skopeo", "copy", "--src-tls-verify=false", f"docker://{reference}", f"oci:{self.work}/pulled:latest"]


class Docker(Tool):
    name = "docker"

    def __init__(self, work: Path, images: list[Image]):
        self.daemon = Daemon(work, "overlay2")
        for image in images:
            self.daemon.load(image.archive)

    def prepare(self, image: Image, reference: str) -> None:
        quiet(*self.daemon.client(), "tag", f"bench/{image.name}", reference)

    def push(self, image: Image, reference: str) -> list:
        return [*self.daemon.client(), "push", reference]

    def before_pull(self, reference: str) -> None:
        images = quiet(*self.daemon.client(), "image", "ls", "--quiet").split()
        quiet(*self.daemon.client(), "rmi", "--force", *sorted(set(images)))

    def pull(self, reference: str) -> list:
        return [*self.daemon.client(), "pull", reference]

    def after_pull(self, images: list[Image]) -> None:
        for image in images:
            self.daemon.load(image.archive)

    def stop(self) -> None:
        self.daemon.stop()


class Buildah(Tool):
    name = "buildah"

    def __init__(self, work: Path, images: list[Image]):
        self.work, self.images = work / "buildah", images
        self.options = ["--root", self.work / "root", "--runroot", self.work / "run", "--storage-driver", "overlay"]
        self.load()

    def load(self) -> None:
        for image in self.images:
            quiet("buildah", *self.options, "pull", f"docker-archive:{image.archive}")

    def push(self, image: Image, reference: str) -> list:
        local = f"localhost/bench/{image.name}:latest"
        return ["buildah", *self.options, "push", "--tls-verify=false", local, f"docker://{reference}"]

    def before_pull(self, reference: str) -> None:
        quiet("buildah", *self.options, "rmi", "--all", "--force")

    def pull(self, reference: str) -> list:
        return ["buildah", *self.options, "pull", "--tls-verify=false", f"docker://{reference}"]

    def after_pull(self, images: list[Image]) -> None:
        quiet("buildah", *self.options, "rmi", "--all", "--force")
        self.load()


def go(tool: Tool, images: list[Image], work: Path, relayed: bool) -> dict:
    """All cases once, with a registry of their own: for each (seconds, requests, bytes)."""
    server = Server(work / "registry", relayed)
    reference = f"127.0.0.1:{server.port}/bench/app:1"
    first, second = images
    found = {}
    try:
        for case, image in zip(CASES, (first, first, second, second)):
            if case == "pull":
                tool.before_pull(reference)
                command = tool.pull(reference)
            else:
                tool.prepare(image, reference)
                command = tool.push(image, reference)
            asked, moved = len(server.requests()), server.bytes()
            environment = {**os.environ, **tool.environment}
            cost = measure(*command, log=work / "log", memory=False, env=environment)
            found[case] = (cost.seconds, server.requests()[asked:], server.bytes() - moved)
        if hasattr(tool, "after_pull"):
            tool.after_pull(images)
    finally:
        server.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=150, metavar="MB", help="of the image, compressed")
    parser.add_argument("--only", nargs="*", metavar="NAME", default=["wain", "skopeo", "docker", "buildah"])
    parser.add_argument("--requests", action="store_true", help="list every request")
    arguments = parser.parse_args()
    need("docker-registry", "skopeo", "dockerd", "buildah")
    os.environ.setdefault("WAIN_PROFILE", "release")
    with workshop() as work:
        # Half of every file is noise, so the tar is twice as large as the layer.
        size = arguments.size * 1_000_000 // LAYERS * 2
        images = [
            Image(work, "first", list(range(LAYERS)), size),
            Image(work, "second", [*range(LAYERS - 1), 99], size),
        ]
        makers = {
            "wain": lambda: Wain(wain(), work),
            "skopeo": lambda: Skopeo(work),
            "docker": lambda: Docker(work, images),
            "buildah": lambda: Buildah(work, images),
        }
        tools = []
        try:
            for name in arguments.only:
                tools.append(makers[name]())
            counted = {tool.name: go(tool, images, work, relayed=True) for tool in tools}
            times: dict = {tool.name: {case: [] for case in CASES} for tool in tools}
            for _ in range(arguments.rounds):
                for tool in tools:
                    for case, (seconds, _, _) in go(tool, images, work, relayed=False).items():
                        times[tool.name][case].append(seconds)
        finally:
            for tool in tools:
                tool.stop()
        report(counted, times)
        if arguments.requests:
            print(json.dumps({name: {case: row[1] for case, row in rows.items()} for name, rows in counted.items()}, indent=1))


def report(counted: dict, times: dict) -> None:
    for case in CASES:
        print(f"\n### {case}\n\n| | requests | bytes, both ways | seconds | times wain's |\n|---|---|---|---|---|")
        ours = statistics.median(times["wain"][case]) if times.get("wain", {}).get(case) else None
        for name, rows in counted.items():
            _, requests, moved = rows[case]
            seconds = statistics.median(times[name][case]) if times[name][case] else None
            shown = f"{seconds:.3f}" if seconds is not None else ""
            ratio = f"{seconds / ours:.1f}" if seconds is not None and ours else ""
            print(f"| {name} | {len(requests)} | {moved:,} | {shown} | {ratio} |")


if __name__ == "__main__":
    main()
