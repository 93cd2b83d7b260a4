use std::path::Path;
use std::rc::Rc;

use crate::place::show;
use crate::read::read_text;
use crate::rules::{Rules, Verdict};
use crate::{Error, Place};

/// A megabyte of patterns compiles in seconds; nobody writes more by hand.
const LIMIT: u64 = 1024 * 1024;

/// The `.gitignore` of a folder, and those of the folders above it.
///
/// Only files inside the project count: not those above it, not `.git/info/exclude`, not the user's own. They differ
/// from machine to machine.
pub(crate) struct GitIgnore {
    rules: Rules,
    above: Option<Rc<GitIgnore>>,
}

impl GitIgnore {
    /// Reads `<folder>/.gitignore`; `folder` is relative to the project and empty for the project itself.
    pub(crate) fn read(
        root: &Path,
        folder: &[u8],
        above: Option<Rc<Self>>,
    ) -> Result<Option<Rc<Self>>, Error> {
        let name =
            if folder.is_empty() { ".gitignore".into() } else { format!("{}/.gitignore", show(folder)) };
        let folder_path = root.join(crate::place::as_path(folder));
        let text = read_text(&folder_path, ".gitignore", LIMIT).map_err(|error| match error {
            Error::TooLarge { limit, .. } => Error::TooLarge { file: name.clone(), limit },
            Error::NotText { reason, .. } => Error::NotText { file: name.clone(), reason },
            error => error,
        })?;
        let Some(text) = text else { return Ok(above) };
        match Rules::new(folder, text.lines()) {
            Ok(rules) => Ok(Some(Rc::new(Self { rules, above }))),
            Err((line, reason)) => Err(bad_line(&name, &text, line, &reason)),
        }
    }

    /// Whether a path is to be ignored: the nearest file with an opinion decides.
    pub(crate) fn ignores(&self, path: &[u8], is_folder: bool) -> bool {
        let mut next = Some(self);
        while let Some(file) = next {
            match file.rules.judge(path, is_folder) {
                Verdict::Fits => return true,
                Verdict::FitsNot => return false,
                Verdict::Nothing => next = file.above.as_deref(),
            }
        }
        false
    }
}

/// An error that points at a line of an ignore file, counted from 0.
pub(crate) fn bad_line(file: &str, text: &str, line: usize, reason: &str) -> Error {
    let start = text.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
    let end = start + text[start..].lines().next().map_or(0, str::len);
    Error::Invalid {
        place: Box::new(Place::of(file, text, start..end)),
        what: format!("not a pattern: {reason}"),
        remedy: None,
    }
}
