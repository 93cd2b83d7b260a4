//! Every rule, by a wheel that breaks it and nothing else.

use wainwright_fault::Classify;

use super::maker::{Maker, Part, greet, open, open_within};
use crate::{Error, Limits, RULES, Wheel};

/// The rule that refuses the wheel, or the rules it is warned about.
fn verdict(maker: &Maker) -> String {
    match maker.judge() {
        Err(error) => error.rule().unwrap_or("outside").to_owned(),
        Ok(wheel) => {
            let rules: Vec<&str> = wheel.warnings().iter().map(|warning| warning.rule).collect();
            if rules.is_empty() { "sound".into() } else { rules.join(" ") }
        }
    }
}

fn check(cases: &[(&str, &str, Maker)]) {
    for (expected, what, maker) in cases {
        assert_eq!(verdict(maker), *expected, "{what}");
    }
}

/// A wheel with a directory that says it is empty, and at which this content is deflated.
fn deflated_directory(content: &[u8]) -> Maker {
    let deflated = greet().file("a", content).members.pop().unwrap().data;
    greet().file("a/", "").but(|part| (part.method, part.data) = (8, deflated))
}

#[test]
fn sound_wheels_pass() {
    check(&[
        ("sound", "plain", greet()),
        ("sound", "stored", greet().file("a", "text").but(|part| part.store())),
        ("sound", "data descriptor", greet().file("a", "text").but(|part| part.describe(0))),
        (
            "sound",
            "64-bit descriptor",
            greet().file("a", "text").but(|part| {
                part.flags |= 1 << 3;
                part.descriptor.extend(part.crc32.to_le_bytes());
                part.descriptor.extend((part.data.len() as u64).to_le_bytes());
                part.descriptor.extend(u64::from(part.size).to_le_bytes());
            }),
        ),
        ("sound", "zip64", greet().with(|zip| zip.zip64 = Some(0))),
        ("sound", "comment", greet().with(|zip| zip.comment = b"made by hand, PKZIP".to_vec())),
        ("sound", "directories", greet().file("greet/", "").file("greet/", "").file("empty/", "")),
        ("sound", "UTF-8 name", greet().file("greet/größe.py", "")),
        (
            "sound",
            "foreign extra field",
            greet().file("a", "").but(|part| part.extra = b"\x99\x99\x01\0x\0".to_vec()),
        ),
        ("sound", "deflated to nothing", greet().file("a", "").but(|part| part.data.clear())),
        (
            "sound",
            "signature",
            greet()
                .file("greet-1.0.dist-info/RECORD.jws", "{}")
                .with(|zip| zip.row = Some(("greet-1.0.dist-info/RECORD.jws", ""))),
        ),
        ("sound", "directory that is deflated", deflated_directory(b"")),
        ("sound", "directory in another spelling", greet().file("Greet-1.data/data/x", "")),
    ]);
}

