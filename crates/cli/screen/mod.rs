//! What a person sees while a command works: a renderer of events, and a report that counts them.

pub(crate) mod render;
pub(crate) mod report;

use std::sync::Mutex;

use wainwright_engine::{Error, Event};

use crate::args::Progress;
use crate::console::failure::innermost;
use render::{Renderer, renderer};
use report::Report;

/// Docker takes no more.
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

    /// Shows the last lines of work that went well.
    pub(crate) fn finish(&self, summary: &str) {
        if let Ok(mut renderer) = self.renderer.lock() {
            renderer.finish(summary);
        }
    }

    /// Clears the screen for the error that ended the work.
    pub(crate) fn stop(&self) {
        if let Ok(mut renderer) = self.renderer.lock() {
            renderer.stop();
        }
    }

    /// Begins to count anew, and says why.
    fn try_again(&self, message: &str) {
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

/// Tries again as long as a damaged file of the cache is found, and removed.
pub(crate) async fn mended<T>(screen: &Screen, task: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    let mut done = task().await;
    // Every try removes at least one damaged file, and an image has so many layers at most.
    for _ in 0..MOST_LAYERS {
        let Err(error) = &done else { break };
        if !error.is_damage() {
            break;
        }
        screen.try_again(&format!("{}; it is made anew", innermost(error)));
        done = task().await;
    }
    done
}
