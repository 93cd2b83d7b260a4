use std::fmt::Write as _;

use wainwright_wheel::{RULES, Rule};

/// `wain explain RULE`: what the rule demands, why, and what to do about what breaks it.
pub(crate) fn one(rule: &Rule) -> String {
    let Rule { id, meaning, why, advice } = rule;
    let effect = if rule.refuses() { "What breaks it is refused." } else { "It is told, and nothing more." };
    format!("{id}: {meaning}\n{effect}\n\nWhy: {why}\nWhat to do: {advice}\n")
}

/// `wain explain`: every rule, a line each.
pub(crate) fn all() -> String {
    let mut text = String::new();
    for Rule { id, meaning, .. } in RULES {
        let _ = writeln!(text, "{id:<10} {meaning}");
    }
    text.push_str("\nE-... refuses, W-... warns. `wain explain RULE` says why, and what to do.\n");
    text
}
