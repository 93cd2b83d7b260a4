use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use wainwright_store::{
    Item, Kind, Limits, Patience, Pruned, Survey, Waiting, clear, prune, survey, would_prune,
};

use crate::args::{Cache, CachePlace, CacheStatus};
use crate::commands::{fail, usage};
use crate::failure::clean;
use crate::machine;
use crate::render::line;
use crate::report::{bytes, things};
use crate::stdout::print;

/// `wain cache`
pub(crate) fn run(command: &Cache) -> u8 {
    let now = SystemTime::now();
    let (place, patience) = match command {
        Cache::Status(status) => (&status.place, Duration::ZERO),
        Cache::Prune(prune) => (&prune.place, prune.lock_timeout),
        Cache::Clear(clear) => (&clear.place, clear.lock_timeout),
    };
    let Some(root) = find(place) else {
        return usage("there is no cache: HOME is not set; give --cache-dir");
    };
    let patience = Patience { limit: patience, tell: &|waiting: &Waiting| line(&waiting.to_string()) };
    let done = match command {
        Cache::Status(status) => {
            survey(&root).map(|found| show(status, &root, &found.unwrap_or_default(), now))
        }
        Cache::Prune(arguments) => {
            let limits = Limits { size: arguments.max_size.0, age: arguments.older_than.0 };
            match arguments.dry_run {
                true => would_prune(&root, &limits, now).map(|pruned| tell(&pruned, true)),
                false => prune(&root, &limits, now, &patience).map(|pruned| tell(&pruned, false)),
            }
        }
        Cache::Clear(_) => clear(&root, now, &patience).map(|pruned| tell(&pruned, false)),
    };
    done.unwrap_or_else(|error| fail(&error.into()))
}

fn find(place: &CachePlace) -> Option<PathBuf> {
    let given = place.cache_dir.clone().filter(|path| !path.as_os_str().is_empty());
    given.or_else(machine::cache)
}

fn show(arguments: &CacheStatus, root: &Path, found: &Survey, now: SystemTime) -> u8 {
    print(&match arguments.json {
        true => format!("{:#}\n", to_json(arguments, root, found)),
        false => clean(&text(arguments, root, found, now)),
    })
}

fn text(arguments: &CacheStatus, root: &Path, found: &Survey, now: SystemTime) -> String {
    let mut text = format!("{}\n", root.display());
    for (name, kind) in [("blobs", Kind::Blob), ("memos", Kind::Memo)] {
        let (count, size) = tally(found, kind);
        text.push_str(&format!("  {name}  {count:>7}  {:>9}\n", bytes(size)));
    }
    let most = arguments.max_size.0.map_or("any size".into(), |most| format!("{} at most", bytes(most)));
    text.push_str(&format!("  size   {:>18}  ({most})\n", bytes(found.size())));
    if found.unfinished > 0 {
        text.push_str(&format!("  unfinished {:>5}\n", found.unfinished));
    }
    if let Some((oldest, newest)) = span(found) {
        let ago = |used| ago(now.duration_since(used).unwrap_or_default());
        let keep =
            arguments.max_age.0.map_or("kept for ever".into(), |age| format!("kept for {}", spell(age)));
        text.push_str(&format!("  last used {}, longest unused {} ({keep})\n", ago(newest), ago(oldest)));
    }
    text
}

fn to_json(arguments: &CacheStatus, root: &Path, found: &Survey) -> Value {
    let part = |kind| {
        let (count, size) = tally(found, kind);
        json!({ "count": count, "bytes": size })
    };
    let seconds =
        |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (oldest, newest) = span(found).unzip();
    json!({
        "version": 1,
        "path": root.to_string_lossy(),
        "bytes": found.size(),
        "blobs": part(Kind::Blob),
        "memos": part(Kind::Memo),
        "unfinished": found.unfinished,
        "oldestUse": oldest.map(seconds),
        "newestUse": newest.map(seconds),
        "maxBytes": arguments.max_size.0,
        "maxAgeSeconds": arguments.max_age.0.map(|age| age.as_secs()),
    })
}

fn tally(found: &Survey, kind: Kind) -> (usize, u64) {
    let of_kind = found.items.iter().filter(|item| item.kind == kind);
    of_kind.fold((0, 0), |(count, size), item| (count + 1, size + item.size))
}

/// The longest unused and the last used.
fn span(found: &Survey) -> Option<(SystemTime, SystemTime)> {
    let used = || found.items.iter().map(|item| item.used);
    used().min().zip(used().max())
}

fn tell(pruned: &Pruned, is_dry: bool) -> u8 {
    if pruned.is_cautious {
        line(
            "note: this file system has no locks, so nobody knows whether a build is running; what was used in the last 24 \
             hours stays",
        );
    }
    print(&format!("{}\n", removed(pruned, is_dry)))
}

/// What was removed, as a sentence.
pub(crate) fn removed(pruned: &Pruned, is_dry: bool) -> String {
    let files = |count: usize, size| format!("{} ({})", things(count, "file"), bytes(size));
    let verb = if is_dry { "would remove" } else { "removed" };
    let (gone, left) = (files(pruned.removed.len(), pruned.size()), files(pruned.kept, pruned.kept_size));
    format!("{verb} {gone} from the cache; left: {left}")
}

/// Whether a file was used by a build that began `now`; uses are noted to the hour.
pub(crate) fn is_fresh(item: &Item, now: SystemTime) -> bool {
    now.duration_since(item.used).map_or(true, |age| age < Duration::from_secs(60 * 60))
}

fn ago(time: Duration) -> String {
    match time.as_secs() {
        // Uses are noted to the hour.
        0..3600 => "within the hour".into(),
        _ => format!("{} ago", spell(time)),
    }
}

fn spell(time: Duration) -> String {
    let (count, unit) = match time.as_secs() {
        seconds @ 0..60 => (seconds, "second"),
        seconds @ 60..3600 => (seconds / 60, "minute"),
        seconds @ 3600..172_800 => (seconds / 3600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}
