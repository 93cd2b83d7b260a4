use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How a task ended.
pub(crate) enum Ended<T> {
    /// By itself.
    Done(T),
    /// By a signal; the exit code a shell expects.
    Stopped(u8),
}

/// Runs a task until it is done or a signal stops it.
///
/// A signal drops the task: its unfinished files are removed at once or by the next run.
pub(crate) async fn until_signal<T>(task: impl Future<Output = T>) -> Ended<T> {
    // Signals are caught from here on, not only from the first `recv`. A signal that cannot be caught ends the program.
    let [interrupt, terminate, hangup] =
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
            .map(|kind| signal(kind).ok());
    let wait = |signals: Option<Signal>| async move {
        match signals {
            Some(mut signals) => {
                signals.recv().await;
            }
            None => std::future::pending().await,
        }
    };
    // A write beyond the limit on file sizes shall fail, not end the program (setrlimit(2)).
    const FILE_SIZE_EXCEEDED: i32 = 25;
    let _caught = signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED));
    tokio::select! {
        done = task => Ended::Done(done),
        () = wait(interrupt) => Ended::Stopped(130),
        () = wait(terminate) => Ended::Stopped(143),
        () = wait(hangup) => Ended::Stopped(129),
    }
}
