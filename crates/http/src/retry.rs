use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use crate::{Clock, Error, date};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A failed try, and whether another one makes sense.
pub struct Fault {
    /// What went wrong.
    pub error: Error,
    /// Whether another try makes sense.
    pub retry: Retry,
}

/// What the next try may hope for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Nothing: the answer would be the same.
    Never,
    /// The fault may be gone after a while; the failed try itself took `lost`.
    Later {
        /// How long that was.
        lost: Duration,
    },
    /// Little, but it may have been an accident: it is tried once more.
    Once,
    /// The server named a time.
    After(Duration),
}

impl Fault {
    /// A fault that stays.
    pub fn is_final(error: Error) -> Self {
        Self { error, retry: Retry::Never }
    }

    /// A fault of the moment.
    pub fn may_pass(error: Error) -> Self {
        Self { error, retry: Retry::Later { lost: Duration::ZERO } }
    }
}

/// Whether a status speaks of the moment rather than of the request.
pub fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 499 | 500 | 502 | 503 | 504 | 520..=524)
}

/// `Retry-After` in seconds or as a date, which is compared with the server's own `Date`. Garbage is `None`.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let now = date::read_http(headers.get(DATE)?.to_str().ok()?)?;
    Some(Duration::from_secs(date::read_http(text)?.saturating_sub(now)))
}

/// The retries of a whole run, shared by all its requests.
pub(crate) struct RetryBudget {
    pub(crate) clock: Clock,
    pub(crate) tries: usize,
    pub(crate) budget: Duration,
    lost: Mutex<LostTime>,
}

/// The time in which some request was failing or waiting; times that overlap count once.
#[derive(Default)]
struct LostTime {
    total: Duration,
    until: Duration,
}

impl RetryBudget {
    pub(crate) fn new(clock: Clock, tries: usize, budget: Duration) -> Self {
        Self { clock, tries, budget, lost: Mutex::default() }
    }

    /// Takes the time from `lost` ago to `wait` from now out of the budget, or answers `false` when it is not
    /// there.
    fn spend(&self, lost: Duration, wait: Duration) -> bool {
        let mut state = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let start = now.saturating_sub(lost).max(state.until);
        let end = now + wait;
        let total = state.total + end.saturating_sub(start);
        if total > self.budget {
            return false;
        }
        *state = LostTime { total, until: state.until.max(end) };
        true
    }
}

