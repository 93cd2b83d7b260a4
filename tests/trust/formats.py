"""One project in every format that layers can have, read by every reader that is here. A row is one format and one reader.

    python3 tests/trust/formats.py [--debian]

The project and its base are made on the spot; with --debian it is `fixtures/projects/hello` on a base of Debian packages,
which takes a network. A reader has to give back every file; a program has to give back the tar of every layer, byte for
byte. Old readers that refuse zstd are known, and have to refuse it in their own words.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zlib
from contextlib import ExitStack, contextmanager
from pathlib import Path

import estargz
from common import ROOT, Table, wain, workshop
from shop import PLATFORM, Shop

FORMATS = {
    "splice": [],
    "gzip:1": ["--compression", "gzip:1"],
    "gzip:9": ["--compression", "gzip:9"],
    "zstd:3": ["--compression", "zstd"],
    "zstd:19": ["--compression", "zstd:19"],
    "none": ["--compression", "none"],
    "lazy splice": ["--lazy", "estargz"],
    "lazy gzip:9": ["--lazy", "estargz", "--compression", "gzip:9"],
}
# What a lazy layout adds to the root folder.
LAZY_FILES = {"stargz.index.json", ".no.prefetch.landmark"}
PYTHON_GZIP = "import gzip, sys; sys.stdout.buffer.write(gzip.open(sys.argv[1]).read())"
PERL_GZIP = "gunzip $ARGV[0] => '-', MultiStream => 1 or die"
NODE_GZIP = "process.stdout.write(require('zlib').gunzipSync(require('fs').readFileSync(process.argv[1])))"
PROGRAMS = {
    "tar+gzip": {
        "gzip": ["gzip", "-dc"],
        "pigz": ["pigz", "-dc"],
        "igzip": ["igzip", "-dc"],
        "busybox": ["busybox", "gunzip", "-c"],
        "7z": ["7z", "e", "-so", "-tgzip"],
        "bsdcat": ["bsdcat"],
        "zstd as gzip": ["zstd", "-dcq", "--format=gzip"],
        "python gzip": [sys.executable, "-c", PYTHON_GZIP],
        "perl": ["perl", "-MIO::Uncompress::Gunzip=gunzip", "-e", PERL_GZIP],
        "node zlib": ["node", "-e", NODE_GZIP],
    },
    "tar+zstd": {"zstd": ["zstd", "-dcq"], "bsdcat": ["bsdcat"]},
    "tar": {},
}


class Unread(Exception):
    """A reader did not give back what was put in."""


class Refused(Exception):
    """An old reader said that it does not know zstd."""


def run(*words: object, **options) -> str:
    ran = subprocess.run([str(word) for word in words], capture_output=True, text=True, errors="replace", **options)
    if ran.returncode:
        raise Unread(f"{words[0]} ended with {ran.returncode}: {ran.stdout}{ran.stderr}")
    return ran.stdout


class Image:
    """An image in one format, and what is in it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.layout = folder / "layout"
        self.archive = folder / "image.tar"
        manifest = self.document(json.loads((self.layout / "index.json").read_bytes())["manifests"][0]["digest"])
        self.layers = manifest["layers"]
        self.diff_ids = self.document(manifest["config"]["digest"])["rootfs"]["diff_ids"]

    def blob(self, digest: str) -> Path:
        return self.layout / "blobs" / digest.replace(":", "/")

    def document(self, digest: str) -> dict:
        return json.loads(self.blob(digest).read_bytes())

    def kind(self, layer: dict) -> str:
        return layer["mediaType"].rsplit(".", 1)[1].removeprefix("v1.")

    @property
    def is_zstd(self) -> bool:
        return any(self.kind(layer) == "tar+zstd" for layer in self.layers)

    def tree(self) -> dict:
        """Every path with what it is, by Python's own tarfile; zstd is left to the program."""
        tree = {}
        for layer in self.layers:
            blob = self.blob(layer["digest"]).read_bytes()
            match self.kind(layer):
                case "tar+gzip":
                    blob = b"".join(plain for _, plain in estargz.members(blob))
                case "tar+zstd":
                    blob = subprocess.run(["zstd", "-dcq"], input=blob, capture_output=True, check=True).stdout
            add_tar(tree, tarfile.open(fileobj=io.BytesIO(blob)))
        return tree


