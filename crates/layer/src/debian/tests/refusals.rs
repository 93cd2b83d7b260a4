//! What is not read, and what the message says.

use wainwright_fault::Classify;

use super::super::*;
use super::fixture::{Deb, ar, assembled, elf, library, options, stored};

/// A package made of the members of `deb` after `change` had its way with them.
fn changed(change: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) -> Result<Runtime, Error> {
    let mut members = Deb::new("x").file("./usr/x", "x").members();
    change(&mut members);
    read(&ar(&members))
}

fn read(bytes: &[u8]) -> Result<Runtime, Error> {
    let deb = DebFile {
        name: "x".into(),
        version: "1.0-1".into(),
        architecture: "amd64".into(),
        source: "x".into(),
        file: stored(bytes),
    };
    assemble(&[deb], &options())
}

fn message(result: Result<Runtime, Error>) -> String {
    result.map(|_| "it was read").map_err(|error| error.to_string()).unwrap_err()
}

#[test]
fn the_outer_archive_is_read_strictly() {
    let not = |reason: &str| format!("`x` is not a Debian package: {reason}");
    let order = "is unknown, duplicated or out of order";
    assert_eq!(message(read(b"!<arch")), not("it is too short"));
    assert_eq!(message(read(b"PK\x03\x04 and more")), not("it does not start like an ar archive"));
    assert_eq!(message(changed(|m| m.swap(1, 2))), not(&format!("its member `data.tar` {order}")));
    assert_eq!(
        message(changed(|m| m.swap(0, 1))),
        not("its member `control.tar` is in the place of `debian-binary`")
    );
    assert_eq!(
        message(changed(|m| m.push(("data.tar.gz".into(), vec![])))),
        not(&format!("its member `data.tar.gz` {order}"))
    );
    assert_eq!(
        message(changed(|m| m.push(("extra".into(), vec![])))),
        not(&format!("its member `extra` {order}"))
    );
    assert_eq!(message(changed(|m| m.truncate(2))), not("it has no `data.tar`"));
    assert_eq!(message(changed(|m| m[0].1 = b"3.0\n".to_vec())), not("its format is `3.0`, not 2.0"));
    assert_eq!(
        message(changed(|m| m[2].0 = "data.tar.lzma".into())),
        not("its member `data.tar.lzma` has an unknown compression")
    );
    assert_eq!(
        message(changed(|m| m[1].0 = "a/control.tar".into())),
        not("the member header at byte 72 has a broken name")
    );
}

#[test]
fn sizes_and_ends_are_checked() {
    let members = Deb::new("x").file("./usr/x", "x").members();
    let good = ar(&members);
    // The size field of the first member.
    let with_size = |size: &str| {
        let mut bytes = good.clone();
        bytes[8 + 48..8 + 58].copy_from_slice(format!("{size:<10}").as_bytes());
        bytes
    };
    for (size, reason) in [
        ("9999999999", "declares more bytes than the file has"),
        ("-1", "has a broken size"),
        ("+4", "has a broken size"),
        ("", "has a broken size"),
    ] {
        let found = message(read(&with_size(size)));
        assert!(found.ends_with(reason), "{size}: {found}");
    }
    let found = message(read(&[&good[..], b"trailing"].concat()));
    assert!(found.contains("stray bytes"), "{found}");
    let found = message(read(&good[..good.len() - 600]));
    assert!(found.contains("more bytes than the file has"), "{found}");
}

#[test]
fn extra_ar_members_and_slashes_are_accepted() {
    let reason = message(changed(|members| {
        members.insert(1, ("_gpgorigin".into(), b"odd".to_vec()));
        members[0].0 = "debian-binary/".into();
    }));
    // Everything was read; one package is just no runtime.
    assert_eq!(reason, "the packages do not contain `/usr/bin/python3.11`");
}

