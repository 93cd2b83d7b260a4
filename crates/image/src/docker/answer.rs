use serde_json::Value;

/// What a daemon says while it loads: JSON values one after another, the word `error` in one of them when it failed.
pub(super) struct Answer {
    pending: Vec<u8>,
    limit: usize,
    /// Something other than JSON came: nothing can be learnt from the rest.
    is_garbled: bool,
}

impl Answer {
    /// Keeps at most `limit` bytes of a value that has no end yet.
    pub(super) fn new(limit: usize) -> Self {
        Self { pending: Vec::new(), limit, is_garbled: false }
    }

    /// Takes the next bytes, and returns the daemon's words if it failed.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Option<String> {
        if self.is_garbled {
            return None;
        }
        self.pending.extend_from_slice(bytes);
        let mut values = serde_json::Deserializer::from_slice(&self.pending).into_iter::<Value>();
        let mut failure = None;
        loop {
            match values.next() {
                Some(Ok(value)) => failure = failure.or_else(|| error_in(&value)),
                Some(Err(error)) if !error.is_eof() => {
                    self.is_garbled = true;
                    break;
                }
                Some(Err(_)) | None => break,
            }
        }
        let read = values.byte_offset();
        self.pending.drain(..read);
        self.is_garbled |= self.pending.len() > self.limit;
        failure
    }
}

fn error_in(value: &Value) -> Option<String> {
    // Docker 28 with the containerd store tells of a full disk as if it were progress.
    let unpacking = value["stream"].as_str().filter(|text| text.starts_with("Error unpacking image"));
    let text = value["errorDetail"]["message"].as_str().or_else(|| value["error"].as_str()).or(unpacking)?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds an answer in pieces of every size.
    fn check(text: &str, expected: Option<&str>) {
        for size in 1..=text.len() {
            let mut answer = Answer::new(1000);
            let found = text.as_bytes().chunks(size).find_map(|chunk| answer.add(chunk));
            assert_eq!(found.as_deref(), expected, "{text} in pieces of {size} bytes");
        }
    }

    #[test]
    fn errors_are_found_wherever_they_stand() {
        check("{\"stream\":\"Loaded image: a:1\\n\"}\r\n", None);
        check(
            "{\"stream\":\"x\"}\r\n{\"errorDetail\":{\"message\":\"disk full\\n\"},\"error\":\"?\"}\r\n",
            Some("disk full"),
        );
        check("{\"stream\":\"x\"}{\"error\":\"no\"}", Some("no"));
        check("{\"stream\":\"the word error\"}", None);
        check(
            "{\"stream\":\"Loaded image: a:1\\n\"}\r\n{\"stream\":\"Error unpacking image a:1: disk full\\n\"}\r\n",
            Some("Error unpacking image a:1: disk full"),
        );
    }

    #[test]
    fn other_formats_and_endless_values_are_let_pass() {
        check("<html>{\"error\":\"no\"}", None);
        let mut answer = Answer::new(1000);
        assert_eq!(answer.add(b"{\"stream\":\""), None);
        for _ in 0..100 {
            assert_eq!(answer.add(&[b'x'; 100]), None);
        }
        assert!(answer.pending.len() < 1200);
    }
}
