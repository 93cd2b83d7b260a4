use std::path::Path;

use regex::bytes::{RegexSet, RegexSetBuilder};

use crate::Error;
use crate::gitignore::bad_line;
use crate::read::read_named;

/// A larger file is a mistake.
const LIMIT: u64 = 1024 * 1024;

/// The patterns of `.dockerignore`, with the semantics of `docker build`: relative to the project, the last one that
/// fits a path or a folder above it decides, `!` takes back.
///
/// Matched as regular expressions in linear time, as Docker does it.
#[derive(Debug)]
pub(crate) struct DockerIgnore {
    patterns: RegexSet,
    is_negated: Vec<bool>,
}

/// Which patterns fit a folder or one above it: they fit everything inside.
pub(crate) type Inherited = std::rc::Rc<[bool]>;

impl DockerIgnore {
    /// Reads `<root>/.dockerignore`; without one, nothing is ignored.
    pub(crate) fn read(root: &Path) -> Result<Self, Error> {
        const FILE: &str = ".dockerignore";
        let text = read_named(root, FILE, LIMIT)?.unwrap_or_default();
        Self::parse(&text).map_err(|(line, reason)| bad_line(FILE, &text, line, &reason))
    }

    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let (mut patterns, mut is_negated, mut last) = (Vec::new(), Vec::new(), 0);
        for (number, line) in text.lines().enumerate() {
            let pattern = line.trim();
            if line.starts_with('#') || pattern.is_empty() {
                continue;
            }
            last = number;
            let (negated, pattern) = match pattern.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, pattern),
            };
            if pattern.is_empty() {
                return Err((number, "`!` needs a pattern".into()));
            }
            let regex = to_regex(&clean(pattern));
            regex::bytes::Regex::new(&regex).map_err(|_| (number, "it is not a valid pattern".to_owned()))?;
            patterns.push(regex);
            is_negated.push(negated);
        }
        let patterns = RegexSetBuilder::new(patterns).size_limit(64 << 20).build();
        Ok(Self { patterns: patterns.map_err(|_| (last, "too many patterns".to_owned()))?, is_negated })
    }

    /// What the project folder itself hands down: nothing.
    pub(crate) fn inherited(&self) -> Inherited {
        vec![false; self.is_negated.len()].into()
    }

    /// Whether some pattern takes back, so that an ignored folder must be searched all the same.
    pub(crate) fn takes_back(&self) -> bool {
        self.is_negated.contains(&true)
    }

    /// Whether a path is to be ignored, and what it hands down if it is a folder.
    pub(crate) fn judge(&self, path: &[u8], above: &Inherited) -> (bool, Inherited) {
        let found = self.patterns.matches(path);
        let fits: Inherited = if found.matched_any() {
            above.iter().enumerate().map(|(index, above)| *above || found.matched(index)).collect()
        } else {
            above.clone()
        };
        let last = fits.iter().zip(&self.is_negated).rev().find(|(fits, _)| **fits);
        (last.is_some_and(|(_, negated)| !negated), fits)
    }
}

/// As Go's `filepath.Clean`, and without the slash in front: patterns are relative to the project anyway.
fn clean(pattern: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if pattern.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Translates a pattern: `*` and `?` stay inside a name, `**` crosses folders, `[...]` is a set, `\` quotes.
fn to_regex(pattern: &str) -> String {
    // Names are bytes: one `?` is one character where they are UTF-8, else one byte.
    const ONE: &str = r"(?:[^/\x80-\xff]|[\xc0-\xff][\x80-\xbf]+|[\x80-\xff])";
    let mut regex = String::from("(?s-u)^");
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '*' if letters.next_if_eq(&'*').is_some() => {
                letters.next_if_eq(&'/');
                regex.push_str(if letters.peek().is_none() { ".*" } else { "(?:.*/)?" });
            }
            '*' => regex.push_str("[^/]*"),
            '?' => regex.push_str(ONE),
            '\\' => regex.push_str(&regex::escape(&letters.next().unwrap_or('\\').to_string())),
            '[' => push_set(&mut letters, &mut regex),
            letter => regex.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
        }
    }
    regex.push('$');
    regex
}

/// A set of characters up to `]`. One that never ends becomes an invalid expression, which is what it is in Docker.
fn push_set(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, regex: &mut String) {
    regex.push_str("(?u:[");
    if letters.next_if_eq(&'^').is_some() {
        regex.push('^');
    }
    while let Some(letter) = letters.next() {
        match letter {
            ']' => {
                regex.push_str("])");
                return;
            }
            '-' => regex.push('-'),
            '\\' => regex.push_str(&regex::escape(&letters.next().unwrap_or('\\').to_string())),
            letter => regex.push_str(&regex::escape(&letter.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a path is ignored, its folders asked one after the other as the walk does.
    fn ignores(text: &str, path: &str) -> bool {
        let file = DockerIgnore::parse(text).unwrap();
        let mut inherited = file.inherited();
        let mut verdict = false;
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            (verdict, inherited) = file.judge(&path.as_bytes()[..end], &inherited);
        }
        verdict
    }

    #[test]
    fn patterns_are_those_of_docker() {
        for (text, path, expected) in [
            ("a", "a", true),
            ("a", "a/b", true),
            ("a", "b/a", false),
            ("/a", "a", true),
            ("./a/", "a/b", true),
            ("b/../a", "a", true),
            ("../a", "a", false),
            ("**/a", "b/c/a", true),
            ("**/a", "a", true),
            ("a/**", "a/b", true),
            ("a/**", "a", false),
            ("**", "x/y", true),
            ("*.md", "a.md", true),
            ("*.md", "b/a.md", false),
            ("*/a", "b/a", true),
            ("*/a", "b/c/a", false),
            ("a?", "ab", true),
            ("a?", "aé", true),
            ("a?", "abc", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("a+(b)$", "a+(b)$", true),
            ("\\*", "*", true),
            ("\\*", "x", false),
            ("# a", "# a", false),
            ("  a  ", "a", true),
            ("*.md\n!R.md", "R.md", false),
            ("!R.md\n*.md", "R.md", true),
            ("*\n!src", "src/a", false),
            ("*\n!src\nsrc/b", "src/b", true),
            ("a\n!a/b\na/b/c", "a/b/c", true),
            ("a\n!a/b", "a/b/x", false),
            ("a\n! a/b", "a/b", false),
        ] {
            assert_eq!(ignores(text, path), expected, "{text:?} {path}");
        }
    }

    #[test]
    fn bad_lines_are_counted() {
        for (text, line) in [("a\n!", 1), ("[", 0), ("ok\n\n[z-a]", 2)] {
            assert_eq!(DockerIgnore::parse(text).map_err(|(line, _)| line).unwrap_err(), line, "{text:?}");
        }
    }

    #[test]
    fn nasty_patterns_cost_linear_time() {
        let nasty = "*a".repeat(200) + "b";
        assert!(!ignores(&nasty, &"a".repeat(4000)));
        assert!(!ignores(&("**/a/".repeat(100) + "b"), &"a/".repeat(1000)));
    }
}