#[test]
fn reader_rejects_bad_names_and_types() {
    let typed = |mode| greet().file("a", "").but(|part| part.mode = mode);
    check(&[
        ("E-PATH", "climbs", greet().file("../a", "")),
        ("E-PATH", "climbs out of .data", greet().file("greet-1.0.data/scripts/../../a", "")),
        ("E-PATH", "absolute", greet().file("/a", "")),
        ("E-PATH", "drive", greet().file("C:/a", "")),
        ("E-PATH", "backslash", greet().file("a\\b", "")),
        ("E-NAME", "empty", greet().file("", "")),
        ("E-NAME", "only a slash", greet().file("/", "")),
        ("E-NAME", "control", greet().file("a\n", "")),
        ("E-NAME", "long", greet().file("x".repeat(256), "")),
        ("E-NAME", "latin-1", greet().file(b"caf\xe9", "").but(|part| part.flags = 0)),
        ("E-NAME", "unmarked", greet().file("café", "").but(|part| part.flags = 0)),
        ("E-NAME", "too long below site-packages", greet().file("x/".repeat(2030) + "x", "")),
        ("E-WHITEOUT", "whiteout", greet().file("greet/.wh.__init__.py", "")),
        ("E-WHITEOUT", "opaque directory", greet().file("greet/.wh..wh..opq", "")),
        ("E-TYPE", "symbolic link", typed(0o120_777)),
        ("E-TYPE", "device", typed(0o020_666)),
        ("E-TYPE", "pipe", typed(0o010_644)),
        ("E-TYPE", "socket", typed(0o140_644)),
        ("E-TYPE", "directory by type only", typed(0o040_755)),
        (
            "E-TYPE",
            "directory with content",
            greet().file("a/", "").but(|part| {
                part.content = b"x".to_vec();
                part.size = 1;
                part.store();
            }),
        ),
        ("E-TYPE", "directory that hides content", deflated_directory(b"x")),
        ("E-TYPE", "directory with a tail", deflated_directory(b"").but(|part| part.data.extend(b"x"))),
        ("W-SUID", "set-user-id", typed(0o104_755)),
        ("E-TYPE", "a link of another system", typed(0o120_777).but(|part| part.system = 0)),
        ("E-DUP", "twice", greet().file("a", "x").file("a", "x")),
        ("E-DUP", "file and directory", greet().file("a", "").file("a/b", "")),
        ("E-DUP", "two schemes", greet().file("a", "x").file("greet-1.0.data/purelib/a", "y")),
        ("sound", "two schemes, one file", greet().file("a", "x").file("greet-1.0.data/purelib/a", "x")),
        ("W-CASE", "case", greet().file("greet/A.py", "").file("greet/a.py", "")),
        ("W-PTH", "start-up file", greet().file("greet.pth", "import greet")),
        ("W-PTH", "start-up file in purelib", greet().file("greet-1.0.data/purelib/greet.pth", "")),
    ]);
}

#[test]
fn reader_rejects_disagreeing_headers() {
    let zip64 = b"\x01\0\x08\0\x07\0\0\0\0\0\0\0";
    check(&[
        ("E-ZIPDIFF", "name", greet().file("a", "").but(|part| part.local_name = Some(b"b".to_vec()))),
        ("E-ZIPDIFF", "size", greet().file("a", "x").but(|part| part.local_size = Some(2))),
        ("E-ZIPDIFF", "method", greet().file("a", "x").but(|part| part.local_method = Some(0))),
        ("E-ZIPDIFF", "descriptor", greet().file("a", "x").but(|part| part.describe(1))),
        ("E-ZIPDIFF", "zip64 end record", greet().with(|zip| zip.zip64 = Some(1))),
        ("E-ZIPDIFF", "zip64 size", greet().file("a", "x").but(|part| part.extra = zip64.to_vec())),
        (
            "E-ZIPDIFF",
            "Unicode name",
            greet().file("a", "").but(|part| part.extra = b"\x75\x70\x06\0\x01abcdb".to_vec()),
        ),
        (
            "E-ZIPDIFF",
            "bytes after deflate data",
            greet().file("a", "x").but(|part| part.data.extend(b"tail")),
        ),
        ("E-CRC", "checksum", greet().file("a", "x").but(|part| part.crc32 ^= 1)),
        ("E-CRC", "damaged data", greet().file("a", "x").but(|part| part.data[0] = 7)),
        ("E-CRC", "data cut short", greet().file("a", "xyzxyzxyz").but(|part| part.data.truncate(3))),
        (
            "E-SIZE",
            "stored in less",
            greet().file("a", "xyz").but(|part| {
                part.store();
                part.data.pop();
            }),
        ),
        ("E-ENC", "encrypted", greet().file("a", "").but(|part| part.flags |= 1)),
        ("E-METHOD", "bzip2", greet().file("a", "").but(|part| part.method = 12)),
        ("E-METHOD", "version 25.5", greet().file("a", "").but(|part| part.needs = 255)),
    ]);
}

