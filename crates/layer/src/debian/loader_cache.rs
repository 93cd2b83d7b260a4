//! `/etc/ld.so.cache`, as `ldconfig` would write it (glibc, `elf/cache.c` and `sysdeps/generic/dl-cache.h`).
//!
//! Only the format `glibc-ld.so.cache1.1` is written, which glibc reads since 2.2 and writes alone since 2.32. The
//! extension with the name of the program that wrote the cache is left out.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::architecture::Architecture;
use super::member::MemberKind;
use super::tree::Tree;

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const RECORD: usize = 24;
/// A path is shorter (`PATH_MAX`).
const LONGEST: usize = 4096;

/// A library the loader finds.
struct Record {
    path: String,
    /// The name it is asked for by.
    name: String,
    flags: u32,
    /// The oldest kernel and the processor features it needs, as they are written: usually nothing.
    needs: [u8; 12],
}

/// Lists the libraries in the loader's directories and writes the cache.
pub(super) fn write(tree: &Tree, architecture: &Architecture, directories: &[String]) -> Vec<u8> {
    write_more(tree, architecture, directories, b"")
}

/// As [`write`], with what the cache of the image below lists.
///
/// A cache that cannot be read counts as none, as for the loader itself, which then looks into its own directories.
pub(super) fn write_more(
    tree: &Tree,
    architecture: &Architecture,
    directories: &[String],
    before: &[u8],
) -> Vec<u8> {
    let mut records = decode(before, architecture).unwrap_or_default();
    let known: BTreeSet<(String, String)> =
        records.iter().map(|record| (record.path.clone(), record.name.clone())).collect();
    for directory in directories {
        for name in libraries(tree, architecture, directory) {
            let path = format!("{directory}/{name}");
            if !known.contains(&(path.clone(), name.clone())) {
                records.push(Record { path, name, flags: architecture.cache_flags, needs: [0; 12] });
            }
        }
    }
    // Descending, for the loader's binary search; a stable sort keeps the order of the directories.
    records.sort_by(|left, right| compare(right.name.as_bytes(), left.name.as_bytes()));
    encode(&records, architecture)
}

/// What stands before the older of the two forms, with which caches began until glibc 2.31.
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
/// Says that the features a library needs are named in an extension, which is not kept.
const NAMED_FEATURES: u8 = 0x40;

/// Reads the records of a cache; `None` where it is no cache of this processor. A library for some processors only stands
/// there once more for all, so records with named features are left out.
fn decode(cache: &[u8], architecture: &Architecture) -> Option<Vec<Record>> {
    let number = |bytes: &[u8], at: usize| -> Option<u32> {
        let four = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if architecture.is_little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    };
    let size = |bytes: &[u8], at: usize| usize::try_from(number(bytes, at)?).ok();
    let mut cache = cache;
    if cache.starts_with(OLD_MAGIC) {
        // Header of 16 bytes, records of 12, and up to the next multiple of 8.
        let end = size(cache, 12)?.checked_mul(12)?.checked_add(16)?;
        cache = cache.get(end.checked_next_multiple_of(8)?..)?;
    }
    if !cache.starts_with(MAGIC) {
        return None;
    }
    let count = size(cache, 20)?;
    let table = cache.get(HEADER..HEADER.checked_add(count.checked_mul(RECORD)?)?)?;
    let text = |at: usize| {
        let bytes = cache.get(at..)?;
        let end = bytes.iter().take(LONGEST).position(|byte| *byte == 0)?;
        String::from_utf8(bytes.get(..end)?.to_vec()).ok()
    };
    let mut records = Vec::new();
    for record in table.chunks_exact(RECORD) {
        let (name, path) = (text(size(record, 4)?)?, text(size(record, 8)?)?);
        let needs: [u8; 12] = record.get(12..)?.try_into().ok()?;
        let highest = if architecture.is_little { needs[11] } else { needs[4] };
        // The key must be the tail of the path, or it could not be written again as it is.
        if highest & NAMED_FEATURES == 0 && path.ends_with(&name) {
            records.push(Record { path, name, flags: number(record, 0)?, needs });
        }
    }
    Some(records)
}

