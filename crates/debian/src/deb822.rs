use std::io::BufRead;

use crate::Error;

/// The longest line read; the longest in Debian's own index is under 100 kB.
const LONGEST_LINE: usize = 4 << 20;

/// One line of a file in Debian's control syntax (deb822(5)).
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// `Name: value`; the value without white space around it.
    Field(&'a str, &'a str),
    /// A further line of the field before, without white space around it.
    More(&'a str),
    /// The end of a paragraph.
    End,
}

/// Reads `file` line by line and hands every line to `on_line` with its number.
///
/// `End` is given once after each paragraph that had a field, the last one included. Comment lines are skipped. Memory is
/// bounded by the longest line.
pub(crate) fn read(
    mut reader: impl BufRead,
    file: &str,
    mut on_line: impl FnMut(usize, Line<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let refuse = |line, reason| Error::Syntax { file: file.to_owned(), line, reason };
    let mut buffer = Vec::new();
    let mut in_paragraph = false;
    for number in 1.. {
        buffer.clear();
        let mut limited = std::io::Read::take(&mut reader, LONGEST_LINE as u64);
        let length = limited
            .read_until(b'\n', &mut buffer)
            .map_err(|source| Error::Unreadable { file: file.to_owned(), source })?;
        if length == 0 {
            break;
        }
        if length == LONGEST_LINE && buffer.last() != Some(&b'\n') {
            return Err(refuse(number, "the line is too long"));
        }
        let text = std::str::from_utf8(&buffer).map_err(|_| refuse(number, "the line is not UTF-8"))?;
        let line = text.trim_ascii_end();
        if line.is_empty() {
            if std::mem::take(&mut in_paragraph) {
                on_line(number, Line::End)?;
            }
        } else if line.starts_with([' ', '\t']) {
            if !in_paragraph {
                return Err(refuse(number, "continuation line without a field"));
            }
            on_line(number, Line::More(line.trim_ascii_start()))?;
        } else if !line.starts_with('#') {
            let Some((name, value)) = line.split_once(':') else {
                return Err(refuse(number, "the line is not `Name: value`"));
            };
            in_paragraph = true;
            on_line(number, Line::Field(name, value.trim_ascii_start()))?;
        }
    }
    if in_paragraph { on_line(0, Line::End) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(text: &str) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        read(text.as_bytes(), "sample", |number, line| {
            found.push(format!("{number} {line:?}"));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn paragraphs_end_at_empty_lines_and_at_the_end() {
        let found = lines("\n\nA: 1\r\n more \n\t.\n# note\n\n\nB:2").expect("well formed");
        assert_eq!(
            found,
            [
                r#"3 Field("A", "1")"#,
                r#"4 More("more")"#,
                r#"5 More(".")"#,
                "7 End",
                r#"9 Field("B", "2")"#,
                "0 End"
            ]
        );
    }

    #[test]
    fn other_lines_are_refused_with_their_number() {
        for (text, expected) in [
            ("A: 1\nnonsense\n", "`sample`, line 2: the line is not `Name: value`"),
            (" A: 1\n", "`sample`, line 1: continuation line without a field"),
        ] {
            assert_eq!(lines(text).expect_err(text).to_string(), expected);
        }
        assert!(lines(&"x".repeat(LONGEST_LINE + 1)).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes[..], "sample", |_, _| Ok(()));
        }
    }
}