def add_tar(tree: dict, archive: tarfile.TarFile) -> None:
    for entry in archive:
        name = entry.name.strip("/").removeprefix("./")
        if entry.isdir():
            tree[name] = ("folder", entry.mode & 0o7777)
        elif entry.issym():
            tree[name] = ("link", entry.linkname)
        elif entry.islnk():
            tree[name] = tree[entry.linkname.strip("/")]
        elif entry.isreg():
            tree[name] = ("file", entry.mode & 0o7777, hashlib.sha256(archive.extractfile(entry).read()).hexdigest())


def read_tree(root: Path) -> dict:
    tree = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(folder, name)
            key = str(path.relative_to(root))
            if path.is_symlink():
                tree[key] = ("link", os.readlink(path))
            elif path.is_dir():
                tree[key] = ("folder", path.stat().st_mode & 0o7777)
            else:
                tree[key] = ("file", path.stat().st_mode & 0o7777, hashlib.sha256(path.read_bytes()).hexdigest())
    return tree


def compare(found: dict, expected: dict, may_lack: set = frozenset(), may_have: set = frozenset()) -> str:
    """Compares two trees; how many paths they have."""
    lost = {path: what for path, what in expected.items() if found.get(path) != what and path not in may_lack}
    more = {path for path in found if path not in expected and path.split("/")[0] not in may_have}
    # Readers make folders that no layer has as they like.
    more = {path for path in more if found[path][0] != "folder" or not any(p.startswith(path + "/") for p in expected)}
    if lost or more:
        some = [f"{path}: {found.get(path)} instead of {what}" for path, what in list(lost.items())[:3]]
        raise Unread(f"{len(lost)} paths are not what they were, {len(more)} are new: {some} {sorted(more)[:3]}")
    return f"{len(expected)} paths"


def by_program(words: list[str]):
    def read(image: Image, _: dict) -> str:
        count = 0
        for layer, diff_id in zip(image.layers, image.diff_ids, strict=True):
            if image.kind(layer) == "tar":
                continue
            ran = subprocess.run([*words, str(image.blob(layer["digest"]))], stdin=subprocess.DEVNULL, capture_output=True)
            if ran.returncode or estargz.sha256(ran.stdout) != diff_id:
                said = ran.stderr.decode(errors="replace")
                raise Unread(f"layer {layer['digest']}: code {ran.returncode}, {len(ran.stdout)} bytes: {said}")
            count += 1
        return f"{count} layers"

    return read


def by_umoci(image: Image, tree: dict) -> str:
    bundle = image.folder / "bundle"
    try:
        run("umoci", "unpack", "--rootless", "--image", f"{image.layout}:1", bundle)
    except Unread as error:
        if image.is_zstd and "blob is not correct mediatype" in str(error):
            raise Refused(str(error)) from error
        raise
    return compare(read_tree(bundle / "rootfs"), tree)


def by_skopeo(image: Image, _: dict) -> str:
    # The Docker form names layers by their diff IDs: skopeo unpacks and compares.
    target = image.folder / "skopeo"
    run("skopeo", "--insecure-policy", "copy", "-q", f"docker-archive:{image.archive}", f"dir:{target}")
    run("skopeo", "--insecure-policy", "copy", "-q", f"oci:{image.layout}:1", f"oci:{target}-oci:1")
    return f"{len(image.layers)} layers"


def podman(folder: Path, driver: str) -> list[str]:
    return ["podman", "--root", f"{folder}/root", "--runroot", f"{folder}/run", "--storage-driver", driver]


def by_podman(image: Image, tree: dict) -> str:
    command = podman(image.folder / "podman", "vfs")
    run(*command, "load", "-q", "-i", image.archive)
    root = Path(run(*command, "image", "mount", "demo/formats:1").strip())
    try:
        return compare(read_tree(root), tree)
    finally:
        run(*command, "image", "umount", "demo/formats:1")


def by_docker(socket: str):
    def read(image: Image, tree: dict) -> str:
        def docker(*words: object) -> str:
            return run("docker", "-H", socket, *words)

        old = tuple(map(int, docker("version", "--format", "{{.Server.APIVersion}}").split("."))) < (1, 42)
        try:
            docker("load", "-q", "-i", image.archive)
        except Unread as error:
            if image.is_zstd and old and "Error processing tar file" in str(error):
                raise Refused(str(error)) from error
            raise
        container = docker("create", "demo/formats:1", "x").strip()
        exported = subprocess.run(["docker", "-H", socket, "export", container], capture_output=True, check=True).stdout
        docker("rm", container)
        docker("image", "rm", "demo/formats:1")
        found = {}
        add_tar(found, tarfile.open(fileobj=io.BytesIO(exported)))
        # Docker puts its own files into every container.
        own = {"etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab"}
        return compare(found, tree, may_lack=own, may_have={".dockerenv", "dev", "etc", "proc", "sys"})

    return read


