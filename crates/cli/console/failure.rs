//! Error messages and their exit codes.

use std::fmt::Write as _;

use wainwright_engine::Error;
use wainwright_fault::Classify as _;

use super::clean::clean;
use super::exit::{BROKEN_PIPE, USAGE};
use super::stderr::line;

/// Reports an error, and returns its exit code.
pub(crate) fn fail(error: &Error) -> u8 {
    if error.is_broken_pipe() {
        // The reader closed the pipe and needs no message, as if the signal had ended the program.
        return BROKEN_PIPE;
    }
    line(&text(error));
    error.exit_code()
}

/// Reports a wrong command line, and returns its exit code.
pub(crate) fn usage(message: &str) -> u8 {
    line(&format!("error: {message}"));
    USAGE
}

/// An error message: error, causes and hint.
pub(crate) fn text(error: &Error) -> String {
    describe(error, error.hint())
}

/// [`text`] of any error.
pub(crate) fn describe(error: &dyn std::error::Error, hint: Option<String>) -> String {
    let mut text = format!("error: {}", clean(&error.to_string()));
    let mut shown = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text_of_cause = next.to_string();
        // Some errors repeat their cause in their text.
        if !shown.contains(&text_of_cause) {
            let _ = write!(text, "\n  cause: {}", clean(&text_of_cause));
        }
        shown = text_of_cause;
        cause = next.source();
    }
    if let Some(hint) = hint {
        let _ = write!(text, "\n  hint: {}", clean(&hint));
    }
    text
}

/// The innermost cause of an error.
pub(crate) fn innermost(error: &Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
