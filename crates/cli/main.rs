//! `wain` builds container images from Python projects, without a daemon, root or a Dockerfile.

mod analyze;
mod args;
mod cache;
mod check;
mod commands;
mod deploy;
mod diff;
mod emit;
mod emit_folder;
mod explain;
mod failure;
mod init;
mod inspect;
mod limits;
mod login;
mod machine;
mod probe;
mod render;
mod report;
mod report_place;
mod secret_argument;
mod show_plan;
mod show_workflow;
mod signals;
mod stdout;
mod trace;
mod transfer;
mod units;
mod verify;
mod workflow;
mod ww;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Arguments, Command, RegistryCommand};

fn main() -> ExitCode {
    limits::begin_anew_where_memory_is_limited();
    std::panic::set_hook(Box::new(failure::tell_panic));
    let code = std::panic::catch_unwind(run).unwrap_or_else(|_| failure::tell_bug());
    ExitCode::from(code)
}

fn run() -> u8 {
    if secret_argument::is_among(std::env::args_os().skip(1)) {
        return secret_argument::refuse();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(answer) if secret_argument::is_beside_its_option(&answer, std::env::args_os().skip(1)) => {
            return secret_argument::refuse_beside_its_option();
        }
        Err(answer) => return stdout::answer(&answer),
    };
    trace::begin(arguments.verbose);
    match arguments.command {
        Command::Build(build) => commands::build(&build),
        Command::Plan(plan) => commands::plan(&plan),
        Command::Lock(lock) => commands::lock(&lock),
        Command::Check { wheels, json } => commands::check(&wheels, json),
        Command::Explain { rule } => commands::explain(rule.as_deref()),
        Command::Cache { command } => cache::run(&command),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::Analyze(arguments) => analyze::analyze(&arguments),
        Command::Diff(arguments) => diff::diff(&arguments),
        Command::Push(arguments) => transfer::push(&arguments),
        Command::Pull(arguments) => transfer::pull(&arguments),
        Command::Copy(arguments) => transfer::copy(&arguments),
        Command::Tag(arguments) => transfer::tag(&arguments),
        Command::Inspect(arguments) => inspect::inspect(&arguments),
        Command::Login(arguments) => login::login(&arguments),
        Command::Logout(arguments) => login::logout(&arguments),
        Command::Registry { command: RegistryCommand::Probe(arguments) } => probe::probe(&arguments),
        Command::Emit(arguments) => emit::emit(&arguments),
        Command::Deploy { command } => deploy::run(&command),
        Command::Init(arguments) => init::init(&arguments),
        Command::Ww { command } => ww::run(&command),
        Command::Completions { shell } => commands::completions(shell),
    }
}
