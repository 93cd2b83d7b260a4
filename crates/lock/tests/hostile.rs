use std::time::{Duration, Instant};

use proptest::prelude::*;
use wainwright_lock::{Error, Marker, Requirement};

use crate::{packages, read};

/// Pieces of requirements files and markers in any order, and anything else.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "foo", "==", "1.0", ">=", "~=", "[", "]", "(", ")", ";", "@", "#", "\\\n", "\n", " ", "\t", "'", "\"",
            "python_version", "extra", "in", "not ", " and ", " or ", "os_name", "--hash=sha256:", "--hash", "-r",
            "-c ", "-e ", "-i", "--no-binary", "=", "https://x/foo-1.0-py3-none-any.whl", "./", "file://", "git+",
            "%", "\u{feff}", "\u{1f40d}", "\0", "é", "-", "*", "0", "${X}", "!", ",",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in pieces()) {
        // A panic fails the test; what is read back must still be the same thing.
        if let Ok(marker) = text.parse::<Marker>() {
            prop_assert_eq!(format!("({text})").parse::<Marker>().map(|_| ()), Ok(()), "{:?}", marker);
        }
        if let Ok(requirement) = text.parse::<Requirement>() {
            prop_assert!(requirement.name.as_str().is_ascii());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_requirements_file_is_read_or_refused(text in pieces()) {
        for package in packages("requirements.txt", &text).unwrap_or_default() {
            prop_assert!(!package.hashes.is_empty());
        }
    }

    #[test]
    fn a_damaged_lock_is_read_or_refused(
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), 0..40usize, pieces()), 1..4),
        format in proptest::sample::select(vec!["conflicts/uv.lock", "shop/pylock.toml"]),
    ) {
        let path = crate::fixture(format);
        let mut text: Vec<char> = std::fs::read_to_string(&path).unwrap().chars().take(12_000).collect();
        for (at, length, piece) in cuts {
            let start = at.index(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, piece.chars());
        }
        let _ = packages(path.file_name().unwrap().to_str().unwrap(), &String::from_iter(text));
    }

    #[test]
    fn any_toml_lock_is_read_or_refused(text in any::<String>(), version in any::<i64>()) {
        let text = format!("version = {version}\nlock-version = '1.0'\n{text}");
        for name in ["uv.lock", "pylock.toml"] {
            let _ = packages(name, &text);
        }
    }
}

#[test]
fn oversized_locks_are_rejected() {
    let long_line = format!("foo==1 # {}", "x".repeat(10 << 20));
    let many_lines = "foo==1\n".repeat(100_000);
    let large_file = format!("{}\n", "x".repeat(99)).repeat(500_000);
    for (text, reason) in [
        (long_line, "a line is over 1 MiB"),
        (many_lines, "it has 100000 requirements or more"),
        (large_file, "it is over 32 MiB"),
    ] {
        let start = Instant::now();
        let error = read("requirements.txt", &text).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(1), "{reason}: {:?}", start.elapsed());
        assert!(matches!(&error, Error::TooLarge { reason: found, .. } if found == reason), "{error}");
    }
}

#[test]
fn marker_nesting_is_limited() {
    for text in ["[".repeat(100_000), format!("a = {}", "{a=".repeat(100_000))] {
        assert!(read("uv.lock", &text).is_err());
    }
}
