use crate::text::Text;
use crate::{Error, Place};

/// A file with as many requirements is refused.
const LIMIT: usize = 100_000;

/// One logical line: joined at `\`, without its comment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    /// Where it begins.
    pub(super) place: Place,
}

/// The logical lines of a requirements file, empty ones left out (pip, "Requirements File Format").
pub(super) fn lines(text: &Text) -> Result<Vec<Line>, Error> {
    let mut lines = Vec::new();
    let mut joined = String::new();
    let mut start = 1;
    for (index, line) in text.text.lines().enumerate() {
        if joined.is_empty() {
            start = index + 1;
        }
        // A comment ends where its line ends, even after a backslash.
        let is_comment = line.trim_start().starts_with('#');
        match line.strip_suffix('\\').filter(|_| !is_comment) {
            Some(line) => {
                joined.push_str(line);
                joined.push(' ');
                continue;
            }
            None if is_comment => {}
            None => joined.push_str(line),
        }
        push(text, &mut lines, &joined, start)?;
        joined.clear();
    }
    push(text, &mut lines, &joined, start)?;
    Ok(lines)
}

fn push(text: &Text, lines: &mut Vec<Line>, joined: &str, start: usize) -> Result<(), Error> {
    let line = without_comment(joined).trim();
    if line.is_empty() {
        return Ok(());
    }
    if lines.len() + 1 >= LIMIT {
        let reason = format!("it has {LIMIT} requirements or more");
        return Err(Error::TooLarge { file: text.file.clone(), reason });
    }
    let place = Place { file: text.file.clone(), line: start, column: None };
    lines.push(Line { text: line.to_owned(), place });
    Ok(())
}

/// A comment begins with `#` at the start or after white space; an address may hold `#` elsewhere.
fn without_comment(line: &str) -> &str {
    let begins = |(at, _): &(usize, &str)| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    line.match_indices('#').find(begins).map_or(line, |(at, _)| &line[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn check(text: &str, expected: &[(usize, &str)]) {
        let text = Text::new(Path::new("r.txt"), text.into()).unwrap();
        let lines = lines(&text).unwrap();
        let found: Vec<_> = lines.iter().map(|line| (line.place.line, line.text.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn lines_are_joined_and_comments_dropped() {
        check(
            "\u{feff}# head \\\na==1 \\\r\n    --hash=sha256:00 \\\r\n    # via b\r\n\nc==2  # why\nd @ https://x/#y\n",
            &[(2, "a==1      --hash=sha256:00"), (6, "c==2"), (7, "d @ https://x/#y")],
        );
        check("a==1 \\", &[(1, "a==1")]);
        check("", &[]);
    }

    #[test]
    fn too_many_requirements_are_refused() {
        let text = Text::new(Path::new("r.txt"), "a==1\n".repeat(LIMIT).into()).unwrap();
        assert_eq!(
            lines(&text).unwrap_err().to_string(),
            "`r.txt` is too large: it has 100000 requirements or more"
        );
    }
}
