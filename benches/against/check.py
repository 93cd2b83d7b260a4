"""Whether what was built runs: a fast builder of broken images would be no news."""

import os

from builders import Buildah, HandMade, Wain
from docker import BuildKit, WainIntoDocker
from measure import quiet
from prepare import DataSet


def check(data: DataSet, builders: list) -> None:
    """Imports the program of every image, and so most of its wheels, in a container. Ends this program on failure."""
    module = next(data.source.glob("src/*/main.py")).parent.name
    words = ["python3", "-c", f"import {module}.main"]
    buildah = next((builder for builder in builders if isinstance(builder, Buildah)), None)
    for builder in builders:
        match builder:
            case WainIntoDocker() | BuildKit():
                image = "bench/wain" if isinstance(builder, Wain) else builder.tag
                quiet(*builder.daemon.client(), "run", "--rm", "--network=none", "--entrypoint=", image, *words)
            case Buildah():
                run_with(buildah, "bench/buildah", words)
            case Wain() | HandMade() if buildah:
                run_with(buildah, f"oci:{builder.out}", words)


def run_with(buildah: Buildah, image: str, words: list[str]) -> None:
    environment = {**os.environ, "TMPDIR": str(buildah.temporary)}
    container = quiet(*buildah.buildah("from", "--quiet", image), env=environment)
    quiet(*buildah.buildah("run", "--isolation", "chroot", container, "--", *words), env=environment)
    quiet(*buildah.buildah("rm", container), env=environment)
