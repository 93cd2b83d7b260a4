/// Where the lines of a text begin, and what is in them.
pub(super) struct Lines(Vec<Line>);

#[derive(Clone, Copy, Default)]
pub(super) struct Line {
    pub(super) start: usize,
    /// Whether there is a `]` in it.
    pub(super) closes: bool,
}

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        for line in text.split('\n') {
            lines.push(Line { start, closes: line.contains(']') });
            start += line.len() + 1;
        }
        Self(lines)
    }

    /// The number of the line of a place; the first is 0.
    pub(super) fn number(&self, at: usize) -> usize {
        self.0.partition_point(|line| line.start <= at).saturating_sub(1)
    }

    pub(super) fn at(&self, at: usize) -> Line {
        self.0.get(self.number(at)).copied().unwrap_or_default()
    }
}
