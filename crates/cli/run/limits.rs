//! The resource limits of this process (getrlimit(2)).

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Mutex;
use std::{io, thread};

use rustix::process::{Resource, getrlimit, setrlimit};

/// The number of downloads that the limit on open files allows, after raising it to the maximum.
pub(crate) fn most_connections() -> usize {
    /// Open files of the rest of the program, and of one download: a connection and a file, with some margin.
    const OTHERS: u64 = 40;
    const EACH: u64 = 4;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Fails only in a sandbox; the old limit applies then.
    let _ = setrlimit(Resource::Nofile, limit);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(OTHERS) / EACH).unwrap_or(usize::MAX).max(1)
}

/// Restarts the program with one memory arena for all threads if the address space is limited (`ulimit -v`).
///
/// The C library reserves 64 MiB of addresses for each of the first threads, which leaves no space for the stacks of later
/// threads. The setting is read only at the start of a program (mallopt(3)). Returns without a limit, or after the restart.
pub(crate) fn restart_if_memory_is_limited() {
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
    // Returns only on failure; the program continues without the setting.
    let _ = command.args(words).env(SETTING, "1").exec();
}

/// The number of parallel jobs that the limit on memory allows.
pub(crate) fn most_jobs() -> usize {
    const EACH: u64 = 64 << 20;
    let room = getrlimit(Resource::As).current.unwrap_or(u64::MAX).saturating_sub(LEAST_MEMORY);
    usize::try_from(room / EACH).unwrap_or(usize::MAX).saturating_add(1)
}

/// The least memory that the program needs, in bytes.
const LEAST_MEMORY: u64 = 128 << 20;
/// The files that it opens before reading any input.
const LEAST_FILES: u64 = 20;
/// Two for the network, one for files, one for layers.
const LEAST_THREADS: usize = 4;

/// The limit under which this process cannot work, with a hint. Checked before the work begins, because later it would
/// abort the program in a library.
pub(crate) fn too_tight() -> Option<String> {
    let least = |resource, least: u64| getrlimit(resource).current.filter(|limit| *limit < least);
    if let Some(limit) = least(Resource::As, LEAST_MEMORY) {
        let [limit, needed] = [limit, LEAST_MEMORY].map(|bytes| bytes >> 20);
        return Some(format!(
            "the memory limit of {limit} MiB is too low: {needed} MiB are needed\n  hint: raise it with `ulimit -v`"
        ));
    }
    if let Some(limit) = least(Resource::Nofile, LEAST_FILES) {
        return Some(format!(
            "the limit of {limit} open files is too low: {LEAST_FILES} are needed\n  hint: raise it with `ulimit -n`"
        ));
    }
    let error = start_threads().err()?;
    Some(format!(
        "cannot start threads\n  cause: {error}\n  hint: raise the limit of processes with `ulimit -u`"
    ))
}

/// Starts the least number of threads, and ends them.
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
