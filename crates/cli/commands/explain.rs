use std::fmt::Write as _;

use clap::Args;
use clap::builder::PossibleValuesParser;
use wainwright_wheel::{RULES, Rule};
use wainwright_woodwork::{CODES, Code};

use crate::console::print;

/// Explain a rule: meaning, reason and fix
///
/// Errors and warnings about wheels and workflows name their rule, for example `E-ZIPDIFF` or `D-COMMA`. Without a rule, all
/// rules are listed.
#[derive(Args)]
#[command(after_help = "Example: wain explain E-CLASH")]
pub(crate) struct Explain {
    /// Rule, in upper or lower case
    #[arg(value_parser = PossibleValuesParser::new(names()), ignore_case = true, hide_possible_values = true)]
    rule: Option<String>,
}

/// `wain explain`
pub(crate) fn explain(arguments: &Explain) -> u8 {
    print(&arguments.rule.as_deref().and_then(one).unwrap_or_else(all))
}

/// The explanation of a rule; `None` if it is unknown. A few names belong to a rule for wheels and to one for workflows.
fn one(name: &str) -> Option<String> {
    let of_wheels = wainwright_wheel::explain(name).map(|Rule { id, meaning, why, advice }| {
        let refuses = id.starts_with("E-");
        let effect = if refuses { "A wheel that breaks this rule is rejected." } else { "A warning." };
        page("wheels", id, meaning, effect, [why, advice])
    });
    let of_workflows = wainwright_woodwork::explain(name).map(|code| {
        let Code { id, meaning, why, advice } = code;
        page("workflows", id, meaning, code.effect(), [why, advice])
    });
    let pages: Vec<String> = of_wheels.into_iter().chain(of_workflows).collect();
    (!pages.is_empty()).then(|| pages.join("\n"))
}

fn page(of: &str, id: &str, meaning: &str, effect: &str, [why, advice]: [&str; 2]) -> String {
    format!("{id} ({of}): {meaning}\n{effect}\n\nReason: {why}\nFix: {advice}\n")
}

/// All rules, one line each.
fn all() -> String {
    let mut text = String::from("Wheels\n\n");
    for Rule { id, meaning, .. } in RULES {
        let _ = writeln!(text, "{id:<20} {meaning}");
    }
    text.push_str("\nWorkflows\n\n");
    for Code { id, meaning, .. } in CODES {
        let _ = writeln!(text, "{id:<20} {meaning}");
    }
    text.push_str(
        "\nE- is an error, W- a warning, D- a warning about syntax that the `woodwork` command reads differently. \
         `wain explain RULE` shows the reason and the fix.\n",
    );
    text
}

/// The names of all rules, for completions and suggestions.
fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        RULES.iter().map(|rule| rule.id).chain(CODES.iter().map(|code| code.id)).collect();
    names.sort_unstable();
    names.dedup();
    names
}
