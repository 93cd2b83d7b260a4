use std::cmp::Ordering;

use crate::error::Fault;
use crate::rules::E_DUP;

/// Checks that every name appears once and nothing lies below a file; `(name, is_directory)`.
///
/// A directory may be named twice: that adds nothing.
pub(crate) fn check_tree<'a>(names: impl Iterator<Item = (&'a [u8], bool)>) -> Result<(), Fault> {
    let mut names: Vec<(&[u8], bool)> = names.collect();
    // In this order everything below a name follows it directly, so looking at neighbours is enough.
    names.sort_unstable_by(|(a, _), (b, _)| by_component(a, b));
    for pair in names.windows(2) {
        let [(first, first_is_directory), (second, second_is_directory)] = *pair else { continue };
        if first == second && !(first_is_directory && second_is_directory) {
            return Err(Fault::member(E_DUP, first, "this path appears twice"));
        }
        if !first_is_directory && second.strip_prefix(first).is_some_and(|rest| rest.starts_with(b"/")) {
            return Err(Fault::member(E_DUP, second, "it lies below a path that is a file"));
        }
    }
    Ok(())
}

/// Orders paths so that a separator comes before every other byte.
fn by_component(a: &[u8], b: &[u8]) -> Ordering {
    let key = |byte: &u8| if *byte == b'/' { 0 } else { *byte };
    a.iter().map(key).cmp(b.iter().map(key))
}

/// Pairs of different names that are equal in lower case.
pub(crate) fn same_but_for_case<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(&'a str, &'a str)> {
    let mut lower: Vec<(String, &str)> = names.map(|name| (name.to_lowercase(), name)).collect();
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
    fn a_path_is_one_file() {
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
    fn case_pairs_are_found() {
        let pairs = same_but_for_case(["a/B", "c", "a/b", "A/b"].into_iter());
        assert_eq!(pairs, [("A/b", "a/B"), ("a/B", "a/b")]);
    }
}
