use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;

use wainwright_http::{Answer, Fault, Method, Retry, Url, is_same_server, redacted, target};
use wainwright_oci::{Descriptor, Digest, Hasher};

use crate::answer::{MOST_REDIRECTS, is_html, is_redirect};
use crate::ask::{Ask, Failure, To, refusal};
use crate::{Error, Repository};

/// Bytes that make a failed try worth something.
const PROGRESS: u64 = 64 << 10;

impl Repository {
    /// Whether a registry says that it has a blob; `None` when its answer is neither yes nor no.
    pub async fn has_blob(&self, digest: &Digest) -> Result<Option<bool>, Error> {
        let answer = self.ask(&blob(Method::HEAD, digest)).await?;
        Ok(match answer.status() {
            200..=299 if is_html(&answer) => None,
            200..=299 => Some(true),
            // A registry that keeps blobs elsewhere sends us there.
            status if is_redirect(status) => Some(true),
            404 => Some(false),
            _ => None,
        })
    }

    /// Fetches a blob into `out`, which is emptied first, and checks size and digest while bytes arrive.
    ///
    /// A transfer that breaks goes on where it broke. After an error the content of `out` means nothing. `path` names the
    /// file for messages; `progress` hears of every byte.
    pub async fn fetch_blob(
        &self,
        descriptor: &Descriptor,
        (out, path): (&mut File, &Path),
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<(), Error> {
        let mut part = Part { out, path, descriptor, hasher: Hasher::new(), length: 0, progress };
        for mirror in self.mirrors() {
            match mirror.fetch_from(&mut part).await {
                Err(error @ Error::Write { .. }) => return Err(error),
                Err(error) => tracing::debug!(%error, mirror = mirror.host(), "mirror failed"),
                done => return done,
            }
        }
        self.fetch_from(&mut part).await
    }

    async fn fetch_from(&self, part: &mut Part<'_>) -> Result<(), Error> {
        part.restart()?;
        let mut tries = self.tries(&self.base()?);
        loop {
            let before = part.length;
            match self.fetch_once(part).await {
                Ok(()) => return Ok(()),
                Err(failure) => {
                    tracing::debug!(error = %failure.error, "failed");
                    if !self.again(&mut tries, &failure, part.length >= before + PROGRESS).await {
                        return Err(failure.error.after(tries.count()));
                    }
                }
            }
        }
    }

    async fn fetch_once(&self, part: &mut Part<'_>) -> Result<(), Failure> {
        let mut ask = blob(Method::GET, &part.descriptor.digest);
        if part.length > 0 {
            ask.headers.push(("range", format!("bytes={}-", part.length)));
        }
        let mut from: Option<Url> = None;
        for _ in 0..=MOST_REDIRECTS {
            let mut answer = self.ask_once(&ask).await?;
            let url = answer.url().clone();
            if let Some(from) = from.take().filter(|from| !is_same_server(from, &url)) {
                tracing::debug!(from = redacted(&from), to = redacted(&url), "followed without credentials");
            }
            match answer.status() {
                status if is_redirect(status) && answer.header("location").is_some() => {
                    let location = answer.header("location").unwrap_or_default();
                    let next = target(&url, location).map_err(Failure::is_final)?;
                    from = Some(url);
                    ask.to = To::Url(next);
                    continue;
                }
                200 if part.length > 0 => part.restart().map_err(Failure::is_final)?,
                200 => {}
                206 if part.length > 0 && starts_at(answer.header("content-range"), part.length) => {}
                // A range that was not asked for, or another one than that.
                206 | 416 => {
                    part.restart().map_err(Failure::is_final)?;
                    let error = Error::NotARegistry {
                        url: redacted(&url),
                        reason: "it sent another part than requested".into(),
                    };
                    return Err(Failure { error, retry: Retry::Later { lost: std::time::Duration::ZERO } });
                }
                404 => {
                    let reference = self.full_name(&part.descriptor.digest.to_string());
                    return Err(Failure::is_final(Error::Absent { reference }));
                }
                _ => return Err(Failure::is_final(refusal(&ask, answer).await)),
            }
            let is_page = is_html(&answer);
            let all = async {
                part.check_total(total(&answer), &url).map_err(Failure::is_final)?;
                loop {
                    match answer.chunk().await {
                        Ok(Some(chunk)) => part.take(&chunk, &url).map_err(Failure::is_final)?,
                        Ok(None) => return part.finish(&url),
                        Err(Fault { error, retry }) => return Err(Failure { error: error.into(), retry }),
                    }
                }
            };
            return all.await.map_err(|failure| match failure.error {
                // A blob may be a web page by its own right, and then its digest says so.
                Error::Digest { .. } | Error::Http(wainwright_http::Error::Size { .. }) if is_page => {
                    let reason = "it sent a web page instead of a layer".into();
                    Failure::is_final(Error::NotARegistry { url: redacted(&url), reason })
                }
                _ => failure,
            });
        }
        let error = Error::Elsewhere {
            from: redacted(&self.base().map_err(Failure::is_final)?),
            to: from.as_ref().map(redacted).unwrap_or_default(),
            reason: "more than 10 redirects",
        };
        Err(Failure::is_final(error))
    }
}

/// A blob that is arriving.
struct Part<'a> {
    out: &'a mut File,
    path: &'a Path,
    descriptor: &'a Descriptor,
    hasher: Hasher,
    length: u64,
    progress: &'a (dyn Fn(u64) + Send + Sync),
}

