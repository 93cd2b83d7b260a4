//! The display of a running command: a renderer of events, and a report that counts them.

pub(crate) mod render;
pub(crate) mod report;

use std::sync::Mutex;

use wainwright_engine::{Error, Event};

use crate::args::Progress;
use crate::console::failure::innermost;
use render::{Renderer, renderer};
use report::Report;

/// The maximum of Docker.
const MOST_LAYERS: usize = 127;

/// Where events go: a renderer and a report.
pub(crate) struct Screen {
    pub(crate) renderer: Mutex<Box<dyn Renderer>>,
    pub(crate) report: Mutex<Report>,
}

impl Screen {
    pub(crate) fn new(progress: Progress) -> Self {
        Self { renderer: Mutex::new(renderer(progress)), report: Mutex::new(Report::new()) }
    }

    /// Takes the next event.
    pub(crate) fn take(&self, event: &Event) {
        if let Ok(mut report) = self.report.lock() {
            report.add(event);
        }
        if let Ok(mut renderer) = self.renderer.lock() {
            renderer.show(event);
        }
    }

    /// Shows the summary of a successful command.
    pub(crate) fn finish(&self, summary: &str) {
        if let Ok(mut renderer) = self.renderer.lock() {
            renderer.finish(summary);
        }
    }

    /// Clears the live view before an error is reported.
    pub(crate) fn stop(&self) {
        if let Ok(mut renderer) = self.renderer.lock() {
            renderer.stop();
        }
    }

    /// Warns about a retry, and restarts the counters.
    fn retry(&self, message: &str) {
        if let Ok(mut report) = self.report.lock() {
            report.forget_reused();
        }
        self.take(&Event::Warned { message: message.to_owned() });
    }
}

/// Runs a phase between its two events.
pub(crate) async fn phase<T>(
    screen: &Screen,
    phase: &'static str,
    task: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    screen.take(&Event::PhaseStarted { phase });
    let done = task.await?;
    screen.take(&Event::PhaseFinished { phase });
    Ok(done)
}

/// Retries a task as long as it removes damaged files from the cache.
pub(crate) async fn retry_damaged<T>(
    screen: &Screen,
    task: impl AsyncFn() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut done = task().await;
    // Each attempt removes at least one damaged file, and an image has no more layers than this.
    for _ in 0..MOST_LAYERS {
        let Err(error) = &done else { break };
        if !error.is_damage() {
            break;
        }
        screen.retry(&format!("{}; rebuilding it", innermost(error)));
        done = task().await;
    }
    done
}
