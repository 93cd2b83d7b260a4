//! `wain` builds container images from Python projects, without a daemon, root or a Dockerfile.
//!
//! Modules, each of which uses only those before it: `units` (sizes and durations), `console` (text output and exit codes),
//! `args` (groups of options), `screen` (progress and report), `run` (request, machine, session), `commands` (one file for
//! each command).

// Doc comments of options are help texts, where `[:TAG]` is no link.
#![allow(rustdoc::broken_intra_doc_links)]

mod args;
mod commands;
mod console;
mod run;
mod screen;
mod secret_argument;
mod units;
mod workflow_file;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::console::{panic, stdout, trace};
use crate::run::limits;

fn main() -> ExitCode {
    limits::restart_if_memory_is_limited();
    std::panic::set_hook(Box::new(panic::report));
    let code = std::panic::catch_unwind(run).unwrap_or_else(|_| panic::report_bug());
    ExitCode::from(code)
}

/// Build container images from Python projects, without a daemon, root or a Dockerfile
#[derive(Parser)]
#[command(name = "wain", version, max_term_width = 100, after_help = AFTER_HELP, disable_help_subcommand = false)]
struct Arguments {
    /// Log requests (-vv: everything); credentials are never logged
    #[arg(short, long, global = true, action = clap::ArgAction::Count, display_order = 1000)]
    verbose: u8,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 success, 1 wrong input, 2 usage, 3 network, disk or other program failed, 70 bug.

Examples:
  wain build --load                        build this folder, load the image into Docker
  wain build -t demo/api:1 --output archive:api.tar
  wain build -c main.ww --deploy local -d  build a workflow and run it on this machine
  wain plan                                show what a build would do";

/// All commands. The help text of each stands beside its options.
#[derive(Subcommand)]
enum Command {
    Build(Box<commands::build::Build>),
    Plan(Box<commands::plan::Plan>),
    Lock(Box<commands::lock::Lock>),
    Check(commands::check::Check),
    Explain(commands::explain::Explain),
    Cache(commands::cache::Cache),
    Verify(Box<commands::verify::Verify>),
    Diff(commands::diff::Diff),
    Analyze(commands::analyze::Analyze),
    Push(commands::push::Push),
    Pull(commands::pull::Pull),
    Copy(commands::copy::Copy),
    Tag(commands::tag::Tag),
    Inspect(commands::inspect::Inspect),
    Login(commands::login::Login),
    Logout(commands::logout::Logout),
    Registry(RegistryArguments),
    Emit(commands::emit::Emit),
    Deploy(commands::deploy::Deploy),
    Init(commands::init::Init),
    Ww(commands::ww::Ww),
    Completions(commands::completions::Completions),
    Version(commands::version::Version),
}

/// Test registries
#[derive(clap::Args)]
struct RegistryArguments {
    #[command(subcommand)]
    command: RegistryCommand,
}

#[derive(Subcommand)]
enum RegistryCommand {
    Probe(commands::probe::Probe),
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
    match &arguments.command {
        Command::Build(arguments) => commands::build::build(arguments),
        Command::Plan(arguments) => commands::plan::plan(arguments),
        Command::Lock(arguments) => commands::lock::lock(arguments),
        Command::Check(arguments) => commands::check::check(arguments),
        Command::Explain(arguments) => commands::explain::explain(arguments),
        Command::Cache(arguments) => commands::cache::cache(arguments),
        Command::Verify(arguments) => commands::verify::verify(arguments),
        Command::Diff(arguments) => commands::diff::diff(arguments),
        Command::Analyze(arguments) => commands::analyze::analyze(arguments),
        Command::Push(arguments) => commands::push::push(arguments),
        Command::Pull(arguments) => commands::pull::pull(arguments),
        Command::Copy(arguments) => commands::copy::copy(arguments),
        Command::Tag(arguments) => commands::tag::tag(arguments),
        Command::Inspect(arguments) => commands::inspect::inspect(arguments),
        Command::Login(arguments) => commands::login::login(arguments),
        Command::Logout(arguments) => commands::logout::logout(arguments),
        Command::Registry(RegistryArguments { command: RegistryCommand::Probe(arguments) }) => {
            commands::probe::probe(arguments)
        }
        Command::Emit(arguments) => commands::emit::emit(arguments),
        Command::Deploy(arguments) => commands::deploy::deploy(arguments),
        Command::Init(arguments) => commands::init::init(arguments),
        Command::Ww(arguments) => commands::ww::ww(arguments),
        Command::Completions(arguments) => {
            commands::completions::completions(arguments, Arguments::command())
        }
        Command::Version(arguments) => commands::version::version(arguments),
    }
}
