use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use wainwright_woodwork::Verdict;

use crate::args::WwCompat;
use crate::console::{clean, line, print};
use crate::units::things;
use crate::workflow_file::{read, unreadable};

const EXAMPLES: &str = "\
Examples:
  wain ww check main.ww
  wain ww check main.ww --json --stage resolve
  wain ww check main.ww --ww-compat engine     reject what the `woodwork` command reads differently";

/// Work with workflow files (`.ww`) of the Woodwork language
#[derive(Args)]
pub(crate) struct Ww {
    #[command(subcommand)]
    command: WwCommand,
}

#[derive(Subcommand)]
enum WwCommand {
    /// Validate a workflow file
    ///
    /// Checks the file in stages: `parse` checks the syntax, `resolve` the references between components, `validate` the
    /// keys of each kind of component. Prints errors and warnings on standard error as `FILE:LINE:COLUMN: CODE: text`, and
    /// stops after the first stage with errors. E- codes are errors, W- codes warnings, D- codes warnings about syntax that
    /// the `woodwork` command reads differently. Runs no code and reads no other file.
    #[command(after_help = EXAMPLES)]
    Check(WwCheck),
}

#[derive(Args)]
struct WwCheck {
    /// Workflow file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Last stage to check
    #[arg(long, value_enum, value_name = "STAGE", default_value_t)]
    stage: WwStage,

    /// Print the result as JSON: components, their order and environment variables, or the errors
    ///
    /// The JSON object is printed on standard output in both cases; `result` is `ok` or `error`.
    #[arg(long)]
    json: bool,

    /// Treatment of syntax that the `woodwork` command reads differently
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    ww_compat: WwCompat,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum WwStage {
    /// Syntax
    Parse,
    /// References between components
    Resolve,
    /// Keys of each kind of component
    #[default]
    Validate,
}

impl From<WwStage> for wainwright_woodwork::Stage {
    fn from(stage: WwStage) -> Self {
        match stage {
            WwStage::Parse => Self::Parse,
            WwStage::Resolve => Self::Resolve,
            WwStage::Validate => Self::Validate,
        }
    }
}

/// `wain ww`
pub(crate) fn ww(arguments: &Ww) -> u8 {
    match &arguments.command {
        WwCommand::Check(arguments) => check(arguments),
    }
}

/// `wain ww check`
fn check(arguments: &WwCheck) -> u8 {
    let file = arguments.file.display().to_string();
    let text = match read(&arguments.file) {
        Ok(text) => text,
        Err(error) => return unreadable(&file, &error),
    };
    let verdict = wainwright_woodwork::check(&text, arguments.stage.into(), arguments.ww_compat.into());
    verdict.show(&file).iter().for_each(|problem| line(problem));
    let answer = match arguments.json {
        true => serde_json::to_string_pretty(&verdict).unwrap_or_default() + "\n",
        false => summary(&file, &verdict),
    };
    match print(&answer) {
        0 => u8::from(!verdict.problems.is_empty()),
        failed => failed,
    }
}

fn summary(file: &str, verdict: &Verdict) -> String {
    let word = if verdict.problems.is_empty() { "ok" } else { "refused" };
    let mut parts = Vec::new();
    match verdict.problems.len() {
        0 => parts.push(things(verdict.component_count(), "component")),
        errors => parts.push(things(errors, "error")),
    }
    if !verdict.warnings.is_empty() {
        parts.push(things(verdict.warnings.len(), "warning"));
    }
    format!("{word:<18} {}: {}\n", clean(file), parts.join(", "))
}
