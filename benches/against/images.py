"""Just enough of the image formats to hand one base to every tool, and to finish what the hand-made pipeline packs."""

import gzip
import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def sha256(data: bytes | Path) -> str:
    """The digest of bytes or of a file, as hexadecimal digits."""
    if isinstance(data, bytes):
        return hashlib.sha256(data).hexdigest()
    with open(data, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Layout:
    """An OCI image layout with one image."""

    def __init__(self, path: Path):
        self.path = path
        self.blobs = path / "blobs/sha256"

    def blob(self, descriptor: dict) -> Path:
        return self.blobs / descriptor["digest"].removeprefix("sha256:")

    def manifest_digest(self) -> str:
        return json.loads((self.path / "index.json").read_text())["manifests"][0]["digest"]

    def manifest(self) -> dict:
        return json.loads(self.blob({"digest": self.manifest_digest()}).read_text())

    def config(self) -> dict:
        return json.loads(self.blob(self.manifest()["config"]).read_text())

    def size(self) -> int:
        """Bytes of all layers."""
        return sum(layer["size"] for layer in self.manifest()["layers"])

    def put(self, data: bytes, media_type: str) -> dict:
        digest = sha256(data)
        (self.blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def write(self, layers: list[dict], config: dict) -> None:
        """Writes the documents over layers whose blobs are there."""
        documents = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.put(json.dumps(config, sort_keys=True).encode(), CONFIG),
            "layers": layers,
        }
        manifest = self.put(json.dumps(documents, sort_keys=True).encode(), MANIFEST)
        manifest["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
        index = {"schemaVersion": 2, "manifests": [manifest]}
        (self.path / "index.json").write_text(json.dumps(index))
        (self.path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def first_layers(layout: Layout, count: int, path: Path) -> Layout:
    """A layout of the lowest layers of another one."""
    base = Layout(path)
    base.blobs.mkdir(parents=True)
    config = layout.config()
    layers = layout.manifest()["layers"][:count]
    for layer in layers:
        shutil.copyfile(layout.blob(layer), base.blob(layer))
    rootfs = {"type": "layers", "diff_ids": config["rootfs"]["diff_ids"][:count]}
    settings = {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]}
    base.write(layers, {**new_config(count), "config": settings, "rootfs": rootfs})
    return base


def new_config(layers: int) -> dict:
    """A config without an identity. Buildah wants a line of history for every layer."""
    history = [{"created_by": "given"} for _ in range(layers)]
    return {"architecture": "amd64", "os": "linux", "config": {}, "history": history}


def docker_archive(path: Path, name: str, layers: list[bytes], config: dict) -> None:
    """What `docker load` and `buildah pull docker-archive:` take. `layers` are tar files."""
    diff_ids = [f"sha256:{sha256(layer)}" for layer in layers]
    config = {**config, "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    files = {f"{index}/layer.tar": layer for index, layer in enumerate(layers)}
    manifest = [{"Config": "config.json", "RepoTags": [f"{name}:latest"], "Layers": list(files)}]
    files |= {"config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    with tarfile.open(path, "w") as archive:
        for member, data in files.items():
            header = tarfile.TarInfo(member)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))


def base_archive(base: Layout, path: Path) -> None:
    """The base for tools that do not read layouts."""
    layers = [gzip.decompress(base.blob(layer).read_bytes()) for layer in base.manifest()["layers"]]
    docker_archive(path, "bench/base", layers, base.config())


def folder_archive(folder: Path, name: str, path: Path) -> None:
    """An image that holds the files of a folder."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name)
    docker_archive(path, name, [tar.getvalue()], new_config(1))
