use std::time::Duration;

use crate::Settings;

/// The most redirects one request follows.
pub(crate) const MOST_REDIRECTS: usize = 10;

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