/// The tries of one request.
pub struct Tries<'a> {
    patience: &'a RetryBudget,
    seed: u64,
    /// Faults in a row.
    row: usize,
    /// All of them.
    total: usize,
    /// Faults in a row that are one too many.
    most: usize,
    has_tried_again: bool,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(patience: &'a RetryBudget, url: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        url.hash(&mut hasher);
        Self {
            patience,
            seed: hasher.finish(),
            row: 0,
            total: 0,
            most: patience.tries,
            has_tried_again: false,
        }
    }

    /// Allows more faults in a row than usual.
    #[must_use]
    pub fn with_more(mut self, tries: usize) -> Self {
        self.most += tries;
        self
    }

    /// Waits before the next try, or hands the error back when there is to be none.
    pub async fn again(&mut self, fault: Fault, has_progressed: bool) -> Result<(), Error> {
        tracing::debug!(error = %fault.error, "failed");
        if self.wait(fault.retry, has_progressed).await { Ok(()) } else { Err(self.counted(fault.error)) }
    }

    /// How many tries have failed.
    pub fn count(&self) -> usize {
        self.total
    }

    /// Waits before the next try; `false` when there is to be none.
    pub async fn wait(&mut self, retry: Retry, has_progressed: bool) -> bool {
        let Some(wait) = self.next(retry, has_progressed) else { return false };
        self.pass(wait).await;
        true
    }

    /// How long to wait before the next try; `None` when there is to be none. Takes the time out of the budget.
    pub fn next(&mut self, retry: Retry, has_progressed: bool) -> Option<Duration> {
        self.total += 1;
        if has_progressed {
            self.row = 0;
        }
        self.row += 1;
        let (wait, lost) = match retry {
            Retry::Never => return None,
            // A server that names a time is not in doubt about itself: only the budget limits those tries.
            Retry::After(time) => {
                self.row -= 1;
                (time.max(FIRST_WAIT), Duration::ZERO)
            }
            Retry::Once if std::mem::replace(&mut self.has_tried_again, true) => return None,
            Retry::Once => (self.back_off(), Duration::ZERO),
            Retry::Later { .. } if self.row >= self.most => return None,
            Retry::Later { lost } if has_progressed => (Duration::ZERO, lost),
            Retry::Later { lost } => (self.back_off(), lost),
        };
        self.patience.spend(lost, wait).then_some(wait)
    }

    /// Lets the time before the next try pass.
    pub async fn pass(&self, wait: Duration) {
        tracing::debug!(?wait, "trying again");
        self.patience.clock.wait(wait).await;
    }

    /// Doubles with every fault in a row; up to a quarter more, so that requests that failed together part.
    fn back_off(&self) -> Duration {
        let doubled = FIRST_WAIT.saturating_mul(1 << (self.row.saturating_sub(1)).min(10));
        let wait = doubled.min(LONGEST_WAIT);
        let spread = self.seed.rotate_left(8 * self.row as u32) % 256;
        wait + wait.mul_f64(spread as f64 / 1024.0)
    }

    fn counted(&self, error: Error) -> Error {
        error.with_tries(self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    fn after(value: &'static str, date: Option<&'static str>) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
        if let Some(date) = date {
            headers.insert(DATE, HeaderValue::from_static(date));
        }
        retry_after(&headers)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(after("120", None), Some(Duration::from_secs(120)));
        assert_eq!(after("Sun, 06 Nov 1994 08:50:37 GMT", now), Some(Duration::from_secs(60)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:00 GMT", now), Some(Duration::ZERO));
        for garbage in ["-1", "soon", "1e9", "99999999999999999999", ""] {
            assert_eq!(after(garbage, now), None, "{garbage}");
        }
    }

    #[test]
    fn overlapping_waits_count_once() {
        let patience = RetryBudget::new(Clock::on_paper(), 5, Duration::from_secs(10));
        for _ in 0..100 {
            assert!(patience.spend(Duration::ZERO, Duration::from_secs(8)));
        }
        assert!(!patience.spend(Duration::ZERO, Duration::from_secs(11)));
        assert!(patience.spend(Duration::ZERO, Duration::from_secs(10)));
    }

    #[tokio::test]
    async fn the_budget_ends_tries_that_a_server_keeps_asking_for() {
        let patience = RetryBudget::new(Clock::on_paper(), 5, Duration::from_secs(100));
        let mut tries = Tries::new(&patience, "u");
        let mut count = 0;
        loop {
            let error = Error::Client { reason: String::new() };
            let fault = Fault { error, retry: Retry::After(Duration::from_secs(30)) };
            if tries.again(fault, false).await.is_err() {
                break;
            }
            count += 1;
        }
        assert_eq!(count, 3);
    }

    #[tokio::test]
    async fn backoff_doubles() {
        let patience = RetryBudget::new(Clock::on_paper(), 6, Duration::from_secs(100));
        let mut tries = Tries::new(&patience, "u");
        let fault = || Fault::may_pass(Error::Client { reason: String::new() });
        while tries.again(fault(), false).await.is_ok() {}
        let waits = patience.clock.waits();
        assert_eq!(waits.len(), 5);
        for (wait, least) in waits.iter().zip([500, 1000, 2000, 4000, 8000]) {
            let least = Duration::from_millis(least);
            assert!(*wait >= least && *wait <= least.mul_f64(1.25), "{waits:?}");
        }
    }
}
