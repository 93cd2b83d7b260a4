use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use wainwright_engine::Upgrade;
use wainwright_python::PackageName;

use crate::args::{ContentArguments, InputArguments, MachineArguments, OutputArguments, parse_name};
use crate::console::line;
use crate::run::request::{Asked, prepare};
use crate::run::session::run;
use crate::run::tidy::tidy;

/// Pin the base in wain.lock, and requirements without a lockfile in pylock.toml
///
/// Writes what Python's lockfiles do not pin: the Debian packages of the base, or the digest of a base image. A plain
/// requirements.txt, or a pyproject.toml without a lockfile, is resolved by uv for all platforms at once: by the one on the
/// PATH (0.7 or newer), else by one that is fetched from the package index and checked. Lockfiles of other tools are left
/// alone. Pins that still answer are kept, unless --upgrade is given. `wain build` does this by itself when there is no pin.
#[derive(Args)]
pub(crate) struct Lock {
    /// The workflow whose components are locked [default: main.ww, where the project has one]
    #[arg(long, short, value_name = "FILE.ww", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,

    /// Ask again for everything that is pinned
    #[arg(long, conflicts_with_all = ["locked", "offline"])]
    upgrade: bool,

    /// Ask again for this package of pylock.toml (may be repeated)
    #[arg(long, short = 'P', value_name = "NAME", value_parser = parse_name, conflicts_with_all = ["locked", "upgrade"])]
    upgrade_package: Vec<PackageName>,

    #[command(flatten)]
    inputs: InputArguments,

    #[command(flatten)]
    machine: MachineArguments,
}

/// `wain lock`
pub(crate) fn lock(arguments: &Lock) -> u8 {
    let asked = Asked {
        inputs: &arguments.inputs,
        content: &ContentArguments::default(),
        output: &OutputArguments::default(),
        // No backend runs.
        build_timeout: Duration::ZERO,
        config: arguments.config.as_deref(),
        workflow: None,
    };
    let setup = arguments.machine.setup(None);
    let (request, machine) = match prepare(&asked, &setup) {
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

/// Which pins are asked for again.
fn upgrade(arguments: &Lock) -> Upgrade {
    match &arguments.upgrade_package[..] {
        [] if arguments.upgrade => Upgrade::Everything,
        [] => Upgrade::Nothing,
        names => Upgrade::Packages(names.to_vec()),
    }
}
