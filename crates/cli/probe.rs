use std::fmt::Write as _;

use serde_json::json;
use wainwright_engine::Probe;

use crate::args;
use crate::commands::run_without_cache;
use crate::failure::clean;
use crate::render::line;
use crate::stdout::print;

/// `wain registry probe`
pub(crate) fn probe(arguments: &args::ProbeArguments) -> u8 {
    let repository = &arguments.repository;
    let name = format!("{}/{}", repository.registry(), repository.repository());
    if !arguments.read_only && !arguments.machine.offline {
        line(&format!(
            "writing some small blobs and manifests to {name}, one manifest of 4 MiB, and no tag; what can be removed is removed"
        ));
    }
    run_without_cache(&arguments.machine, async |tools, _| {
        let (other, read_only) = (arguments.other.as_deref(), arguments.read_only);
        let found = wainwright_engine::probe(repository, other, read_only, tools).await?;
        Ok(print(&match arguments.json {
            true => format!("{:#}\n", json(&name, &found)),
            false => text(&name, &found),
        }))
    })
}

fn json(name: &str, found: &Probe) -> serde_json::Value {
    let findings = found.findings.iter();
    let findings: Vec<_> = findings
        .map(|finding| json!({"feature": finding.feature, "can": finding.can, "detail": finding.detail}))
        .collect();
    json!({"version": 1, "repository": name, "findings": findings, "left": found.left})
}

fn text(name: &str, found: &Probe) -> String {
    let mut text = format!("{name}\n");
    for finding in &found.findings {
        let can = match finding.can {
            Some(true) => "yes",
            Some(false) => "no",
            None => "-",
        };
        let _ = writeln!(text, "  {:<26} {can:<4} {}", finding.feature, clean(&finding.detail));
    }
    for left in &found.left {
        let _ = writeln!(text, "left behind: {}", clean(left));
    }
    text
}
