use wainwright_testing::ElfFile;

use crate::{Version, machine, names, read};

fn sample() -> Vec<u8> {
    ElfFile::new()
        .machine(183)
        .interpreter("/lib/ld.so")
        .soname("liba.so.1")
        .needed("libb.so.2")
        .requires("libc.so.6", &["GLIBC_2.17", "GLIBC_2.38"])
        .requires("libm.so.6", &["GLIBC_2.29"])
        .run_path("$ORIGIN:/opt/lib")
        .symbol("PyInit_fast")
        .offers("A_1.0")
        .offers("A_1.1")
        .bytes()
}

#[test]
fn elf_file_lists_needed_and_provided_versions() {
    let bytes = sample();
    let elf = read(bytes.as_slice()).unwrap().unwrap();
    assert_eq!(Some(elf.machine), machine("arm64"));
    assert_eq!(elf.machine.to_string(), "AArch64");
    assert_eq!(elf.interpreter.as_deref(), Some(&b"/lib/ld.so"[..]));
    assert_eq!(elf.soname.as_deref(), Some(&b"liba.so.1"[..]));
    assert_eq!(elf.needed, [&b"libb.so.2"[..], b"libc.so.6", b"libm.so.6"]);
    assert_eq!(elf.run_path, [&b"$ORIGIN"[..], b"/opt/lib"]);
    assert_eq!(elf.offers, [b"A_1.0", b"A_1.1"]);
    let version = |library: &str, name: &str| Version { library: library.into(), name: name.into() };
    let expected = [("libc.so.6", "GLIBC_2.17"), ("libc.so.6", "GLIBC_2.38"), ("libm.so.6", "GLIBC_2.29")];
    assert_eq!(elf.requires, expected.map(|(library, name)| version(library, name)));
    assert!(names(bytes.as_slice(), &elf, "PyInit_fast"));
    assert!(!names(bytes.as_slice(), &elf, "PyInit_fas"));
    assert_eq!(read(&b"#!/bin/sh\n"[..]), Ok(None));
    assert_eq!(read(&b""[..]), Ok(None));
}

#[test]
fn name_across_two_windows_is_found() {
    let window = 1 << 20;
    for shift in [window - 14, window - 5, window - 1, window, window + 1] {
        let bytes = ElfFile::new().symbol(&"x".repeat(shift)).symbol("PyInit_fast").bytes();
        let elf = read(bytes.as_slice()).unwrap().unwrap();
        assert!(names(bytes.as_slice(), &elf, "PyInit_fast"), "{shift}");
        assert!(!names(bytes.as_slice(), &elf, "Init_fast"), "{shift}");
    }
}

#[test]
fn a_file_on_disk_is_read_the_same() {
    let path = tempfile::tempdir().unwrap();
    let path = path.path().join("a.so");
    std::fs::write(&path, sample()).unwrap();
    assert_eq!(read(&std::fs::File::open(path).unwrap()), read(sample().as_slice()));
}

#[test]
fn damaged_elf_file_is_an_error_not_a_panic() {
    let bytes = sample();
    assert!(read(&bytes[..100]).is_err());
    for length in 0..bytes.len() {
        let _ = read(&bytes[..length]);
    }
    for at in 4..bytes.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut twisted = bytes.clone();
            twisted[at] = value;
            let _ = read(twisted.as_slice());
            // A whole word, so that additions are pushed to their limits.
            let end = (at + 8).min(twisted.len());
            twisted[at..end].fill(value);
            let _ = read(twisted.as_slice());
        }
    }
}
