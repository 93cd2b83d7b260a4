use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};

use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName};
use url::Url;
use wainwright_oci::{Digest, Hasher};

use crate::file::{file_path, too_large};
use crate::retry::Fault;
use crate::{Auth, Error, redacted};

/// How often a file may begin anew because its rest could not be had.
const MOST_RESTARTS: usize = 4;

/// A file to fetch.
#[derive(Clone, Copy)]
pub struct Download<'a> {
    /// `http`, `https` or `file`. Credentials in it are used as if they were in `auth`.
    pub url: &'a Url,
    /// Sent to this server only, never along a redirect to another one.
    pub auth: Option<&'a Auth>,
    /// The digest the bytes must have.
    pub expected: Option<Digest>,
    /// How many bytes there must be.
    pub size: Option<u64>,
    /// The most bytes that are accepted.
    pub limit: u64,
}

/// What has come of a file.
pub(crate) struct Part<'a> {
    pub(crate) what: Download<'a>,
    out: &'a mut File,
    progress: &'a (dyn Fn(u64) + Send + Sync),
    hasher: Hasher,
    pub(crate) length: u64,
    /// How long the server says the whole is.
    pub(crate) total: Option<u64>,
    /// Only a strong one: a weak one says nothing about bytes (RFC 9110, 13.1.5).
    pub(crate) etag: Option<String>,
    is_resumed: bool,
    restarts: usize,
}

impl<'a> Part<'a> {
    pub(crate) fn new(
        what: Download<'a>,
        out: &'a mut File,
        progress: &'a (dyn Fn(u64) + Send + Sync),
    ) -> Result<Self, Error> {
        let mut part = Self {
            what,
            out,
            progress,
            hasher: Hasher::new(),
            length: 0,
            total: None,
            etag: None,
            is_resumed: false,
            restarts: 0,
        };
        part.empty()?;
        Ok(part)
    }

    fn empty(&mut self) -> Result<(), Error> {
        let url = self.what.url;
        self.out
            .set_len(0)
            .and_then(|()| self.out.rewind())
            .map_err(|source| Error::Write { url: redacted(url), source })?;
        (self.hasher, self.length, self.total, self.etag) = (Hasher::new(), 0, None, None);
        self.is_resumed = false;
        Ok(())
    }

    pub(crate) fn restart(&mut self, reason: &str) -> Result<(), Error> {
        self.restarts += 1;
        if self.restarts > MOST_RESTARTS {
            return Err(Error::Range { url: redacted(self.what.url), reason: reason.to_owned() });
        }
        self.empty()
    }

