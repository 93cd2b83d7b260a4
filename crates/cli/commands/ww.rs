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
  wain ww check main.ww --ww-compat engine     for a file that the `woodwork` command reads, too";

/// Look at workflows, `.ww` files of the Woodwork language
#[derive(Args)]
pub(crate) struct Ww {
    #[command(subcommand)]
    command: WwCommand,
}

#[derive(Subcommand)]
enum WwCommand {
    /// Say whether a workflow is sound, and what else reads it differently
    ///
    /// Reads the file in stages: `parse` judges the language, `resolve` what components refer to, `validate` what every
    /// kind of component needs. Errors and warnings go to standard error as `FILE:LINE:COLUMN: CODE: text`; the first
    /// stage with errors ends the work, and tells all it finds. `E-` codes are errors, `W-` warnings, `D-` warnings of
    /// what the `woodwork` command would read differently. Nothing is run, and no other file is read.
    #[command(after_help = EXAMPLES)]
    Check(WwCheck),
}

#[derive(Args)]
struct WwCheck {
    /// The workflow
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// The last stage to go through
    #[arg(long, value_enum, value_name = "STAGE", default_value_t)]
    stage: WwStage,

    /// Print what was found as JSON: components, their order, names of environment variables; or the error
    ///
    /// The object goes to standard output also when there is an error: `result` is `ok` or `error`.
    #[arg(long)]
    json: bool,

    /// What becomes of constructs that the `woodwork` command reads differently
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    ww_compat: WwCompat,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum WwStage {
    /// Is it the language?
    Parse,
    /// Is everything there that is named?
    Resolve,
    /// Does every component have what its kind wants?
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
