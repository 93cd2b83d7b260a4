//! Temporary names say who made them, so that what a killed process left behind can be told from work in progress.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use wainwright_oci::Digest;

use crate::guard::remove_anything;

/// How long something of an unknown owner is left alone.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

/// A folder full of foreign files must not make every start slow; the rest is for the next start.
const MOST_PER_SWEEP: usize = 4096;

/// What temporary names of this process begin with: `<world>-<process>-<start>-`.
///
/// The world is the set of processes whose numbers we can see; `<start>` tells a process from a later one that was
/// given the same number.
pub(crate) fn prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let process = std::process::id();
        let start = start_of(process).unwrap_or(0);
        format!("{}-{process}-{start}-", world())
    })
}

/// Eight digits for this boot and process namespace: containers may share a store without seeing each other.
fn world() -> &'static str {
    static WORLD: OnceLock<String> = OnceLock::new();
    WORLD.get_or_init(|| {
        let boot = fs::read("/proc/sys/kernel/random/boot_id");
        let namespace = fs::read_link("/proc/self/ns/pid");
        match (boot, namespace) {
            (Ok(mut facts), Ok(namespace)) => {
                facts.extend_from_slice(namespace.as_os_str().as_encoded_bytes());
                Digest::of(facts).hex().chars().take(8).collect()
            }
            _ => "unknown".into(),
        }
    })
}

/// When a living process started, in clock ticks since boot (proc(5), field 22 of `stat`).
fn start_of(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name in parentheses, and may hold anything.
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// Whether the process that gave this name is gone; `None` when that cannot be known.
fn is_abandoned(name: &str) -> Option<bool> {
    let mut parts = name.split('-');
    let (world_of_name, process, start) = (parts.next()?, parts.next()?, parts.next()?);
    if world_of_name != world() || world() == "unknown" {
        return None;
    }
    Some(start_of(process.parse().ok()?) != Some(start.parse().ok()?))
}

/// Removes what this process left in a folder of temporary files. Never fails, as [`sweep`].
pub(crate) fn sweep_own(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix()) {
            remove_from_writers(&entry.path());
        }
    }
}

/// Removes a file or folder into which another thread may be putting a last file. Never fails, as [`sweep`].
pub(crate) fn remove_from_writers(path: &Path) {
    const TRIES: usize = 20;
    let _ = (0..TRIES).any(|_| remove_anything(path).is_ok());
}

/// What the names of stores for one run begin with.
const EPHEMERAL: &str = "wain-";

/// What the name of a store for one run of this process begins with.
pub(crate) fn ephemeral_prefix() -> String {
    format!("{EPHEMERAL}{}", prefix())
}

/// Removes the stores for one run that dead processes of this user left in a folder that others use too.
///
/// Only what is known to be abandoned. Never fails, as [`sweep`].
pub(crate) fn sweep_ephemeral(folder: &Path) {
    let user = rustix::process::geteuid().as_raw();
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(owner) = name.to_str().and_then(|name| name.strip_prefix(EPHEMERAL)) else { continue };
        let is_ours = entry.metadata().is_ok_and(|found| found.is_dir() && found.uid() == user);
        if is_ours && is_abandoned(owner) == Some(true) {
            let _ = remove_anything(&entry.path());
        }
    }
}

/// Removes what dead processes left in a folder of temporary files.
///
/// Never fails: what cannot be removed today is left for the next start.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut now = None;
    for entry in entries.flatten().take(MOST_PER_SWEEP) {
        let is_stale = is_abandoned(&entry.file_name().to_string_lossy()).unwrap_or_else(|| {
            // Asked of the file system, which also made the other time: its clock may not be ours.
            let now = *now.get_or_insert_with(|| {
                tempfile::Builder::new()
                    .prefix(prefix())
                    .tempfile_in(folder)
                    .ok()?
                    .as_file()
                    .metadata()
                    .ok()?
                    .modified()
                    .ok()
            });
            let made = entry.metadata().and_then(|metadata| metadata.modified()).ok();
            let age = now.zip(made).and_then(|(now, made)| now.duration_since(made).ok());
            age.is_some_and(|age| age > PATIENCE)
        });
        if is_stale {
            let _ = remove_anything(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    /// Puts names into a folder, some of them two days old, and says which survive a sweep.
    fn survivors(names: &[(&str, bool)]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, is_old) in names {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            let age = if *is_old { 2 * PATIENCE } else { Duration::ZERO };
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        sweep(folder.path());
        let mut left: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        left
    }

    #[test]
    fn files_of_live_processes_are_kept() {
        let mine = format!("{}x", prefix());
        assert_eq!(survivors(&[(&mine, true)]).len(), 1);
    }

    #[test]
    fn files_of_dead_processes_are_removed() {
        let dead = format!("{}-4194305-1-x", world()); // Above the largest process number of Linux.
        let reused = format!("{}-{}-1-x", world(), std::process::id()); // Our number, another start.
        assert_eq!(survivors(&[(&dead, false), (&reused, false)]), [""; 0]);
    }

    #[test]
    fn foreign_temporary_files_are_kept_a_day() {
        assert_eq!(
            survivors(&[("00000000-1-1-new", false), ("00000000-1-1-old", true), ("odd", true)]),
            ["00000000-1-1-new"]
        );
    }

    #[test]
    fn stores_for_one_run_go_with_their_process() {
        let folder = tempfile::tempdir().unwrap();
        let dead = format!("{EPHEMERAL}{}-4194305-1-x", world());
        for name in [&dead, "wain-of-somebody", "00000000-1-1-x", &format!("{}x", ephemeral_prefix())] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        sweep_ephemeral(folder.path());
        assert!(!folder.path().join(dead).exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn abandoned_folders_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let dead = folder.path().join(format!("{}-4194305-1-x", world()));
        fs::create_dir_all(dead.join("deep/er")).unwrap();
        sweep(folder.path());
        assert!(!dead.exists());
    }
}
