use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::time::uptime;
use tracing_subscriber::prelude::*;

/// Writes what our own crates note for those who look for a fault to standard error, as much as was asked for.
///
/// Other libraries are not listened to: nobody has looked through their words for passwords.
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
