"""Odd wheels: each is sound but for one thing, with the verdict it must get.

A sample is a function that spoils a sound wheel. `expect` is `accept` or `reject`; `rule` the id of the rule that refuses it
or warns of it, `-` for none.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from odd_zip import (
    DEFLATED, DESCRIBED, FILE, FOLDER, STORED, UTF8, Member, Wheel, deflate, extra_field, record_row, zip64_field,
)  # fmt: skip


@dataclass
class Sample:
    id: str
    group: str
    what: str
    expect: str
    rule: str
    spoil: Callable[[Wheel], object]

    def wheel(self, name: str = "") -> Wheel:
        wheel = Wheel(self.id, name)
        self.spoil(wheel)
        return wheel


SAMPLES: list[Sample] = []


def add(id: str, verdict: str, what: str, spoil: Callable[[Wheel], object]) -> None:
    """Adds a sample. `verdict` is a rule, `E-...` refuses; or `-`."""
    group = id.split("_", 1)[0]
    expect = "reject" if verdict.startswith("E-") else "accept"
    SAMPLES.append(Sample(id, group, what, expect, verdict, spoil))


def change(thing: object, /, **facts) -> None:
    for key, value in facts.items():
        setattr(thing, key, value)


ODD = b"x = 1\n"


# Sound: nothing may be said against these.

add("ok_minimal", "-", "a plain wheel", lambda w: None)
add("ok_stored", "-", "members that are stored", lambda w: w.inside("s.py", stored=True))
add("ok_directories", "-", "directory entries, one twice, one empty", lambda w: (
    w.inside("", b""), w.inside("", b""), w.inside("empty/", b"")))
add("ok_directory_deflated", "-", "a folder whose nothing is deflated", lambda w: w.inside("empty/", b"", stored=False))
add("ok_utf8", "-", "names beyond ASCII, marked as UTF-8", lambda w: w.inside("größe/naïve ☃.py"))
add("ok_spaces", "-", "names with spaces, quotes, commas, colons, an asterisk", lambda w: (
    w.inside('a "quoted", name.txt'), w.inside("a:b*c.txt"), w.inside(" lead.txt"), w.inside("trail .txt ")))
add("ok_windows_names", "-", "names that Windows reserves", lambda w: (w.inside("con.py"), w.inside("nul"), w.inside("dot.")))
add("ok_longest_name", "-", "a component of 255 bytes", lambda w: w.inside("n" * 255))
add("ok_platlib", "-", "Root-Is-Purelib: false", lambda w: change(w, wheel=w.wheel.replace(b"true", b"false")))
add("ok_modes", "-", "odd, but harmless modes", lambda w: (
    w.inside("x", mode=0o100755), w.inside("r", mode=0o100444), w.inside("none", mode=0o100000), w.inside("zero", mode=0)))
add("ok_made_on_windows", "-", "modes written on Windows", lambda w: (
    w.inside("a.py", mode=0o100666).central.update(system=0, attributes=0o100666 << 16 | 0x20),
    w.inside("b.py").central.update(system=0, attributes=0x20),
    w.inside("d/", b"").central.update(system=0, attributes=0x10)))
add("ok_schemes", "-", "all five schemes", lambda w: [
    w.file(f"{w.data}/{path}") for path in (
        "purelib/bw/a.py", "platlib/bw/b.so", "scripts/bw-tool", "data/share/bw/x", "data/etc/bw.conf", "headers/bw.h")])
add("ok_only_data", "-", "nothing but data", lambda w: (w.zip.members.clear(), w.file(f"{w.data}/data/share/bw/x", ODD)))
add("ok_two_schemes_one_file", "-", "one file under two schemes, with the same bytes", lambda w: (
    w.file("bw_same.py", ODD), w.file(f"{w.data}/purelib/bw_same.py", ODD)))
add("ok_descriptor", "-", "a data descriptor with signature", lambda w: w.inside("d.py").describe())
add("ok_descriptor_bare", "-", "a data descriptor without signature", lambda w: w.inside("d.py").describe(signature=False))
add("ok_descriptor_wide", "-", "a data descriptor of 64 bits", lambda w: (
    w.inside("d.py").describe(wide=True).local.update(extra=zip64_field(0, 0), csize=0xffffffff, size=0xffffffff)))
add("ok_descriptor_empty", "-", "a data descriptor after an empty stored file", lambda w: (
    w.inside("d.py", b"", stored=True).describe()))
add("ok_descriptor_repeated", "-", "a data descriptor whose numbers stand in the local header too", lambda w: (
    w.inside("d.py").describe().local.update(crc=zlib.crc32(ODD), csize=len(deflate(ODD)), size=len(ODD))))
add("ok_zip64_end", "-", "a zip64 end record beside a small one that agrees", lambda w: change(w.zip, end64={}))
add("ok_zip64_end_only", "-", "sizes in the zip64 end record only", lambda w: (
    change(w.zip, end64={}, end={"here": 0xffff, "count": 0xffff, "size": 0xffffffff, "offset": 0xffffffff})))
add("ok_zip64_sizes", "-", "zip64 sizes of a small member", lambda w: wide_member(w))
add("ok_zip64_offset", "-", "a zip64 offset", lambda w: (
    w.zip.members[0].central.update(offset=0xffffffff, extra=zip64_field(0))))
add("ok_zip64_disk", "-", "a zip64 field with a disk number, which is 0", lambda w: (
    w.zip.members[0].central.update(disk=0xffff, extra=zip64_field(more=bytes(4)))))
add("ok_comment", "-", "an archive comment with PK in it", lambda w: change(w.zip, comment=b"made with PKZIP, PK\x20\x20"))
add("ok_member_comment", "-", "a member comment", lambda w: w.inside("c.py").central.update(comment=b"hello"))
add("ok_extra_times", "-", "extra fields with times and owners", lambda w: (
    w.inside("t.py").both(extra=extra_field(0x5455, b"\1" + bytes(4)) + extra_field(0x7875, b"\1\4" + bytes(4) + b"\4" + bytes(4)))))
add("ok_extra_padding", "-", "extra fields with two bytes of padding", lambda w: w.inside("t.py").both(extra=bytes(2)))
add("ok_unicode_path", "-", "a Unicode Path field that says the same", lambda w: (
    w.inside("p.py").both(extra=unicode_path(f"{w.name}/p.py", f"{w.name}/p.py"))))
add("ok_other_times", "-", "times that differ between the headers: they go nowhere", lambda w: w.inside("t.py").local.update(time=77))
add("ok_zip_inside", "-", "an archive as a stored member", lambda w: w.inside("inner.zip", Wheel("inner").bytes(), stored=True))
add("ok_deflated_empty", "-", "an empty file in a deflate stream of seven bytes", lambda w: (
    change(w.inside("e.py", b""), data=b"\x00\x00\x00\xff\xff\x03\x00")))
add("ok_record_dot", "-", "RECORD writes ./ before paths", lambda w: respell(w, lambda path: f"./{path}"))
add("ok_record_backslash", "-", "RECORD writes paths as Windows does", lambda w: respell(w, lambda path: path.replace("/", "\\")))
add("ok_record_crlf", "-", "RECORD with Windows line ends", lambda w: change(w, record=w_record(w).replace(b"\n", b"\r\n")))
add("ok_record_quoted", "-", "RECORD with every field quoted", lambda w: change(w, record=b"".join(
    b",".join(b'"%s"' % field for field in line.split(b",")) + b"\n" for line in w_record(w).splitlines())))
add("ok_record_sha512", "-", "sha512 and sha384 in RECORD", lambda w: [
    (w.inside(f"{name}.py"), w.row_of(f"{w.name}/{name}.py", record_row(f"{w.name}/{name}.py", ODD, name)))
    for name in ("sha384", "sha512")])
add("ok_record_folder", "-", "RECORD has rows for folders", lambda w: change(w, more_rows=f"{w.name}/,,\n"))
add("ok_record_no_size", "-", "RECORD without sizes", lambda w: respell(w, None, size=False))
add("ok_record_padded", "-", "base64 with its padding", lambda w: respell(w, None, pad=True))
add("ok_record_last_line", "-", "RECORD without an end of its last line", lambda w: change(w, record=w_record(w).rstrip(b"\n")))
add("ok_record_signed", "-", "RECORD.jws and RECORD.p7s, not listed", lambda w: (
    w.file(f"{w.info}/RECORD.jws", b"{}", recorded=False), w.file(f"{w.info}/RECORD.p7s", b"x", recorded=False)))
add("ok_record_signed_listed", "-", "RECORD.jws, listed with its hash", lambda w: w.file(f"{w.info}/RECORD.jws", b"{}"))
add("ok_metadata_folded", "-", "folded and repeated headers, a body", lambda w: change(
    w, metadata=w.metadata + b"Summary: one\n        two\nClassifier: A\nClassifier: B\n\nName: not a header\n"))
add("ok_metadata_crlf", "-", "METADATA with Windows line ends", lambda w: change(w, metadata=w.metadata.replace(b"\n", b"\r\n")))
add("ok_metadata_bom", "-", "METADATA with a byte order mark", lambda w: change(w, metadata=b"\xef\xbb\xbf" + w.metadata))
add("ok_metadata_body", "-", "a description that is not UTF-8", lambda w: change(w, metadata=w.metadata + b"\ncaf\xe9\n"))
add("ok_metadata_new", "-", "Metadata-Version 2.99: a newer minor version", lambda w: change(
    w, metadata=w.metadata.replace(b"2.1", b"2.99")))
add("ok_name_spelling", "-", "the name in another spelling", lambda w: change(
    w, metadata=w.metadata.replace(b"bw-ok-name-spelling", b"BW.Ok_Name--Spelling")))
add("ok_version_spelling", "-", "the version in another spelling", lambda w: change(
    w, metadata=w.metadata.replace(b": 1.0\n", b": v1.0.0\n")))
add("ok_name_twice", "-", "the same Name twice", lambda w: change(w, metadata=w.metadata + w.metadata.splitlines(True)[1]))
add("ok_nested_info", "-", "a .dist-info folder inside a package", lambda w: w.inside("_vendor/other-2.0.dist-info/METADATA", b"Name: other\n"))
add("ok_other_data", "-", "a .data folder of another name is a folder", lambda w: w.file("other-1.0.data/scripts/python", ODD))
add("ok_entry_points", "-", "entry points with comments, extras, other groups", lambda w: w.entry_points(
    "# comment\n; another\n[console_scripts]\nbw-a = bw_ok_entry_points:main\nbw.b_c+2=bw_ok_entry_points : main [fast, more]\n\n"
    "[gui_scripts]\nbw-a = bw_ok_entry_points:main\n[other.group]\nanything = goes:here.and there\n"))
add("ok_entry_points_same", "-", "one entry point twice, the same", lambda w: w.script(
    f"bw-a = {w.name}:main\nbw-a = {w.name}:main"))
add("ok_script_and_entry_point", "-", "a script with the name of an entry point", lambda w: (
    w.script(f"bw-a = {w.name}:main"), w.file(f"{w.data}/scripts/bw-a", b"#!python\n")))
add("ok_almost_interpreter", "-", "names like the interpreter's, but others", lambda w: (
    w.script(f"python-bw = {w.name}:main\nipython = {w.name}:main\npython3-config = {w.name}:main"),
    w.file(f"{w.data}/data/share/python", ODD), w.file(f"{w.data}/scripts/python-config.sh", ODD)))
add("ok_bin_sh", "-", "a shell of its own in the environment", lambda w: w.file(f"{w.data}/data/bin/sh", ODD, mode=0o100755))

# Accepted, and told.

add("type_setuid", "W-SUID", "set-user-id, set-group-id and sticky bits", lambda w: w.inside("su", mode=0o107755))
add("dup_case", "W-CASE", "two names that differ by case", lambda w: (w.inside("Readme"), w.inside("README")))
add("dup_case_folder", "W-CASE", "two folders that differ by case", lambda w: (w.inside("A/x"), w.inside("a/x")))
add("dup_composed", "W-CASE", "two names that differ by Unicode composition", lambda w: (w.inside("é.py"), w.inside("e\u0301.py")))
add("zip_bomb_honest", "W-RATIO", "64 MiB of zeros", lambda w: w.inside("zeros", bytes(64 << 20)))
add("meta_tag", "W-TAG", "another tag than the file name", lambda w: change(
    w, wheel=w.wheel.replace(b"py3-none-any", b"cp27-cp27m-win32")))
add("meta_no_tag", "W-TAG", "no tag", lambda w: change(w, wheel=w.wheel.replace(b"Tag: py3-none-any\n", b"")))
add("meta_wheel_minor", "W-VERSION", "Wheel-Version: 1.9", lambda w: change(w, wheel=w.wheel.replace(b"1.0", b"1.9")))
add("pth_root", "W-PTH", "a .pth file", lambda w: w.file("bw.pth", b"import bw\n"))
add("pth_purelib", "W-PTH", "a .pth file in purelib", lambda w: w.file(f"{w.data}/purelib/bw.pth", b"/elsewhere\n"))
add("pth_data", "W-PTH", "a .pth file that takes the way through data", lambda w: (
    w.file(f"{w.data}/data/lib/python3.13/site-packages/bw.pth", ODD)))
add("pth_sitecustomize", "W-PTH", "a sitecustomize module", lambda w: w.file("sitecustomize.py", ODD))
add("pth_usercustomize", "W-PTH", "a usercustomize package", lambda w: w.file("usercustomize/__init__.py", ODD))

# Names.

for id, name, what in [
    ("absolute", "/etc/cron.d/x", "an absolute name"),
    ("dotdot", "../../x", "a name that climbs"),
    ("dotdot_inside", "bw_x/sub/../y.py", "a name that climbs, but stays inside"),
    ("dotdot_last", "bw_x/..", "a name that ends with .."),
    ("sibling", "../site-packages-evil/x", "a neighbour with the same beginning"),
    ("backslash", "bw_x\\y.py", "a backslash"),
    ("backslash_dotdot", "..\\..\\x", "a climb with backslashes"),
    ("drive", "C:/x", "a drive letter"),
    ("drive_relative", "c:x", "a drive letter without a root"),
    ("share", "//server/share/x", "a network share"),
    ("share_backslash", "\\\\server\\share\\x", "a network share with backslashes"),
    ("dot", "./bw_x/y.py", "./ in front"),
    ("dot_inside", "bw_x/./y.py", "/./ inside"),
    ("double_slash", "bw_x//y.py", "two slashes"),
    ("only_dot", ".", "a lone dot"),
    ("folder_climbs", "../../x/", "a folder that climbs"),
    ("double_slash_end", "bw_x//", "a folder with two slashes"),
]:
    add(f"path_{id}", "E-PATH", what, lambda w, name=name: w.file(name, b"" if name.endswith("/") else ODD))
for scheme in ("scripts", "data", "headers", "purelib"):
    add(f"path_climbs_from_{scheme}", "E-PATH", f"a climb out of {scheme}", lambda w, scheme=scheme: (
        w.file(f"{w.data}/{scheme}/../../../../x")))
add("path_absolute_in_data", "E-PATH", "an absolute name below data", lambda w: w.file(f"{w.data}/data//etc/passwd"))
for id, name, what in [
    ("empty", b"", "an empty name"),
    ("slash", b"/", "a lone slash"),
    ("nul", b"bw_x/a.py\0.txt", "a NUL"),
    ("newline", b"bw_x/a\nb.py", "a newline"),
    ("escape", b"bw_x/a\x1b[2Jb.py", "an escape sequence"),
    ("delete", b"bw_x/a\x7f.py", "a delete character"),
    ("c1", "bw_x/a\u0085b.py".encode(), "a control character beyond ASCII"),
    ("line_separator", "bw_x/a\u2028b.py".encode(), "a line separator: RECORD would have another row to Python"),
    ("component", b"bw_x/" + b"n" * 256, "a component of 256 bytes"),
    ("path", b"bw_x/" * 1000 + b"x", "a path of 5,001 bytes"),
    ("bad_utf8", b"bw_x/caf\xe9.py", "marked as UTF-8, and is not"),
    ("surrogate", b"bw_x/\xed\xa0\x80.py", "half of a surrogate pair"),
    ("overlong", b"bw_x/\xc0\xaf.py", "a slash in an overlong form"),
]:
    add(f"name_{id}", "E-NAME", what, lambda w, name=name: w.file(name, recorded=False).both(flags=UTF8))
add("name_latin1", "E-NAME", "Latin-1, not marked", lambda w: w.file(b"bw_x/caf\xe9.py", recorded=False).both(flags=0))
add("name_unmarked", "E-NAME", "UTF-8, but not marked as such", lambda w: w.inside("größe.py").both(flags=0))
add("name_unmarked_field", "E-NAME", "UTF-8, marked by a Unicode Path field only", lambda w: w.inside("größe.py").both(
    flags=0, extra=unicode_path(f"{w.name}/größe.py", f"{w.name}/größe.py")))
add("name_long_below_scheme", "E-NAME", "a path that only fits before it is installed", lambda w: w.file("x/" * 2030 + "x"))

# Types.

for id, mode, what in [
    ("symlink", 0o120777, "a symbolic link"),
    ("character", 0o020666, "a character device"),
    ("block", 0o060660, "a block device"),
    ("pipe", 0o010644, "a pipe"),
    ("socket", 0o140755, "a socket"),
    ("whiteout", 0o160000, "a type no system knows"),
    ("folder_without_slash", 0o040755, "a folder by its mode alone"),
]:
    add(f"type_{id}", "E-TYPE", what, lambda w, mode=mode: w.inside("odd", b"/etc/passwd", stored=True, mode=mode))
    if id != "whiteout":
        add(f"type_{id}_windows", "E-TYPE", f"{what}, said to be made on Windows", lambda w, mode=mode: (
            w.inside("odd", b"/etc/passwd", stored=True, mode=mode).central.update(system=0)))
add("type_symlink_darwin", "E-TYPE", "a symbolic link, made on macOS", lambda w: (
    w.inside("odd", b"/etc/passwd", mode=0o120777).central.update(system=19)))
add("type_symlink_folder", "E-TYPE", "a symbolic link with a slash", lambda w: w.inside("odd/", b"", mode=0o120777))
add("type_file_with_slash", "E-TYPE", "a file by its mode, a folder by its name", lambda w: w.inside("odd/", b"", mode=FILE))
add("type_folder_attribute", "E-TYPE", "a folder by its DOS attribute alone", lambda w: (
    w.inside("odd").central.update(attributes=FILE << 16 | 0x10)))
add("type_folder_with_content", "E-TYPE", "a folder with content", lambda w: w.inside("odd/", ODD))
add("type_folder_with_data", "E-TYPE", "a folder of size 0 with compressed data", lambda w: (
    change(w.inside("odd/", b"", stored=False), data=deflate(bytes(1 << 20)))))
add("type_folder_with_tail", "E-TYPE", "a folder with bytes behind its deflated nothing", lambda w: (
    change(w.inside("odd/", b"", stored=False), data=deflate(b"") + b"x")))

# Paths that appear twice.

add("dup_same", "E-DUP", "one name twice, with the same bytes", lambda w: (w.inside("d.py"), w.inside("d.py", recorded=False)))
add("dup_different", "E-DUP", "one name twice, with other bytes", lambda w: (w.inside("d.py"), w.inside("d.py", b"2", recorded=False)))
add("dup_record", "E-DUP", "RECORD twice", lambda w: w.file(f"{w.info}/RECORD", b"", recorded=False))
add("dup_file_folder", "E-DUP", "a file and a folder of one name", lambda w: (w.inside("d"), w.inside("d/", b"")))
add("dup_below_file", "E-DUP", "a file below a file", lambda w: (w.inside("d"), w.inside("d/e.py")))
add("dup_below_file_far", "E-DUP", "a file far below a file, with others between", lambda w: (
    w.inside("d/e/f/g.py"), w.inside("d-"), w.inside("d.py"), w.inside("d")))
add("dup_schemes", "E-DUP", "one path under two schemes, with other bytes", lambda w: (
    w.file("bw_same.py", b"1"), w.file(f"{w.data}/platlib/bw_same.py", b"2")))
add("dup_schemes_folder", "E-DUP", "a file below a file, by two schemes", lambda w: (
    w.file("bw_same", b"1"), w.file(f"{w.data}/purelib/bw_same/x", b"2")))
add("dup_script_data", "E-DUP", "a data file with the name of an entry point", lambda w: (
    w.script(f"bw-a = {w.name}:main"), w.file(f"{w.data}/data/bin/bw-a")))
add("meta_installer", "E-META", "INSTALLER, by another scheme", lambda w: w.file(
    f"{w.data}/data/lib/python3.13/site-packages/{w.info}/INSTALLER", b"evil\n"))

# The archive: what is said twice.

add("zip_local_name", "E-ZIPDIFF", "another name in the local header", lambda w: w.inside("aaaa.py").local.update(name=f"{w.name}/bbbb.py".encode()))
add("zip_local_name_long", "E-ZIPDIFF", "a longer name in the local header", lambda w: w.inside("a.py").local.update(name=f"{w.name}/a.pyc".encode()))
add("zip_local_method", "E-ZIPDIFF", "another method in the local header", lambda w: w.inside("a.py").local.update(method=STORED))
add("zip_local_crc", "E-ZIPDIFF", "another checksum in the local header", lambda w: w.inside("a.py").local.update(crc=1))
add("zip_local_csize", "E-ZIPDIFF", "another compressed size in the local header", lambda w: w.inside("a.py").local.update(csize=5))
add("zip_local_size", "E-ZIPDIFF", "another size in the local header", lambda w: w.inside("a.py").local.update(size=7))
add("zip_local_size_zero", "E-ZIPDIFF", "no size in the local header, and no descriptor", lambda w: w.inside("a.py").local.update(size=0))
add("zip_local_flags", "E-ZIPDIFF", "UTF-8 in the local header only", lambda w: w.inside("a.py").local.update(flags=UTF8))
add("zip_central_flags", "E-ZIPDIFF", "a descriptor by the directory only", lambda w: w.inside("a.py").central.update(flags=DESCRIBED))
add("zip_local_zip64", "E-ZIPDIFF", "another size in the local zip64 field", lambda w: (
    w.inside("a.py").local.update(size=0xffffffff, csize=0xffffffff, extra=zip64_field(7, len(deflate(ODD))))))
add("zip_central_zip64", "E-ZIPDIFF", "a zip64 field beside sizes that are there", lambda w: (
    w.inside("a.py").central.update(extra=zip64_field(7, 8))))
add("zip_zip64_short", "E-ZIPDIFF", "a zip64 field that lacks a size", lambda w: (
    w.inside("a.py").central.update(size=0xffffffff, csize=0xffffffff, extra=zip64_field(6))))
add("zip_zip64_missing", "E-ZIPDIFF", "a size of 4 GiB - 1 and no zip64 field", lambda w: w.inside("a.py").central.update(size=0xffffffff))
add("zip_zip64_odd", "E-ZIPDIFF", "a zip64 field of nine bytes", lambda w: (
    w.inside("a.py").central.update(size=0xffffffff, extra=zip64_field(6, more=b"x"))))
add("zip_zip64_long", "E-ZIPDIFF", "a zip64 field with four numbers", lambda w: (
    w.inside("a.py").central.update(size=0xffffffff, extra=zip64_field(6, 8, 0, 0))))
add("zip_zip64_twice", "E-ZIPDIFF", "two zip64 fields", lambda w: (
    w.inside("a.py").central.update(size=0xffffffff, extra=zip64_field(6) + zip64_field(7))))
add("zip_zip64_end_count", "E-ZIPDIFF", "another count in the zip64 end record", lambda w: change(
    w.zip, end64={"count": 3, "here": 3}))
add("zip_zip64_end_offset", "E-ZIPDIFF", "another offset in the zip64 end record", lambda w: change(w.zip, end64={"offset": 0}))
add("zip_zip64_end_size", "E-ZIPDIFF", "another size in the zip64 end record", lambda w: change(w.zip, end64={"size": 46}))
add("zip_unicode_path", "E-ZIPDIFF", "another name in the Unicode Path field", lambda w: (
    w.inside("a.py").both(extra=unicode_path(f"{w.name}/a.py", f"{w.name}/b.py"))))
add("zip_unicode_path_stale", "E-ZIPDIFF", "a Unicode Path field for another name", lambda w: (
    w.inside("a.py").both(extra=unicode_path("old.py", f"{w.name}/a.py"))))
add("zip_unicode_path_local", "E-ZIPDIFF", "another name in the local Unicode Path field", lambda w: (
    w.inside("a.py").local.update(extra=unicode_path(f"{w.name}/a.py", "/etc/passwd"))))
for wrong in ("crc", "csize", "size"):
    add(f"zip_descriptor_{wrong}", "E-ZIPDIFF", f"another {wrong} in the data descriptor", lambda w, wrong=wrong: (
        w.inside("a.py").describe(**{wrong: 5})))
add("zip_descriptor_wide", "E-ZIPDIFF", "another size in a wide data descriptor", lambda w: w.inside("a.py").describe(wide=True, size=1 << 40))
add("zip_descriptor_signature", "E-ZIPDIFF", "a data descriptor with another signature", lambda w: change(
    w.inside("a.py").describe(), descriptor=b"PK\7\7" + struct.pack("<III", zlib.crc32(ODD), len(deflate(ODD)), len(ODD))))
add("zip_descriptor_local", "E-ZIPDIFF", "a descriptor, and other numbers in the local header", lambda w: (
    w.inside("a.py").describe().local.update(size=99)))
add("zip_descriptor_stored", "E-ZIPDIFF", "a data descriptor after stored data: where it ends depends on the reader", lambda w: (
    w.inside("a.py", stored=True).describe()))
add("zip_deflate_tail", "E-ZIPDIFF", "bytes after the end of the deflate stream", lambda w: change(
    w.inside("a.py"), data=deflate(ODD) + b"tail"))
add("zip_deflate_two", "E-ZIPDIFF", "two deflate streams in one member", lambda w: change(
    w.inside("a.py"), data=deflate(ODD) + deflate(ODD)))

# The archive: what it holds, and where.

add("zip_crc", "E-CRC", "a wrong checksum in both headers", lambda w: w.inside("a.py").both(crc=1))
add("zip_crc_stored", "E-CRC", "a wrong checksum of stored data", lambda w: w.inside("a.py", stored=True).both(crc=1))
add("zip_crc_metadata", "E-CRC", "a wrong checksum of METADATA", lambda w: (
    w.file(f"{w.info}/METADATA", w.metadata).both(crc=1), change(w, has_metadata=False)))
add("zip_deflate_damaged", "E-CRC", "a deflate stream that is none", lambda w: change(w.inside("a.py"), data=b"\7" * 9))
add("zip_deflate_short", "E-CRC", "a deflate stream without its end", lambda w: change(w.inside("a.py", ODD * 9), data=deflate(ODD * 9)[:-4]))
add("zip_deflate_far", "E-CRC", "a match before the first byte", lambda w: change(w.inside("a.py"), data=b"\x03\x02\x00"))
add("zip_bomb_lie", "E-SIZE", "ten bytes, it says, and 64 MiB come out", lambda w: sized(w, w.inside("a.py", bytes(64 << 20)), 10))
add("zip_size_more", "E-SIZE", "more bytes, it says, than come out", lambda w: sized(w, w.inside("a.py"), 7))
add("zip_size_huge", "E-SIZE", "60 GiB, it says, and six bytes come out", lambda w: (
    sized(w, w.inside("a.py"), 60 << 30).both(
        size=0xffffffff, csize=0xffffffff, extra=zip64_field(60 << 30, len(deflate(ODD))))))
add("zip_size_stored", "E-SIZE", "stored in fewer bytes than it has", lambda w: w.inside("a.py", stored=True).both(size=7))
add("zip_size_nothing", "E-SIZE", "six bytes in none", lambda w: change(w.inside("a.py"), data=b""))
add("zip_limit_unpacked", "E-LIMIT", "a thousand petabytes unpacked", lambda w: w.inside("a.py").both(
    size=0xffffffff, csize=0xffffffff, extra=zip64_field(1 << 60, len(deflate(ODD)))))
add("zip_limit_metadata", "E-LIMIT", "METADATA of 17 MiB", lambda w: change(w, metadata=w.metadata + b"\n" + bytes(17 << 20)))
add("zip_limit_count", "E-LIMIT", "two million members, it says", lambda w: change(w.zip, end64={"count": 2 << 20, "here": 2 << 20}, end={
    "count": 0xffff, "here": 0xffff}))
add("zip_limit_folders", "E-LIMIT", "a million folders in the names of 500 members", lambda w: [
    w.file("/".join(["f", str(number), *"x" * 2035])) for number in range(500)])
for id, flags in (("encrypted", 1), ("encrypted_strongly", 1 | 1 << 6), ("encrypted_directory", 1 << 13)):
    add(f"zip_{id}", "E-ENC", f"flags {flags:#x}", lambda w, flags=flags: w.inside("a.py").both(flags=flags))
add("zip_encrypted_local", "E-ENC", "encrypted by the local header only", lambda w: w.inside("a.py").local.update(flags=1))
add("zip_encrypted_aes", "E-ENC", "AES", lambda w: w.inside("a.py").both(
    flags=1, method=99, extra=extra_field(0x9901, b"\2\0AE\3\x08\0")))
for method, what in ((1, "shrunk"), (6, "imploded"), (9, "deflate64"), (12, "bzip2"), (14, "lzma"), (93, "zstd"), (95, "xz"), (99, "AES")):
    add(f"zip_method_{method}", "E-METHOD", what, lambda w, method=method: w.inside("a.py").both(method=method))
add("zip_method_patch", "E-METHOD", "a patch for another file", lambda w: w.inside("a.py").both(flags=1 << 5))
add("zip_method_enhanced", "E-METHOD", "enhanced deflating", lambda w: w.inside("a.py").both(flags=1 << 4))
add("zip_method_unknown_flag", "E-METHOD", "a flag that means nothing yet", lambda w: w.inside("a.py").both(flags=1 << 14))
add("zip_after", "E-FRAME", "a byte after the end", lambda w: change(w.zip, after=b"\n"))
add("zip_after_zeros", "E-FRAME", "a block of zeros after the end", lambda w: change(w.zip, after=bytes(512)))
add("zip_before", "E-FRAME", "a script in front", lambda w: change(w.zip, before=b"#!/bin/sh\nexit\n"))
add("zip_before_shifted", "E-FRAME", "a script in front that offsets do not count", lambda w: change(w.zip, before=b"#!/bin/sh\nexit\n", shifted=True))
add("zip_gap", "E-FRAME", "bytes before the directory", lambda w: change(w.zip, gap=b"hidden"))
add("zip_gap_member", "E-FRAME", "a member that the directory does not list", lambda w: change(
    w.zip, gap=Member(b"evil.py", b"evil = 1\n").local_header()))
add("zip_gap_inside", "E-FRAME", "bytes between two members", lambda w: change(w.inside("a.py"), descriptor=b"PK"))
add("zip_descriptor_missing", "E-FRAME", "no data descriptor where one is said to be", lambda w: (
    w.inside("a.py").both(flags=DESCRIBED)))
add("zip_descriptor_long", "E-FRAME", "17 bytes of data descriptor", lambda w: change(w.inside("a.py").describe(), descriptor=bytes(17)))
add("zip_overlap", "E-FRAME", "two names for one local header", lambda w: overlap(w))
add("zip_overlap_quoted", "E-FRAME", "a member inside the data of another", lambda w: overlap_quoted(w))
add("zip_offset_outside", "E-FRAME", "a local header outside the file", lambda w: w.inside("a.py").central.update(offset=1 << 30))
add("zip_offset_wrong", "E-FRAME", "no local header where one is said to be", lambda w: w.zip.members[0].central.update(offset=4))
add("zip_data_outside", "E-FRAME", "data that reaches into the directory", lambda w: w.inside("a.py").both(csize=1000))
add("zip_two", "E-FRAME", "two archives in one file", lambda w: change(w.zip, before=Wheel("other").bytes()))
add("zip_two_shifted", "E-FRAME", "two archives in one file, the second with its own offsets", lambda w: change(
    w.zip, before=Wheel("other").bytes(), shifted=True))
add("zip_comment_archive", "E-FRAME", "an archive in the comment", lambda w: change(w.zip, comment=Wheel("other").bytes()))
add("zip_comment_end", "E-FRAME", "an end record in the comment", lambda w: change(w.zip, comment=b"PK\5\6" + bytes(18)))
add("zip_comment_short", "E-FRAME", "a comment shorter than it says", lambda w: change(w.zip, comment=b"abc", end={"comment_length": 9}))
add("zip_comment_long", "E-FRAME", "a comment longer than it says", lambda w: change(w.zip, comment=b"abc", end={"comment_length": 1}))
add("zip_count_low", "E-FRAME", "one member fewer, it says", lambda w: change(w.zip, end={"count": 3, "here": 3}))
add("zip_count_high", "E-FRAME", "one member more, it says", lambda w: change(w.zip, end={"count": 5, "here": 5}))
add("zip_count_here", "E-FRAME", "fewer members on this disk than on all", lambda w: change(w.zip, end={"here": 3}))
add("zip_disk_end", "E-FRAME", "the end is on another disk", lambda w: change(w.zip, end={"disk": 1}))
add("zip_disk_first", "E-FRAME", "the directory begins on another disk", lambda w: change(w.zip, end={"first_disk": 1}))
add("zip_disk_member", "E-FRAME", "a member begins on another disk", lambda w: w.inside("a.py").central.update(disk=1))
add("zip_disk_zip64", "E-FRAME", "a member begins on another disk, says its zip64 field", lambda w: (
    w.inside("a.py").central.update(disk=0xffff, extra=zip64_field(more=b"\1\0\0\0"))))
add("zip_disk_locator", "E-FRAME", "a zip64 locator of two disks", lambda w: change(w.zip, end64={"disks": 2}))
add("zip_locator_wrong", "E-FRAME", "a zip64 locator that points elsewhere", lambda w: change(w.zip, end64={"at": 0}))
add("zip_end64_long", "E-FRAME", "a zip64 end record with more in it", lambda w: change(w.zip, end64={"length": 48, "rest": b"more"}))
add("zip_end64_missing", "E-FRAME", "a size that is in a zip64 end record, and there is none", lambda w: change(w.zip, end={"size": 0xffffffff}))
add("zip_directory_signature", "E-FRAME", "a signature after the directory", lambda w: change(w.zip, directory_rest=b"PK\5\5\4\0sign"))
add("zip_directory_entry", "E-FRAME", "something in the directory that is no entry", lambda w: change(w.zip, more_entries=[b"XX\1\2" + bytes(42)]))
add("zip_directory_cut", "E-FRAME", "the directory ends in the middle of a name", lambda w: change(w.zip, more_entries=[
    Member(b"a.py", b"").entry(0)[:-2]]))
add("zip_directory_offset", "E-FRAME", "the directory is not where the end record says", lambda w: change(w.zip, end={"offset": 10}))
add("zip_extra_endless", "E-FRAME", "an extra field longer than all of them", lambda w: w.inside("a.py").both(extra=b"\x99\x99\xff\0ab"))
add("zip_empty", "E-NOTZIP", "an empty file", lambda w: change(w, whole=b""))
add("zip_page", "E-NOTZIP", "a page of HTML", lambda w: change(w, whole=b"<!DOCTYPE html><html><body>404</body></html>\n"))
add("zip_tar", "E-NOTZIP", "a gzip file", lambda w: change(w, whole=b"\x1f\x8b\x08" + bytes(60)))
add("zip_cut", "E-NOTZIP", "an archive cut short", lambda w: change(w, whole=Wheel(w.name[3:]).bytes()[:-100]))
add("zip_zeros", "E-NOTZIP", "zeros, as a full disk leaves them", lambda w: change(w, whole=bytes(4096)))
add("zip_no_members", "E-META", "an archive without members", lambda w: change(w, whole=b"PK\5\6" + bytes(18)))

# RECORD.

add("rec_none", "E-RECORD", "no RECORD", lambda w: change(w, has_record=False))
add("rec_empty", "E-RECORD", "an empty RECORD", lambda w: change(w, record=b""))
add("rec_unlisted", "E-RECORD", "a file that RECORD does not list", lambda w: w.inside("smuggled.py", recorded=False))
add("rec_unlisted_script", "E-RECORD", "a script that RECORD does not list", lambda w: w.file(f"{w.data}/scripts/bw", ODD, recorded=False))
add("rec_missing", "E-RECORD", "a row without a file", lambda w: change(w, more_rows=record_row(f"{w.name}/gone.py", ODD)))
add("rec_missing_bare", "E-RECORD", "a row without a file, without a hash", lambda w: change(w, more_rows=f"{w.name}/gone.py,,\n"))
add("rec_outside", "E-RECORD", "a row that climbs", lambda w: change(w, more_rows="../../../../etc/passwd,,\n"))
add("rec_absolute", "E-RECORD", "an absolute row", lambda w: change(w, more_rows="/etc/passwd,,\n"))
add("rec_absolute_known", "E-RECORD", "a slash before the path of a file that is there", lambda w: respell(w, lambda path: f"/{path}"))
add("rec_climbs_known", "E-RECORD", "a climb to a file that is there", lambda w: respell(w, lambda path: f"x/../{path}"))
for id, row, what in [
    ("size", lambda p: record_row(p, ODD).replace(",6\n", ",7\n"), "a wrong size"),
    ("size_word", lambda p: record_row(p, ODD).replace(",6\n", ",six\n"), "a size that is no number"),
    ("size_negative", lambda p: record_row(p, ODD).replace(",6\n", ",-6\n"), "a negative size"),
    ("hash", lambda p: record_row(p, b"y = 1\n"), "a wrong hash"),
    ("hash_sha512", lambda p: record_row(p, b"y = 1\n", "sha512"), "a wrong sha512"),
    ("hash_hex", lambda p: f"{p},sha256={'ab' * 32},6\n", "a hash in hexadecimal"),
    ("hash_short", lambda p: f"{p},sha256=abcd,6\n", "half a hash"),
    ("hash_bare", lambda p: f"{p},sha256,6\n", "the name of a hash, and no hash"),
    ("no_hash", lambda p: f"{p},,6\n", "no hash"),
    ("nothing", lambda p: f"{p},,\n", "neither hash nor size"),
    ("md5", lambda p: record_row(p, ODD, "md5"), "md5"),
    ("sha1", lambda p: record_row(p, ODD, "sha1"), "sha1"),
    ("sha224", lambda p: record_row(p, ODD, "sha224"), "sha224"),
    ("twice_different", lambda p: record_row(p, ODD) + record_row(p, b"y = 1\n"), "two hashes for one file"),
    ("twice_spelled", lambda p: record_row(p, ODD) + record_row(f"./{p}", b"y = 1\n"), "two hashes for one file in two spellings"),
    ("fields", lambda p: record_row(p, ODD).replace("\n", ",more\n"), "a fourth field"),
    ("one_field", lambda p: f"{p}\n", "a path alone"),
    ("quote", lambda p: f'"{p}\n', "a quote that does not end"),
]:
    add(f"rec_{id}", "E-RECORD", what, lambda w, row=row: (w.inside("r.py"), w.row_of(f"{w.name}/r.py", row(f"{w.name}/r.py"))))
add("rec_own_hash", "E-RECORD", "a hash of RECORD in RECORD", lambda w: w.row_of(f"{w.info}/RECORD", record_row(f"{w.info}/RECORD", ODD)))
add("rec_signature", "E-RECORD", "a wrong hash of RECORD.jws", lambda w: (
    w.file(f"{w.info}/RECORD.jws", b"{}"), w.row_of(f"{w.info}/RECORD.jws", record_row(f"{w.info}/RECORD.jws", b"[]"))))
add("rec_binary", "E-RECORD", "RECORD is not UTF-8", lambda w: change(w, record=b"\xff\xfe\"x,\n\0"))
add("rec_utf16", "E-RECORD", "RECORD in UTF-16", lambda w: change(w, record=w_record(w).decode().encode("utf-16")))
add("rec_bom", "E-RECORD", "RECORD with a byte order mark", lambda w: change(w, record=b"\xef\xbb\xbf" + w_record(w)))
add("rec_json", "E-RECORD", "RECORD is JSON", lambda w: change(w, record=b'{"files": []}\n'))
add("rec_semicolons", "E-RECORD", "RECORD with semicolons", lambda w: change(w, record=w_record(w).replace(b",", b";")))
add("rec_case", "E-RECORD", "RECORD names files in another case", lambda w: respell(w, str.upper))
add("rec_installed", "E-RECORD", "rows of an installed package", lambda w: change(w, more_rows="../../../bin/bw,,\n"))

# Metadata.

add("meta_no_info", "E-META", "no .dist-info folder", lambda w: change(w, has_metadata=False, has_wheel=False, has_record=False))
add("meta_two_infos", "E-META", "two .dist-info folders", lambda w: w.file("other-1.0.dist-info/METADATA", b"Name: other\nVersion: 1.0\n"))
add("meta_two_infos_case", "E-META", "a second .dist-info folder in capitals: Python finds it", lambda w: (
    w.file("other-1.0.DIST-INFO/METADATA", b"Name: other\nVersion: 1.0\n")))
add("meta_two_infos_empty", "E-META", "a second .dist-info folder, empty", lambda w: w.file("other-1.0.dist-info/"))
for scheme in ("purelib", "platlib", "data/lib/python3.13/site-packages"):
    add(f"meta_info_in_{scheme.split('/')[0]}", "E-META", f"a .dist-info folder in {scheme}", lambda w, scheme=scheme: (
        w.file(f"{w.data}/{scheme}/other-1.0.dist-info/METADATA", b"Name: other\nVersion: 1.0\n")))
add("meta_info_name", "E-META", "the .dist-info folder of another project", lambda w: change(w, info="other-1.0.dist-info"))
add("meta_info_version", "E-META", "the .dist-info folder of another version", lambda w: change(w, info=f"{w.name}-2.0.dist-info"))
add("meta_info_bare", "E-META", "a .dist-info folder without a version", lambda w: change(w, info=f"{w.name}.dist-info"))
add("meta_info_file", "E-META", "a file called .dist-info", lambda w: (
    w.file(f"{w.info}", ODD), change(w, has_metadata=False, has_wheel=False, has_record=False)))
add("meta_info_nested", "E-META", "the .dist-info folder inside the package", lambda w: change(w, info=f"{w.name}/{w.info}"))
add("meta_no_metadata", "E-META", "no METADATA", lambda w: change(w, has_metadata=False))
add("meta_no_wheel", "E-META", "no WHEEL", lambda w: change(w, has_wheel=False))
add("meta_empty", "E-META", "an empty METADATA", lambda w: change(w, metadata=b""))
add("meta_folder", "E-META", "METADATA is a folder", lambda w: (w.file(f"{w.info}/METADATA/"), change(w, has_metadata=False)))
name = lambda w: w.metadata.splitlines(True)[1]  # noqa: E731
for id, edit, what in [
    ("name", lambda w: w.metadata.replace(name(w), b"Name: other\n"), "another Name"),
    ("no_name", lambda w: w.metadata.replace(name(w), b""), "no Name"),
    ("empty_name", lambda w: w.metadata.replace(name(w), b"Name:\n"), "an empty Name"),
    ("odd_name", lambda w: w.metadata.replace(name(w), b"Name: ../evil\n"), "a Name that is none"),
    ("confusable_name", lambda w: w.metadata.replace(b"bw-meta", "bw-m\u0435ta".encode()), "a Name with a Cyrillic letter"),
    ("two_names", lambda w: w.metadata + b"Name: other\n", "two Names"),
    ("two_names_case", lambda w: w.metadata + b"NAME: other\n", "two Names, one in capitals"),
    ("version", lambda w: w.metadata.replace(b"n: 1.0", b"n: 1.1"), "another Version"),
    ("no_version", lambda w: w.metadata.replace(b"Version: 1.0\n", b""), "no Version"),
    ("odd_version", lambda w: w.metadata.replace(b": 1.0", b": one"), "a Version that is none"),
    ("two_versions", lambda w: w.metadata + b"Version: 2.0\n", "two Versions"),
    ("nul", lambda w: w.metadata.replace(name(w), name(w).replace(b"\n", b"\0evil\r\n")), "a NUL in a header"),
    ("hidden_header", lambda w: w.metadata.replace(b": 1.0\n", b": 1.0\rVersion: 2.0\n"), "a header behind a carriage return"),
    ("control", lambda w: w.metadata + b"Requires-Dist: x\x1b[2J\n", "an escape sequence in a requirement"),
    ("latin1", lambda w: w.metadata + b"Author: Ren\xe9\n", "a header that is not UTF-8"),
    ("utf16", lambda w: w.metadata.decode().encode("utf-16"), "METADATA in UTF-16"),
    ("name_after_body", lambda w: w.metadata.replace(name(w), b"\n" + name(w)), "Name after an empty line"),
    ("name_after_text", lambda w: w.metadata.replace(name(w), b"not a header: x\n" + name(w)), "Name after a line that is no header to Python"),
    ("name_folded_away", lambda w: w.metadata.replace(name(w), b" " + name(w)), "Name as the rest of another header"),
    ("metadata_version", lambda w: w.metadata.replace(b"2.1", b"3.0"), "Metadata-Version 3.0"),
    ("metadata_version_word", lambda w: w.metadata.replace(b"2.1", b"two"), "a Metadata-Version that is none"),
    ("no_metadata_version", lambda w: w.metadata.replace(b"Metadata-Version: 2.1\n", b""), "no Metadata-Version"),
]:
    add(f"meta_{id}", "E-META", what, lambda w, edit=edit: change(w, metadata=edit(w)))
for id, old, new, what in [
    ("wheel_major", b"1.0", b"2.0", "Wheel-Version: 2.0"),
    ("wheel_word", b"1.0", b"new", "a Wheel-Version that is none"),
    ("wheel_bare", b"1.0", b"1", "a Wheel-Version without a dot"),
    ("no_wheel_version", b"Wheel-Version: 1.0\n", b"", "no Wheel-Version"),
    ("two_wheel_versions", b"Version: 1.0\n", b"Version: 1.0\nWheel-Version: 2.0\n", "two Wheel-Versions"),
    ("no_purelib", b"Root-Is-Purelib: true\n", b"", "no Root-Is-Purelib"),
    ("odd_purelib", b"true", b"maybe", "Root-Is-Purelib: maybe"),
    ("two_purelibs", b"true\n", b"true\nRoot-Is-Purelib: false\n", "two Root-Is-Purelib"),
    ("wheel_nul", b"odd", b"od\0d", "a NUL in WHEEL"),
    ("wheel_latin1", b"odd", b"caf\xe9", "WHEEL is not UTF-8"),
    ("wheel_json", b"Wheel-Version: 1.0", b'{"wheel-version": "1.0"}', "WHEEL is JSON"),
]:
    add(f"meta_{id}", "E-META", what, lambda w, old=old, new=new: change(w, wheel=w.wheel.replace(old, new)))
add("meta_empty_wheel", "E-META", "an empty WHEEL", lambda w: change(w, wheel=b""))

# The .data folder.

add("data_scheme", "E-DATA", "a scheme that is none", lambda w: w.file(f"{w.data}/evil/x"))
add("data_scheme_case", "E-DATA", "a scheme in capitals", lambda w: w.file(f"{w.data}/Scripts/x"))
add("data_scheme_platinclude", "E-DATA", "a scheme of sysconfig, not of wheels", lambda w: w.file(f"{w.data}/platinclude/x"))
add("data_loose", "E-DATA", "a file beside the schemes", lambda w: w.file(f"{w.data}/x"))
add("data_scheme_file", "E-DATA", "a file in the place of a scheme", lambda w: w.file(f"{w.data}/scripts"))
add("data_two", "E-DATA", "two .data folders", lambda w: (w.file(f"{w.data}/data/x"), w.file(f"{w.name.upper()}-1.0.data/data/y")))
for place in ("bin", "lib", "lib64", "include"):
    add(f"data_over_{place}", "E-DATA", f"a file in the place of the environment's {place}", lambda w, place=place: w.file(f"{w.data}/data/{place}"))

# Scripts.

for id, script in [
    ("python", "python"), ("python3", "python3"), ("minor", "python3.13"), ("threads", "python3.14t"), ("windows", "pythonw"),
    ("case", "Python"), ("exe", "python.exe"), ("pypy", "pypy3"), ("graalpy", "graalpy"),
]:  # fmt: skip
    add(f"ep_{id}", "E-SCRIPT", f"an entry point called {script}", lambda w, script=script: w.script(f"{script} = {w.name}:main"))
for id, line, what in [
    ("space", "bw odd = {}:main", "a space in its name"),
    ("shell", "bw;$(id) = {}:main", "shell in its name"),
    ("slash", "../bw = {}:main", "a path for a name"),
    ("folder", "sub/bw = {}:main", "a folder in its name"),
    ("dots", ".. = {}:main", "two dots for a name"),
    ("empty_name", " = {}:main", "no name"),
    ("unicode", "bw\u0435 = {}:main", "a Cyrillic letter in its name"),
    ("long", "b" * 256 + " = {}:main", "a name of 256 bytes"),
    ("whiteout", ".wh.bw = {}:main", "a whiteout for a name"),
    ("no_function", "bw = {}", "a module without a function"),
    ("no_module", "bw = :main", "a function without a module"),
    ("no_value", "bw =", "no value"),
    ("no_equals", "bw: {}:main", "a colon instead of an equals sign"),
    ("call", "bw = {}:main()", "a call"),
    ("code", "bw = os:system('id')", "code"),
    ("import", "bw = {}:main, os", "an import of more"),
    ("newline", "bw = {}:main\\nimport os", "an escaped newline"),
    ("dash", "bw = {}-x:main", "a dash in the module"),
    ("relative", "bw = .{}:main", "a relative module"),
    ("empty_part", "bw = {}..x:main", "an empty part in the module"),
    ("digit", "bw = {}:1main", "a function that begins with a digit"),
    ("bad_extras", "bw = {}:main [x", "extras that do not end"),
    ("two_colons", "bw = {}:main:x", "two colons"),
    ("duplicate", "bw = {}:main\nbw = {}:other", "one name twice, with other functions"),
    ("continued", "bw =\n  {}:main", "a value on the next line"),
]:
    add(f"ep_{id}", "E-SCRIPT", what, lambda w, line=line: w.script(line.replace("{}", w.name)))
add("ep_latin1", "E-SCRIPT", "entry points that are not UTF-8", lambda w: w.entry_points(b"[console_scripts]\nb\xe9 = a:b\n"))
add("ep_no_section", "E-SCRIPT", "an entry point before every section", lambda w: w.entry_points(f"bw = {w.name}:main\n"))
add("ep_bad_section", "E-SCRIPT", "a section that does not end", lambda w: w.entry_points(f"[console_scripts\nbw = {w.name}:main\n"))
add("ep_json", "E-SCRIPT", "entry points in JSON", lambda w: w.entry_points('{"console_scripts": {}}\n'))
add("ep_gui", "E-SCRIPT", "a graphical script called python", lambda w: w.entry_points(f"[gui_scripts]\npython = {w.name}:main\n"))
for scheme, script in [
    ("scripts", "python3"), ("scripts", "python"), ("scripts", "Python3.13"), ("scripts", "sub/tool"), ("data/bin", "python"),
    ("data/bin", "python3.13"), ("data", "pyvenv.cfg"),
]:  # fmt: skip
    id = f"{scheme}_{script}".replace("/", "_").replace(".", "").lower()
    add(f"script_{id}", "E-SCRIPT", f"{scheme}/{script}", lambda w, path=f"{scheme}/{script}": w.file(f"{w.data}/{path}", ODD))
add("script_folder", "E-SCRIPT", "a folder in scripts", lambda w: w.file(f"{w.data}/scripts/sub/"))

# Names that mean something in an image.

for id, path in [
    ("file", "{name}/.wh.__init__.py"), ("opaque", "{name}/.wh..wh..opq"), ("bare", "{name}/.wh."), ("folder", "{name}/.wh.d/x.py"),
    ("root", ".wh.other"), ("script", "{data}/scripts/.wh.python"), ("data", "{data}/data/.wh.bin"),
]:  # fmt: skip
    add(f"img_{id}", "E-WHITEOUT", path, lambda w, path=path: w.file(path.format(name=w.name, data=w.data), ODD))
add("img_entry", "E-WHITEOUT", "a whiteout as a folder entry", lambda w: w.inside(".wh.x/", b""))


def unicode_path(old: str, new: str) -> bytes:
    """Info-ZIP's Unicode Path field: `new` is the name of a member whose header says `old` (APPNOTE 4.6.9)."""
    return extra_field(0x7075, b"\1" + struct.pack("<I", zlib.crc32(old.encode())) + new.encode())