/// The names under which a directory offers libraries.
///
/// A file offers its soname. A link offers its own name where ldconfig treats it as a link of its own right (the
/// `libfoo.so` a compiler wants), else the soname of its file. Names that do not exist as files are left out.
fn libraries(tree: &Tree, architecture: &Architecture, directory: &str) -> Vec<String> {
    let Ok(place) = tree.resolve(directory.as_bytes(), true) else { return Vec::new() };
    let mut names = BTreeMap::new();
    for (path, node) in tree.iter() {
        let Some(name) = path.strip_prefix(place.as_slice()).and_then(|rest| rest.strip_prefix(b"/")) else {
            continue;
        };
        let Ok(name) = std::str::from_utf8(name) else { continue };
        let is_named = name.starts_with("lib") || name.starts_with("ld-");
        if name.contains('/') || !is_named || !name.contains(".so") {
            continue;
        }
        let Some((real, bytes)) = tree.file(path) else { continue };
        let Ok(Some(elf)) = wainwright_elf::read(bytes.as_ref()) else { continue };
        if elf.machine.number != architecture.machine
            || elf.machine.is_64 != architecture.is_64
            || !elf.is_dynamic
        {
            continue;
        }
        let soname =
            elf.soname.as_deref().and_then(|soname| std::str::from_utf8(soname).ok()).unwrap_or(name);
        let is_link = matches!(node.kind, MemberKind::Symlink(_)) && is_link_of_its_own(&real, soname);
        let offered = if is_link { name } else { soname };
        let at = format!("{directory}/{offered}");
        if !offered.contains('/') && tree.file(at.as_bytes()).is_some() {
            names.insert(offered.to_owned(), ());
        }
    }
    names.into_keys().collect()
}

fn is_link_of_its_own(real: &[u8], soname: &str) -> bool {
    let base = real.rsplit(|byte| *byte == b'/').next().unwrap_or(real);
    base == soname.as_bytes() || (base.ends_with(b".so") && soname.as_bytes().starts_with(base))
}

/// `_dl_cache_libcmp`: like text, but runs of digits by their number and after everything else.
fn compare(mut left: &[u8], mut right: &[u8]) -> Ordering {
    let number = |text: &mut &[u8]| {
        let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
        let value = text[..end]
            .iter()
            .fold(0_u64, |value, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
        *text = &text[end..];
        value
    };
    loop {
        let order = match (left.first(), right.first()) {
            (None, None) => return Ordering::Equal,
            (first, second) => {
                let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
                match (is_digit(first), is_digit(second)) {
                    (true, true) => number(&mut left).cmp(&number(&mut right)),
                    // The end of `left` is looked at before the digits of `right`, and says "shorter" as well.
                    (true, false) => Ordering::Greater,
                    (false, true) => Ordering::Less,
                    (false, false) => {
                        left = left.get(1..).unwrap_or(&[]);
                        right = right.get(1..).unwrap_or(&[]);
                        first.cmp(&second)
                    }
                }
            }
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Header, records, strings. A record's key is the tail of its value, so each path is written once.
fn encode(records: &[Record], architecture: &Architecture) -> Vec<u8> {
    let number = |value: usize| {
        // A cache of 4 GiB would need more libraries than an image has room for.
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        if architecture.is_little { value.to_le_bytes() } else { value.to_be_bytes() }
    };
    let strings_start = HEADER + records.len() * RECORD;
    let mut strings = Vec::new();
    let mut table = Vec::new();
    for Record { path, name, flags, needs } in records {
        let value = strings_start + strings.len();
        strings.extend_from_slice(path.as_bytes());
        strings.push(0);
        table.extend_from_slice(&number(*flags as usize));
        table.extend_from_slice(&number(value + path.len() - name.len()));
        table.extend_from_slice(&number(value));
        table.extend_from_slice(needs);
    }
    let mut cache = MAGIC.to_vec();
    cache.extend_from_slice(&number(records.len()));
    cache.extend_from_slice(&number(strings.len()));
    cache.push(if architecture.is_little { 2 } else { 3 });
    cache.resize(HEADER, 0);
    cache.extend_from_slice(&table);
    cache.extend_from_slice(&strings);
    cache
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_by_their_numbers() {
        let mut names =
            ["libc.so.6", "libcrypt.so.1", "libc.so.10", "libc.so.9", "ld-linux-x86-64.so.2", "libc.so"];
        names.sort_by(|left, right| compare(right.as_bytes(), left.as_bytes()));
        assert_eq!(
            names,
            ["libcrypt.so.1", "libc.so.10", "libc.so.9", "libc.so.6", "libc.so", "ld-linux-x86-64.so.2"]
        );
        assert_eq!(compare(b"liba1", b"libab"), Ordering::Greater);
    }
}
