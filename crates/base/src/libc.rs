use std::io::{self, Read};

use wainwright_python::Libc;

use crate::packages::Alpine;
use crate::tree::{Kind, Tree};

/// A C library is read up to this size in bytes; the largest one is a tenth of it.
const LARGEST: u64 = 32 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Glibc,
    Musl,
}

/// Whether the loader of some distribution looks for the C library in this folder.
pub(crate) fn is_folder(folder: &[u8]) -> bool {
    let Some(rest) = folder.strip_prefix(b"usr/").unwrap_or(folder).strip_prefix(b"lib") else {
        return false;
    };
    match rest {
        b"" | b"32" | b"64" | b"x32" => true,
        // `lib/x86_64-linux-gnu`, `lib/arm-linux-gnueabihf`, `lib/x86_64-linux-musl`.
        rest => rest.strip_prefix(b"/").is_some_and(|triple| {
            let is_known = |word: &[u8]| triple.windows(word.len()).any(|part| part == word);
            !triple.contains(&b'/') && (is_known(b"-linux-gnu") || is_known(b"-linux-musl"))
        }),
    }
}

/// Which C library a file is, by its name.
pub(crate) fn family(name: &[u8]) -> Option<Family> {
    let is_versioned = name.starts_with(b"libc-2.") && name.ends_with(b".so");
    match name {
        b"libc.so.6" | b"libc.so.6.1" => Some(Family::Glibc),
        _ if is_versioned => Some(Family::Glibc),
        b"libc.so" => Some(Family::Musl),
        name if name.starts_with(b"ld-musl-") => Some(Family::Musl),
        _ => None,
    }
}

/// Finds the version in the bytes of a C library.
pub(crate) fn scan(stream: &mut impl Read, family: Family) -> io::Result<Option<Libc>> {
    let mut bytes = Vec::new();
    stream.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(match family {
        Family::Glibc => glibc(&bytes),
        Family::Musl => musl(&bytes),
    })
}

/// From `GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.`
fn glibc(bytes: &[u8]) -> Option<Libc> {
    let banner = &bytes[find(bytes, b"GNU C Library ")?..];
    let banner = &banner[..banner.len().min(1000)];
    let end = banner.iter().position(|byte| matches!(byte, 0 | b'\n')).unwrap_or(banner.len());
    const BEFORE: &[u8] = b"release version ";
    let version = &banner[find(&banner[..end], BEFORE)? + BEFORE.len()..end];
    let (major, minor) = numbers(version)?;
    Some(Libc::Glibc(major, minor))
}

/// The loader of musl keeps its version as a text of its own, for `ldd --version`.
fn musl(bytes: &[u8]) -> Option<Libc> {
    find(bytes, b"musl libc")?;
    let is_version = |text: &&[u8]| {
        (5..=12).contains(&text.len())
            && text.starts_with(b"1.")
            && text.split(|byte| *byte == b'.').count() == 3
            && text
                .split(|byte| *byte == b'.')
                .all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
    };
    let (major, minor) = numbers(bytes.split(|byte| *byte == 0).find(is_version)?)?;
    Some(Libc::Musl(major, minor))
}

/// The C library of an image.
///
/// Alpine is told by its package list, because it may carry a glibc for foreign programs; everywhere else glibc comes
/// first, because Debian packages musl. Of several versions the lowest counts: wheels for it run on all.
pub(crate) fn detect(tree: &Tree, alpine: &Alpine) -> Option<Libc> {
    let of_apk = alpine.get("musl").and_then(|version| numbers(version.as_bytes()));
    if let Some((major, minor)) = of_apk {
        return Some(Libc::Musl(major, minor));
    }
    let found = || {
        tree.iter().filter_map(|(_, kind)| match kind {
            Kind::File(facts) => facts.libc,
            _ => None,
        })
    };
    let glibc = found().filter(|libc| matches!(libc, Libc::Glibc(..))).min();
    glibc.or_else(|| found().min())
}

/// `2.36` or `1.2.4-r2`.
fn numbers(text: &[u8]) -> Option<(u16, u16)> {
    let text = std::str::from_utf8(&text[..text.len().min(20)]).ok()?;
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = wanted.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|byte| byte == first)?;
        if bytes[at..].starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banners_are_found_between_other_bytes() {
        for (banner, expected) in [
            (
                "GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.\nCopyright",
                Some((2, 36)),
            ),
            ("GNU C Library (GNU libc) development release version 2.41.9000.", Some((2, 41))),
            ("GNU C Library (x) is not released", None),
            ("", None),
        ] {
            let bytes = [b"\0G\0GNU\0", banner.as_bytes(), b"\0x"].concat();
            let expected = expected.map(|(major, minor)| Libc::Glibc(major, minor));
            assert_eq!(scan(&mut &bytes[..], Family::Glibc).unwrap(), expected, "{banner}");
        }
    }

    #[test]
    fn the_version_of_musl_stands_alone() {
        let bytes = b"\0musl libc (x86_64)\nVersion %s\n\0x1.9.9\x001.2.5\x001.0.0\0";
        assert_eq!(scan(&mut &bytes[..], Family::Musl).unwrap(), Some(Libc::Musl(1, 2)));
        assert_eq!(scan(&mut &b"\x001.2.5\0"[..], Family::Musl).unwrap(), None);
    }

    #[test]
    fn folders_of_loaders_are_known() {
        for folder in ["lib", "lib64", "usr/lib", "usr/lib/aarch64-linux-gnu", "lib/arm-linux-gnueabihf"] {
            assert!(is_folder(folder.as_bytes()), "{folder}");
        }
        for folder in ["", "libexec", "usr/lib/debug", "usr/lib/x86_64-linux-gnu/gconv", "opt/lib"] {
            assert!(!is_folder(folder.as_bytes()), "{folder}");
        }
    }
}
