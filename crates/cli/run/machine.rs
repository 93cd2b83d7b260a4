use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use wainwright_engine::{EPOCH, Machine};
use wainwright_oci::Platform;

use super::limits;
use crate::args::Setup;
use crate::console::stdout;

/// Reads the environment and the clock of this machine; no other code does.
pub(crate) fn read(setup: &Setup<'_>) -> Machine {
    let vars = vars();
    let home = home(&vars);
    let cache = setup.cache.filter(|cache| !cache.no_cache);
    let cache =
        cache.and_then(|cache| cache.cache_dir.clone().or_else(|| default_cache(&vars, home.as_deref())));
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let network = setup.network;
    Machine {
        home,
        cache,
        etc: PathBuf::from("/etc"),
        temporary: std::env::temp_dir(),
        platform: Platform::host(),
        now: SystemTime::now(),
        jobs: setup.jobs.map_or(processors, usize::from).min(limits::most_jobs()),
        connections: usize::from(setup.connections).min(limits::most_connections()),
        insecure_registries: network.iter().flat_map(|network| &network.insecure_registry).cloned().collect(),
        ca_certs: network.map_or_else(Vec::new, |network| network.ca_cert.clone()),
        stdout: stdout::file(),
        is_offline: network.is_some_and(|network| network.offline),
        lock_timeout: setup.cache.map_or(Duration::ZERO, |cache| cache.lock_timeout),
        vars,
    }
}

/// The default cache folder; `None` without a home.
pub(crate) fn cache() -> Option<PathBuf> {
    let vars = vars();
    default_cache(&vars, home(&vars).as_deref())
}

fn vars() -> BTreeMap<String, String> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    std::env::vars_os().filter_map(text).collect()
}

fn home(vars: &BTreeMap<String, String>) -> Option<PathBuf> {
    vars.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from)
}

/// The user's cache folder by the XDG Base Directory Specification.
fn default_cache(vars: &BTreeMap<String, String>, home: Option<&Path>) -> Option<PathBuf> {
    let set = vars.get("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    set.or_else(|| Some(home?.join(".cache"))).map(|path| path.join("wainwright"))
}

/// The modification time of files: `SOURCE_DATE_EPOCH` (reproducible-builds.org), else a constant.
pub(crate) fn epoch(vars: &BTreeMap<String, String>) -> Result<u64, String> {
    let Some(text) = vars.get("SOURCE_DATE_EPOCH") else { return Ok(EPOCH) };
    // Eleven octal digits hold less than 2^33 seconds.
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(seconds) if is_number && seconds < 1 << 33 => Ok(seconds),
        _ => Err(format!(
            "invalid SOURCE_DATE_EPOCH `{}`: not a number of seconds since 1970",
            text.escape_debug()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epoch_rejects_all_but_a_number_of_seconds() {
        let read = |text: &str| epoch(&[("SOURCE_DATE_EPOCH".to_owned(), text.to_owned())].into());
        assert_eq!(read("0"), Ok(0));
        assert_eq!(read("1700000000"), Ok(1_700_000_000));
        for text in ["", "-1", "abc", "+5", " 5", "8589934592", "99999999999999999999"] {
            assert!(read(text).is_err(), "{text:?} was read");
        }
        assert_eq!(epoch(&BTreeMap::new()), Ok(EPOCH));
    }
}
