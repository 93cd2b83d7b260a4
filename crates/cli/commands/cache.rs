use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueHint};
use serde_json::{Value, json};
use wainwright_store::{Kind, Limits, LockWait, Pruned, Survey, Waiting, clear, prune, survey, would_prune};

use crate::args::{LOCK_TIMEOUT, MAX_AGE, MAX_SIZE};
use crate::console::{clean, fail, line, print, usage};
use crate::run::machine;
use crate::run::tidy::removed;
use crate::units::{Age, Limit, bytes, parse_age, parse_limit, parse_size, parse_time};

const EXAMPLES: &str = "\
Examples:
  wain cache status                        show its folder, size and last use
  wain cache prune --max-size 2GiB         remove the least recently used files
  wain cache prune --older-than 30d --dry-run";

/// Show, prune or clear the local cache
///
/// The cache keeps wheels and layers between builds. A build that exceeds the size or age limit removes the least
/// recently used files when it ends. No file is removed while a build uses the cache.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cache {
    #[command(subcommand)]
    command: CacheCommand,
}

#[derive(Subcommand)]
enum CacheCommand {
    /// Show the folder of the cache, its size and its last use
    Status(CacheStatus),
    /// Remove the least recently used files
    ///
    /// Without options, the limits are those of a build.
    Prune(CachePrune),
    /// Remove all files of the cache
    ///
    /// Other files in the folder are kept.
    Clear(CacheClear),
}

/// The folder of the cache.
#[derive(Args)]
struct CachePlace {
    /// Folder of the local cache [default: wainwright in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "WAIN_CACHE_DIR", hide_env_values = true, value_hint = ValueHint::DirPath)]
    cache_dir: Option<PathBuf>,
}

#[derive(Args)]
struct CacheStatus {
    #[command(flatten)]
    place: CachePlace,

    /// Print JSON: sizes in bytes, times in seconds since 1970
    #[arg(long)]
    json: bool,

    #[arg(long, hide = true, env = "WAIN_CACHE_MAX_SIZE", default_value = MAX_SIZE, value_parser = parse_limit)]
    max_size: Limit,

    #[arg(long, hide = true, env = "WAIN_CACHE_MAX_AGE", default_value = MAX_AGE, value_parser = parse_age)]
    max_age: Age,
}

#[derive(Args)]
struct CachePrune {
    #[command(flatten)]
    place: CachePlace,

    /// Maximum size of the cache afterwards, for example 2GiB, or `none`
    #[arg(long, value_name = "SIZE", env = "WAIN_CACHE_MAX_SIZE", hide_env_values = true, default_value = MAX_SIZE,
        value_parser = parse_any_limit)]
    max_size: Limit,

    /// Remove files that were not used for this long, for example 30d, or `none`
    #[arg(long, value_name = "TIME", env = "WAIN_CACHE_MAX_AGE", hide_env_values = true, default_value = MAX_AGE,
        value_parser = parse_age)]
    older_than: Age,

    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,

    /// How long to wait for running builds
    #[arg(long, value_name = "TIME", default_value = LOCK_TIMEOUT, value_parser = parse_time)]
    lock_timeout: Duration,
}

#[derive(Args)]
struct CacheClear {
    #[command(flatten)]
    place: CachePlace,

    /// How long to wait for running builds
    #[arg(long, value_name = "TIME", default_value = LOCK_TIMEOUT, value_parser = parse_time)]
    lock_timeout: Duration,
}

/// A size limit that may be 0: unlike a lasting limit of 0, pruning everything once is no mistake.
fn parse_any_limit(text: &str) -> Result<Limit, String> {
    match parse_size(text) {
        Ok(size) => Ok(Limit(Some(size))),
        Err(_) => parse_limit(text),
    }
}

/// `wain cache`
pub(crate) fn cache(arguments: &Cache) -> u8 {
    let command = &arguments.command;
    let now = SystemTime::now();
    let (place, patience) = match command {
        CacheCommand::Status(status) => (&status.place, Duration::ZERO),
        CacheCommand::Prune(prune) => (&prune.place, prune.lock_timeout),
        CacheCommand::Clear(clear) => (&clear.place, clear.lock_timeout),
    };
    let Some(root) = find(place) else {
        return usage("no cache folder: HOME is not set\n  hint: use --cache-dir DIR");
    };
    let patience = LockWait { limit: patience, tell: &|waiting: &Waiting| line(&waiting.to_string()) };
    let done = match command {
        CacheCommand::Status(status) => {
            survey(&root).map(|found| show(status, &root, &found.unwrap_or_default(), now))
        }
        CacheCommand::Prune(arguments) => {
            let limits = Limits { size: arguments.max_size.0, age: arguments.older_than.0 };
            match arguments.dry_run {
                true => would_prune(&root, &limits, now).map(|pruned| report(&pruned, true)),
                false => prune(&root, &limits, now, &patience).map(|pruned| report(&pruned, false)),
            }
        }
        CacheCommand::Clear(_) => clear(&root, now, &patience).map(|pruned| report(&pruned, false)),
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
    let most = arguments.max_size.0.map_or("no limit".into(), |most| format!("limit {}", bytes(most)));
    text.push_str(&format!("  size   {:>18}  ({most})\n", bytes(found.size())));
    if found.unfinished > 0 {
        text.push_str(&format!("  unfinished {:>5}\n", found.unfinished));
    }
    if let Some((oldest, newest)) = span(found) {
        let ago = |used| ago(now.duration_since(used).unwrap_or_default());
        let keep = arguments.max_age.0.map_or("no limit".into(), |age| format!("limit {}", spell(age)));
        text.push_str(&format!("  last use {}, oldest {} ({keep})\n", ago(newest), ago(oldest)));
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

fn report(pruned: &Pruned, is_dry: bool) -> u8 {
    if pruned.is_cautious {
        line(
            "note: this file system has no locks, so running builds cannot be detected; files used in the last 24 hours are \
             kept",
        );
    }
    print(&format!("{}\n", removed(pruned, is_dry)))
}

fn ago(time: Duration) -> String {
    match time.as_secs() {
        // The store records the time of use to the hour.
        0..3600 => "less than an hour ago".into(),
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
