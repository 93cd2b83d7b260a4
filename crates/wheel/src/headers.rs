use crate::error::Fault;
use crate::rules::E_META;

/// The header part of METADATA and WHEEL: "key: value" lines as in an e-mail, up to the first empty line.
///
/// Keys are matched in any case; values keep the lines they were folded into.
#[derive(Debug)]
pub(crate) struct Headers {
    list: Vec<(String, String)>,
}

impl Headers {
    /// Reads the headers of `file`, which is named in errors.
    ///
    /// Bytes that are not UTF-8 are replaced: real METADATA files hold author names in old encodings.
    pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Self, Fault> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut list: Vec<(String, String)> = Vec::new();
        for line in text.split('\n') {
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                break;
            }
            if line.contains('\0') {
                return Err(Fault::member(E_META, file, "a header holds a NUL byte"));
            }
            // To Python a lone carriage return ends a line; what follows it would be a header to Python alone.
            if line.split('\r').skip(1).any(starts_a_header) {
                return Err(Fault::member(
                    E_META,
                    file,
                    "a header hides another one behind a carriage return",
                ));
            }
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = list.last_mut() {
                    value.push('\n');
                    value.push_str(line);
                }
            } else if let Some((key, value)) = line.split_once(':') {
                list.push((key.to_owned(), value.to_owned()));
            } else {
                // The e-mail parser of Python takes the rest for the body.
                break;
            }
        }
        Ok(Self { list })
    }

    /// All values of a key, trimmed, in the order of the file.
    pub(crate) fn all<'a, 'k>(&'a self, key: &'k str) -> impl Iterator<Item = &'a str> + use<'a, 'k> {
        self.list
            .iter()
            .filter(move |(found, _)| found.eq_ignore_ascii_case(key))
            .map(|(_, value)| value.trim())
    }

    /// The first value of a key, if it is not empty.
    pub(crate) fn first(&self, key: &str) -> Option<&str> {
        self.all(key).next().filter(|value| !value.is_empty())
    }
}

fn starts_a_header(text: &str) -> bool {
    text.split_once(':').is_some_and(|(key, _)| {
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_lines_and_windows_line_ends_are_read() {
        let headers =
            Headers::read("METADATA", b"name: a\r\nTag:\r\n  x\r\nTag: y\r\n\r\nTag: body").unwrap();
        assert_eq!(headers.first("Name"), Some("a"));
        assert_eq!(headers.all("Tag").collect::<Vec<_>>(), ["x", "y"]);
    }

    #[test]
    fn what_two_parsers_read_differently_is_refused() {
        assert!(Headers::read("METADATA", b"Name: a\rVersion: 2\n").is_err());
        assert!(Headers::read("METADATA", b"Name: a\0b\n").is_err());
        assert!(Headers::read("METADATA", b"Summary: a\r\r\nName: b\n").is_ok());
        assert!(Headers::read("METADATA", b"Name: a\n\nbody \0 may hold anything \rX: y").is_ok());
    }
}
