use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue};
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use crate::file::too_large;
use crate::pace::Pace;
use crate::retry::Fault;
use crate::send::check_scheme;
use crate::{Auth, Client, Error, redacted};

pub use reqwest::Method;

/// One request of a protocol in which every status says something: no redirect is followed, nothing is tried again.
#[derive(Clone)]
pub struct Exchange<'a> {
    /// What to do.
    pub method: Method,
    /// `http` or `https`.
    pub url: &'a Url,
    /// Headers besides those that the client sets.
    pub headers: Vec<(&'static str, String)>,
    /// Sent to this server.
    pub auth: Option<&'a Auth>,
    /// What is sent along.
    pub body: Body,
}

/// The body of a request. It can be sent again, because it is read anew every time.
#[derive(Clone)]
pub enum Body {
    /// Nothing.
    Empty,
    /// Bytes in memory.
    Bytes(Arc<[u8]>),
    /// A part of a file.
    File {
        /// The file.
        path: PathBuf,
        /// Where the part begins, in bytes.
        offset: u64,
        /// How many bytes it has.
        length: u64,
        /// Hears of every byte on its way.
        progress: Arc<dyn Fn(u64) + Send + Sync>,
    },
}

/// An answer with any status, whose body has not been read.
pub struct Answer {
    response: reqwest::Response,
    pace: Pace,
    url: Url,
    client: Client,
    /// One of the connections that are allowed, until the body is read or dropped.
    _permit: Option<OwnedSemaphorePermit>,
}

impl Client {
    /// Sends one request. An error means that no answer came.
    ///
    /// A request ends when for some time ([`Settings::idle_timeout`](crate::Settings)) neither a byte of its body went out
    /// nor an answer came in, or
    /// when too little goes out ([`Settings::slow_window`](crate::Settings)).
    pub async fn exchange(&self, exchange: &Exchange<'_>) -> Result<Answer, Fault> {
        let url = exchange.url;
        check_scheme(url)?;
        if self.is_offline() {
            return Err(Fault::is_final(Error::Offline { url: redacted(url) }));
        }
        let permit = self.permit().await;
        let mut request = self.shared.http.request(exchange.method.clone(), url.clone());
        request = request.header(ACCEPT_ENCODING, "identity");
        for (name, value) in &exchange.headers {
            let value = HeaderValue::from_str(value).map_err(|_| {
                Fault::is_final(Error::Url {
                    url: redacted(url),
                    reason: "a header contains invalid characters",
                })
            })?;
            request = request.header(*name, value);
        }
        if let Some(auth) = exchange.auth {
            request = request.header(AUTHORIZATION, auth.header());
        }
        let sent = Arc::new(AtomicU64::new(0));
        request = match &exchange.body {
            // Some servers want the length of nothing.
            Body::Empty if matches!(exchange.method, Method::POST | Method::PUT | Method::PATCH) => {
                request.header(CONTENT_LENGTH, 0)
            }
            Body::Empty => request,
            Body::Bytes(bytes) => request.body(bytes.to_vec()),
            Body::File { length, .. } => {
                let stream = stream(&exchange.body, sent.clone()).map_err(Fault::is_final)?;
                request.header(CONTENT_LENGTH, *length).body(reqwest::Body::wrap_stream(stream))
            }
        };
        tracing::debug!(method = %exchange.method, url = redacted(url), "asking");
        let response = self.patiently(url, &sent, request.send()).await?;
        let response = response.map_err(|error| self.broken(url, &error))?;
        tracing::debug!(status = response.status().as_u16(), url = redacted(url), "answered");
        let pace = Pace::new(self.shared.limits);
        Ok(Answer { response, pace, url: url.clone(), client: self.clone(), _permit: permit })
    }
}

/// How much of a file is in memory for every request.
const CHUNK: u64 = 128 * 1024;

/// Reads a part of a file while it is sent. A file that became shorter breaks the request: its length was promised.
fn stream(
    body: &Body,
    sent: Arc<AtomicU64>,
) -> Result<impl futures_util::Stream<Item = io::Result<Vec<u8>>> + Send + use<>, Error> {
    let Body::File { path, offset, length, progress } = body.clone() else {
        return Err(Error::Client { reason: "only files are streamed".into() });
    };
    let open = || {
        let mut file = std::fs::File::open(&path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    };
    let file = open().map_err(|source| Error::Read { path: path.clone(), source })?;
    // What is left to read; `None` after an error, which ends the stream.
    Ok(futures_util::stream::unfold(Some((file, length)), move |state| {
        let (sent, progress) = (sent.clone(), progress.clone());
        async move {
            let (mut file, left) = state.filter(|(_, left)| *left > 0)?;
            let read = tokio::task::spawn_blocking(move || {
                let mut chunk = vec![0; left.min(CHUNK) as usize];
                file.read_exact(&mut chunk).map(|()| (file, chunk))
            });
            match read.await.map_err(io::Error::other) {
                Ok(Ok((file, chunk))) => {
                    let count = chunk.len() as u64;
                    sent.fetch_add(count, Ordering::Relaxed);
                    progress(count);
                    Some((Ok(chunk), Some((file, left - count))))
                }
                Ok(Err(error)) | Err(error) => Some((Err(error), None)),
            }
        }
    }))
}

impl Answer {
    /// The status.
    pub fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    /// A header, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// What was asked.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Reads the whole body, which may have `limit` bytes at most.
    pub async fn bytes(mut self, limit: usize) -> Result<Vec<u8>, Fault> {
        let announced: Option<u64> = self.header("content-length").and_then(|text| text.parse().ok());
        if announced.is_some_and(|length| length > limit as u64) {
            return Err(Fault::is_final(too_large(&self.url, limit as u64)));
        }
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > limit {
                return Err(Fault::is_final(too_large(&self.url, limit as u64)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// Reads the first bytes of a body, whatever becomes of the rest: for messages.
    pub async fn start(mut self, limit: usize) -> Vec<u8> {
        let mut body = Vec::new();
        let longest = self.client.shared.limits.idle;
        let read = async {
            while body.len() < limit
                && let Ok(Some(chunk)) = self.chunk().await
            {
                body.extend_from_slice(&chunk);
            }
        };
        // A message is not worth a wait that its sender could stretch.
        let _ = tokio::time::timeout(longest, read).await;
        body.truncate(limit);
        body
    }

    /// The next bytes of the body; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<impl std::ops::Deref<Target = [u8]> + use<>>, Fault> {
        self.client.chunk(&self.url, &mut self.response, &mut self.pace).await
    }
}