impl Part<'_> {
    fn restart(&mut self) -> Result<(), Error> {
        self.hasher = Hasher::new();
        self.length = 0;
        let emptied = self.out.set_len(0).and_then(|()| self.out.rewind());
        emptied.map_err(|source| Error::Write { path: self.path.to_owned(), source })
    }

    /// Refuses what the head of the answer already shows to be something else.
    fn check_total(&self, total: Option<u64>, url: &Url) -> Result<(), Error> {
        match total {
            Some(total) if total != self.descriptor.size => Err(self.wrong_size(total, url)),
            _ => Ok(()),
        }
    }

    fn wrong_size(&self, found: u64, url: &Url) -> Error {
        let expected = self.descriptor.size;
        wainwright_http::Error::Size { url: redacted(url), expected, found }.into()
    }

    fn take(&mut self, chunk: &[u8], url: &Url) -> Result<(), Error> {
        self.length += chunk.len() as u64;
        if self.length > self.descriptor.size {
            return Err(self.wrong_size(self.length, url));
        }
        self.hasher.update(chunk);
        self.out.write_all(chunk).map_err(|source| Error::Write { path: self.path.to_owned(), source })?;
        (self.progress)(chunk.len() as u64);
        Ok(())
    }

    fn finish(&mut self, url: &Url) -> Result<(), Failure> {
        if self.length < self.descriptor.size {
            if self.hasher.clone().finish() == self.descriptor.digest {
                // Nothing is missing: it is the descriptor that is wrong.
                return Err(Failure::is_final(self.wrong_size(self.length, url)));
            }
            let reason =
                format!("the connection ended after {} of {} bytes", self.length, self.descriptor.size);
            let error =
                wainwright_http::Error::Unreachable { url: redacted(url), reason, proxy: None, tries: 1 };
            return Err(Failure {
                error: error.into(),
                retry: Retry::Later { lost: std::time::Duration::ZERO },
            });
        }
        let found = std::mem::replace(&mut self.hasher, Hasher::new()).finish();
        if found == self.descriptor.digest {
            return Ok(());
        }
        Err(Failure::is_final(Error::Digest { url: redacted(url), expected: self.descriptor.digest, found }))
    }
}

/// How many bytes the whole blob has, as the head of an answer says.
fn total(answer: &Answer) -> Option<u64> {
    match answer.status() {
        206 => answer.header("content-range")?.rsplit('/').next()?.trim().parse().ok(),
        _ => answer.header("content-length")?.trim().parse().ok(),
    }
}

/// Whether `bytes START-END/TOTAL` begins where it should.
fn starts_at(range: Option<&str>, start: u64) -> bool {
    let first = range
        .and_then(|range| range.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse::<u64>().ok());
    first == Some(start)
}

/// A question about a blob.
pub(crate) fn blob(method: Method, digest: &Digest) -> Ask {
    Ask::new(method, To::Path(format!("blobs/{digest}")))
}
