use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The time that waits are measured with and spent in.
#[derive(Clone)]
pub struct Clock(Kind);

#[derive(Clone)]
enum Kind {
    Real(Instant),
    OnPaper(Arc<Mutex<Vec<Duration>>>),
}

impl Clock {
    /// Waits are waited.
    pub fn real() -> Self {
        Self(Kind::Real(Instant::now()))
    }

    /// Waits are only written down, for tests: time passes when somebody waits.
    pub fn on_paper() -> Self {
        Self(Kind::OnPaper(Arc::default()))
    }

    /// The waits written down so far; nothing for real time.
    pub fn waits(&self) -> Vec<Duration> {
        match &self.0 {
            Kind::Real(_) => Vec::new(),
            Kind::OnPaper(waits) => waits.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// The time since the clock was made.
    pub fn now(&self) -> Duration {
        match &self.0 {
            Kind::Real(start) => start.elapsed(),
            Kind::OnPaper(_) => self.waits().iter().sum(),
        }
    }

    /// Lets time pass; on paper, only writes it down.
    pub async fn wait(&self, time: Duration) {
        match &self.0 {
            Kind::Real(_) => tokio::time::sleep(time).await,
            Kind::OnPaper(waits) => waits.lock().unwrap_or_else(PoisonError::into_inner).push(time),
        }
    }
}

/// Measures how long a server takes: that is real time, also where waits are on paper.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
