//! Errors for a person, and their exit codes.

use std::fmt::Write as _;

use wainwright_engine::Error;
use wainwright_fault::Classify as _;

use super::clean::clean;
use super::exit::{BROKEN_PIPE, USAGE};
use super::stderr::line;

/// Reports an error, and returns its exit code.
pub(crate) fn fail(error: &Error) -> u8 {
    if error.is_broken_pipe() {
        // As for programs that the signal ends: who sent it away needs no words.
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

/// An error for a person: what, why, and what to do next.
pub(crate) fn text(error: &Error) -> String {
    tell(error, error.hint())
}

/// [`text`] of any error.
pub(crate) fn tell(error: &dyn std::error::Error, hint: Option<String>) -> String {
    let mut text = format!("error: {}", clean(&error.to_string()));
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let message = next.to_string();
        // Some errors repeat their cause in their own text.
        if !said.contains(&message) {
            let _ = write!(text, "\n  cause: {}", clean(&message));
        }
        said = message;
        cause = next.source();
    }
    if let Some(hint) = hint {
        let _ = write!(text, "\n  hint: {}", clean(&hint));
    }
    text
}

/// The first cause of an error, as one line.
pub(crate) fn innermost(error: &Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
