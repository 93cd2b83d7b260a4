use std::ffi::{OsStr, OsString};

use clap::error::ErrorKind;

use crate::console::clean::{is_host, starts_with_one};
use crate::console::line;

/// An option whose value is only the name of a registry.
const REGISTRY: &str = "--insecure-registry";

/// Whether an argument is a registry or an image name with a user and password before it.
///
/// Errors quote the argument that is wrong; these arguments must not be quoted.
pub(crate) fn is_among(arguments: impl Iterator<Item = OsString>) -> bool {
    let arguments: Vec<OsString> = arguments.collect();
    // Elsewhere `NAME:X@Y` may be anything; these commands take only the name of a registry.
    let is_about_hosts = arguments.iter().any(|word| word == "login" || word == "logout");
    let mut is_next_host = is_about_hosts;
    arguments.iter().any(|argument| {
        let text = argument.to_string_lossy();
        let is_host_only = is_next_host && is_host(&text);
        is_next_host = is_about_hosts || text == REGISTRY;
        let given = text.strip_prefix(REGISTRY).and_then(|rest| rest.strip_prefix('='));
        is_one(argument) || is_host_only || given.is_some_and(is_host)
    })
}

fn is_one(argument: &OsStr) -> bool {
    let text = argument.to_string_lossy();
    // `--base=NAME` as well.
    starts_with_one(text.rsplit_once('=').map_or(&*text, |(_, name)| name))
}

/// Whether an unexpected argument may be a password, because --password-stdin is given too.
pub(crate) fn is_beside_its_option(
    error: &clap::Error,
    mut arguments: impl Iterator<Item = OsString>,
) -> bool {
    matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::TooManyValues)
        && arguments.any(|argument| argument.to_string_lossy().starts_with("--password-stdin"))
}

/// Reports unexpected arguments without quoting them, and returns the exit code.
pub(crate) fn refuse_beside_its_option() -> u8 {
    line("error: unexpected arguments for a login (not shown, because one of them may be a password)");
    line("  hint: use `wain login HOST -u USER --password-stdin < FILE` to read the password from a file");
    2
}

/// Reports a password on the command line without quoting it, and returns the exit code.
pub(crate) fn refuse() -> u8 {
    line("error: user and password in the name of a registry or an image");
    line(
        "  hint: use `wain login HOST -u USER --password-stdin`; other users of this machine can read arguments",
    );
    2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_before_a_registry_is_found() {
        for secret in ["u:pw@h.example/x:1", "--base=u:pw@h:5000/x", "u:p@w@h/x"] {
            assert!(is_one(OsStr::new(secret)), "{secret}");
        }
        for other in [
            "h:5000/x@sha256:00",
            "demo:1@sha256:00",
            "https://u:pw@h/simple",
            "layout:a@b/c",
            "a@b/c",
            "x=y",
        ] {
            assert!(!is_one(OsStr::new(other)), "{other}");
        }
        let is_among = |words: &[&str]| is_among(words.iter().map(OsString::from));
        assert!(is_among(&["login", "u:pw@h.example"]));
        assert!(is_among(&["pull", "--insecure-registry", "u:pw@h"]));
        assert!(is_among(&["pull", "--insecure-registry=u:pw@h"]));
        assert!(!is_among(&["pull", "--insecure-registry", "h", "x:1@sha256:00"]));
        assert!(!is_among(&["login", "h.example:5000", "-u", "a@b"]));
        assert!(!is_among(&["build", "--label", "a=b:c@d"]));
    }
}
