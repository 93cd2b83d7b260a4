use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use reqwest::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::clock::Stopwatch;
use crate::pace::Limits;
use crate::proxy::Routes;
use crate::retry::{Fault, RetryBudget, Tries};
use crate::send::{Ask, innermost};
use crate::{Auth, Clock, Error, Settings, WaitListener, redacted, tls};

/// Downloads things, politely. Clones share connections, limits and patience.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) http: reqwest::Client,
    permits: Arc<Semaphore>,
    patience: Arc<RetryBudget>,
    pub(crate) offline: bool,
    pub(crate) limits: Limits,
    pub(crate) routes: Arc<Routes>,
    pub(crate) on_wait: Arc<WaitListener>,
    /// When the user was told last that a server is waited for.
    pub(crate) told: Mutex<BTreeMap<String, Stopwatch>>,
}

/// A question with a small answer.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `http`, `https` or `file`. Credentials in it are used as if they were in `auth`.
    pub url: &'a Url,
    /// The `Accept` header.
    pub accept: Option<&'a str>,
    /// Sent to this server only, never along a redirect to another one.
    pub auth: Option<&'a Auth>,
    /// The most bytes the answer may have.
    pub limit: usize,
}

/// A small answer, successful by construction: any other status is an [`Error::Status`].
#[derive(Debug)]
pub struct Response {
    /// 200 or another of the 2xx.
    pub status: u16,
    /// The `Content-Type` as it came.
    pub content_type: Option<String>,
    /// Where the answer came from in the end.
    pub url: Url,
    /// All bytes.
    pub body: Vec<u8>,
}

