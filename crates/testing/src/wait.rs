use std::thread;
use std::time::{Duration, Instant};

/// How long a loaded machine gets: far longer than any condition needs, and shorter than CI's own limit.
const LIMIT: Duration = Duration::from_secs(300);

/// Waits until a condition holds; returns false when it never does.
///
/// Tests wait for what they need and not for a time, so that they pass on a loaded machine.
#[must_use]
pub fn wait_until(mut is_so: impl FnMut() -> bool) -> bool {
    let limit = Instant::now() + LIMIT;
    while !is_so() {
        if Instant::now() > limit {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    true
}