    /// Reads the head of an answer and makes ready for its body. `true` when there is nothing left to read.
    pub(crate) fn begin(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<bool, Fault> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        if self.length == 0 {
            self.total = text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
            self.etag = text(ETAG).filter(|etag| etag.starts_with('"')).map(str::to_owned);
            return match status {
                StatusCode::PARTIAL_CONTENT => {
                    Err(self.unusable("the server sent a part instead of the whole file"))
                }
                _ => self.check_total().map(|()| false).map_err(Fault::is_final),
            };
        }
        let range = text(CONTENT_RANGE).and_then(ContentRange::read);
        match (status, range) {
            (StatusCode::PARTIAL_CONTENT, Some(ContentRange { start: Some(start), total }))
                if start == self.length
                    && total.is_none_or(|total| self.total.is_none_or(|known| known == total)) =>
            {
                self.is_resumed = true;
                self.total = total.or(self.total);
                self.check_total().map(|()| false).map_err(Fault::is_final)
            }
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(ContentRange { start: None, total: Some(total) }))
                if total == self.length =>
            {
                Ok(true)
            }
            (StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE, _) => {
                Err(self.unusable("the server sent another part than requested"))
            }
            // The range was ignored, or the file changed: this is the whole again.
            _ => {
                self.restart("the server always sends the whole").map_err(Fault::is_final)?;
                self.begin(status, headers)
            }
        }
    }

    fn unusable(&mut self, reason: &'static str) -> Fault {
        match self.restart(reason) {
            Ok(()) => self.broken(reason.to_owned()),
            Err(error) => Fault::is_final(error),
        }
    }

    pub(crate) fn broken(&self, reason: String) -> Fault {
        Fault::may_pass(Error::Unreachable { url: redacted(self.what.url), reason, proxy: None, tries: 1 })
    }

    /// Refuses what the head of the answer already shows to be something else.
    fn check_total(&self) -> Result<(), Error> {
        let Some(total) = self.total else { return Ok(()) };
        if let Some(size) = self.what.size.filter(|size| *size != total) {
            return Err(self.wrong_size(size, total));
        }
        if total > self.what.limit {
            return Err(too_large(self.what.url, self.what.limit));
        }
        Ok(())
    }

    pub(crate) fn take(&mut self, chunk: &[u8]) -> Result<(), Error> {
        self.length += chunk.len() as u64;
        if let Some(size) = self.what.size.filter(|size| self.length > *size) {
            return Err(self.wrong_size(size, self.length));
        }
        if self.length > self.what.limit {
            return Err(too_large(self.what.url, self.what.limit));
        }
        self.hasher.update(chunk);
        self.out.write_all(chunk).map_err(|source| Error::Write { url: redacted(self.what.url), source })?;
        (self.progress)(chunk.len() as u64);
        Ok(())
    }

    pub(crate) fn copy_file(&mut self) -> Result<(), Error> {
        let path = file_path(self.what.url)?;
        let refuse = |source| Error::Read { path: path.clone(), source };
        let mut file = File::open(&path).map_err(refuse)?;
        let mut buffer = vec![0; 128 * 1024];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => self.take(buffer.get(..count).unwrap_or_default())?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(refuse(error)),
            }
        }
    }

    /// A file joined from two answers with a wrong digest may have changed in between: it deserves another
    /// try.
    pub(crate) fn may_be_spliced_wrongly(&self) -> bool {
        self.is_resumed && self.what.expected.is_some_and(|expected| self.hasher.clone().finish() != expected)
    }

    pub(crate) fn finish(self) -> Result<Digest, Error> {
        if let Some(size) = self.what.size.filter(|size| *size != self.length) {
            return Err(self.wrong_size(size, self.length));
        }
        let found = self.hasher.finish();
        match self.what.expected {
            Some(expected) if expected != found => {
                Err(Error::Digest { url: redacted(self.what.url), expected, found })
            }
            _ => Ok(found),
        }
    }

    fn wrong_size(&self, expected: u64, found: u64) -> Error {
        Error::Size { url: redacted(self.what.url), expected, found }
    }
}

/// `bytes 5-9/10`, `bytes 5-9/*` or `bytes */10` (RFC 9110, 14.4).
#[derive(Debug, PartialEq, Eq)]
struct ContentRange {
    start: Option<u64>,
    total: Option<u64>,
}

impl ContentRange {
    /// Strict: the rest must reach to the end, since that is what was asked for.
    fn read(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let total: Option<u64> = if total == "*" { None } else { Some(total.parse().ok()?) };
        if range == "*" {
            return Some(Self { start: None, total });
        }
        let (start, last) = range.split_once('-')?;
        let (start, last): (u64, u64) = (start.parse().ok()?, last.parse().ok()?);
        let reaches_the_end = total.is_none_or(|total| last.checked_add(1) == Some(total));
        (start <= last && reaches_the_end).then_some(Self { start: Some(start), total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_reach_to_the_end() {
        let range = |start, total| Some(ContentRange { start, total });
        assert_eq!(ContentRange::read("bytes 5-9/10"), range(Some(5), Some(10)));
        assert_eq!(ContentRange::read("bytes 5-9/*"), range(Some(5), None));
        assert_eq!(ContentRange::read("bytes */10"), range(None, Some(10)));
        for text in [
            "",
            "bytes",
            "bytes 5-8/10",
            "bytes 9-5/10",
            "bytes 5-/10",
            "items 5-9/10",
            "bytes 5-18446744073709551615/1",
        ] {
            assert_eq!(ContentRange::read(text), None, "{text}");
        }
    }
}
