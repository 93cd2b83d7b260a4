use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use url::Url;

use crate::clock::Stopwatch;
use crate::retry::{Fault, Retry};
use crate::{Client, Error, Settings, redacted};

/// How slow a transfer may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Nothing moves for so long: the connection is dead.
    pub(crate) idle: Duration,
    /// Too little moves in so long: it would end, but nobody would see the end.
    pub(crate) window: Duration,
    /// How many bytes are not too little.
    pub(crate) least: u64,
    /// Nothing moves for so long: the user is told.
    pub(crate) notice: Duration,
}

impl Limits {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            idle: settings.idle_timeout,
            window: settings.slow_window,
            least: settings.slow_bytes,
            notice: settings.notice,
        }
    }
}

/// Notices a transfer that trickles.
pub(crate) struct Pace {
    limits: Limits,
    since: Stopwatch,
    bytes: u64,
}

impl Pace {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, since: Stopwatch::start(), bytes: 0 }
    }

    fn is_too_slow(&mut self, bytes: u64) -> bool {
        self.bytes += bytes;
        if self.since.elapsed() < self.limits.window {
            return false;
        }
        let bytes = self.bytes;
        *self = Self::new(self.limits);
        bytes < self.limits.least
    }
}

impl Client {
    /// Waits for a server: tells the user while nothing moves, and gives up when that lasts too long, or when what moves is
    /// too little. `sent` counts the bytes that go out meanwhile.
    pub(crate) async fn patiently<T>(
        &self,
        url: &Url,
        sent: &AtomicU64,
        answer: impl Future<Output = T>,
    ) -> Result<T, Fault> {
        tokio::pin!(answer);
        let limits = self.shared.limits;
        let (mut quiet_since, mut pace, mut before) = (Stopwatch::start(), Pace::new(limits), 0);
        loop {
            let left = limits.idle.saturating_sub(quiet_since.elapsed());
            if left.is_zero() {
                return Err(self.stalled(url));
            }
            let step = left.min(limits.notice).min(limits.window);
            if let Ok(answer) = tokio::time::timeout(step, &mut answer).await {
                return Ok(answer);
            }
            let now = sent.load(Ordering::Relaxed);
            if now > before {
                if pace.is_too_slow(now - before) {
                    return Err(self.too_slow(url));
                }
                (quiet_since, before) = (Stopwatch::start(), now);
            }
            self.tell_wait(url, quiet_since.elapsed());
        }
    }

    /// The next bytes of a body; `None` at its end.
    pub(crate) async fn chunk(
        &self,
        url: &Url,
        response: &mut reqwest::Response,
        pace: &mut Pace,
    ) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + use<>>, Fault> {
        let chunk = self.patiently(url, &AtomicU64::new(0), response.chunk()).await?;
        let chunk = chunk.map_err(|error| self.broken(url, &error))?;
        match &chunk {
            Some(bytes) if pace.is_too_slow(bytes.len() as u64) => Err(self.too_slow(url)),
            _ => Ok(chunk),
        }
    }

    fn stalled(&self, url: &Url) -> Fault {
        let lost = self.shared.limits.idle;
        self.lost(url, lost, format!("no data for {} s", lost.as_secs_f32()))
    }

    fn too_slow(&self, url: &Url) -> Fault {
        let Limits { window, least, .. } = self.shared.limits;
        self.lost(url, window, format!("fewer than {least} bytes in {} s", window.as_secs_f32()))
    }

    fn lost(&self, url: &Url, lost: Duration, reason: String) -> Fault {
        let proxy = self.shared.routes.way(url);
        Fault {
            error: Error::Unreachable { url: redacted(url), reason, proxy, tries: 1 },
            retry: Retry::Later { lost },
        }
    }

