use std::io::{self, Write};
use std::time::Duration;

use super::Asked;

/// An answer, with its faults.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// In their order; `Content-Length` comes from the body.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    length: Length,
    before: Vec<u8>,
    cut: Option<usize>,
    pace: Option<(usize, Duration)>,
    stall: Option<Duration>,
    late: Option<Duration>,
    is_endless: bool,
    line_end: &'static str,
    is_abrupt: bool,
}

/// What an answer says about the length of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// The truth.
    Right,
    /// Nothing: the end of the connection is the end of the body.
    Absent,
    /// Another number.
    Claimed(u64),
    /// Nothing, in pieces that each say how long they are.
    Chunked,
}

/// Whether a connection goes on after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    GoOn,
    End,
}

impl Reply {
    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            length: Length::Right,
            before: Vec::new(),
            cut: None,
            pace: None,
            stall: None,
            late: None,
            is_endless: false,
            line_end: "\r\n",
            is_abrupt: false,
        }
    }

    /// 200 with a body.
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::status(200).body(body)
    }

    /// What an honest server answers: all of a file, or the rest that was asked for.
    pub fn file(asked: &Asked, bytes: &[u8]) -> Self {
        match asked.range_start() {
            None => Self::ok(bytes),
            Some(start) if start < bytes.len() => Self::status(206)
                .header("Content-Range", format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len()))
                .body(&bytes[start..]),
            Some(_) => Self::status(416).header("Content-Range", format!("bytes */{}", bytes.len())),
        }
    }

    /// A refusal as registries write it (distribution-spec, "Error Codes").
    pub fn refusal(status: u16, code: &str, message: &str) -> Self {
        let text = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
        Self::status(status).header("content-type", "application/json").body(text)
    }

    /// Another status.
    #[must_use]
    pub fn as_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// One header less.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// A header instead of the one by that name.
    #[must_use]
    pub fn with(self, name: &str, value: impl Into<String>) -> Self {
        self.without(name).header(name, value)
    }

    /// The value of a header.
    pub fn value(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// What is said about the length.
    #[must_use]
    pub fn length(mut self, length: Length) -> Self {
        self.length = length;
        self
    }

    /// Ends the connection after so many bytes of the body.
    #[must_use]
    pub fn cut(mut self, bytes: usize) -> Self {
        self.cut = Some(bytes);
        self
    }

    /// Sends so many bytes of everything at a time, with a rest after each.
    #[must_use]
    pub fn pace(mut self, bytes: usize, rest: Duration) -> Self {
        self.pace = Some((bytes, rest));
        self
    }

    /// Says nothing for a while after the head and half of the body.
    #[must_use]
    pub fn stall(mut self, time: Duration) -> Self {
        self.stall = Some(time);
        self
    }

    /// Says nothing for a while, before everything.
    #[must_use]
    pub fn late(mut self, time: Duration) -> Self {
        self.late = Some(time);
        self
    }

    /// Sends the body again and again.
    #[must_use]
    pub fn endless(mut self) -> Self {
        self.is_endless = true;
        self
    }

    /// Bytes before the first line.
    #[must_use]
    pub fn after(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.before = bytes.into();
        self
    }

    /// Ends lines as careless servers do.
    #[must_use]
    pub fn bare_line_ends(mut self) -> Self {
        self.line_end = "\n";
        self
    }

    /// Closes the connection afterwards without having said so.
    #[must_use]
    pub fn abrupt(mut self) -> Self {
        self.is_abrupt = true;
        self
    }

    /// Reads a whole answer.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.lines();
        let mut reply = Self::status(lines.next()?.split(' ').nth(1)?.parse().ok()?);
        let mut is_chunked = false;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            match name.to_lowercase().as_str() {
                "transfer-encoding" => is_chunked = true,
                "connection" => {}
                // The answer to a HEAD has the length of what it has not.
                "content-length" => {
                    if let Ok(length) = value.trim().parse() {
                        reply.length = Length::Claimed(length);
                    }
                }
                _ => reply.headers.push((name.to_owned(), value.trim().to_owned())),
            }
        }
        let mut rest = &bytes[end + 4..];
        if !is_chunked {
            reply.body = rest.to_vec();
            if reply.length == Length::Claimed(rest.len() as u64) {
                reply.length = Length::Right;
            }
            return Some(reply);
        }
        loop {
            let line = rest.windows(2).position(|two| two == b"\r\n")?;
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?.trim(), 16).ok()?;
            if size == 0 {
                return Some(reply);
            }
            reply.body.extend_from_slice(rest.get(line + 2..line + 2 + size)?);
            rest = rest.get(line + 2 + size + 2..)?;
        }
    }

    pub(super) fn write(&self, is_head: bool, out: &mut impl Write) -> io::Result<Sent> {
        if let Some(time) = self.late {
            std::thread::sleep(time);
        }
        out.write_all(&self.before)?;
        let end = self.line_end;
        let mut head = format!("HTTP/1.1 {} .{end}", self.status);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}{end}");
        }
        match self.length {
            Length::Right if self.status < 200 || self.status == 204 => {}
            Length::Right => head += &format!("Content-Length: {}{end}", self.body.len()),
            Length::Claimed(length) => head += &format!("Content-Length: {length}{end}"),
            Length::Chunked => head += &format!("Transfer-Encoding: chunked{end}"),
            Length::Absent => {}
        }
        head += end;
        self.send(head.as_bytes(), out)?;
        if is_head {
            return Ok(if self.is_abrupt { Sent::End } else { Sent::GoOn });
        }
        let mut body = self.body.clone();
        if self.length == Length::Chunked {
            body = format!("{:x}\r\n", self.body.len()).into_bytes();
            body.extend_from_slice(&self.body);
            body.extend_from_slice(if self.is_endless { b"\r\n" } else { b"\r\n0\r\n\r\n" });
        }
        let bytes = &body[..self.cut.map_or(body.len(), |cut| cut.min(body.len()))];
        match self.stall {
            None => self.send(bytes, out)?,
            Some(time) => {
                self.send(&bytes[..bytes.len() / 2], out)?;
                std::thread::sleep(time);
                self.send(&bytes[bytes.len() / 2..], out)?;
            }
        }
        if self.is_endless {
            loop {
                // Until the client has had enough.
                self.send(bytes, out)?;
            }
        }
        let is_over = self.is_abrupt
            || self.cut.is_some()
            || self.length == Length::Absent
            || matches!(self.length, Length::Claimed(length) if length != self.body.len() as u64);
        Ok(if is_over { Sent::End } else { Sent::GoOn })
    }

    fn send(&self, bytes: &[u8], out: &mut impl Write) -> io::Result<()> {
        let Some((count, rest)) = self.pace else {
            out.write_all(bytes)?;
            return out.flush();
        };
        for piece in bytes.chunks(count) {
            out.write_all(piece)?;
            out.flush()?;
            std::thread::sleep(rest);
        }
        Ok(())
    }
}