#[test]
fn reader_rejects_wrong_sizes() {
    let zeros = vec![0; 9 << 20];
    let lie = |size: u32| {
        let row = match size {
            10 => "z,sha256=AdRIr9koBlRYz2cLYPWllBtzUB0BcsR0r5iGeR4KsCM,10\n",
            _ => "z,sha256=AdRIr9koBlRYz2cLYPWllBtzUB0BcsR0r5iGeR4KsCM,9437185\n",
        };
        greet().file("z", &zeros).but(move |part| part.size = size).with(|zip| zip.row = Some(("z", row)))
    };
    check(&[
        ("E-SIZE", "larger than declared", lie(10)),
        ("E-SIZE", "smaller than declared", lie((9 << 20) + 1)),
        ("W-RATIO", "nothing but zeros", greet().file("z", &zeros)),
    ]);
    let limits = Limits { unpacked: 8 << 20, ..Limits::default() };
    assert_eq!(open_within(&greet().file("z", &zeros).bytes(), &limits).unwrap_err().rule(), Some("E-LIMIT"));
    let limits = Limits { members: 3, ..Limits::default() };
    assert_eq!(open_within(&greet().bytes(), &limits).unwrap_err().rule(), Some("E-LIMIT"));
    let limits = Limits { directory: 100, ..Limits::default() };
    assert_eq!(open_within(&greet().bytes(), &limits).unwrap_err().rule(), Some("E-LIMIT"));
}

#[test]
fn reader_rejects_unowned_bytes() {
    let other = greet().bytes();
    check(&[
        ("E-FRAME", "after", greet().with(|zip| zip.after = b"x".to_vec())),
        ("E-FRAME", "before", greet().with(|zip| zip.before = b"#!/bin/sh\n".to_vec())),
        ("E-FRAME", "between", greet().with(|zip| zip.gap = b"x".to_vec())),
        ("E-FRAME", "between members", greet().file("a", "x").but(|part| part.descriptor = b"x".to_vec())),
        ("E-FRAME", "no descriptor", greet().file("a", "x").but(|part| part.flags |= 1 << 3)),
        ("E-FRAME", "archive before", greet().with(|zip| zip.before = other.clone())),
        ("E-FRAME", "archive in comment", greet().with(|zip| zip.comment = other.clone())),
        ("E-FRAME", "end record in comment", greet().with(|zip| zip.comment = b"PK\x05\x06".to_vec())),
        ("E-FRAME", "one member fewer", greet().with(|zip| zip.count_error = -1)),
        ("E-FRAME", "one member more", greet().with(|zip| zip.count_error = 1)),
        (
            "E-FRAME",
            "endless extra field",
            greet().file("a", "").but(|part| part.extra = b"\x99\x99\xff\0".to_vec()),
        ),
    ]);
    assert_eq!(open(b"").unwrap_err().rule(), Some("E-NOTZIP"));
    assert_eq!(open(b"<html>").unwrap_err().rule(), Some("E-NOTZIP"));
    assert_eq!(open(&other[..other.len() - 23]).unwrap_err().rule(), Some("E-NOTZIP"));
    let empty = Maker { has_no_record: true, ..Maker::default() };
    assert_eq!(verdict(&empty), "E-META");
}

#[test]
fn record_and_archive_match() {
    let row = |row| greet().file("a", "x").with(|zip| zip.row = Some(("a", row)));
    check(&[
        ("E-RECORD", "not listed", row("")),
        ("E-RECORD", "not there", greet().with(|zip| zip.rows = "b,,\n".into())),
        ("E-RECORD", "outside", greet().with(|zip| zip.rows = "../../etc/passwd,,\n".into())),
        ("E-RECORD", "wrong size", row("a,sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,2\n")),
        ("E-RECORD", "wrong hash", row("a,sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIA,1\n")),
        ("E-RECORD", "md5", row("a,md5=nd2dEvNFwGD9xZk9RmcTDg,1\n")),
        ("E-RECORD", "no hash", row("a,,1\n")),
        ("sound", "dot slash", row("./a,sha256=LXEWQrcmsEQBYnyp-6wy9chTD7GQPMTbAiWHF5IaSIE,1\n")),
        ("E-RECORD", "garbage", greet().with(|zip| zip.record = Some(b"\xff\xfe\"x,\n\0".to_vec()))),
        ("E-RECORD", "none", greet().with(|zip| zip.has_no_record = true)),
    ]);
}

