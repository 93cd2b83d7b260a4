use std::io::Read as _;

use clap::Args;
use wainwright_engine::{CredentialStore, Secret};

use crate::args::{RemoteArguments, parse_host};
use crate::console::usage;
use crate::run::session::run_without_project;

/// Log in to a registry
///
/// The password comes from standard input, and is checked with the registry before it is kept: by the credential
/// helper that Docker's config.json names, else in that file. docker, podman and skopeo find it there, too.
#[derive(Args)]
#[command(after_help = "Example: wain login ghcr.io --username ann --password-stdin < token")]
pub(crate) struct Login {
    /// The registry, `HOST[:PORT]`; Docker's own is docker.io
    #[arg(value_name = "HOST", value_parser = parse_host)]
    pub(crate) registry: String,

    /// Who you are there
    #[arg(long, short, value_name = "NAME")]
    pub(crate) username: String,

    /// Read the password or token from standard input; there is no other way
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
        return usage("a user name is not empty and has no colon");
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
                format!("{user} is logged in to {registry}; {helper} keeps the password")
            }
            CredentialStore::File(path) => format!(
                "{user} is logged in to {registry}; the password is in {}, not encrypted, for you alone",
                path.display()
            ),
        });
        Ok(0)
    })
}

/// Everything on standard input, but for the end of the line that `echo` and editors put there.
fn read_password() -> Result<Secret, String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text);
    read.map_err(|error| format!("the password cannot be read from standard input: {error}"))?;
    if text.len() as u64 > LONGEST {
        return Err("what is on standard input is too long for a password".into());
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    match text {
        "" => Err("there is no password on standard input".into()),
        _ if text.contains(char::is_control) => {
            Err("a password has one line, without control characters".into())
        }
        _ => Ok(Secret::new(text)),
    }
}
