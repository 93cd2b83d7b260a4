use std::fmt::Write as _;

use clap::Args;
use serde_json::json;
use wainwright_oci::Reference;

use crate::args::{RemoteArguments, parse_any_reference};
use crate::console::{clean, line, print};
use crate::run::session::run_without_project;

/// Test which features a registry supports
///
/// Reports the API version, the authentication, and the supported ways of upload, types of manifests and deletions. The
/// test writes some small blobs and manifests by digest and one manifest of 4 MiB, and sets no tag. Afterwards it deletes
/// what the registry allows it to delete, and lists the rest.
#[derive(Args)]
#[command(after_help = "Example: wain registry probe registry.example/team/scratch --other team/other")]
pub(crate) struct Probe {
    /// Repository for the test, HOST/REPO
    #[arg(value_name = "HOST/REPO", value_parser = parse_repository)]
    pub(crate) repository: Reference,

    /// Second repository of this registry, to test mounting a blob
    #[arg(long, value_name = "REPO", value_parser = parse_other)]
    pub(crate) other: Option<String>,

    /// Write nothing, and test less
    #[arg(long)]
    pub(crate) read_only: bool,

    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

/// `wain registry probe`
pub(crate) fn probe(arguments: &Probe) -> u8 {
    let repository = &arguments.repository;
    let name = format!("{}/{}", repository.registry(), repository.repository());
    if !arguments.read_only && !arguments.remote.network.offline {
        line(&format!(
            "writing some small blobs and manifests and one manifest of 4 MiB to {name}, without a tag; they are deleted if possible"
        ));
    }
    run_without_project(&arguments.remote.setup(), async |session, _| {
        let (other, read_only) = (arguments.other.as_deref(), arguments.read_only);
        let found = wainwright_engine::probe(repository, other, read_only, session).await?;
        Ok(print(&match arguments.json {
            true => format!("{:#}\n", json(&name, &found)),
            false => text(&name, &found),
        }))
    })
}

fn json(name: &str, found: &wainwright_engine::Probe) -> serde_json::Value {
    let findings = found.findings.iter();
    let findings: Vec<_> = findings
        .map(|finding| json!({"feature": finding.feature, "can": finding.can, "detail": finding.detail}))
        .collect();
    json!({"version": 1, "repository": name, "findings": findings, "left": found.left})
}

fn text(name: &str, found: &wainwright_engine::Probe) -> String {
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
        let _ = writeln!(text, "not deleted: {}", clean(left));
    }
    text
}

/// A repository, without a tag or digest.
fn parse_repository(text: &str) -> Result<Reference, String> {
    let reference = parse_any_reference(text)?;
    let name = text.rsplit('/').next().unwrap_or(text);
    match name.contains([':', '@']) {
        true => {
            Err("not a repository: it has a tag or digest; use HOST/REPO, like registry.example/team/scratch"
                .into())
        }
        false => Ok(reference),
    }
}

/// The name of a repository, without its registry.
fn parse_other(text: &str) -> Result<String, String> {
    parse_repository(&format!("registry.example/{text}")).map(|reference| reference.repository().to_owned())
}
