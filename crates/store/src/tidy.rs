//! Keeps a store within its limits without being asked: after a build, and only when there is reason to look.

use std::io::{Read, Write};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use crate::guard::open_regular;
use crate::lock::{Hold, Share, lock};
use crate::prune::prune_held;
use crate::{Error, Limits, Pruned, Store};

/// Everything is counted once a day; in between, what builds add is added up.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Percent of the allowed size that are left, so that not every build after this one has something to remove.
const LEFT: u64 = 90;

/// What the last count said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    /// In seconds since 1970.
    at: u64,
    /// In bytes, with what was added since.
    size: u64,
}

impl Store {
    /// Removes what goes beyond the limits, if there may be something and nobody else uses the store. Waits for nobody.
    ///
    /// For the end of a build: `None` when there was no reason to look, or when others are still at work; they will do it.
    pub fn tidy(&self, limits: &Limits) -> Result<Option<Pruned>, Error> {
        let Some(now) = self.now.filter(|_| self.ephemeral.is_none()) else { return Ok(None) };
        let added = self.added.swap(0, Ordering::Relaxed);
        let known = self.last_count();
        let size = known.map_or(0, |count| count.size).saturating_add(added);
        let is_recent = known.is_some_and(|count| is_recent(count, now));
        // Without locks nothing young can be removed: looking once a day is enough.
        let is_large = self.lock.is_some() && limits.size.is_some_and(|most| size > most);
        let hold = match &self.lock {
            _ if is_recent && !is_large => None,
            None => Some(Hold::Unknown),
            Some(file) => match lock(file, Share::WithNobody) {
                Ok(()) => file.try_clone().ok().map(Hold::Held),
                Err(_) => {
                    // The attempt may have cost us the lock that we had (flock(2)).
                    let _ = lock(file, Share::WithBuilds);
                    None
                }
            },
        };
        let Some(hold) = hold else {
            if let Some(count) = known.filter(|_| added > 0) {
                self.write_count(Count { size, ..count });
            }
            return Ok(None);
        };
        let most = limits.size.map(|most| if is_large { most / 100 * LEFT } else { most });
        let pruned = prune_held(self, &hold, &Limits { size: most, ..*limits }, now);
        if let Hold::Held(file) = hold {
            // The run may go on with the store.
            let _ = lock(&file, Share::WithBuilds);
        }
        pruned.map(Some)
    }

    /// Notes how large the store is.
    pub(crate) fn record(&self, now: SystemTime, size: u64) {
        let at = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.write_count(Count { at, size });
    }

    fn last_count(&self) -> Option<Count> {
        let (file, _) = open_regular(&self.stamp()).ok()??;
        let mut text = String::new();
        file.take(100).read_to_string(&mut text).ok()?;
        let (at, size) = text.strip_suffix('\n')?.split_once(' ')?;
        Some(Count { at: at.parse().ok()?, size: size.parse().ok()? })
    }

    /// A count that cannot be written is only counted again.
    fn write_count(&self, count: Count) {
        let write = || -> Result<(), Error> {
            let mut draft = self.draft()?;
            let written = writeln!(draft.file()?, "{} {}", count.at, count.size);
            written.map_err(|source| Error::disk("write", &self.stamp(), source))?;
            self.place(draft.into_path(), &self.stamp())
        };
        let _ = write();
        self.added.store(0, Ordering::Relaxed);
    }
}

fn is_recent(count: Count, now: SystemTime) -> bool {
    // A time to come is the mark of a clock that was wrong.
    let counted = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(count.at));
    counted.is_some_and(|counted| now.duration_since(counted).is_ok_and(|age| age < DAY))
}
