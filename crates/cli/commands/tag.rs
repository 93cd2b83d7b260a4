use std::time::Instant;

use clap::Args;
use wainwright_oci::Reference;

use crate::args::{RemoteArguments, parse_any_reference};
use crate::console::print;
use crate::run::deliver::summary;
use crate::run::session::run_without_project;

/// Add tags to an image in a registry
///
/// Puts the manifest under each tag and confirms it with the registry. No layer is transferred.
#[derive(Args)]
#[command(after_help = "Example: wain tag ghcr.io/acme/api:1.4 stable latest")]
pub(crate) struct Tag {
    /// Image, like registry.example/team/name:tag or name@sha256:...
    #[arg(value_name = "REF", value_parser = parse_any_reference)]
    pub(crate) reference: Reference,

    /// New tags, in the same repository
    #[arg(required = true, value_name = "TAG", value_parser = parse_tag)]
    pub(crate) tags: Vec<String>,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

/// `wain tag`
pub(crate) fn tag(arguments: &Tag) -> u8 {
    let start = Instant::now();
    run_without_project(&arguments.remote.setup(), async |session, screen| {
        let delivery = wainwright_engine::tag(&arguments.reference, &arguments.tags, session).await?;
        screen.finish(&summary(&delivery, start));
        Ok(print(&format!("{}\n", delivery.digest)))
    })
}

fn parse_tag(text: &str) -> Result<String, String> {
    let reference: Result<Reference, _> = format!("x/y:{text}").parse();
    match reference {
        Ok(reference) if reference.tag() == Some(text) => Ok(text.to_owned()),
        _ => {
            Err("not a tag: up to 128 letters, digits, `_`, `.` and `-`; the repository is that of the image"
                .into())
        }
    }
}
