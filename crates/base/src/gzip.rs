use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

use crate::tar_stream::invalid;

/// Inflates a gzip file, all its members (RFC 1952, section 2.2), and says so when something else stands behind them.
pub(crate) struct Gzip<R> {
    /// Taken out only between two members.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Gzip<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { member: Some(GzDecoder::new(input)) }
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let count = member.read(out)?;
            if count > 0 || out.is_empty() {
                return Ok(count);
            }
            match member.get_mut().fill_buf()?.first() {
                None => return Ok(0),
                Some(0x1f) => {
                    self.member = self.member.take().map(|member| GzDecoder::new(member.into_inner()));
                }
                Some(_) => return Err(invalid("there are bytes after the gzip data")),
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::gzip;

    fn check(parts: &[&[u8]], expected: Result<&str, &str>) {
        let (bytes, mut text) = (parts.concat(), String::new());
        // A buffer of one byte puts every border of the format at the border of a buffer.
        let read = Gzip::new(io::BufReader::with_capacity(1, &bytes[..])).read_to_string(&mut text);
        let read = read.map(|_| text).map_err(|error| error.to_string());
        assert_eq!(read.as_deref().map_err(String::as_str), expected);
    }

    #[test]
    fn members_are_read_and_garbage_is_called_so() {
        let (one, two, none) = (gzip(b"one"), gzip(b"two"), gzip(b""));
        check(&[&one], Ok("one"));
        check(&[&one, &none, &two], Ok("onetwo"));
        for garbage in ["x", "garbage", "much more garbage"] {
            check(&[&one, garbage.as_bytes()], Err("there are bytes after the gzip data"));
        }
        check(&[&one, &two[..15]], Err("unexpected end of file"));
        check(&[&one[..15]], Err("unexpected end of file"));
    }
}
