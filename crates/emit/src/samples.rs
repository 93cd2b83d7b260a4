use wainwright_fault::Classify;

use crate::{Error, Files, Release};

/// A release of five components, a cache and a database.
pub(crate) fn sample() -> Release {
    Release::read(include_bytes!("../../../fixtures/releases/support.json")).unwrap()
}

/// Files as one text.
pub(crate) fn shown(files: &Files) -> String {
    files
        .iter()
        .map(|file| format!("==> {}\n{}\n", file.path, String::from_utf8_lossy(&file.bytes)))
        .collect()
}

/// An error as a person sees it.
pub(crate) fn told(error: &Error) -> String {
    let hint = error.hint().map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
    format!("{error}{hint}")
}