impl Client {
    /// Prepares a client; opens no connection. Fails when the proxies or the CA file cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let permits = Arc::new(Semaphore::new(settings.connections.max(1)));
        let patience = RetryBudget::new(settings.clock.clone(), settings.tries.max(1), settings.budget);
        Self::with(settings, permits, Arc::new(patience))
    }

    /// A client with other connections, which shares the limits and the patience of this one.
    pub fn beside(&self, settings: &Settings) -> Result<Self, Error> {
        Self::with(settings, self.shared.permits.clone(), self.shared.patience.clone())
    }

    fn with(settings: &Settings, permits: Arc<Semaphore>, patience: Arc<RetryBudget>) -> Result<Self, Error> {
        let routes = Arc::new(Routes::new(&settings.proxies)?);
        let shared = Shared {
            http: connect(settings, &routes)?,
            permits,
            patience,
            offline: settings.offline,
            limits: Limits::new(settings),
            routes,
            on_wait: settings.on_wait.clone(),
            told: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whether this client may use no network.
    pub fn is_offline(&self) -> bool {
        self.shared.offline
    }

    /// Fetches a small answer: index pages, release files.
    pub async fn get(&self, request: Request<'_>) -> Result<Response, Error> {
        if request.url.scheme() == "file" {
            return read_file(&request);
        }
        let mut tries = self.tries(request.url);
        loop {
            match self.get_once(&request).await {
                Ok(response) => return Ok(response),
                Err(fault) => tries.again(fault, false).await?,
            }
        }
    }

    /// How many bytes a file has, as its server says without sending it; `None` when it does not say.
    pub async fn length(&self, url: &Url, auth: Option<&Auth>) -> Result<Option<u64>, Error> {
        let mut tries = self.tries(url);
        loop {
            let _permit = self.permit().await;
            match self.open(&Ask { url, accept: None, auth, rest: None, is_head: true }).await {
                Ok(answer) => {
                    // reqwest takes the length of a body from somewhere else, and a HEAD has no body.
                    let value = answer.response.headers().get(CONTENT_LENGTH);
                    return Ok(value.and_then(|value| value.to_str().ok()?.parse().ok()));
                }
                // Some servers do not know the method.
                Err(Fault { error: Error::Status { status: 405 | 501, .. }, .. }) => return Ok(None),
                Err(fault) => tries.again(fault, false).await?,
            }
        }
    }

    async fn get_once(&self, request: &Request<'_>) -> Result<Response, Fault> {
        let _permit = self.permit().await;
        let ask =
            Ask { url: request.url, accept: request.accept, auth: request.auth, rest: None, is_head: false };
        let mut answer = self.open(&ask).await?;
        let headers = answer.response.headers();
        if let Some(encoding) = headers.get(CONTENT_ENCODING).filter(|value| *value != "identity") {
            let encoding = String::from_utf8_lossy(encoding.as_bytes()).escape_debug().to_string();
            return Err(Fault::is_final(Error::Encoding { url: redacted(request.url), encoding }));
        }
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(request.url, &mut answer.response, &mut answer.pace).await? {
            if body.len() + chunk.len() > request.limit {
                return Err(Fault::is_final(too_large(request.url, request.limit as u64)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status: answer.response.status().as_u16(), content_type, url: answer.url, body })
    }

    /// Counts the tries of one request, and waits between them.
    pub fn tries(&self, url: &Url) -> Tries<'_> {
        Tries::new(&self.shared.patience, url.as_str())
    }

    /// The clock that waits go by.
    pub fn clock(&self) -> &Clock {
        &self.shared.patience.clock
    }

    /// Held while bytes move, not while waiting for a better moment.
    pub(crate) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.shared.permits.clone().acquire_owned().await.ok()
    }
}

/// Opens nothing yet.
fn connect(settings: &Settings, routes: &Arc<Routes>) -> Result<reqwest::Client, Error> {
    let http = reqwest::Client::builder()
        .user_agent(&settings.user_agent)
        .tls_backend_preconfigured(tls::config(settings)?)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        .http2_adaptive_window(true)
        .no_proxy()
        .proxy(routes.rule());
    http.build().map_err(|error| Error::Client { reason: innermost(&error) })
}

pub(crate) fn too_large(url: &Url, limit: u64) -> Error {
    Error::Large { url: redacted(url), limit }
}

/// The path of a `file://` URL.
pub(crate) fn file_path(url: &Url) -> Result<std::path::PathBuf, Error> {
    url.to_file_path()
        .map_err(|()| Error::Url { url: redacted(url), reason: "it is not the path of a local file" })
}

fn read_file(request: &Request<'_>) -> Result<Response, Error> {
    use std::io::Read as _;
    let path = file_path(request.url)?;
    let mut body = Vec::new();
    std::fs::File::open(&path)
        .and_then(|file| file.take(request.limit as u64 + 1).read_to_end(&mut body))
        .map_err(|source| Error::Read { path, source })?;
    if body.len() > request.limit {
        return Err(too_large(request.url, request.limit as u64));
    }
    Ok(Response { status: 200, content_type: None, url: request.url.clone(), body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use wainwright_fault::Classify;
    use wainwright_testing::{Reply, Server};

    fn settings() -> Settings {
        Settings { clock: Clock::on_paper(), ..Settings::new("test") }
    }

    async fn get(settings: &Settings, url: &Url) -> Result<Response, Error> {
        let auth = Auth::basic("ann", &Secret::new("CANARY"));
        let request = Request { url, accept: Some("text/html"), auth: Some(&auth), limit: 1000 };
        Client::new(settings)?.get(request).await
    }

    #[tokio::test]
    async fn small_responses_are_read() {
        let server = Server::start(|_| Reply::ok("hello").header("Content-Type", "text/html"));
        let answer = get(&settings(), &server.url("/x")).await.unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"hello"[..]));
        assert_eq!(answer.content_type.as_deref(), Some("text/html"));
        let seen = &server.seen()[0].headers;
        assert_eq!(
            (seen["accept"].as_str(), seen["authorization"].as_str()),
            ("text/html", "Basic YW5uOkNBTkFSWQ==")
        );
    }

    #[tokio::test]
    async fn temporary_failures_are_retried() {
        for status in [408, 425, 429, 499, 500, 502, 503, 504, 520, 524] {
            let server = Server::start(move |seen| match seen.earlier {
                0 => Reply::status(status),
                1 => Reply::ok("half").cut(2),
                _ => Reply::ok("hello"),
            });
            let settings = settings();
            assert_eq!(get(&settings, &server.url("/")).await.unwrap().body, b"hello", "{status}");
            assert_eq!(settings.clock.waits().len(), 2);
        }
    }

    #[tokio::test]
    async fn retry_after_is_honoured_as_far_as_the_budget_goes() {
        let server = Server::start(|seen| match seen.earlier {
            0 => Reply::status(429).header("Retry-After", "7"),
            1 => Reply::status(503).header("Retry-After", "whenever"),
            _ => Reply::ok("hello"),
        });
        let settings = settings();
        get(&settings, &server.url("/")).await.unwrap();
        let waits = settings.clock.waits();
        assert_eq!(waits[0].as_secs(), 7);
        assert!(waits[1].as_secs() < 1);

        let server = Server::start(|_| Reply::status(429).header("Retry-After", "86400"));
        assert_eq!(get(&settings, &server.url("/")).await.unwrap_err().status(), Some(429));
        assert_eq!(server.seen().len(), 1);
    }

    #[tokio::test]
    async fn permanent_failures_are_not_retried() {
        for status in [400, 401, 403, 404, 410, 416, 501] {
            let server = Server::start(move |_| Reply::status(status));
            let error = get(&settings(), &server.url("/")).await.unwrap_err();
            assert_eq!((error.status(), server.seen().len()), (Some(status), 1));
        }
    }

    #[tokio::test]
    async fn a_server_that_stays_down_is_named_with_the_count_of_tries() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://bob:CANARY@127.0.0.1:{port}/x?token=CANARY").parse().unwrap();
        let error = get(&settings(), &url).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("(5 tries)") && text.contains("refused"), "{text}");
        assert!(!text.contains("CANARY"), "{text}");
    }

    #[tokio::test]
    async fn credentials_stay_with_their_server() {
        let other = Server::start(|_| Reply::ok("hello"));
        let there = other.url("/there").to_string();
        let server = Server::start(move |seen| match seen.target.as_str() {
            "/here" => Reply::status(302).header("Location", "/moved"),
            _ => Reply::status(307).header("Location", &there),
        });
        let answer = get(&settings(), &server.url("/here")).await.unwrap();
        assert_eq!(answer.url, other.url("/there"));
        assert!(server.seen().iter().all(|seen| seen.headers.contains_key("authorization")));
        assert!(other.seen().iter().all(|seen| !seen.headers.contains_key("authorization")));
        assert_eq!((server.seen().len(), other.seen().len()), (2, 1));
    }

    #[tokio::test]
    async fn redirects_are_limited() {
        let server = Server::start(|_| Reply::status(301).header("Location", "/again"));
        let error = get(&settings(), &server.url("/")).await.unwrap_err();
        assert!(matches!(error, Error::Redirect { .. }), "{error}");
        assert_eq!(server.seen().len(), 11);
    }

    #[tokio::test]
    async fn responses_are_limited_and_uncompressed() {
        let server = Server::start(|seen| match seen.target.as_str() {
            "/zip" => Reply::ok("x").header("Content-Encoding", "gzip"),
            _ => Reply::ok(vec![0; 1001]),
        });
        assert!(matches!(get(&settings(), &server.url("/")).await, Err(Error::Large { limit: 1000, .. })));
        assert!(matches!(get(&settings(), &server.url("/zip")).await, Err(Error::Encoding { .. })));
    }

    #[tokio::test]
    async fn offline_leaves_only_local_files() {
        let server = Server::start(|_| Reply::ok("hello"));
        let settings = Settings { offline: true, ..settings() };
        let error = get(&settings, &server.url("/x?y=z")).await.unwrap_err();
        assert!(error.to_string().contains("/x?y=***"), "{error}");
        assert!(server.seen().is_empty());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "local").unwrap();
        let url = Url::from_file_path(file.path()).unwrap();
        assert_eq!(get(&settings, &url).await.unwrap().body, b"local");
    }

    #[tokio::test]
    async fn a_proxy_is_used_unless_excepted() {
        let proxy = Server::start(|_| Reply::ok("by proxy"));
        let server = Server::start(|_| Reply::ok("direct"));
        let mut settings = settings();
        settings.proxies.http = Some(proxy.url("").into());
        assert_eq!(
            get(&settings, &"http://index.example/x".parse().unwrap()).await.unwrap().body,
            b"by proxy"
        );
        settings.proxies.none = Some("127.0.0.1".into());
        assert_eq!(get(&settings, &server.url("/")).await.unwrap().body, b"direct");
        settings.proxies.http = Some("http://u:CANARY@ :x".into());
        let error = get(&settings, &server.url("/")).await.unwrap_err();
        assert!(matches!(error, Error::Proxy { variable: "HTTP_PROXY", .. }));
        assert!(!format!("{error:?}").contains("CANARY"), "{error}");
    }

    #[tokio::test]
    async fn a_dead_proxy_is_named_without_its_password() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        for scheme in ["http", "https"] {
            let mut settings = settings();
            settings.proxies.all = Some(format!("http://ann:CANARY@127.0.0.1:{port}"));
            let url = format!("{scheme}://index.example/x").parse().unwrap();
            let error = get(&settings, &url).await.unwrap_err();
            let text = format!("{error} {error:?} {:?}", error.hint());
            assert!(text.contains(&format!("the proxy http://127.0.0.1:{port} of ALL_PROXY")), "{text}");
            assert!(text.contains("NO_PROXY") && !text.contains("CANARY"), "{text}");
        }
    }

    #[tokio::test]
    async fn malformed_response_is_retried_once() {
        let server = Server::start(|_| Reply::ok("x").header("Warning", "299 - \"a\u{1}b\""));
        let error = get(&settings(), &server.url("/")).await.unwrap_err();
        assert!(error.to_string().contains("(2 tries)"), "{error}");
        assert_eq!(server.seen().len(), 2);
        let server = Server::start(|_| Reply::ok("x").header("Warning", "w".repeat(20_000)));
        assert_eq!(get(&settings(), &server.url("/")).await.unwrap().body, b"x");
    }

    #[tokio::test]
    async fn no_more_connections_than_allowed() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static OPEN: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let server = Server::start(|_| {
            let open = OPEN.fetch_add(1, Ordering::SeqCst) + 1;
            MOST.fetch_max(open, Ordering::SeqCst);
            std::thread::sleep(std::time::Duration::from_millis(20));
            OPEN.fetch_sub(1, Ordering::SeqCst);
            Reply::ok("x")
        });
        let client = Client::new(&Settings { connections: 2, ..settings() }).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (client, url) = (client.clone(), server.url("/"));
            tasks.spawn(async move {
                client.get(Request { url: &url, accept: None, auth: None, limit: 10 }).await.unwrap();
            });
        }
        tasks.join_all().await;
        assert_eq!(MOST.load(Ordering::SeqCst), 2);
    }
}
