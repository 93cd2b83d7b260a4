use std::fmt::Write as _;

use clap::Args;
use clap::builder::PossibleValuesParser;
use wainwright_wheel::{RULES, Rule};
use wainwright_woodwork::{CODES, Code};

use crate::console::print;

/// Say what a rule demands, why, and what to do
///
/// Refusals and warnings name their rule, as `E-ZIPDIFF` or `W-PTH` for wheels, `E-REF-UNKNOWN` or `D-COMMA` for workflows. Without
/// a rule, all of them are listed.
#[derive(Args)]
pub(crate) struct Explain {
    /// The rule, in any case
    #[arg(value_parser = PossibleValuesParser::new(names()), ignore_case = true, hide_possible_values = true)]
    rule: Option<String>,
}

/// `wain explain`
pub(crate) fn explain(arguments: &Explain) -> u8 {
    print(&arguments.rule.as_deref().and_then(one).unwrap_or_else(all))
}

/// `wain explain RULE`: what the rule demands, why, and what to do about what breaks it. A few names are those of a rule for wheels
/// and of one for workflows; `None` where there is neither.
fn one(name: &str) -> Option<String> {
    let of_wheels = wainwright_wheel::explain(name).map(|Rule { id, meaning, why, advice }| {
        let refuses = id.starts_with("E-");
        let effect = if refuses { "A wheel that breaks it is refused." } else { "It is a warning only." };
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
    format!("{id}, for {of}: {meaning}\n{effect}\n\nWhy: {why}\nWhat to do: {advice}\n")
}

/// `wain explain`: every rule, a line each.
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
        "\nE-... refuses, W-... warns, D-... warns of what the `woodwork` command reads differently. `wain explain RULE` says why, \
         and what to do.\n",
    );
    text
}

/// Every name that [`one`] knows, once: completions offer them, and a wrong one is answered with the nearest.
fn names() -> Vec<&'static str> {
    let mut names: Vec<&str> =
        RULES.iter().map(|rule| rule.id).chain(CODES.iter().map(|code| code.id)).collect();
    names.sort_unstable();
    names.dedup();
    names
}