#[test]
fn stronger_hashes_are_verified() {
    let good =
        "a,sha512=pKvURIxJVi2CgRXROh_M6pJ_UrTVRZKX-LQ-QtqJI4vBNibkPcs43bCCSIkn7JBPtCBXRDmD6IWFF51QVRr-Yg,1\n";
    let bad =
        "a,sha512=AKvURIxJVi2CgRXROh_M6pJ_UrTVRZKX-LQ-QtqJI4vBNibkPcs43bCCSIkn7JBPtCBXRDmD6IWFF51QVRr-Yg,1\n";
    check(&[
        ("sound", "sha512", greet().file("a", "x").with(|zip| zip.row = Some(("a", good)))),
        ("E-RECORD", "wrong sha512", greet().file("a", "x").with(|zip| zip.row = Some(("a", bad)))),
    ]);
}

#[test]
fn metadata_and_file_name_match() {
    let metadata = |text| greet().replace("greet-1.0.dist-info/METADATA", text);
    let wheel = |text| greet().replace("greet-1.0.dist-info/WHEEL", text);
    let mut renamed = greet();
    renamed.members.iter_mut().for_each(|part| {
        let name = String::from_utf8_lossy(&part.name).replace("greet-1.0.dist-info", "other-1.0.dist-info");
        part.name = name.into_bytes();
    });
    check(&[
        ("E-META", "another name", metadata("Name: other\nVersion: 1.0\n")),
        ("E-META", "another version", metadata("Name: greet\nVersion: 1.1\n")),
        ("E-META", "NUL", metadata("Name: greet\0evil\r\nVersion: 1.0\r\n")),
        ("E-META", "newer format", wheel("Wheel-Version: 2.0\n")),
        (
            "W-VERSION",
            "newer minor format",
            wheel("Wheel-Version: 1.9\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        ),
        ("W-TAG", "another tag", wheel("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: cp27-cp27m-win32\n")),
        ("E-META", "two .dist-info", greet().file("other-1.0.dist-info/METADATA", "")),
        ("E-META", "another .dist-info", renamed),
    ]);
}

#[test]
fn schemes_and_scripts() {
    let data = |name: &str| greet().file(format!("greet-1.0.data/{name}"), "x");
    let entry = |line: &str| {
        greet().file("greet-1.0.dist-info/entry_points.txt", format!("[console_scripts]\n{line}\n"))
    };
    check(&[
        ("E-DATA", "unknown scheme", data("evil/x")),
        ("E-DATA", "file beside schemes", data("x")),
        ("E-DATA", "file instead of a scheme", data("scripts")),
        ("E-DATA", "two .data", data("data/x").file("Greet-1.0.data/data/y", "")),
        ("E-SCRIPT", "interpreter in scripts", data("scripts/python3")),
        ("E-SCRIPT", "interpreter in data", data("data/bin/python")),
        ("E-SCRIPT", "interpreter in data, other case", data("data/bin/Python3.11")),
        ("E-SCRIPT", "configuration of the environment", data("data/pyvenv.cfg")),
        ("E-SCRIPT", "script in a directory", data("scripts/a/b")),
        ("sound", "shell in data", data("data/bin/sh")),
        ("sound", "not in bin", data("data/share/python")),
        ("E-SCRIPT", "interpreter as entry point", entry("python = greet:main")),
        ("E-SCRIPT", "odd name", entry("a;$(id) = greet:main")),
        ("E-SCRIPT", "code as function", entry("a = greet:main()")),
        (
            "E-DUP",
            "entry point over a data file",
            entry("a = greet:main").file("greet-1.0.data/data/bin/a", ""),
        ),
    ]);
}

#[test]
fn refusal_names_file_member_rule_and_hint() {
    let error = greet().file("a\u{1b}[2J", "").open().unwrap_err();
    insta::assert_snapshot!(error.to_string(), @r"wheel `greet-1.0-py3-none-any.whl` is refused (E-NAME): `a\u{1b}[2J`: its name contains control characters");
    insta::assert_snapshot!(error.hint().unwrap(), @"Readers decode other names differently, and file systems cannot store longer ones. Ask the project for a wheel made with current tools, or build one from its source archive. See `wain explain E-NAME`.");
    assert!(!error.is_outside());
}

/// One wheel for every rule that a single wheel can break.
fn examples() -> Vec<(&'static str, Result<Wheel, Error>)> {
    let zeros = vec![0; 9 << 20];
    let tight = Limits { members: 3, ..Limits::default() };
    let wheel_file = "greet-1.0.dist-info/WHEEL";
    let part = |change: fn(&mut Part)| greet().file("greet/a.py", "x").but(change).judge();
    vec![
        ("E-CRC", part(|part| part.crc32 ^= 1)),
        ("E-DATA", greet().file("greet-1.0.data/evil/x", "").judge()),
        ("E-DUP", greet().file("greet/a.py", "1").file("greet/a.py", "2").judge()),
        ("E-ENC", part(|part| part.flags |= 1)),
        ("E-FRAME", greet().with(|zip| zip.after = b"x".to_vec()).judge()),
        ("E-LIMIT", open_within(&greet().bytes(), &tight)),
        ("E-META", greet().file("other-1.0.dist-info/METADATA", "").judge()),
        ("E-METHOD", part(|part| part.method = 12)),
        ("E-NAME", greet().file("greet/a\u{1b}[2J", "").judge()),
        ("E-NOTZIP", open(b"<html>")),
        ("E-PATH", greet().file("../a", "").judge()),
        ("E-RECORD", greet().file("a", "x").with(|zip| zip.row = Some(("a", ""))).judge()),
        ("E-SCRIPT", greet().file("greet-1.0.data/scripts/python3", "").judge()),
        (
            "E-SIZE",
            part(|part| {
                part.store();
                part.data.clear();
            }),
        ),
        ("E-TYPE", part(|part| part.mode = 0o120_777)),
        ("E-WHITEOUT", greet().file("greet/.wh.__init__.py", "").judge()),
        ("E-ZIPDIFF", part(|part| part.local_size = Some(2))),
        ("W-CASE", greet().file("greet/A.py", "").file("greet/a.py", "").judge()),
        ("W-PTH", greet().file("greet.pth", "import greet").judge()),
        ("W-RATIO", greet().file("zeros", &zeros).judge()),
        ("W-SUID", part(|part| part.mode = 0o104_755)),
        ("W-TAG", greet().replace(wheel_file, "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n").judge()),
        (
            "W-VERSION",
            greet()
                .replace(wheel_file, "Wheel-Version: 1.1\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
                .judge(),
        ),
    ]
}

#[test]
fn every_rule_has_message_and_hint() {
    /// Broken by several wheels, or by a wheel and a base.
    const TOGETHER: [&str; 3] = ["E-BASE", "E-CLASH", "W-CLASH"];
    let examples = examples();
    let mut known: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    known.retain(|id| !TOGETHER.contains(id));
    assert_eq!(examples.iter().map(|(id, _)| *id).collect::<Vec<_>>(), known);
    let mut text = String::new();
    for (id, result) in examples {
        let said = match result {
            Err(error) => {
                assert_eq!((error.rule(), error.is_outside()), (Some(id), false), "{error}");
                format!("{error}\n  hint: {}", error.hint().unwrap())
            }
            Ok(wheel) => {
                let [warning] = wheel.warnings() else { panic!("{id}: {:?}", wheel.warnings()) };
                assert_eq!(warning.rule, id);
                warning.to_string()
            }
        };
        text.push_str(&format!("{said}\n\n"));
    }
    insta::assert_snapshot!(text);
}