    /// Tells of a server that is waited for; once, however many requests wait for it.
    fn tell_wait(&self, url: &Url, time: Duration) {
        let notice = self.shared.limits.notice;
        if time < notice || time >= self.shared.limits.idle {
            return;
        }
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        let mut told = self.shared.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if told.get(&host).is_some_and(|last| last.elapsed() < notice / 2) {
            return;
        }
        told.insert(host.clone(), Stopwatch::start());
        drop(told);
        (self.shared.on_wait)(&host, time);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::{Body, Clock, Exchange, Method, Request};
    use wainwright_testing::{Act, Proxy, Reply, Server};

    /// What is waited for in hours otherwise.
    fn settings() -> Settings {
        let mut settings = Settings::new("test");
        settings.clock = Clock::on_paper();
        settings.idle_timeout = Duration::from_millis(900);
        settings.slow_window = Duration::from_millis(400);
        settings.slow_bytes = 1000;
        settings.notice = Duration::from_millis(200);
        settings.tries = 2;
        settings
    }

    #[tokio::test]
    async fn slow_download_fails() {
        let drip = |_: &_| Reply::ok(vec![7; 5000]).pace(5, Duration::from_millis(20));
        let server = Server::start(drip);
        let url = server.url("/");
        let client = Client::new(&settings()).unwrap();
        let request = Request { url: &url, accept: None, auth: None, limit: 9000 };
        let error = client.get(request).await.unwrap_err().to_string();
        assert!(error.contains("fewer than 1000 bytes in 0.4 s"), "{error}");
        assert!(error.contains("(2 tries)"), "{error}");

        let exchange =
            Exchange { method: Method::GET, url: &url, headers: Vec::new(), auth: None, body: Body::Empty };
        let answer = client.exchange(&exchange).await.ok().unwrap();
        let fault = answer.bytes(9000).await.err().unwrap();
        assert_eq!(fault.retry, Retry::Later { lost: settings().slow_window });
    }

    #[tokio::test]
    async fn slow_steady_download_succeeds() {
        let server = Server::start(|_| Reply::ok(vec![7; 8000]).pace(400, Duration::from_millis(50)));
        let client = Client::new(&settings()).unwrap();
        let url = server.url("/");
        let request = Request { url: &url, accept: None, auth: None, limit: 9000 };
        assert_eq!(client.get(request).await.unwrap().body.len(), 8000);
    }

    #[tokio::test]
    async fn slow_upload_fails() {
        let server = Proxy::start(None, None, |_| Act::Sip(64, Duration::from_millis(1)));
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(256 << 20).unwrap();
        let body =
            Body::File { path: file.path().into(), offset: 0, length: 256 << 20, progress: Arc::new(|_| ()) };
        let url = format!("http://{}/", server.address()).parse().unwrap();
        let exchange = Exchange { method: Method::PUT, url: &url, headers: Vec::new(), auth: None, body };
        let client = Client::new(&settings()).unwrap();
        let fault = client.exchange(&exchange).await.err().unwrap();
        let text = fault.error.to_string();
        assert!(text.contains("no data for 0.9 s") || text.contains("fewer than 1000 bytes"), "{text}");
    }

    #[tokio::test]
    async fn wait_is_reported_once() {
        let server = Server::start(|_| Reply::ok("x").late(Duration::from_millis(700)));
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut settings = settings();
        settings.idle_timeout = Duration::from_secs(20);
        let listener = heard.clone();
        settings.on_wait = Arc::new(move |host, time| listener.lock().unwrap().push((host.to_owned(), time)));
        let client = Client::new(&settings).unwrap();
        let url = server.url("/");
        let ask = || client.get(Request { url: &url, accept: None, auth: None, limit: 10 });
        let (one, two, three) = tokio::join!(ask(), ask(), ask());
        assert!(one.is_ok() && two.is_ok() && three.is_ok());
        let heard = heard.lock().unwrap();
        // Each of the three would tell it three times.
        assert!((1..=6).contains(&heard.len()), "{heard:?}");
        let (host, time) = &heard[0];
        assert_eq!(*host, url.socket_addrs(|| None).unwrap()[0].to_string());
        assert!(*time >= settings.notice, "{time:?}");
    }

    #[test]
    fn a_pace_is_measured_anew_in_every_window() {
        let limits = Limits { window: Duration::ZERO, ..Limits::new(&settings()) };
        let mut pace = Pace::new(limits);
        assert!(pace.is_too_slow(999));
        assert!(!pace.is_too_slow(1000));
        assert!(pace.is_too_slow(1));
    }
}
