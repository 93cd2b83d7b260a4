//! The cache that the loader finds libraries with.

use super::super::architecture::Architecture;
use super::super::{libraries, loader_cache};
use super::fixture::{Deb, assembled, library};

#[test]
fn loader_cache_matches_ldconfig() {
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
pub(super) fn records(cache: &[u8]) -> Vec<String> {
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
