//! Who works with a store: any number of builds at once, or one process that removes what is old.
//!
//! The folder itself is locked, not a file in it: programs that clean up old files leave a locked folder alone. The kernel
//! takes a lock back when its process ends, however it ends.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::Error;
use crate::processes::Names;

/// How often we look whether the others are done.
const PAUSE: Duration = Duration::from_millis(50);
/// How long to wait before the user is notified.
const SILENCE: Duration = Duration::from_secs(5);

/// How long to wait for other processes that use the store, and who is notified.
pub struct LockWait<'a> {
    /// How long at most.
    pub limit: Duration,
    /// Called once, after five seconds of waiting.
    pub tell: &'a dyn Fn(&Waiting),
}

impl Default for LockWait<'_> {
    fn default() -> Self {
        Self { limit: Duration::from_secs(60), tell: &|_| {} }
    }
}

/// That a store is in use by others, and who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The folder of the store.
    pub path: PathBuf,
    /// The numbers of the processes, as far as we can see them.
    pub processes: Vec<u32>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "waiting for {} to release the cache `{}`", Names(&self.processes), self.path.display())
    }
}

/// With whom a store can be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// With others that only add to it.
    WithBuilds,
    /// With nobody.
    WithNobody,
}

/// What came of asking for a lock.
#[derive(Debug)]
pub(crate) enum Hold {
    /// We have it, as long as the file is open.
    Held(File),
    /// This file system has no locks: nobody can know who else is here.
    Unknown,
}

/// Locks a folder; waits for others as long as `wait` lasts.
pub(crate) fn take(folder: &Path, share: Share, wait: &LockWait) -> Result<Hold, Error> {
    let mut waited = Duration::ZERO;
    loop {
        let file = File::open(folder).map_err(|source| Error::disk("read", folder, source))?;
        match lock(&file, share) {
            Ok(()) if is_still(&file, folder) => return Ok(Hold::Held(file)),
            Err(TryLockError::Error(_)) => return Ok(Hold::Unknown),
            // In use, or removed and perhaps made anew between our opening and our locking it.
            Ok(()) | Err(TryLockError::WouldBlock) => {}
        }
        let others = || Waiting { path: folder.to_owned(), processes: holders(&file) };
        if waited >= wait.limit {
            let Waiting { path, processes } = others();
            return Err(Error::Busy { path, processes, seconds: wait.limit.as_secs() });
        }
        if waited == SILENCE {
            (wait.tell)(&others());
        }
        thread::sleep(PAUSE);
        waited += PAUSE;
    }
}

/// Locks an open folder without waiting. A lock that this file has already becomes the other kind.
pub(crate) fn lock(file: &File, share: Share) -> Result<(), TryLockError> {
    match share {
        Share::WithBuilds => file.try_lock_shared(),
        Share::WithNobody => file.try_lock(),
    }
}

fn is_still(file: &File, path: &Path) -> bool {
    let same = |ours: fs::Metadata, now: fs::Metadata| (ours.dev(), ours.ino()) == (now.dev(), now.ino());
    file.metadata().is_ok_and(|ours| fs::symlink_metadata(path).is_ok_and(|now| same(ours, now)))
}

/// The processes that hold a lock on a file (proc_locks(5)); none where that cannot be seen.
fn holders(file: &File) -> Vec<u32> {
    let read = || -> io::Result<Vec<u32>> {
        Ok(parse_locks(&fs::read_to_string("/proc/locks")?, file.metadata()?.ino()))
    };
    read().unwrap_or_default()
}

/// `1: FLOCK  ADVISORY  READ 4711 fe:01:1234 0 EOF`. Devices are not compared: some file systems show two numbers for one.
fn parse_locks(text: &str, inode: u64) -> Vec<u32> {
    let holder = |line: &str| -> Option<u32> {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "FLOCK", _, _, process, file, ..] = fields[..] else { return None };
        let found: u64 = file.rsplit(':').next()?.parse().ok()?;
        // Processes of other containers have the number 0 or none.
        process.parse().ok().filter(|process| found == inode && *process > 0)
    };
    let mut processes: Vec<u32> = text.lines().filter_map(holder).collect();
    processes.sort_unstable();
    processes.dedup();
    processes
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn impatient<'a>() -> LockWait<'a> {
        LockWait { limit: Duration::ZERO, ..LockWait::default() }
    }

    #[test]
    fn builds_share_the_lock_prune_excludes() {
        let folder = tempfile::tempdir().unwrap();
        let take = |share| take(folder.path(), share, &impatient());
        let one = take(Share::WithBuilds).unwrap();
        let two = take(Share::WithBuilds).unwrap();
        let refused = take(Share::WithNobody).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop((one, two));
        let _alone = take(Share::WithNobody).unwrap();
        assert!(matches!(take(Share::WithBuilds), Err(Error::Busy { .. })));
    }

    #[test]
    fn lock_wait_is_reported_after_five_seconds() {
        let folder = tempfile::tempdir().unwrap();
        let _held = take(folder.path(), Share::WithNobody, &impatient()).unwrap();
        let told = RefCell::new(Vec::new());
        let tell = |waiting: &Waiting| told.borrow_mut().push(waiting.to_string());
        let wait = LockWait { limit: SILENCE + PAUSE, tell: &tell };
        take(folder.path(), Share::WithBuilds, &wait).unwrap_err();
        let expected = format!(
            "waiting for process {} to release the cache `{}`",
            std::process::id(),
            folder.path().display()
        );
        assert_eq!(told.into_inner(), [expected]);
    }

    #[test]
    fn recreated_folder_is_a_new_store() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("v1");
        fs::create_dir(&folder).unwrap();
        let file = File::open(&folder).unwrap();
        assert!(is_still(&file, &folder));
        fs::rename(&folder, parent.path().join("old")).unwrap();
        assert!(!is_still(&file, &folder));
        fs::create_dir(&folder).unwrap();
        assert!(!is_still(&file, &folder));
    }

    #[test]
    fn holders_are_read_from_the_kernels_list() {
        let text = "1: FLOCK  ADVISORY  READ 4711 fe:01:1234 0 EOF\n\
                    2: POSIX  ADVISORY  WRITE 5 fe:01:1234 0 EOF\n\
                    3: FLOCK  ADVISORY  WRITE 0 fe:01:1234 0 EOF\n\
                    3: -> FLOCK  ADVISORY  WRITE 7 fe:01:1234 0 EOF\n\
                    4: FLOCK  ADVISORY  READ 12 00:2d:1234 0 EOF\n\
                    4: FLOCK  ADVISORY  READ 13 00:2d:99 0 EOF\n\
                    nonsense";
        assert_eq!(parse_locks(text, 1234), [12, 4711]);
        assert_eq!(parse_locks("", 1), [0; 0]);
    }
}
