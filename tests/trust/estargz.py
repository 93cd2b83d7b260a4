"""Checks lazy layers rule by rule against the eStargz specification (containerd's stargz-snapshotter, docs/estargz.md).

    python3 tests/trust/estargz.py LAYOUT...

Every layer of every image in the OCI layouts gets a row. The only help is Python's own zlib, tarfile and json.
"""

import hashlib
import io
import json
import re
import sys
import tarfile
import time
import zlib
from pathlib import Path

from common import Table

TOC = "stargz.index.json"
LANDMARKS = (".prefetch.landmark", ".no.prefetch.landmark")
FOOTER = re.compile(
    rb"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x1a\0SG\x16\0([0-9a-f]{16})STARGZ\x01\0\0\xff\xff\0\0\0\0\0\0\0\0", re.DOTALL
)
CHUNK = 4 << 20
KINDS = {tarfile.DIRTYPE: "dir", tarfile.REGTYPE: "reg", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink"}
KEYS = {
    "name", "type", "size", "modtime", "linkName", "mode", "uid", "gid", "userName", "groupName", "devMajor",
    "devMinor", "xattrs", "digest", "offset", "chunkOffset", "chunkSize", "chunkDigest",
}  # fmt: skip


class Broken(Exception):
    """A rule that does not hold."""


def demand(holds: object, rule: str) -> None:
    if not holds:
        raise Broken(rule)


def sha256(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def members(blob: bytes):
    """Takes a gzip stream apart: where each member begins, and what it holds."""
    at = 0
    while at < len(blob):
        reader = zlib.decompressobj(31)
        plain = reader.decompress(blob[at:])
        demand(reader.eof, f"the member at {at} has no end")
        yield at, plain
        at = len(blob) - len(reader.unused_data)


def check(blob: bytes, annotations: dict, diff_id: str) -> dict:
    """Checks one layer; returns what is worth knowing of it."""
    # Footer: an empty member with an extra field.
    demand(len(blob) > 51, "there is no room for a footer")
    footer = FOOTER.fullmatch(blob[-51:])
    demand(footer, "the last 51 bytes are no footer")
    toc_offset = int(footer[1], 16)

    # The whole is one tar, whatever its members.
    starts = {}
    tar = bytearray()
    for at, plain in members(blob):
        starts[at] = (len(tar), plain)
        tar += plain
    demand(sha256(tar) == diff_id, "the members together are not the tar of the diff ID")
    demand(annotations.get("io.containers.estargz.uncompressed-size") == str(len(tar)), "uncompressed-size is wrong")
    demand(starts.get(len(blob) - 51) == (len(tar), b""), "the footer is not an empty member of its own")

    # Table of contents: the last entry of the tar, in a member of its own.
    demand(toc_offset in starts, "the footer does not point at a member")
    with tarfile.open(fileobj=io.BytesIO(starts[toc_offset][1])) as archive:
        [entry] = archive.getmembers()
        demand(entry.name == TOC and entry.isreg(), "the footer does not point at the table of contents")
        text = archive.extractfile(entry).read()
    demand(annotations.get("containerd.io/snapshot/stargz/toc.digest") == sha256(text), "toc.digest is wrong")
    table = json.loads(text)
    demand(table["version"] == 1 and set(table) == {"version", "entries"}, "the version of the table is not 1")
    rows = table["entries"]
    demand(all(set(row) <= KEYS for row in rows), "a row has a property that old readers do not know")

    archive = tarfile.open(fileobj=io.BytesIO(tar))
    entries = archive.getmembers()
    demand(entries[-1].name == TOC, "the table of contents is not the last entry")
    found = {0, toc_offset, len(blob) - 51}
    chunks = 0
    at = 0
    for entry in entries[:-1]:
        row = rows[at]
        at += 1
        where = f"`{entry.name}`: "
        kind = KINDS[entry.type]
        demand(row["type"] == kind, where + "its type is wrong")
        demand(row["name"] == entry.name + ("/" if kind == "dir" else ""), where + "its name is wrong")
        demand(row["mode"] == entry.mode, where + "its mode is wrong")
        demand((row["uid"], row["gid"]) == (entry.uid, entry.gid), where + "its owner is wrong")
        demand(row.get("linkName", "") == entry.linkname, where + "its target is wrong")
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(entry.mtime)) if entry.mtime else None
        demand(row.get("modtime") == moment, where + "its time is wrong")
        demand(row.get("size", 0) == (entry.size if kind == "reg" else 0), where + "its size is wrong")
        if kind != "reg":
            demand(not {"offset", "digest", "chunkDigest"} & set(row), where + "it has content")
            continue
        content = tar[entry.offset_data : entry.offset_data + entry.size]
        demand(row["digest"] == sha256(content), where + "its digest is wrong")
        if entry.name in LANDMARKS:
            demand(content == b"\x0f", "the landmark does not hold 0xf")
        done = 0
        while done < entry.size:
            chunks += 1
            start, plain = starts.get(row["offset"], (None, b""))
            demand(start == entry.offset_data + done, where + "no member begins where a chunk does")
            demand(row["offset"] not in found, where + "two chunks have one offset")
            found.add(row["offset"])
            demand(row.get("chunkOffset", 0) == done, where + "a chunk does not begin where the last one ended")
            size = row.get("chunkSize", 0) or entry.size - done
            demand(0 < size <= CHUNK, where + "a chunk is too large")
            demand(row["chunkDigest"] == sha256(plain[:size]), where + "the digest of a chunk is wrong")
            done += size
            if done == entry.size:
                demand(row.get("chunkSize", 0) == 0, where + "its last chunk has a size")
            else:
                demand("chunkSize" in row, where + "a chunk that is not the last has no size")
                row = rows[at]
                at += 1
                demand(row["type"] == "chunk" and row["name"] == entry.name, where + "a chunk is missing")
        demand(done == entry.size, where + "its chunks are longer than it")
    demand(at == len(rows), "the table has rows without an entry")
    demand(found == set(starts), "there are members that the table does not know")
    names = [entry.name for entry in entries]
    demand(sum(names.count(name) for name in LANDMARKS) == 1, "there is not one landmark")
    return {"entries": len(entries), "chunks": chunks, "size": len(blob), "tar": len(tar)}


def images(layout: Path):
    """Every image of a layout: its config and its layers."""

    def read(digest: str) -> dict:
        return json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())

    todo = json.loads((layout / "index.json").read_bytes())["manifests"]
    seen = set()
    while todo:
        descriptor = todo.pop()
        document = read(descriptor["digest"])
        if "manifests" in document:
            todo += document["manifests"]
        elif descriptor["digest"] not in seen:
            seen.add(descriptor["digest"])
            yield read(document["config"]["digest"]), document["layers"]


def main(layouts: list[str]) -> None:
    if not layouts:
        sys.exit(__doc__.strip())
    table = Table(("layer", 12), ("entries", 7), ("chunks", 6), ("bytes", 10), ("tar", 10))
    for layout in map(Path, layouts):
        for config, layers in images(layout):
            for layer, diff_id in zip(layers, config["rootfs"]["diff_ids"], strict=True):
                name = layer["digest"].split(":")[1]
                if "containerd.io/snapshot/stargz/toc.digest" not in layer.get("annotations", {}):
                    table.row(name[:12], "-", "-", layer["size"], "-", ok=False, detail="it is no lazy layer")
                    continue
                blob = (layout / "blobs/sha256" / name).read_bytes()
                try:
                    facts = check(blob, layer["annotations"], diff_id)
                except (Broken, KeyError, IndexError, ValueError, zlib.error, tarfile.TarError) as error:
                    detail = f"{type(error).__name__}: {error}"
                    table.row(name[:12], "?", "?", len(blob), "?", ok=False, detail=detail)
                    continue
                table.row(name[:12], facts["entries"], facts["chunks"], facts["size"], facts["tar"], ok=True)
    table.finish()


if __name__ == "__main__":
    main(sys.argv[1:])
