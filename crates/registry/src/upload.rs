use std::sync::Arc;

use wainwright_http::{Answer, Body, Method, Retry, Url, redacted, target};

use crate::ask::{Ask, Failure, To, refusal};
use crate::manifest::is_html;
use crate::{Blob, Error, Registry, Scope, Source};

/// How a blob came to be in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uploaded {
    /// Its bytes were sent.
    Sent,
    /// The registry took it from another of its repositories.
    Mounted,
    /// It was there.
    There,
}

/// How bytes are sent (distribution-spec, "Pushing Blobs").
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strategy {
    /// In one PUT.
    Whole,
    /// In PATCHes of so many bytes, then an empty PUT.
    Pieces(u64),
}

/// Pieces that every registry takes which takes pieces: the least that S3 stores, and below the limits that were met.
const PIECE: u64 = 4 << 20;
/// For registries that want PATCH, but no limit.
const ONE_PIECE: u64 = u64::MAX;

impl Registry {
    /// Brings a blob into a repository: by mounting it from `from` where that is known, else by sending its bytes.
    ///
    /// Bytes are sent again from the beginning, in a session of their own, when a try fails; what was stored although its
    /// answer got lost is found by asking.
    pub(crate) async fn upload(
        &self,
        registry: &str,
        scope: &Scope,
        blob: &Blob,
        progress: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Uploaded, Error> {
        let mut tries = self.http().tries(&self.base(registry)?);
        let mut strategy = Strategy::Whole;
        let mut from = blob.from.as_deref();
        loop {
            let failure = match self.upload_once(registry, scope, blob, from, strategy, &progress).await {
                Ok(uploaded) => return Ok(uploaded),
                Err(failure) => failure,
            };
            tracing::debug!(error = %failure.error, "failed");
            from = None;
            // The registry may have it all the same.
            let is_doubtful = failure.retry != Retry::Never || failure.error.status() == Some(404);
            if is_doubtful && self.has_blob(registry, scope, &blob.descriptor.digest).await? == Some(true) {
                return Ok(Uploaded::Sent);
            }
            match next_strategy(strategy, &failure.error) {
                Some(other) => strategy = other,
                None => {
                    // A session that ended by itself is worth another one.
                    let is_lost =
                        failure.error.has_code("BLOB_UPLOAD_UNKNOWN") || failure.error.status() == Some(404);
                    let retry = match failure.retry {
                        Retry::Never if is_lost => Retry::Later { lost: std::time::Duration::ZERO },
                        retry => retry,
                    };
                    if !tries.wait(retry, false).await {
                        return Err(failure.error);
                    }
                }
            }
        }
    }

    async fn upload_once(
        &self,
        registry: &str,
        scope: &Scope,
        blob: &Blob,
        from: Option<&str>,
        strategy: Strategy,
        progress: &Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Uploaded, Failure> {
        if blob.source == Source::Absent && from.is_none() {
            let digest = blob.descriptor.digest;
            return match self.has_blob(registry, scope, &digest).await.map_err(Failure::is_final)? {
                Some(true) => Ok(Uploaded::There),
                _ => Err(Failure::is_final(Error::BytesNeeded { digest })),
            };
        }
        let Some(session) = self.open_session(registry, scope, blob, from).await? else {
            return Ok(Uploaded::Mounted);
        };
        if blob.source == Source::Absent {
            self.cancel(registry, scope, session).await;
            return Err(Failure::is_final(Error::BytesNeeded { digest: blob.descriptor.digest }));
        }
        let sent = match strategy {
            Strategy::Whole => {
                let body = body(&blob.source, 0, blob.descriptor.size, progress);
                self.commit(registry, scope, blob, session.clone(), body).await
            }
            Strategy::Pieces(size) => {
                self.send_pieces(registry, scope, blob, session.clone(), size, progress).await
            }
        };
        if sent.is_err() {
            self.cancel(registry, scope, session).await;
        }
        sent.map(|()| Uploaded::Sent)
    }

    /// Opens an upload session; `None` when the blob was mounted instead.
    async fn open_session(
        &self,
        registry: &str,
        scope: &Scope,
        blob: &Blob,
        from: Option<&str>,
    ) -> Result<Option<Url>, Failure> {
        let path = match from {
            Some(from) => format!("blobs/uploads/?mount={}&from={}", blob.descriptor.digest, encoded(from)),
            None => "blobs/uploads/".to_owned(),
        };
        let ask = Ask {
            method: Method::POST,
            registry,
            scope,
            to: To::Path(path),
            headers: Vec::new(),
            body: Body::Empty,
        };
        let answer = self.ask_once(&ask).await;
        let answer = match (answer, from) {
            (Ok(answer), Some(_)) if !matches!(answer.status(), 201 | 202) => None,
            // Whatever a registry has against a mount, it may take the bytes.
            (Err(failure), Some(_))
                if matches!(failure.error, Error::Denied { .. } | Error::Refused { .. }) =>
            {
                None
            }
            (answer, _) => Some(answer?),
        };
        let Some(answer) = answer else {
            return Box::pin(self.open_session(registry, scope, blob, None)).await;
        };
        match answer.status() {
            201 if from.is_some() => Ok(None),
            200..=202 if !is_html(&answer) => location(&answer).map(Some),
            401 | 403 => {
                let Error::Refused { errors, .. } = refusal(&ask, answer).await else { return Ok(None) };
                Err(Failure::is_final(self.denied(registry, scope, errors).await))
            }
            200..=299 => {
                let reason = "it answered the start of an upload with a web page".into();
                Err(Failure::is_final(Error::NotARegistry { url: redacted(answer.url()), reason }))
            }
            _ => Err(Failure::is_final(refusal(&ask, answer).await)),
        }
    }

    async fn commit(
        &self,
        registry: &str,
        scope: &Scope,
        blob: &Blob,
        session: Url,
        body: Body,
    ) -> Result<(), Failure> {
        let mut url = session;
        // The digest joins whatever the registry keeps in the query, which stays as it is.
        let digest = format!("digest={}", encoded(&blob.descriptor.digest.to_string()));
        let query = url
            .query()
            .filter(|query| !query.is_empty())
            .map_or(digest.clone(), |query| format!("{query}&{digest}"));
        url.set_query(Some(&query));
        let headers = match body {
            Body::Empty => Vec::new(),
            _ => vec![("content-type", "application/octet-stream".to_owned())],
        };
        let ask = Ask { method: Method::PUT, registry, scope, to: To::Url(url), headers, body };
        let answer = self.ask_once(&ask).await?;
        match answer.status() {
            200..=299 if !is_html(&answer) => Ok(()),
            200..=299 => {
                let reason = "it answered an upload with a web page".into();
                Err(Failure::is_final(Error::NotARegistry { url: redacted(answer.url()), reason }))
            }
            _ => Err(Failure::is_final(refusal(&ask, answer).await)),
        }
    }

    async fn send_pieces(
        &self,
        registry: &str,
        scope: &Scope,
        blob: &Blob,
        session: Url,
        size: u64,
        progress: &Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<(), Failure> {
        let mut session = session;
        let mut offset = 0;
        while offset < blob.descriptor.size {
            let length = size.min(blob.descriptor.size - offset);
            let mut headers = vec![("content-type", "application/octet-stream".to_owned())];
            if size != ONE_PIECE {
                headers.push(("content-range", format!("{offset}-{}", offset + length - 1)));
            }
            let body = body(&blob.source, offset, length, progress);
            let ask = Ask { method: Method::PATCH, registry, scope, to: To::Url(session), headers, body };
            let answer = self.ask_once(&ask).await?;
            match answer.status() {
                // 202 by the specification; others were met.
                200..=299 if !is_html(&answer) => session = location(&answer)?,
                _ => return Err(Failure::is_final(refusal(&ask, answer).await)),
            }
            offset += length;
        }
        self.commit(registry, scope, blob, session, Body::Empty).await
    }

    /// Ends a session that leads nowhere. Many registries let nobody do that; they forget it by themselves.
    async fn cancel(&self, registry: &str, scope: &Scope, session: Url) {
        let ask = Ask {
            method: Method::DELETE,
            registry,
            scope,
            to: To::Url(session),
            headers: Vec::new(),
            body: Body::Empty,
        };
        let _ = self.ask_once(&ask).await;
    }
}

/// Another way to send the same bytes, when the refusal may be about the way.
fn next_strategy(tried: Strategy, error: &Error) -> Option<Strategy> {
    match (tried, error.status()?) {
        (Strategy::Whole, 413 | 416) => Some(Strategy::Pieces(PIECE)),
        (Strategy::Whole, 404 | 405 | 501) => Some(Strategy::Pieces(ONE_PIECE)),
        (Strategy::Pieces(ONE_PIECE), 413 | 416) => Some(Strategy::Pieces(PIECE)),
        _ => None,
    }
}

/// Where the session goes on: relative to what answered, never from encryption to none.
fn location(answer: &Answer) -> Result<Url, Failure> {
    let url = answer.url();
    let Some(location) = answer.header("location").filter(|location| !location.is_empty()) else {
        let reason = "it began an upload without saying where it goes on".into();
        return Err(Failure::is_final(Error::NotARegistry { url: redacted(url), reason }));
    };
    target(url, location).map_err(Failure::is_final)
}

fn body(source: &Source, offset: u64, length: u64, progress: &Arc<dyn Fn(u64) + Send + Sync>) -> Body {
    match source {
        Source::Absent => Body::Empty,
        Source::Bytes(bytes) => {
            let range = offset as usize..(offset + length) as usize;
            progress(length);
            Body::Bytes(bytes.get(range).unwrap_or_default().into())
        }
        Source::File { path, offset: start } => {
            Body::File { path: path.clone(), offset: start + offset, length, progress: progress.clone() }
        }
    }
}

/// For a query: digests and repositories have no other characters than these.
fn encoded(text: &str) -> String {
    text.replace(':', "%3A").replace('/', "%2F")
}