#[test]
fn paths_that_leave_the_root_and_devices_are_refused() {
    use tar::EntryType;
    for (path, kind, link) in [
        ("/etc/passwd", EntryType::Regular, ""),
        ("./../etc/passwd", EntryType::Regular, ""),
        ("./usr/../../x", EntryType::Regular, ""),
        ("./usr//x", EntryType::Regular, ""),
        ("./dev/null", EntryType::Char, ""),
        ("./dev/sda", EntryType::Block, ""),
        ("./run/pipe", EntryType::Fifo, ""),
        ("./usr/.wh.bin", EntryType::Regular, ""),
        ("./usr/link", EntryType::Link, "./usr/nothing"),
        ("./usr/link", EntryType::Link, "/etc/shadow"),
        ("./usr/link", EntryType::Symlink, ""),
        ("./bin", EntryType::Regular, ""),
    ] {
        let deb = Deb::new("evil").entry(path, kind, 0o644, link, b"");
        let error = assembled([deb]).map(|_| path).expect_err("it was read");
        assert!(matches!(&error, Error::Member { package, .. } if package == "evil"), "{path}: {error}");
        assert!(!error.is_outside());
    }
}

#[test]
fn the_file_must_be_the_package_of_the_lock() {
    let mut deb = Deb::new("x").build();
    deb.version = "2.0-1".into();
    let error = assemble(&[deb], &options()).map(|_| ()).unwrap_err();
    assert_eq!(error.to_string(), "the package file of `x` has `Version: 1.0-1` instead of `2.0-1`");
    assert!(error.hint().unwrap().contains("wain lock"));

    let error = assembled([Deb::new("x"), Deb::new("x")]).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Twice { .. }), "{error}");
    let error = assembled([Deb::new("x").architecture("arm64")]).map(|_| ()).unwrap_err();
    assert!(error.to_string().ends_with("some are for `amd64`, some for `arm64`"), "{error}");
    let error = assembled([Deb::new("../x")]).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Control { .. }), "{error}");
}

#[test]
fn a_damaged_or_cut_archive_is_refused() {
    for compression in ["gz", "xz", "zst"] {
        let error = changed(|members| {
            members[2] = (format!("data.tar.{compression}"), b"not compressed at all".to_vec());
        })
        .map(|_| ())
        .unwrap_err();
        assert!(matches!(error, Error::Unpack { .. }), "{compression}: {error}");
    }
    let error = changed(|members| members[2].1.truncate(512)).map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Unpack { .. }), "{error}");
}

#[test]
fn missing_libraries_are_listed() {
    let deb = Deb::new("libssl3")
        .file(
            "./usr/lib/x86_64-linux-gnu/libssl.so.3",
            library("libssl.so.3", &["libcrypto.so.3", "libc.so.6"]),
        )
        .program("./usr/bin/tool", elf(62, Some("/lib64/ld-musl.so.1"), "", &[], ""));
    let error = assembled([deb]).map(|_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "missing libraries: `usr/bin/tool` needs `/lib64/ld-musl.so.1`, \
         `usr/lib/x86_64-linux-gnu/libssl.so.3` needs `libcrypto.so.3`"
    );
    let foreign = Deb::new("libx").file("./usr/lib/libx.so", elf(183, None, "libx.so", &[], ""));
    let error = assembled([foreign]).map(|_| ()).unwrap_err();
    assert!(error.to_string().ends_with("it is for another processor than its package"), "{error}");
}

#[test]
fn a_library_in_its_own_run_path_is_found() {
    let plugin = |run_path: &str| {
        Deb::new("pulse")
            .file("./usr/lib/pulse/libcommon.so", library("libcommon.so", &[]))
            .file("./usr/lib/pulse/modules/mod.so", elf(62, None, "", &["libcommon.so"], run_path))
    };
    assembled([plugin("$ORIGIN/..")]).map(|_| ()).unwrap();
    assembled([plugin("/nowhere:/usr/lib/pulse")]).map(|_| ()).unwrap();
    assert!(assembled([plugin("")]).is_err());
}
