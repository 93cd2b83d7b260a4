use std::collections::BTreeSet;

use super::lines::Lines;
use crate::codes::Code;
use crate::problem::{Problem, Stage};
use crate::span::Span;

/// Warnings of this sort that are told.
pub(super) const MOST: usize = 200;

/// Where a value stands.
#[derive(Clone, Copy, Default)]
pub(super) struct Inside {
    pub(super) list: bool,
    /// A dictionary in a list.
    pub(super) item: bool,
    pub(super) dict: bool,
}

/// What is found on the way through a workflow.
pub(super) struct Finder<'t> {
    pub(super) source: &'t str,
    pub(super) lines: Lines,
    pub(super) names: BTreeSet<&'t str>,
    pub(super) found: Vec<Problem>,
}

impl<'t> Finder<'t> {
    /// A text that begins with "it" is about the command.
    pub(super) fn tell(&mut self, code: &'static Code, at: Span, text: &str, hint: &str) {
        // Many more than are told: those that are told are the first of the file.
        if self.found.len() < 64 * MOST {
            let text =
                text.strip_prefix("it ").map_or_else(|| text.into(), |rest| format!("`woodwork` {rest}"));
            self.found.push(Problem::new(self.source, Stage::Parse, code, at, text).hint(hint));
        }
    }

    /// The text from one place to another.
    pub(super) fn between(&self, start: usize, end: usize) -> &'t str {
        self.source.get(start..end).unwrap_or_default()
    }

    /// Whether two places are in one line.
    pub(super) fn is_one_line(&self, start: usize, end: usize) -> bool {
        self.lines.number(start) == self.lines.number(end)
    }

    /// What is before a place in its line.
    pub(super) fn before(&self, at: usize) -> &'t str {
        self.between(self.lines.at(at).start, at)
    }
}