def wide_member(w: Wheel) -> None:
    member = w.inside("wide.py")
    numbers = (len(ODD), len(member.raw()))
    member.both(size=0xffffffff, csize=0xffffffff, extra=zip64_field(*numbers))


def sized(w: Wheel, member: Member, size: int) -> Member:
    """Both headers and RECORD agree on a size that is wrong."""
    path = member.name.decode()
    w.row_of(path, record_row(path, member.content).rsplit(",", 1)[0] + f",{size}\n")
    return member.both(size=size)


def w_record(w: Wheel) -> bytes:
    """RECORD as it will be once METADATA and WHEEL are in."""
    rows = record_row(f"{w.info}/METADATA", w.metadata) + record_row(f"{w.info}/WHEEL", w.wheel)
    first, _, own = w.record_bytes().decode().partition(f"{w.info}/RECORD,,")
    return (first + rows + f"{w.info}/RECORD,," + own).encode()


def respell(w: Wheel, path: Callable[[str], str] | None, size: bool = True, pad: bool = False) -> None:
    """Writes RECORD with other spellings of the same facts."""
    lines = []
    for line in w_record(w).decode().splitlines():
        name, digest, length = line.split(",")
        lines.append(",".join((path(name) if path else name, digest + "=" * (pad and bool(digest)), length if size else "")))
    w.record = ("\n".join(lines) + "\n").encode()


def overlap(w: Wheel) -> None:
    w.zip.more_entries.append(w.zip.members[0].entry(0))
    w.inside("b.py", recorded=False)
    twin = Member(f"{w.name}/__init__.pi".encode(), w.zip.members[0].content)
    w.zip.more_entries = [twin.entry(0)]
    w.more_rows = record_row(f"{w.name}/__init__.pi", twin.content)


def overlap_quoted(w: Wheel) -> None:
    """The data of a stored member is the local header and data of another (as in the archives that unpack to petabytes)."""
    inner = Member(f"{w.name}/inner.py".encode(), ODD)
    outer = w.inside("outer", inner.local_header(), stored=True)
    at = sum(len(member.local_header()) for member in w.zip.members) - len(outer.raw())
    w.zip.more_entries = [inner.entry(at)]
    w.more_rows = record_row(f"{w.name}/inner.py", ODD)


IDS = [sample.id for sample in SAMPLES]
assert len(IDS) == len(set(IDS)), sorted(id for id in IDS if IDS.count(id) > 1)
_ = (DEFLATED, FOLDER)
