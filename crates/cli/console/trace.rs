use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::time::uptime;
use tracing_subscriber::prelude::*;

/// Writes the log of our own crates to standard error, at the given verbosity.
///
/// Logs of other libraries are dropped: nobody has checked them for passwords.
pub(crate) fn begin(verbosity: u8) {
    let level = match verbosity {
        0 => return,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let ours = filter_fn(|metadata| metadata.target().starts_with("wainwright"));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_timer(uptime())
        .with_filter(level)
        .with_filter(ours);
    tracing_subscriber::registry().with(lines).init();
}
