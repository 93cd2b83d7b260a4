use std::sync::Arc;
use std::time::Duration;

use wainwright_http::{Answer, Body, Method, Retry, Url, redacted, target};

use crate::answer::is_html;
use crate::ask::{Ask, Failure, To, refusal};
use crate::way::{Learnt, Way};
use crate::{Blob, Error, Registry, Repository, Source, Uploaded};

/// An upload that has begun.
struct Session {
    url: Url,
    /// The least that the registry takes in a piece that is not the last, in bytes (`OCI-Chunk-Min-Length`).
    least: u64,
    /// Its number among those that are open.
    number: u64,
}

/// Pieces that every registry takes which takes pieces: below the limits that were met.
const PIECE: u64 = 4 << 20;
/// For registries that want PATCH, but no limit.
const ONE_PIECE: u64 = u64::MAX;
/// A registry that wants larger pieces than this is not believed.
const LARGEST_LEAST: u64 = 1 << 30;
/// How long the end of a session may take: it is only a courtesy.
const COURTESY: Duration = Duration::from_millis(1500);

impl Repository {
    /// Brings a blob into a repository: by mounting it from `from` where that is known, else by sending its bytes.
    ///
    /// Bytes are sent again from the beginning, in a session of their own, when a try fails; what was stored although its
    /// answer got lost is found by asking.
    pub(crate) async fn upload(
        &self,
        blob: &Blob,
        progress: Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Uploaded, Error> {
        let size = blob.descriptor.size;
        let mut tries = self.tries(&self.base()?);
        let learnt = self.client().learnt().get(self.host()).copied();
        let mut way =
            learnt.filter(|learnt| size >= learnt.from_size).map_or(Way::Whole, |learnt| learnt.way);
        let mut from = blob.from.as_deref();
        let mut forgotten = false;
        loop {
            let mut failure = match self.upload_once(blob, from, way, &progress).await {
                Ok(uploaded) => return Ok(uploaded),
                Err(failure) => failure,
            };
            tracing::debug!(error = %failure.error, "failed");
            from = None;
            // The registry may have it all the same; if it cannot say so, it gets the bytes again.
            let is_doubtful = failure.retry != Retry::Never || failure.error.status() == Some(404);
            if is_doubtful && !failure.error.is_about("POST") {
                let ask = crate::fetch::blob(Method::HEAD, &blob.descriptor.digest);
                let answer = self.ask_once(&ask).await;
                if answer.is_ok_and(|answer| answer.status() == 200 && !is_html(&answer)) {
                    return Ok(Uploaded::Sent);
                }
            }
            // A session that ended by itself is worth another one.
            let is_lost =
                failure.error.has_code("BLOB_UPLOAD_UNKNOWN") && !std::mem::replace(&mut forgotten, true);
            let other = next_way(way, &failure, tries.count(), size).filter(|_| !is_lost);
            if let Some(other) = other {
                way = other;
                let from_size = if failure.error.status() == Some(404) { 0 } else { size };
                self.client().learnt().insert(self.host().to_owned(), Learnt { way, from_size });
                continue;
            }
            if is_lost && failure.retry == Retry::Never {
                failure.retry = Retry::Later { lost: Duration::ZERO };
            }
            if !self.again(&mut tries, &failure, false).await {
                return Err(failure.error.after(tries.count()));
            }
        }
    }

    async fn upload_once(
        &self,
        blob: &Blob,
        from: Option<&str>,
        way: Way,
        progress: &Arc<dyn Fn(u64) + Send + Sync>,
    ) -> Result<Uploaded, Failure> {
        if blob.source == Source::Absent && from.is_none() {
            let digest = blob.descriptor.digest;
            return match self.has_blob(&digest).await.map_err(Failure::is_final)? {
                Some(true) => Ok(Uploaded::There),
                _ => Err(Failure::is_final(Error::BytesNeeded { digest })),
            };
        }
        let Some(session) = self.open_session(blob, from).await? else {
            return Ok(Uploaded::Mounted);
        };
        if blob.source == Source::Absent {
            self.cancel(session).await;
            return Err(Failure::is_final(Error::BytesNeeded { digest: blob.descriptor.digest }));
        }
        let url = session.url.clone();
        let sent = match way {
            Way::Whole => {
                let body = body(&blob.source, 0, blob.descriptor.size, progress);
                self.commit(blob, url, body).await
            }
            Way::Pieces(size) => self.send_pieces(blob, url, size.max(session.least), progress).await,
        };
        match sent {
            Ok(()) => drop(self.client().sessions().remove(&session.number)),
            Err(_) => self.cancel(session).await,
        }
        sent.map(|()| Uploaded::Sent)
    }

    /// Opens an upload session; `None` when the blob was mounted instead.
    async fn open_session(&self, blob: &Blob, from: Option<&str>) -> Result<Option<Session>, Failure> {
        let path = match from {
            Some(from) => format!("blobs/uploads/?mount={}&from={}", blob.descriptor.digest, encoded(from)),
            None => "blobs/uploads/".to_owned(),
        };
        let ask = Ask::new(Method::POST, To::Path(path));
        let answer = self.ask_once(&ask).await;
        let answer = match (answer, from) {
            (Ok(answer), Some(_)) if !matches!(answer.status(), 201 | 202) => None,
            // Whatever a registry has against a mount, it may take the bytes.
            (Err(failure), Some(_))
                if matches!(
                    failure.error,
                    Error::Denied { .. } | Error::Refused { .. } | Error::Challenge { .. }
                ) =>
            {
                None
            }
            // Nor is it worth waiting for.
            (Err(failure), Some(_)) if failure.retry != Retry::Never => None,
            (answer, _) => Some(answer?),
        };
        let Some(answer) = answer else {
            return Box::pin(self.open_session(blob, None)).await;
        };
        match answer.status() {
            201 if from.is_some() => Ok(None),
            200..=202 if !is_html(&answer) => {
                let Some(url) = location(&answer)? else {
                    let reason = "it started an upload without a location".into();
                    return Err(Failure::is_final(Error::NotARegistry {
                        url: redacted(answer.url()),
                        reason,
                    }));
                };
                let least = answer.header("oci-chunk-min-length").and_then(|text| text.trim().parse().ok());
                let least = least.filter(|least| *least <= LARGEST_LEAST).unwrap_or(0);
                let number = self.client().note_session(self.host(), self.scope(), &url);
                Ok(Some(Session { url, least, number }))
            }
            403 => Err(Failure::is_final(self.denied(refusal(&ask, answer).await))),
            200..=299 => {
                let reason = "it returned a web page when an upload started".into();
                Err(Failure::is_final(Error::NotARegistry { url: redacted(answer.url()), reason }))
            }
            _ => Err(Failure::is_final(refusal(&ask, answer).await)),
        }
    }

    async fn commit(&self, blob: &Blob, session: Url, body: Body) -> Result<(), Failure> {
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
        let ask = Ask { method: Method::PUT, to: To::Url(url), headers, body };
        let answer = self.ask_once(&ask).await?;
        match answer.status() {
            200..=299 if !is_html(&answer) => Ok(()),
            200..=299 => {
                let reason = "it returned a web page for an upload".into();
                Err(Failure::is_final(Error::NotARegistry { url: redacted(answer.url()), reason }))
            }
            _ => Err(Failure::is_final(refusal(&ask, answer).await)),
        }
    }

    async fn send_pieces(
        &self,
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
            let ask = Ask { method: Method::PATCH, to: To::Url(session.clone()), headers, body };
            let answer = self.ask_once(&ask).await?;
            match answer.status() {
                // 202 by the specification; others were met.
                200..=299 if !is_html(&answer) => session = location(&answer)?.unwrap_or(session),
                _ => return Err(Failure::is_final(refusal(&ask, answer).await)),
            }
            offset += length;
        }
        self.commit(blob, session, Body::Empty).await
    }

