"""Writes zip archives field by field, right or wrong (PKWARE APPNOTE 4.3), and wheels made of them."""

import base64
import hashlib
import struct
import zlib
from dataclasses import dataclass, field

DESCRIBED, UTF8 = 1 << 3, 1 << 11
STORED, DEFLATED = 0, 8
FILE, FOLDER = 0o100644, 0o040755


def deflate(content: bytes) -> bytes:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeezer.compress(content) + squeezer.flush()


def extra_field(number: int, content: bytes) -> bytes:
    return struct.pack("<HH", number, len(content)) + content


def zip64_field(*numbers: int, more: bytes = b"") -> bytes:
    return extra_field(1, struct.pack(f"<{len(numbers)}Q", *numbers) + more)


@dataclass
class Member:
    """A member. `central` and `local` hold what one of its two headers says otherwise."""

    name: bytes
    content: bytes
    stored: bool = False
    mode: int = FILE
    data: bytes | None = None
    descriptor: bytes = b""
    central: dict = field(default_factory=dict)
    local: dict = field(default_factory=dict)
    recorded: bool = True

    def both(self, **facts) -> "Member":
        self.central.update(facts)
        self.local.update(facts)
        return self

    def raw(self) -> bytes:
        if self.data is not None:
            return self.data
        return self.content if self.stored else deflate(self.content)

    def facts(self) -> dict:
        return {
            "name": self.name,
            "needed": 20,
            "flags": 0 if self.name.isascii() else UTF8,
            "method": STORED if self.stored else DEFLATED,
            "time": 0,
            "date": 0x21,
            "crc": zlib.crc32(self.content),
            "csize": len(self.raw()),
            "size": len(self.content),
            "extra": b"",
            "system": 3,
            "comment": b"",
            "disk": 0,
            "attributes": self.mode << 16,
        }

    def describe(self, signature: bool = True, wide: bool = False, **wrong: int) -> "Member":
        """Moves checksum and sizes behind the data."""
        facts = self.facts()
        numbers = [wrong.get(key, facts[key]) for key in ("crc", "csize", "size")]
        self.descriptor = (b"PK\7\x08" if signature else b"") + struct.pack("<IQQ" if wide else "<III", *numbers)
        self.both(flags=facts["flags"] | DESCRIBED)
        self.local.update(crc=0, csize=0, size=0)
        return self

    def local_header(self) -> bytes:
        f = {**self.facts(), **self.local}
        fixed = struct.pack(
            "<4s5H3I2H", b"PK\3\4", f["needed"], f["flags"], f["method"], f["time"], f["date"],
            f["crc"], f["csize"], f["size"], len(f["name"]), len(f["extra"]),
        )  # fmt: skip
        return fixed + f["name"] + f["extra"] + self.raw() + self.descriptor

    def entry(self, offset: int) -> bytes:
        f = {**self.facts(), "offset": offset, **self.central}
        fixed = struct.pack(
            "<4sBB5H3I5HII", b"PK\1\2", 20, f["system"], f["needed"], f["flags"], f["method"], f["time"], f["date"],
            f["crc"], f["csize"], f["size"], len(f["name"]), len(f["extra"]), len(f["comment"]), f["disk"], 0,
            f["attributes"], f["offset"],
        )  # fmt: skip
        return fixed + f["name"] + f["extra"] + f["comment"]


