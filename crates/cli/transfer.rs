use std::sync::Arc;
use std::time::Instant;

use wainwright_engine::{Delivery, Error, Output, Pull, Tools};

use crate::args::{self, MachineArguments};
use crate::commands::{Screen, mended, run_with, tidy};
use crate::machine;
use crate::report::bytes;
use crate::stdout::{self, print};

/// `wain push`
pub(crate) fn push(arguments: &args::Push) -> u8 {
    deliver(&arguments.machine, &[], async |tools| {
        wainwright_engine::push(&arguments.source, &arguments.names, tools).await
    })
}

/// `wain pull`
pub(crate) fn pull(arguments: &args::Pull) -> u8 {
    let pull = Pull {
        reference: arguments.reference.clone(),
        outputs: arguments.output.clone(),
        platform: arguments.platform.clone(),
    };
    deliver(&arguments.machine, &pull.outputs, async |tools| wainwright_engine::pull(&pull, tools).await)
}

/// `wain copy`
pub(crate) fn copy(arguments: &args::Copy) -> u8 {
    deliver(&arguments.machine, &[], async |tools| {
        wainwright_engine::copy(&arguments.from, &arguments.names, tools).await
    })
}

/// `wain tag`
pub(crate) fn tag(arguments: &args::Tag) -> u8 {
    deliver(&arguments.machine, &[], async |tools| {
        wainwright_engine::tag(&arguments.reference, &arguments.tags, tools).await
    })
}

/// Carries an image somewhere, says what it took, and prints its digest where no archive was printed.
fn deliver(
    arguments: &MachineArguments,
    outputs: &[Output],
    task: impl AsyncFn(&Arc<Tools>) -> Result<Delivery, Error>,
) -> u8 {
    let start = Instant::now();
    let machine = machine::read(arguments, None);
    if let Err(code) = stdout::claim(outputs, false) {
        return code;
    }
    run_with(arguments, machine, Tools::without_project, async |tools, screen: &Arc<Screen>| {
        let delivery = mended(screen, async || task(tools).await).await?;
        screen.finish(&summary(&delivery, start));
        tidy(arguments, tools, screen);
        Ok(match outputs.contains(&Output::Stdout) {
            true => 0,
            false => print(&format!("{}\n", delivery.digest)),
        })
    })
}

fn summary(delivery: &Delivery, start: Instant) -> String {
    let places = delivery.outcomes.iter().map(|outcome| {
        let output = &outcome.output;
        match (outcome.was_there, outcome.bytes, outcome.skipped) {
            (true, ..) => format!("{output} has it already"),
            (false, 0, 0) => format!("{output}: done"),
            (false, written, 0) => format!("{output}: {} written", bytes(written)),
            (false, written, skipped) => {
                format!("{output}: {} written, {} were there", bytes(written), bytes(skipped))
            }
        }
    });
    let places: Vec<String> = places.collect();
    format!("{}\n{:.2} s", places.join("\n"), start.elapsed().as_secs_f64())
}
