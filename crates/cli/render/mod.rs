//! Renderers: each turns events into something to look at, on standard error.

mod json;
mod plain;
mod tty;

use std::io::{IsTerminal as _, Write as _};

use wainwright_engine::Event;

use crate::args::Progress;

/// Shows events.
pub(crate) trait Renderer: Send {
    /// Takes the next event.
    fn show(&mut self, event: &Event);
    /// Shows the last lines of a build that went well.
    fn finish(&mut self, summary: &str);
    /// Clears the screen for what ended the build.
    fn stop(&mut self) {}
}

/// The renderer that was asked for.
pub(crate) fn renderer(progress: Progress) -> Box<dyn Renderer> {
    let is_live =
        std::io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb");
    match progress {
        Progress::Tty => Box::new(tty::Tty::new()),
        Progress::Auto if is_live => Box::new(tty::Tty::new()),
        Progress::Auto | Progress::Plain => Box::new(plain::Plain),
        Progress::Json => Box::new(json::Json),
        Progress::Quiet => Box::new(Quiet),
    }
}

/// Shows nothing.
struct Quiet;

impl Renderer for Quiet {
    fn show(&mut self, _: &Event) {}
    fn finish(&mut self, _: &str) {}
}

/// Writes a line to standard error. Nobody can be told when that fails.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", crate::failure::clean(text));
}