    async fn cancel(&self, session: Session) {
        if self.client().sessions().remove(&session.number).is_some() {
            self.end(session.url).await;
        }
    }

    /// Ends a session that leads nowhere. Many registries let nobody do that; they forget it by themselves.
    async fn end(&self, session: Url) {
        let ask = Ask::new(Method::DELETE, To::Url(session));
        let _ = tokio::time::timeout(COURTESY, self.ask_once(&ask)).await;
    }
}

impl Registry {
    /// Ends all sessions that were begun and lead nowhere. Takes no longer than a moment.
    pub async fn abandon(&self) {
        let open = std::mem::take(&mut *self.sessions());
        let ends =
            open.into_values().map(|(host, scope, url)| async move { self.open(host, scope).end(url).await });
        futures_util::future::join_all(ends).await;
    }
}

/// Another way to send the same bytes, when the failure may be about the way.
fn next_way(tried: Way, failure: &Failure, count: usize, size: u64) -> Option<Way> {
    if failure.error.is_about("POST") {
        return None;
    }
    match (tried, failure.error.status()) {
        (Way::Whole, Some(413 | 416)) => Some(Way::Pieces(PIECE)),
        (Way::Whole, Some(404 | 405 | 501)) => Some(Way::Pieces(ONE_PIECE)),
        (Way::Pieces(ONE_PIECE), Some(413 | 416)) => Some(Way::Pieces(PIECE)),
        // What ends a long body may be a limit whose refusal nobody gets to read.
        (Way::Whole, None | Some(520..=524))
            if count >= 2 && size > PIECE && failure.retry != Retry::Never =>
        {
            Some(Way::Pieces(PIECE))
        }
        _ => None,
    }
}

/// Where the session goes on: relative to what answered, never from encryption to none.
fn location(answer: &Answer) -> Result<Option<Url>, Failure> {
    let location = answer.header("location").filter(|location| !location.is_empty());
    location.map(|location| target(answer.url(), location).map_err(Failure::is_final)).transpose()
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
