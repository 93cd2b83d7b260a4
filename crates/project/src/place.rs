use std::ffi::OsStr;
use std::fmt;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The most of a line that is shown, in characters.
const WIDTH: usize = 100;

/// A place in a file the user wrote: where it is, and the line with a caret under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, relative to the project.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted in characters, from 1.
    pub column: usize,
    /// The line, or the part of a long one around the place; unprintable characters are replaced.
    excerpt: String,
    /// How far the caret is indented, and how many characters are underlined.
    caret: (usize, usize),
}

impl Place {
    /// Finds the place of some bytes of a text.
    pub(crate) fn of(file: &str, text: &str, span: Range<usize>) -> Self {
        let start = floor_to_char(text, span.start);
        let end = floor_to_char(text, span.end).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..].find(['\r', '\n']).map_or(text.len(), |end| start + end);
        let before = text[line_start..start].chars().count();
        let marked = text[start..end.min(line_end)].chars().count().max(1);
        let skipped = before.saturating_sub(WIDTH / 2);
        let shown = text[line_start..line_end].chars().skip(skipped).take(WIDTH);
        Self {
            file: file.to_owned(),
            line: text[..line_start].matches('\n').count() + 1,
            column: before + 1,
            excerpt: shown.map(printable).collect::<String>().trim_end().to_owned(),
            caret: (before - skipped, marked.min(WIDTH - (before - skipped).min(WIDTH - 1))),
        }
    }
}

/// The nearest position at or before `position` that is not inside a character.
fn floor_to_char(text: &str, position: usize) -> usize {
    let mut position = position.min(text.len());
    while !text.is_char_boundary(position) {
        position -= 1;
    }
    position
}

fn printable(letter: char) -> char {
    match letter {
        '\t' => ' ',
        letter if is_hidden(letter) => '\u{fffd}',
        letter => letter,
    }
}

/// Characters that a terminal acts upon instead of showing them: control codes and changes of writing direction.
fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A name from the file system for a message: what cannot be shown, or could deceive, is escaped.
pub(crate) fn show(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if is_hidden(letter) {
                text.extend(letter.escape_default());
            } else {
                text.push(letter);
            }
        }
        text.push_str(&chunk.invalid().escape_ascii().to_string());
    }
    text
}

impl fmt::Display for Place {
    /// `pyproject.toml:3:5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Place {
    /// The line and a caret below it, as compilers show it; begins with a newline.
    pub fn excerpt(&self) -> String {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let (indent, marked) = self.caret;
        format!(
            "\n{margin} |\n{number} | {}\n{margin} | {}{}",
            self.excerpt,
            " ".repeat(indent),
            "^".repeat(marked)
        )
    }
}

/// A path relative to the project, for the operating system.
pub(crate) fn as_path(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, marked: &str, expected: &str) {
        let start = text.find(marked).unwrap();
        let place = Place::of("x.toml", text, start..start + marked.len());
        assert_eq!(format!("{place}{}", place.excerpt()), expected);
    }

    #[test]
    fn error_marker_points_to_the_column() {
        check("a = 1\nbad = 2\n", "bad", "x.toml:2:1\n  |\n2 | bad = 2\n  | ^^^");
        check("é = \"ü\"\r\n", "\"ü\"", "x.toml:1:5\n  |\n1 | é = \"ü\"\n  |     ^^^");
        check("\ta\u{1b}b", "b", "x.toml:1:4\n  |\n1 |  a\u{fffd}b\n  |    ^");
    }

    #[test]
    fn long_lines_are_cut_and_odd_spans_survive() {
        let text = format!("a = \"{}\"", "x".repeat(1_000_000));
        assert!(Place::of("f", &text, 500_000..900_000).excerpt().len() < 300);
        assert_eq!(Place::of("f", "é", 1..99).column, 1);
        assert_eq!(Place::of("f", "", 5..7).line, 1);
    }

    #[test]
    fn terminal_controls_are_escaped() {
        assert_eq!(show(b"a\x1b[2Jb\n"), r"a\u{1b}[2Jb\n");
        assert_eq!(show("gpj.\u{202e}exe é".as_bytes()), r"gpj.\u{202e}exe é");
        assert_eq!(show(b"\xff"), r"\xff");
    }
}
