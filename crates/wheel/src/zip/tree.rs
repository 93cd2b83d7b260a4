use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};

use unicode_normalization::UnicodeNormalization as _;

use wainwright_oci::by_component;

use crate::error::Fault;
use crate::rules::E_DUP;

/// The folders that names stand for, whether there are entries for them or not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Folders {
    pub(crate) count: u64,
    /// Length of all their paths together, in bytes.
    pub(crate) bytes: u64,
}

/// Checks that every name appears once and nothing lies below a file; `(name, is_directory)`. Counts the folders above.
///
/// A directory may be named twice: that adds nothing.
pub(crate) fn check_tree<'a>(names: impl Iterator<Item = (&'a [u8], bool)>) -> Result<Folders, Fault> {
    let mut names: Vec<(&[u8], bool)> = names.collect();
    // In this order neighbours are all there is to look at. Most are in it already: a stable sort is quick with that.
    names.sort_by(|(a, _), (b, _)| by_component(a, b));
    for pair in names.windows(2) {
        let [(first, first_is_directory), (second, second_is_directory)] = *pair else { continue };
        if first == second && !(first_is_directory && second_is_directory) {
            return Err(Fault::member(E_DUP, first, "this path appears twice"));
        }
        if !first_is_directory && second.strip_prefix(first).is_some_and(|rest| rest.starts_with(b"/")) {
            return Err(Fault::member(E_DUP, second, "it is below a path that is a file"));
        }
    }
    let mut folders = Folders::default();
    let mut before: &[u8] = b"";
    for (name, _) in names {
        let shared = before.iter().zip(name).take_while(|(a, b)| a == b).count();
        // A slash that both have closes a folder that was counted.
        for (slash, _) in name.iter().enumerate().skip(shared).filter(|(_, byte)| **byte == b'/') {
            folders.count += 1;
            folders.bytes += slash as u64;
        }
        before = name;
    }
    Ok(folders)
}

/// Pairs of different names that are equal in lower case, or in another composition of the same letters (Unicode NFC).
pub(crate) fn same_but_for_case<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, &'a str)> {
    let fold = |name: &str| match name.is_ascii() {
        true => name.to_ascii_lowercase(),
        false => name.to_lowercase().nfc().collect(),
    };
    // Nearly all names are alone with their hash; only the others are worth being kept folded.
    let hasher = RandomState::new();
    let names: Vec<(u64, &str)> = names.map(|name| (hasher.hash_one(fold(name)), name)).collect();
    let mut hashes: Vec<u64> = names.iter().map(|(hash, _)| *hash).collect();
    hashes.sort_unstable();
    let twice: HashSet<u64> =
        hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    let twice = names.into_iter().filter(|(hash, _)| twice.contains(hash));
    let mut lower: Vec<(String, &str)> = twice.map(|(_, name)| (fold(name), name)).collect();
    lower.sort_unstable();
    lower
        .windows(2)
        .filter_map(|pair| match pair {
            [(a, first), (b, second)] if a == b && first != second => Some((*first, *second)),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_tree(names: &[&str]) -> bool {
        check_tree(names.iter().map(|name| (name.trim_end_matches('/').as_bytes(), name.ends_with('/'))))
            .is_ok()
    }

    #[test]
    fn path_is_installed_once() {
        assert!(is_tree(&["a/b", "a/c", "a/", "a/", "a.py", "a-b"]));
        assert!(!is_tree(&["a", "b", "a"]));
        assert!(!is_tree(&["a", "a/"]));
    }

    #[test]
    fn nothing_lies_below_a_file() {
        assert!(!is_tree(&["a/b/c/d", "a-b", "a", "a.py"]));
        assert!(!is_tree(&["a/b/", "a"]));
        assert!(is_tree(&["a", "a.py/b", "ab"]));
    }

    #[test]
    fn folders_are_counted_once() {
        let names = ["a/b/c", "a/b/d", "a/bc/d", "a/b", "e", "a/"]
            .map(|name| (name.as_bytes(), name.ends_with(['b', '/'])));
        let names = names.map(|(name, is_directory)| (name.strip_suffix(b"/").unwrap_or(name), is_directory));
        // `a`, `a/b` and `a/bc`.
        assert_eq!(check_tree(names.into_iter()).unwrap(), Folders { count: 3, bytes: 1 + 3 + 4 });
    }

    #[test]
    fn case_pairs_are_found() {
        let pairs = same_but_for_case(["a/B", "c", "a/b", "A/b"].into_iter());
        assert_eq!(pairs, [("A/b", "a/B"), ("a/B", "a/b")]);
        assert_eq!(same_but_for_case(["\u{e9}", "x", "e\u{301}"].into_iter()), [("e\u{301}", "\u{e9}")]);
    }
}
