//! `wain` builds container images from Python projects, without a daemon, root or a Dockerfile.

mod args;
mod cache;
mod check;
mod commands;
mod diff;
mod explain;
mod failure;
mod machine;
mod render;
mod report;
mod show_plan;
mod signals;
mod units;
mod verify;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let code = match arguments.command {
        Command::Build(build) => commands::build(&build),
        Command::Plan(plan) => commands::plan(&plan),
        Command::Lock(lock) => commands::lock(&lock),
        Command::Check { wheels } => commands::check(&wheels),
        Command::Explain { rule } => commands::explain(rule.as_deref()),
        Command::Cache { command } => cache::run(&command),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::Diff(arguments) => diff::diff(&arguments),
        Command::Completions { shell } => commands::completions(shell),
    };
    ExitCode::from(code)
}
