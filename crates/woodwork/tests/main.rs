//! What workflow files say, and what is refused.

mod components;
mod divergence;
mod errors;
mod language;
mod printed;

use serde_json::Value;
use wainwright_woodwork::{Compat, Stage, Verdict, Workflow, check, read};

/// What is found up to the second stage, which knows no kinds.
fn resolved(text: &str) -> Verdict {
    check(text.as_bytes(), Stage::Resolve, Compat::Strict)
}

fn json(verdict: &Verdict) -> Value {
    serde_json::to_value(verdict).unwrap()
}

/// A workflow that is sound.
fn workflow(text: &str) -> Workflow {
    read("main.ww", text, Compat::Strict).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Everything that is told about a text.
fn told(text: impl AsRef<[u8]>) -> String {
    check(text.as_ref(), Stage::Validate, Compat::Strict).show("main.ww").join("\n")
}

/// The codes of warnings.
fn codes(verdict: &Verdict) -> Vec<&'static str> {
    verdict.warnings.iter().map(|warning| warning.code).collect()
}
