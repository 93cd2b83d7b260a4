//! Renderers: each displays events on standard error.

mod json;
mod plain;
mod quiet;
mod renderer;
mod tty;

use std::io::IsTerminal as _;

use crate::args::Progress;
pub(crate) use renderer::Renderer;

/// The renderer for a `--progress` option.
pub(crate) fn renderer(progress: Progress) -> Box<dyn Renderer> {
    let is_live =
        std::io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb");
    match progress {
        Progress::Tty => Box::new(tty::Tty::new()),
        Progress::Auto if is_live => Box::new(tty::Tty::new()),
        Progress::Auto | Progress::Plain => Box::new(plain::Plain),
        Progress::Json => Box::new(json::Json),
        Progress::Quiet => Box::new(quiet::Quiet),
    }
}
