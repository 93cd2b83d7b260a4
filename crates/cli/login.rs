use std::io::Read as _;

use wainwright_engine::{Keeper, Secret};

use crate::args;
use crate::commands::{run_without_cache, usage};
use crate::render::line;

/// Longer than any password or token.
const LONGEST: u64 = 64 << 10;

/// `wain login`
pub(crate) fn login(arguments: &args::Login) -> u8 {
    if arguments.username.is_empty() || arguments.username.contains(':') {
        return usage("a user name is not empty and has no colon");
    }
    let password = match read_password() {
        Ok(password) => password,
        Err(message) => return usage(&message),
    };
    let (registry, user) = (&arguments.registry, &arguments.username);
    run_without_cache(&arguments.machine, async |tools, screen| {
        let kept = wainwright_engine::login(registry, user, &password, tools).await?;
        screen.finish(&match kept {
            Keeper::Helper(helper) => {
                format!("{user} is logged in to {registry}; {helper} keeps the password")
            }
            Keeper::File(path) => format!(
                "{user} is logged in to {registry}; the password is in {}, not encrypted, for you alone",
                path.display()
            ),
        });
        Ok(0)
    })
}

/// `wain logout`
pub(crate) fn logout(arguments: &args::Logout) -> u8 {
    let registry = &arguments.registry;
    run_without_cache(&arguments.machine, async |tools, _| {
        line(&match wainwright_engine::logout(registry, tools).await? {
            true => format!("logged out of {registry}"),
            false => format!("nobody was logged in to {registry}"),
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