def by_containerd(socket: str):
    def read(image: Image, tree: dict) -> str:
        command = ["ctr", "-a", socket, "images"]
        run(*command, "import", "--snapshotter", "native", "--platform", PLATFORM, image.archive)
        root = image.folder / "containerd"
        root.mkdir()
        name = "docker.io/demo/formats:1"
        run(*command, "mount", "--snapshotter", "native", "--platform", PLATFORM, name, root)
        try:
            return compare(read_tree(root), tree)
        finally:
            run(*command, "unmount", root)
            run(*command, "rm", "--sync", name)

    return read


def by_partial_pull(registry: str):
    def read(image: Image, tree: dict) -> str:
        """Podman fetches the tables of contents, and then the files that it lacks, by ranges."""
        name = f"{registry}/{image.folder.name.replace(' ', '-').replace(':', '-')}:1"
        # Without the last word skopeo takes any blob with the same tar for a layer, and drops its annotations.
        words = ["skopeo", "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", "--preserve-digests"]
        run(*words, f"oci:{image.layout}:1", f"docker://{name}")
        settings = image.folder / "storage.conf"
        settings.write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{image.folder}/partial/root"\n'
            f'runroot = "{image.folder}/partial/run"\n'
            '[storage.options]\npull_options = { enable_partial_images = "true" }\n'
        )
        options = {"env": {**os.environ, "CONTAINERS_STORAGE_CONF": str(settings)}}
        said = subprocess.run(
            ["podman", "--log-level=debug", "pull", "--tls-verify=false", name], capture_output=True, text=True, **options
        ).stderr
        partial = said.count("Retrieved partial blob")
        lazy = sum("containerd.io/snapshot/stargz/toc.digest" in layer.get("annotations", {}) for layer in image.layers)
        if partial != lazy:
            raise Unread(f"{partial} of {lazy} layers were fetched in part: {said[-2000:]}")
        root = Path(run("podman", "image", "mount", name, **options).strip())
        try:
            return compare(read_tree(root), tree, may_lack=LAZY_FILES) + f", {partial} layers in part"
        finally:
            run("podman", "image", "umount", name, **options)

    return read


def by_rules(image: Image, _: dict) -> str:
    chunks = 0
    for layer, diff_id in zip(image.layers, image.diff_ids, strict=True):
        if "annotations" in layer:
            blob = image.blob(layer["digest"]).read_bytes()
            chunks += estargz.check(blob, layer["annotations"], diff_id)["chunks"]
    return f"{chunks} chunks"


