use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use wainwright_engine::Upgrade;
use wainwright_python::PackageName;

use crate::args::{ContentArguments, InputArguments, MachineArguments, OutputArguments, parse_name};
use crate::console::line;
use crate::run::request::{ProjectOptions, prepare};
use crate::run::session::run;
use crate::run::tidy::tidy;

const EXAMPLES: &str = "\
Examples:
  wain lock
  wain lock --upgrade                      newest Debian packages, base image and requirements
  wain lock -P fastapi                     update one package in pylock.toml";

/// Pin the base in wain.lock, and unlocked requirements in pylock.toml
///
/// Pins what Python lockfiles do not contain: the Debian packages of the base, or the digest of a base image. Without a
/// lockfile, uv resolves pyproject.toml or requirements.txt for all platforms into pylock.toml. The uv on the PATH is used
/// (0.7 or newer), or else fetched from the package index and verified. Lockfiles of other tools are not changed.
/// Existing pins that can still be fetched are kept, unless --upgrade is given. `wain build` adds missing pins by itself.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Lock {
    /// Workflow file whose components are locked [default: main.ww, if the project has one]
    #[arg(long, short, value_name = "FILE.ww", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,

    /// Update all pins
    #[arg(long, conflicts_with_all = ["locked", "offline"])]
    upgrade: bool,

    /// Update this package in pylock.toml (may be repeated)
    #[arg(long, short = 'P', value_name = "NAME", value_parser = parse_name, conflicts_with_all = ["locked", "upgrade"])]
    upgrade_package: Vec<PackageName>,

    #[command(flatten)]
    inputs: InputArguments,

    #[command(flatten)]
    machine: MachineArguments,
}

/// `wain lock`
pub(crate) fn lock(arguments: &Lock) -> u8 {
    let options = ProjectOptions {
        inputs: &arguments.inputs,
        content: &ContentArguments::default(),
        output: &OutputArguments::default(),
        // No backend runs.
        build_timeout: Duration::ZERO,
        config: arguments.config.as_deref(),
        workflow: None,
    };
    let setup = arguments.machine.setup(None);
    let (request, machine) = match prepare(&options, &setup) {
        Ok(ready) => ready,
        Err(code) => return code,
    };
    run(&setup, &request, machine, async |project, session, screen| {
        if !wainwright_engine::lock(&request, project, &upgrade(arguments), session).await? {
            line("wain.lock is up to date");
        }
        tidy(&arguments.machine.limits(), session, screen);
        Ok(0)
    })
}

/// The pins to update.
fn upgrade(arguments: &Lock) -> Upgrade {
    match &arguments.upgrade_package[..] {
        [] if arguments.upgrade => Upgrade::Everything,
        [] => Upgrade::Nothing,
        names => Upgrade::Packages(names.to_vec()),
    }
}