@dataclass
class Zip:
    """An archive. What is left alone is right."""

    members: list[Member] = field(default_factory=list)
    before: bytes = b""
    gap: bytes = b""
    comment: bytes = b""
    after: bytes = b""
    # Entries of the directory that follow those of the members, ready made.
    more_entries: list[bytes] = field(default_factory=list)
    directory_rest: bytes = b""
    end: dict = field(default_factory=dict)
    # The zip64 end record and its locator: None for none.
    end64: dict | None = None
    shifted: bool = False

    def bytes(self) -> bytes:
        out = bytearray(self.before)
        base = 0 if self.shifted else len(self.before)
        entries = []
        for member in self.members:
            entries.append(member.entry(len(out) - len(self.before) + base))
            out += member.local_header()
        out += self.gap
        entries += self.more_entries
        directory = b"".join(entries) + self.directory_rest
        facts = {
            "count": len(entries), "size": len(directory), "offset": len(out) - len(self.before) + base, "disk": 0,
            "first_disk": 0,
        }  # fmt: skip
        facts["here"] = facts["count"]
        out += directory
        if self.end64 is not None:
            at = len(out)
            f = {**facts, "length": 44, "at": at, "disks": 1, "rest": b"", **self.end64}
            out += struct.pack(
                "<4sQHHIIQQQQ", b"PK\6\6", f["length"], 45, 45, f["disk"], f["first_disk"], f["here"], f["count"],
                f["size"], f["offset"],
            )  # fmt: skip
            out += f["rest"]
            out += struct.pack("<4sIQI", b"PK\6\7", 0, f["at"], f["disks"])
        f = {**facts, "comment_length": len(self.comment), **self.end}
        out += struct.pack(
            "<4s4HIIH", b"PK\5\6", f["disk"], f["first_disk"], f["here"], f["count"], f["size"], f["offset"],
            f["comment_length"],
        )  # fmt: skip
        return bytes(out + self.comment + self.after)


def record_row(path: str, content: bytes, algorithm: str = "sha256") -> str:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, content).digest()).rstrip(b"=").decode()
    quoted = '"' + path.replace('"', '""') + '"' if set(path) & set(',"\n\r') else path
    return f"{quoted},{algorithm}={digest},{len(content)}\n"


class Wheel:
    """A sound wheel called like its sample, or otherwise, to be spoilt; RECORD is written last."""

    def __init__(self, sample: str, name: str = ""):
        self.name = name or f"bw_{sample}"
        self.info = f"{self.name}-1.0.dist-info"
        self.data = f"{self.name}-1.0.data"
        self.zip = Zip()
        self.rows: dict[str, str] = {}
        self.more_rows = ""
        self.record: bytes | None = None
        self.has_record = True
        self.whole: bytes | None = None
        self.metadata = f"Metadata-Version: 2.1\nName: {self.name.replace('_', '-')}\nVersion: 1.0\n".encode()
        self.wheel = b"Wheel-Version: 1.0\nGenerator: odd\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        self.has_metadata = self.has_wheel = True
        self.file(f"{self.name}/__init__.py", b"VALUE = 1\n\n\ndef main():\n    return 0\n")

    @property
    def filename(self) -> str:
        return f"{self.name}-1.0-py3-none-any.whl"

    def file(self, name: str | bytes, content: bytes = b"", **facts) -> Member:
        """Adds a member."""
        name = name.encode() if isinstance(name, str) else name
        if name.endswith(b"/"):
            facts = {"stored": True, "mode": FOLDER, "recorded": False, **facts}
        member = Member(name, content, **facts)
        self.zip.members.append(member)
        return member

    def inside(self, name: str, content: bytes = b"x = 1\n", **facts) -> Member:
        """Adds a member to its package."""
        return self.file(f"{self.name}/{name}", content, **facts)

    def entry_points(self, text: str | bytes) -> Member:
        return self.file(f"{self.info}/entry_points.txt", text.encode() if isinstance(text, str) else text)

    def script(self, line: str) -> Member:
        return self.entry_points(f"[console_scripts]\n{line}\n")

    def row_of(self, path: str, row: str) -> None:
        """Replaces the row of a path in RECORD."""
        self.rows[path] = row

    def record_bytes(self) -> bytes:
        if self.record is not None:
            return self.record
        text = ""
        for member in self.zip.members:
            if member.recorded:
                path = member.name.decode("utf-8", "replace")
                text += self.rows.get(path, record_row(path, member.content))
        own = f"{self.info}/RECORD"
        return (text + self.more_rows + self.rows.get(own, f"{own},,\n")).encode()

    def bytes(self) -> bytes:
        if self.whole is not None:
            return self.whole
        if self.has_metadata:
            self.file(f"{self.info}/METADATA", self.metadata)
        if self.has_wheel:
            self.file(f"{self.info}/WHEEL", self.wheel)
        if self.has_record:
            self.file(f"{self.info}/RECORD", self.record_bytes(), recorded=False)
        self.has_metadata = self.has_wheel = self.has_record = False
        self.whole = self.zip.bytes()
        return self.whole