@contextmanager
def daemon(*words: object, log: Path, ready):
    """A program that runs until the end; `ready` raises until it answers."""
    with log.open("wb") as out:
        process = subprocess.Popen([str(word) for word in words], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        limit = time.monotonic() + 300
        while True:
            try:
                ready()
                break
            except (Unread, OSError) as error:
                if process.poll() is not None or time.monotonic() > limit:
                    raise Unread(f"{words[0]} does not answer: {log.read_text()[-2000:]}") from error
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(30)


def start_daemons(folder: Path, stack: ExitStack) -> dict:
    """Readers that need a daemon, as far as root may start one here."""
    readers = {}
    if os.geteuid() != 0:
        return readers
    if shutil.which("dockerd") and shutil.which("docker"):
        home = folder / "docker"
        home.mkdir()
        socket = f"unix://{home}/socket"
        words = ["dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "-H", socket]
        words += ["--data-root", home / "data", "--exec-root", home / "exec", "-p", home / "pid"]
        stack.callback(subprocess.run, ["umount", str(home / "exec/netns/default")], stderr=subprocess.DEVNULL)
        stack.enter_context(daemon(*words, log=home / "log", ready=lambda: run("docker", "-H", socket, "version")))
        readers["docker"] = by_docker(socket)
    if shutil.which("containerd") and shutil.which("ctr"):
        home = folder / "ctd"
        home.mkdir()
        address = f"{home}/socket"
        settings = home / "config.toml"
        settings.write_text(
            f'version = 2\nroot = "{home}/root"\nstate = "{home}/state"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{address}"\n'
        )
        ready = lambda: run("ctr", "-a", address, "version")  # noqa: E731
        stack.enter_context(daemon("containerd", "-c", settings, log=home / "log", ready=ready))
        readers["containerd"] = by_containerd(address)
    if shutil.which("docker-registry") and shutil.which("skopeo") and shutil.which("podman"):
        home = folder / "registry"
        home.mkdir()
        port = 20_000 + os.getpid() % 20_000
        settings = home / "config.yml"
        settings.write_text(
            "version: 0.1\nlog: {level: error}\n"
            f"storage: {{filesystem: {{rootdirectory: {home}/data}}}}\nhttp: {{addr: '127.0.0.1:{port}'}}\n"
        )
        probe = ["python3", "-c", f"import urllib.request as r; r.urlopen('http://127.0.0.1:{port}/v2/')"]
        words = ["docker-registry", "serve", settings]
        stack.enter_context(daemon(*words, log=home / "log", ready=lambda: run(*probe)))
        readers["podman, partial pull"] = by_partial_pull(f"127.0.0.1:{port}")
    return readers


def build(folder: Path, is_debian: bool) -> dict[str, Image]:
    """The project in every format."""
    program = wain()
    if is_debian:
        project = folder / "hello"
        shutil.copytree(ROOT / "fixtures/projects/hello", project)
        words, env = [program, "build", project, "--platform", PLATFORM], {**os.environ, "WAIN_CACHE_DIR": f"{folder}/store"}
    else:
        # More than a chunk of text, so that large files are cut.
        shop = Shop(folder / "shop", program, noise=5_000_000)
        words, env = shop.words(), shop.variables()
    images = {}
    for name, options in FORMATS.items():
        home = folder / name.replace(":", "-")
        home.mkdir()
        outputs = ["--output", f"layout:{home}/layout", "--output", f"archive:{home}/image.tar", "--progress", "quiet"]
        run(*words, *options, "--tag", "demo/formats:1", *outputs, env=env)
        images[name] = Image(home)
    return images


def main() -> None:
    if set(sys.argv[1:]) - {"--debian"}:
        sys.exit(__doc__.strip())
    with workshop() as folder, ExitStack() as stack:
        images = build(folder, "--debian" in sys.argv[1:])
        reference = images["none"].tree()
        readers = {"umoci": by_umoci, "skopeo": by_skopeo, "podman": by_podman}
        readers = {name: read for name, read in readers.items() if shutil.which(name)}
        if os.geteuid() != 0:
            readers.pop("podman", None)
        readers |= start_daemons(folder, stack)
        table = Table(("format", 12), ("bytes", 9), ("reader", 22), ("what came back", 34))
        for name, image in images.items():
            size = sum(layer["size"] for layer in image.layers)
            kind = image.kind(image.layers[-1])
            tree = image.tree()
            lazy = LAZY_FILES if name.startswith("lazy") else set()
            rows = {"python tarfile": lambda image, _, lazy=lazy: compare(image.tree(), reference, may_have=lazy)}
            if lazy:
                rows["the specification"] = by_rules
            rows |= {title: by_program(words) for title, words in PROGRAMS[kind].items() if shutil.which(words[0])}
            rows |= {title: read for title, read in readers.items() if lazy or title != "podman, partial pull"}
            for title, read in rows.items():
                try:
                    table.row(name, size, title, read(image, tree), ok=True)
                except Refused:
                    table.row(name, size, title, "refused: it knows no zstd", ok=True)
                except (Unread, estargz.Broken, OSError, subprocess.CalledProcessError, tarfile.TarError, zlib.error) as error:
                    table.row(name, size, title, "", ok=False, detail=str(error)[:3000])
            for part in ("bundle", "skopeo", "skopeo-oci", "podman", "containerd"):
                shutil.rmtree(image.folder / part, ignore_errors=True)
        missing = {words[0] for programs in PROGRAMS.values() for words in programs.values() if not shutil.which(words[0])}
        missing |= {"umoci", "skopeo", "podman", "docker", "containerd", "podman, partial pull"} - set(readers)
        # Node is no part of what the tests install.
        for name in sorted(missing - {"node"}):
            table.skip("-", "-", name, why="it is not here, or only root may")
    table.finish()


if __name__ == "__main__":
    main()
