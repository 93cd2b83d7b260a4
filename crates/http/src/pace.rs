use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use url::Url;

use crate::clock::Stopwatch;
use crate::limits::Limits;
use crate::retry::{Fault, Retry};
use crate::{Client, Error, redacted};

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
mod tests;
