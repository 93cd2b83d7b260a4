use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// What one list of patterns says about a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No pattern fits.
    Nothing,
    /// The last pattern that fits is a plain one.
    Fits,
    /// The last pattern that fits begins with `!`.
    FitsNot,
}

/// Patterns in the syntax of `.gitignore`, relative to one folder.
pub(crate) struct Rules {
    all: Gitignore,
    /// Only the patterns with a folder in front: they may fit something inside a folder that is left out.
    anchored: Gitignore,
    /// The same, part by part.
    anchored_parts: Vec<Vec<String>>,
}

impl Rules {
    /// Compiles patterns for the folder `folder`, relative to the project. Reports the first bad one by its index.
    pub(crate) fn new<'a>(
        folder: &[u8],
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, (usize, String)> {
        let folder = Path::new(OsStr::from_bytes(folder));
        let (mut all, mut anchored) = (GitignoreBuilder::new(folder), GitignoreBuilder::new(folder));
        let mut anchored_parts = Vec::new();
        let mut last = 0;
        for (index, pattern) in patterns.into_iter().enumerate() {
            last = index;
            // Braces mean nothing to git, but something to the matcher.
            let literal = pattern.replace('{', "\\{").replace('}', "\\}");
            let bad = |error| (index, describe(&error));
            all.add_line(None, &literal).map_err(bad)?;
            let parts = pattern.trim_end_matches('/').trim_start_matches('/');
            if pattern.trim_end_matches('/').contains('/') && !parts.starts_with("**") {
                anchored.add_line(None, &literal).map_err(bad)?;
                anchored_parts.push(parts.split('/').map(str::to_owned).collect());
            }
        }
        let bad = |error| (last, describe(&error));
        Ok(Self { all: all.build().map_err(bad)?, anchored: anchored.build().map_err(bad)?, anchored_parts })
    }

    /// Whether a single pattern can be used.
    pub(crate) fn check(pattern: &str) -> Result<(), String> {
        Self::new(b"", [pattern]).map(|_| ()).map_err(|(_, reason)| reason)
    }

    /// What the patterns say about a path, relative to the project. Parents are not looked at.
    pub(crate) fn judge(&self, path: &[u8], is_folder: bool) -> Verdict {
        match self.all.matched(Path::new(OsStr::from_bytes(path)), is_folder) {
            Match::None => Verdict::Nothing,
            Match::Ignore(_) => Verdict::Fits,
            Match::Whitelist(_) => Verdict::FitsNot,
        }
    }

    /// Whether a plain pattern fits a path.
    pub(crate) fn fits(&self, path: &[u8], is_folder: bool) -> bool {
        self.judge(path, is_folder) == Verdict::Fits
    }

    /// Whether a plain pattern that names folders fits a path.
    ///
    /// A pattern without a slash fits at any depth, but not in folders that are left out: `include = ["*.json"]` is not
    /// meant to search `node_modules`.
    pub(crate) fn fits_anchored(&self, path: &[u8], is_folder: bool) -> bool {
        self.anchored.matched(Path::new(OsStr::from_bytes(path)), is_folder).is_ignore()
    }

    /// Whether [`Rules::fits_anchored`] could be true of something below this folder. May say yes too often.
    pub(crate) fn may_fit_below(&self, folder: &[u8]) -> bool {
        self.anchored_parts.iter().any(|pattern| {
            let mut parts = pattern.iter();
            for name in folder.split(|byte| *byte == b'/') {
                match parts.next() {
                    Some(part) if part == "**" => return true,
                    Some(part) if part.contains(['*', '?', '[', '\\']) => {}
                    Some(part) if part.as_bytes() == name => {}
                    _ => return false,
                }
            }
            parts.next().is_some()
        })
    }
}

/// The reason alone: the pattern is shown in its place.
fn describe(error: &ignore::Error) -> String {
    match error {
        ignore::Error::Glob { err, .. } => err.clone(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_git() {
        for (pattern, path, expected) in [
            ("*.log", "a/b.log", true),
            ("/a", "a", true),
            ("/a", "b/a", false),
            ("a/b", "a/b", true),
            ("a/b", "c/a/b", false),
            ("**/b", "c/a/b", true),
            ("a/**", "a/b/c", true),
            ("a/**/c", "a/c", true),
            ("a*c", "a/c", false),
            ("\\!a", "!a", true),
            ("{a,b}", "a", false),
            ("{a,b}", "{a,b}", true),
            ("a[0-9]", "a5", true),
        ] {
            let rules = Rules::new(b"", [pattern]).ok().unwrap();
            assert_eq!(rules.fits(path.as_bytes(), false), expected, "{pattern} {path}");
        }
        let rules = Rules::new(b"sub", ["/x/", "!keep"]).ok().unwrap();
        assert!(rules.fits(b"sub/x", true) && !rules.fits(b"sub/x", false) && !rules.fits(b"sub/y/x", true));
        assert_eq!(rules.judge(b"sub/keep", false), Verdict::FitsNot);
        assert!(Rules::new(b"", ["ok", "[z-a]"]).is_err_and(|(index, _)| index == 1));
    }

    #[test]
    fn folders_are_searched_only_for_patterns_that_name_them() {
        let rules = Rules::new(b"", ["*.json", "dist/app/*.js", "**/y"]).ok().unwrap();
        for (folder, expected) in [
            ("dist", true),
            ("dist/app", true),
            ("dist/other", false),
            ("other", false),
            ("node_modules", false),
        ] {
            assert_eq!(rules.may_fit_below(folder.as_bytes()), expected, "{folder}");
        }
    }
}
