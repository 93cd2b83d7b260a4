use crate::span::Span;

/// A reader of characters that knows the line and the column it is in.
#[derive(Clone)]
pub(crate) struct Cursor<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    column: usize,
}

impl<'t> Cursor<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0, line: 1, column: 1 }
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(crate) fn bump(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += letter.len_utf8();
        if letter == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
        Some(letter)
    }

    /// Reads this character, if it comes next.
    pub(crate) fn eat(&mut self, letter: char) -> bool {
        let comes = self.peek() == Some(letter);
        if comes {
            self.bump();
        }
        comes
    }

    /// Reads characters of a sort; may be none.
    pub(crate) fn take_while(&mut self, is_wanted: impl Fn(char) -> bool) -> &'t str {
        let start = self.at;
        while self.peek().is_some_and(&is_wanted) {
            self.bump();
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// The character that comes next, or the end of the text.
    pub(crate) fn here(&self) -> Span {
        let width = self.peek().map_or(0, char::len_utf8);
        Span { start: self.at, end: self.at + width, line: self.line, column: self.column }
    }

    /// From `start`, a place of before, up to here.
    pub(crate) fn since(&self, start: Span) -> Span {
        Span { end: self.at, ..start }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let mut cursor = Cursor::new("ä=\r\nb");
        cursor.take_while(|letter| letter != 'b');
        assert_eq!(cursor.here(), Span { start: 5, end: 6, line: 2, column: 1 });
        let mut cursor = Cursor::new("äöx");
        cursor.bump();
        cursor.bump();
        assert_eq!(cursor.here().to_string(), "1:3");
    }
}
