use std::fmt;

/// Where something stands in a workflow file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
    /// The line it begins in; the first is 1.
    pub line: usize,
    /// The character of that line; the first is 1.
    pub column: usize,
}

impl Span {
    /// The place behind it, with no length.
    pub(crate) fn after(self, text: &str) -> Self {
        let width = text.get(self.start..self.end).map_or(0, |text| text.chars().count());
        Self { start: self.end, end: self.end, line: self.line, column: self.column + width }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}
