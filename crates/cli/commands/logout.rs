use clap::Args;

use crate::args::{Setup, parse_host};
use crate::console::line;
use crate::run::session::run_without_project;

/// Remove the login for a registry
#[derive(Args)]
#[command(after_help = "Example: wain logout ghcr.io")]
pub(crate) struct Logout {
    /// Registry, HOST[:PORT]; Docker Hub is docker.io
    #[arg(value_name = "HOST", value_parser = parse_host)]
    pub(crate) registry: String,
}

/// `wain logout`
pub(crate) fn logout(arguments: &Logout) -> u8 {
    let registry = &arguments.registry;
    run_without_project(&Setup::default(), async |session, _| {
        line(&match wainwright_engine::logout(registry, session).await? {
            true => format!("logged out of {registry}"),
            false => format!("not logged in to {registry}"),
        });
        Ok(0)
    })
}
