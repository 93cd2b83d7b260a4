//! ELF files as the loader reads them, and the cache it finds them with.

use super::super::architecture::Architecture;
use super::super::{elf, libraries, loader_cache};
use super::fixture::{Deb, assembled, elf as write_elf, library};

#[test]
fn an_elf_file_tells_what_it_needs() {
    let bytes =
        write_elf(183, Some("/lib/ld.so"), "liba.so.1", &["libb.so.2", "libc.so.6"], "$ORIGIN:/opt/lib");
    let read = elf::read(&bytes).unwrap().unwrap();
    assert_eq!(read.machine, 183);
    assert_eq!(read.interpreter, Some(&b"/lib/ld.so"[..]));
    assert_eq!(read.soname, Some(&b"liba.so.1"[..]));
    assert_eq!(read.needed, [&b"libb.so.2"[..], b"libc.so.6"]);
    assert_eq!(read.run_path, [&b"$ORIGIN"[..], b"/opt/lib"]);
    assert_eq!(elf::read(b"#!/bin/sh\n"), Ok(None));
}

#[test]
fn a_cut_or_twisted_elf_file_is_an_error_and_never_a_panic() {
    let bytes = write_elf(62, Some("/lib/ld.so"), "liba.so.1", &["libb.so.2"], "/opt");
    assert!(elf::read(&bytes[..100]).is_err());
    for length in 0..bytes.len() {
        let _ = elf::read(&bytes[..length]);
    }
    for at in 4..bytes.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut twisted = bytes.clone();
            twisted[at] = value;
            let _ = elf::read(&twisted);
            // A whole word, so that additions are pushed to their limits.
            let end = (at + 8).min(twisted.len());
            twisted[at..end].fill(value);
            let _ = elf::read(&twisted);
        }
    }
}

#[test]
fn the_loader_cache_lists_what_ldconfig_would() {
    let deb = Deb::new("libs")
        .file(
            "./etc/ld.so.conf.d/extra.conf",
            "# extra\n/opt/extra/lib/\n/usr/lib/x86_64-linux-gnu\n/nowhere\n",
        )
        .file("./opt/extra/lib/libx.so.2", library("libx.so.2", &[]))
        .file("./usr/lib/x86_64-linux-gnu/libz.so.1.3", library("libz.so.1", &[]))
        .symlink("./usr/lib/x86_64-linux-gnu/libz.so.1", "libz.so.1.3")
        .symlink("./usr/lib/x86_64-linux-gnu/libz.so", "libz.so.1.3")
        .file("./usr/lib/libx.so.10", library("libx.so.10", &[]))
        .file("./usr/lib/libnolink.so.1.0", library("libnolink.so.1", &[]))
        .file("./usr/lib/liba.so.txt", "no ELF file")
        .file("./usr/lib/plugin.so", library("plugin.so", &[]));
    let runtime = assembled([deb]).unwrap();
    let architecture = Architecture::find("amd64").unwrap();
    let directories = libraries::directories(&runtime.tree, architecture);
    assert_eq!(directories, ["/opt/extra/lib", "/usr/lib/x86_64-linux-gnu", "/lib"]);
    let cache = loader_cache::write(&runtime.tree, architecture, &directories);
    assert_eq!(
        records(&cache),
        [
            "libz.so.1 => /usr/lib/x86_64-linux-gnu/libz.so.1",
            "libx.so.10 => /lib/libx.so.10",
            "libx.so.2 => /opt/extra/lib/libx.so.2",
            "libc.so.6 => /usr/lib/x86_64-linux-gnu/libc.so.6",
            "ld-linux-x86-64.so.2 => /usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
        ]
    );
}

/// Reads a cache as `dl-cache.h` describes it, checking everything that is fixed.
fn records(cache: &[u8]) -> Vec<String> {
    let number = |at: usize| u32::from_le_bytes(cache[at..at + 4].try_into().unwrap()) as usize;
    let text = |at: usize| {
        let length = cache[at..].iter().position(|byte| *byte == 0).unwrap();
        std::str::from_utf8(&cache[at..at + length]).unwrap()
    };
    assert_eq!(&cache[..20], b"glibc-ld.so.cache1.1");
    let count = number(20);
    assert_eq!(48 + count * 24 + number(24), cache.len(), "the strings end where the file ends");
    assert_eq!(cache[28], 2, "little-endian");
    assert_eq!(&cache[29..48], [0; 19], "no extension");
    (0..count)
        .map(|record| {
            let at = 48 + record * 24;
            assert_eq!(number(at), 0x0303, "ELF, libc6, x86-64");
            assert_eq!(&cache[at + 12..at + 24], [0; 12]);
            format!("{} => {}", text(number(at + 4)), text(number(at + 8)))
        })
        .collect()
}
