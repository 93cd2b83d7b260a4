use std::sync::Arc;
use std::time::Instant;

use wainwright_engine::{Delivery, Error, Output, Session};

use super::session::run_without_project;
use super::tidy::tidy;
use crate::args::MachineArguments;
use crate::console::{print, stdout};
use crate::screen::{Screen, retry_damaged};
use crate::units::bytes;

/// Transfers an image, shows a summary, and prints the digest unless standard output has an archive.
pub(crate) fn deliver(
    arguments: &MachineArguments,
    outputs: &[Output],
    task: impl AsyncFn(&Arc<Session>) -> Result<Delivery, Error>,
) -> u8 {
    let start = Instant::now();
    if let Err(code) = stdout::claim(outputs, false) {
        return code;
    }
    run_without_project(&arguments.setup(None), async |session, screen: &Arc<Screen>| {
        let delivery = retry_damaged(screen, async || task(session).await).await?;
        screen.finish(&summary(&delivery, start));
        tidy(&arguments.limits(), session, screen);
        Ok(match outputs.contains(&Output::Stdout) {
            true => 0,
            false => print(&format!("{}\n", delivery.digest)),
        })
    })
}

/// The outputs of an image and the elapsed time.
pub(crate) fn summary(delivery: &Delivery, start: Instant) -> String {
    let places = delivery.outcomes.iter().map(|outcome| {
        let output = &outcome.output;
        match (outcome.was_there, outcome.bytes, outcome.skipped) {
            (true, ..) => format!("{output} is up to date"),
            (false, 0, 0) => format!("{output}: done"),
            (false, written, 0) => format!("{output}: {} written", bytes(written)),
            (false, written, skipped) => {
                format!("{output}: {} written, {} unchanged", bytes(written), bytes(skipped))
            }
        }
    });
    let places: Vec<String> = places.collect();
    format!("{}\n{:.2} s", places.join("\n"), start.elapsed().as_secs_f64())
}
