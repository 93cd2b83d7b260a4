"""The pipeline that a careful person writes without a builder: uv into a folder, tar, gzip, an OCI layout by hand.

    hand_made.py PROJECT WHEELS BASE OUT SCRATCH COMPRESSOR...

Everything heavy is done by other programs. The layer of the dependencies is kept while the requirements stay the same.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from images import LAYER, Layout, sha256

TAR = ["tar", "--sort=name", "--mtime=@315532801", "--owner=0", "--group=0", "--numeric-owner", "--format=gnu"]


def pack(folder: Path, into: str, out: Path, compressor: list[str]) -> tuple[str, str]:
    """Packs a folder; the digests of the tar and of the compressed file, computed on the way."""
    sums = [out.with_suffix(".tar.sum"), out.with_suffix(".sum")]
    pipeline = (
        '"${@:4}" -C "$1" --transform "s,^\\./,$2/," -cf - . | tee >(sha256sum > "$3.tar.sum") | '
        + " ".join(compressor)
        + ' | tee >(sha256sum > "$3.sum") > "$3"; wait'
    )
    # A process substitution is not waited for by all versions of bash, so the sums are polled for below.
    for file in sums:
        file.unlink(missing_ok=True)
    subprocess.run(["bash", "-euo", "pipefail", "-c", pipeline, "pack", folder, into, out, *TAR], check=True)
    digests = []
    for file in sums:
        while not (file.exists() and (text := file.read_text()).endswith("\n")):
            pass
        digests.append(text.split()[0])
        file.unlink()
    return digests[0], digests[1]


def main() -> None:
    project, wheels, base, out, scratch = (Path(argument) for argument in sys.argv[1:6])
    compressor = sys.argv[6:]
    base, layout = Layout(base), Layout(out)
    layout.blobs.mkdir(parents=True, exist_ok=True)
    scratch.mkdir(exist_ok=True)
    for layer in base.manifest()["layers"]:
        if not layout.blob(layer).exists():
            shutil.copyfile(base.blob(layer), layout.blob(layer))

    requirements = project / "requirements.txt"
    kept = scratch / f"dependencies-{sha256(requirements)[:16]}"
    if not kept.exists():
        target = scratch / "target"
        uv = ["uv", "pip", "install", "--quiet", "--no-index", "--find-links", wheels, "--require-hashes"]
        uv += ["--cache-dir", scratch / "uv", "--python-version", "3.13", "--python-platform", "x86_64-manylinux_2_36"]
        subprocess.run([*uv, "--target", target, "-r", requirements], check=True)
        digests = pack(target, "app/lib", scratch / "layer", compressor)
        (scratch / "layer").rename(layout.blobs / digests[1])
        kept.write_text(" ".join(digests))
    layers = [kept.read_text().split(), pack(project / "src", "app/src", scratch / "layer", compressor)]
    (scratch / "layer").rename(layout.blobs / layers[1][1])

    config = base.config()
    config["config"] = {"Env": ["PATH=/usr/bin:/bin", "PYTHONPATH=/app/src:/app/lib"], "WorkingDir": "/app"}
    descriptors = base.manifest()["layers"]
    for diff_id, digest in layers:
        config["rootfs"]["diff_ids"].append(f"sha256:{diff_id}")
        config["history"].append({"created_by": "hand_made.py"})
        size = (layout.blobs / digest).stat().st_size
        descriptors.append({"mediaType": LAYER, "digest": f"sha256:{digest}", "size": size})
    layout.write(descriptors, config)


main()
