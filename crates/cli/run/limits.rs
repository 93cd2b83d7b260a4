//! What the limits on this process allow (getrlimit(2)).

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Mutex;
use std::{io, thread};

use rustix::process::{Resource, getrlimit, setrlimit};

/// How many downloads the limit on open files allows. The limit is raised first as far as it may be.
pub(crate) fn most_connections() -> usize {
    /// What the rest of the program opens at a time, and what one download does: a connection and a file, with some room.
    const OTHERS: u64 = 40;
    const EACH: u64 = 4;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused only where a sandbox forbids it; the old limit applies then.
    let _ = setrlimit(Resource::Nofile, limit);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(OTHERS) / EACH).unwrap_or(usize::MAX).max(1)
}

/// Begins anew with one pool of memory for all threads, where addresses are limited (`ulimit -v`); returns where they are not,
/// or where that was done.
///
/// The C library would reserve 64 MiB of addresses for every thread that comes first, and leave nothing for the stacks of
/// those that come later. It takes a word on that when a program starts, and only then (mallopt(3)).
pub(crate) fn begin_anew_where_memory_is_limited() {
    const SETTING: &str = "MALLOC_ARENA_MAX";
    let is_limited = getrlimit(Resource::As).current.is_some();
    if !is_limited || std::env::var_os(SETTING).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut words = std::env::args_os();
    let mut command = Command::new(program);
    if let Some(name) = words.next() {
        command.arg0(name);
    }
    // Comes back only when it did not work; we go on with what there is.
    let _ = command.args(words).env(SETTING, "1").exec();
}

/// How many layers the limit on memory allows to make at a time.
pub(crate) fn most_jobs() -> usize {
    const EACH: u64 = 64 << 20;
    let room = getrlimit(Resource::As).current.unwrap_or(u64::MAX).saturating_sub(LEAST_MEMORY);
    usize::try_from(room / EACH).unwrap_or(usize::MAX).saturating_add(1)
}

/// What the program needs in any case, in bytes.
const LEAST_MEMORY: u64 = 128 << 20;
/// What it opens before it has read anything.
const LEAST_FILES: u64 = 20;
/// Two for the network, one for files, one for layers.
const LEAST_THREADS: usize = 4;

/// Why this process cannot work at all, and the way out. Told before the work begins: without memory, or in the depths of
/// a library, it would end the program.
pub(crate) fn objection() -> Option<String> {
    let least = |resource, least: u64| getrlimit(resource).current.filter(|limit| *limit < least);
    if let Some(limit) = least(Resource::As, LEAST_MEMORY) {
        let [limit, needed] = [limit, LEAST_MEMORY].map(|bytes| bytes >> 20);
        return Some(format!(
            "the limit on memory is {limit} MiB, and {needed} MiB are needed\n  hint: raise it with `ulimit -v`"
        ));
    }
    if let Some(limit) = least(Resource::Nofile, LEAST_FILES) {
        return Some(format!(
            "the limit on open files is {limit}, and {LEAST_FILES} are needed\n  hint: raise it with `ulimit -n`"
        ));
    }
    let error = start_threads().err()?;
    Some(format!(
        "cannot start threads\n  cause: {error}\n  hint: raise the limit on processes with `ulimit -u`"
    ))
}

/// Starts as many threads as are needed at least, and lets them end.
fn start_threads() -> io::Result<()> {
    let gate = Mutex::new(());
    thread::scope(|scope| {
        let closed = gate.lock();
        let start = |_| thread::Builder::new().spawn_scoped(scope, || drop(gate.lock()));
        let started: io::Result<Vec<_>> = (0..LEAST_THREADS).map(start).collect();
        drop(closed);
        started.map(drop)
    })
}
