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
    /// Headers are UTF-8; the body, which is not read, may be anything.
    pub(crate) fn read(file: &str, bytes: &[u8]) -> Result<Self, Fault> {
        let (text, is_whole) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, true),
            Err(error) => (std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(), false),
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut list: Vec<(String, String)> = Vec::new();
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_none() && !is_whole {
                return Err(Fault::member(E_META, file, "a header is not UTF-8"));
            }
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                break;
            }
            if line.contains('\0') {
                return Err(Fault::member(E_META, file, "a header contains a NUL byte"));
            }
            // To Python a lone carriage return ends a line; what follows it would be a header to Python alone.
            if line.split('\r').skip(1).any(starts_a_header) {
                return Err(Fault::member(
                    E_META,
                    file,
                    "a header contains a carriage return that hides another header",
                ));
            }
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = list.last_mut() {
                    value.push('\n');
                    value.push_str(line);
                }
            } else if let Some((key, value)) = line.split_once(':').filter(|(key, _)| is_key(key)) {
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

/// As the e-mail parser of Python has it (RFC 5322, section 2.2).
fn is_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())
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
    fn carriage_return_hides_header_only_before_key_and_colon() {
        let is_refused = |hidden: &str| {
            let text = format!("Name: a\r{hidden}\nVersion: 1\n");
            Headers::read("METADATA", text.as_bytes()).is_err()
        };
        for hidden in ["Version: 2", "X-Y:", "a1: b", "x\rVersion: 2"] {
            assert!(is_refused(hidden), "{hidden}");
        }
        for hidden in ["", "no colon", ": no key", "two words: x", "under_score: x"] {
            assert!(!is_refused(hidden), "{hidden}");
        }
    }

    #[test]
    fn metadata_rejects_ambiguous_headers() {
        assert!(Headers::read("METADATA", b"Name: a\rVersion: 2\n").is_err());
        assert!(Headers::read("METADATA", b"Name: a\0b\n").is_err());
        assert!(Headers::read("METADATA", b"Author: Ren\xe9\n").is_err());
        assert!(Headers::read("METADATA", b"Name: a\n\xe9: b\n").is_err());
        assert!(Headers::read("METADATA", b"Name: a\n\ncaf\xe9").is_ok());
        let text = Headers::read("METADATA", b"Name: a\nnot a header: x\nVersion: 2").unwrap();
        assert_eq!(text.first("Version"), None);
        assert!(Headers::read("METADATA", b"Summary: a\r\r\nName: b\n").is_ok());
        let text = Headers::read("METADATA", b"Name: a\n: no key\nVersion: 2").unwrap();
        assert_eq!(text.first("Version"), None);
        assert!(Headers::read("METADATA", b"Name: a\n\nbody \0 may hold anything \rX: y").is_ok());
    }
}
