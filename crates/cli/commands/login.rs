use std::io::Read as _;

use clap::Args;
use wainwright_engine::{CredentialStore, Secret};

use crate::args::{RemoteArguments, parse_host};
use crate::console::usage;
use crate::run::session::run_without_project;

/// Log in to a registry
///
/// Reads the password from standard input, checks it with the registry, and saves it with the credential helper of
/// Docker's config.json, or else in that file. docker, podman and skopeo use the same login.
#[derive(Args)]
#[command(after_help = "Example: wain login ghcr.io --username ann --password-stdin < token")]
pub(crate) struct Login {
    /// Registry, HOST[:PORT]; Docker Hub is docker.io
    #[arg(value_name = "HOST", value_parser = parse_host)]
    pub(crate) registry: String,

    /// User name
    #[arg(long, short, value_name = "NAME")]
    pub(crate) username: String,

    /// Read the password or token from standard input (required)
    #[arg(long, required = true)]
    pub(crate) password_stdin: bool,

    #[command(flatten)]
    pub(crate) remote: RemoteArguments,
}

/// Longer than any password or token.
const LONGEST: u64 = 64 << 10;

/// `wain login`
pub(crate) fn login(arguments: &Login) -> u8 {
    if arguments.username.is_empty() || arguments.username.contains(':') {
        return usage("invalid user name: it is empty or has a colon");
    }
    let password = match read_password() {
        Ok(password) => password,
        Err(message) => return usage(&message),
    };
    let (registry, user) = (&arguments.registry, &arguments.username);
    run_without_project(&arguments.remote.setup(), async |session, screen| {
        let kept = wainwright_engine::login(registry, user, &password, session).await?;
        screen.finish(&match kept {
            CredentialStore::Helper(helper) => {
                format!("logged in to {registry} as {user}; the password is saved with {helper}")
            }
            CredentialStore::File(path) => format!(
                "logged in to {registry} as {user}; the password is saved in {}, unencrypted, readable by you only",
                path.display()
            ),
        });
        Ok(0)
    })
}

/// Reads standard input, without the line end that `echo` and editors add.
fn read_password() -> Result<Secret, String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text);
    read.map_err(|error| format!("cannot read the password from standard input: {error}"))?;
    if text.len() as u64 > LONGEST {
        return Err("the password on standard input is too long".into());
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    match text {
        "" => Err("no password on standard input".into()),
        _ if text.contains(char::is_control) => {
            Err("the password has several lines or control characters".into())
        }
        _ => Ok(Secret::new(text)),
    }
}
