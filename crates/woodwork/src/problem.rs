use std::fmt::Write as _;

use serde::Serialize;

use crate::codes::Code;
use crate::span::Span;

/// The part of the work that finds an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Is it the language?
    Parse,
    /// Is everything there that is named?
    Resolve,
    /// Do the components have what their kinds want?
    Validate,
}

/// An error or a warning at a place of a workflow file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// As `E-REF-UNKNOWN`: `E-` are errors, `W-` warnings, `D-` what the `woodwork` command reads differently.
    pub code: &'static str,
    /// The part of the work that found it.
    pub stage: Stage,
    /// Where.
    pub at: Span,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
    excerpt: Excerpt,
}

/// The line of a problem, cut to what can be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Excerpt {
    text: String,
    /// Characters before the mark.
    before: usize,
    /// Characters to mark.
    width: usize,
}

/// Characters shown of a long line before and behind what is marked.
const AROUND: usize = 80;
/// Bytes looked at for them.
const WINDOW: usize = AROUND * 4;

impl Problem {
    /// A problem in `source`, whose line it will show.
    pub(crate) fn new(
        source: &str,
        stage: Stage,
        code: &'static Code,
        at: Span,
        text: impl Into<String>,
    ) -> Self {
        Self { code: code.id, stage, at, text: text.into(), hint: None, excerpt: Excerpt::of(source, at) }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Whether it is about what the `woodwork` command reads differently.
    pub fn is_divergence(&self) -> bool {
        self.code.starts_with("D-")
    }

    /// The problem for a person: `file:line:column: code: text`, the line with a mark, and the hint.
    pub fn show(&self, file: &str) -> String {
        let class = if self.is_divergence() { "engine-divergence: " } else { "" };
        let mut shown = format!("{file}:{}: {}: {class}{}", self.at, self.code, self.text);
        let Excerpt { text, before, width } = &self.excerpt;
        if !text.trim().is_empty() {
            let number = self.at.line.to_string();
            // A tab stays a tab, or the mark would stand somewhere else.
            let indent = text.chars().take(*before).map(|letter| if letter == '\t' { '\t' } else { ' ' });
            let indent: String = indent.collect();
            let margin = " ".repeat(number.len());
            let _ = write!(shown, "\n  {number} | {text}\n  {margin} | {indent}{}", "^".repeat(*width));
        }
        if let Some(hint) = &self.hint {
            let _ = write!(shown, "\n  hint: {hint}");
        }
        shown
    }
}

/// Ends of keys whose values are not shown.
const SECRET: &[&str] = &["key", "password", "secret", "token"];

/// Whether what stands there is the value of a key that holds a secret.
pub(crate) fn is_secret(source: &str, at: Span) -> bool {
    let start = floor(source, at.start);
    let begin = floor(source, start.saturating_sub(WINDOW));
    let before = source.get(begin..start).unwrap_or_default();
    let before = before.rsplit('\n').next().unwrap_or_default();
    let key = before.rsplit_once(':').map(|(key, _)| key.trim_end().to_ascii_lowercase());
    key.is_some_and(|key| SECRET.iter().any(|end| key.trim_end_matches(['"', '\'']).ends_with(end)))
}

impl Excerpt {
    fn of(source: &str, at: Span) -> Self {
        if is_secret(source, at) {
            return Self::default();
        }
        let start = floor(source, at.start);
        let begin = floor(source, start.saturating_sub(WINDOW));
        let before = source.get(begin..start).unwrap_or_default();
        let before = before.rsplit('\n').next().unwrap_or_default();
        let skipped = before.chars().count().saturating_sub(AROUND);
        let before: String = before.chars().skip(skipped).collect();
        let end = floor(source, start.saturating_add(WINDOW));
        let rest = source.get(start..end).unwrap_or_default();
        let rest = rest.split(['\n', '\r']).next().unwrap_or_default();
        let rest: String = rest.chars().take(AROUND).collect();
        let marked = source.get(start..floor(source, at.end).max(start)).unwrap_or_default();
        let marked = marked.chars().take(AROUND).take_while(|letter| *letter != '\n').count();
        let width = marked.min(rest.chars().count()).max(1);
        Self { before: before.chars().count(), text: before + rest.trim_end(), width }
    }
}

/// The place, or the beginning of the character it is in the middle of.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
