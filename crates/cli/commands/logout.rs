use clap::Args;

use crate::args::{Setup, parse_host};
use crate::console::line;
use crate::run::session::run_without_project;

/// Forget the login for a registry
#[derive(Args)]
pub(crate) struct Logout {
    /// The registry, `HOST[:PORT]`; Docker's own is docker.io
    #[arg(value_name = "HOST", value_parser = parse_host)]
    pub(crate) registry: String,
}

/// `wain logout`
pub(crate) fn logout(arguments: &Logout) -> u8 {
    let registry = &arguments.registry;
    run_without_project(&Setup::default(), async |session, _| {
        line(&match wainwright_engine::logout(registry, session).await? {
            true => format!("logged out of {registry}"),
            false => format!("nobody was logged in to {registry}"),
        });
        Ok(0)
    })
}
