use std::time::{Duration, SystemTime};

use wainwright_engine::{Event, Session};
use wainwright_store::{Item, Limits, Pruned};

use crate::screen::Screen;
use crate::units::{bytes, things};

/// Prunes the cache to its limits. A failure is only a warning, because the command itself succeeded.
pub(crate) fn tidy(limits: &Limits, session: &Session, screen: &Screen) {
    match session.store.tidy(limits) {
        Ok(Some(pruned)) if pruned.removed.is_empty() => {}
        Ok(Some(pruned)) => {
            let message = removed(&pruned, false);
            screen.take(&match pruned.removed.iter().any(|item| is_fresh(item, session.machine.now)) {
                true => Event::Warned {
                    message: format!("{message}; this build used some of them (raise --cache-max-size)"),
                },
                false => Event::Noted { message },
            });
        }
        Ok(None) => {}
        Err(error) => screen.take(&Event::Warned { message: format!("cannot prune the cache: {error}") }),
    }
}

/// The result of pruning, as a sentence.
pub(crate) fn removed(pruned: &Pruned, is_dry: bool) -> String {
    let files = |count: usize, size| format!("{} ({})", things(count, "file"), bytes(size));
    let verb = if is_dry { "would remove" } else { "removed" };
    let (gone, left) = (files(pruned.removed.len(), pruned.size()), files(pruned.kept, pruned.kept_size));
    format!("{verb} {gone} from the cache; left: {left}")
}

/// Whether a build that began `now` used a file; the store records the time of use to the hour.
fn is_fresh(item: &Item, now: SystemTime) -> bool {
    now.duration_since(item.used).map_or(true, |age| age < Duration::from_secs(60 * 60))
}
