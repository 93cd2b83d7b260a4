//! What a release says of one thing: a name, a path, an amount.

use std::collections::{BTreeMap, BTreeSet};

use wainwright_fault::Classify;
use wainwright_oci::Reference;
use wainwright_project::{is_dns_label, is_http_path, is_variable};

use crate::{HttpHealth, Port, Prefixed, Protocol, Timing, secret};

/// What Linux takes as one string of the environment (`MAX_ARG_STRLEN`), its name, `=` and the final zero among it.
const LONGEST_VARIABLE: usize = 128 << 10;
/// The longest path, which keeps the names of volumes made of it within a DNS label.
const LONGEST_PATH: usize = 60;

/// What is wrong, as half a sentence, and the way out.
pub(super) type Fault = (String, Option<String>);

pub(super) fn fault<T>(reason: impl Into<String>) -> Result<T, Fault> {
    Err((reason.into(), None))
}

pub(super) fn fault_with<T>(reason: impl Into<String>, remedy: &str) -> Result<T, Fault> {
    Err((reason.into(), Some(remedy.into())))
}

pub(super) fn check_part(name: &str, host: &str) -> Result<(), Fault> {
    if !is_project(name) && !is_project(name.trim_matches('_')) {
        return fault("invalid name: use up to 63 letters and digits, with `.`, `_` and `-` between them");
    }
    match is_dns_label(host) {
        true => Ok(()),
        false => fault(format!(
            "its host name `{}` is not a DNS label: use a lower-case letter, then up to 62 lower-case letters, digits and `-`",
            shown(host)
        )),
    }
}

/// Letters and digits, with `.`, `_` and `-` between: also what the value of a Kubernetes label may be.
pub(super) fn is_project(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    name.len() <= 63
        && name.bytes().all(is_inner)
        && is_edge(name.bytes().next())
        && is_edge(name.bytes().next_back())
}

/// The name of an object of Kubernetes: DNS labels with dots between (RFC 1123).
pub(crate) fn is_subdomain(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(is_inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_part)
}

pub(super) fn check_repository(text: &str) -> Result<(), Fault> {
    let last = text.rsplit('/').next().unwrap_or(text);
    if last.contains([':', '@']) {
        return fault(
            "the repository of its image contains a tag or digest; only the separate digest is used",
        );
    }
    text.parse::<Reference>().map(drop).map_err(|error| (error.to_string(), error.hint()))
}

/// The name of an image in the Docker of this machine. Nothing pulls it, so `latest` is as good as any tag.
pub(super) fn check_local(text: &str) -> Result<(), Fault> {
    let reference: Reference =
        text.parse().map_err(|error: wainwright_oci::Error| (error.to_string(), error.hint()))?;
    match reference.digest() {
        Some(_) => fault(format!("`{}` has a digest, and images in Docker go by a tag", shown(text))),
        None => Ok(()),
    }
}

pub(super) fn check_http(http: Option<&HttpHealth>, port: Option<Port>) -> Result<(), Fault> {
    let Some(http) = http else { return Ok(()) };
    if let Some(path) = std::iter::once(&http.health).chain(&http.ready).find(|path| !is_http_path(path)) {
        return fault(format!("its health check uses `{}`, which is not a path of a URL", shown(path)));
    }
    let is_there = match (http.port, port) {
        (Some(port), _) => port != 0,
        (None, Some(port)) => port.protocol == Protocol::Tcp,
        (None, None) => false,
    };
    match is_there {
        true => Ok(()),
        false => fault_with(
            "its health check uses a path, but it has no TCP port",
            "set `ports = [8000]` in the settings, or remove the path",
        ),
    }
}

pub(super) fn check_times(timing: &Timing) -> Result<(), Fault> {
    match [timing.interval, timing.timeout, timing.retries].contains(&Some(0)) {
        true => fault("the interval, timeout and retries of its health check must be at least 1"),
        false => Ok(()),
    }
}

pub(super) fn check_user(user: u32) -> Result<(), Fault> {
    if user == 0 {
        return fault_with("it would run as root", "set another user, for example 10001");
    }
    // Identifiers of Linux reach further; Kubernetes takes those of a signed number.
    match i32::try_from(user) {
        Ok(_) => Ok(()),
        Err(_) => fault(format!("{user} is not a user")),
    }
}

pub(super) fn check_command(what: &str, words: &[String]) -> Result<(), Fault> {
    if words.first().is_some_and(String::is_empty) || (what == "health" && words.is_empty()) {
        return fault(format!("its {what} has no program"));
    }
    for word in words {
        check_text(word).map_err(|reason| (format!("its {what} {reason}"), None))?;
        if let Some(why) = secret::text(word) {
            return fault_with(
                format!("its {what} contains a secret: {why}"),
                "pass it in an environment variable",
            );
        }
    }
    Ok(())
}

/// Whether a text can be part of a process: no zero, and not longer than Linux takes.
fn check_text(text: &str) -> Result<(), &'static str> {
    match (text.contains('\0'), text.len() < LONGEST_VARIABLE) {
        (true, _) => Err("contains a NUL byte, which cannot be passed to a process"),
        (_, false) => Err("is longer than the limit of Linux, 128 KiB"),
        _ => Ok(()),
    }
}

pub(super) fn check_variables(
    environment: &BTreeMap<String, String>,
    secrets: &[String],
) -> Result<(), Fault> {
    for name in environment.keys().chain(secrets) {
        if !is_variable(name) {
            return fault(format!(
                "`{}` is not a variable name: use letters, digits and `_`, at most 253",
                // What follows may be the value.
                shown(name.split('=').next().unwrap_or_default())
            ));
        }
    }
    for (name, value) in environment {
        let length = name.len() + 1 + value.len();
        check_text(value).map_err(|reason| (format!("variable {name} {reason}"), None))?;
        if length >= LONGEST_VARIABLE {
            return fault(format!("variable {name} is longer than the limit of Linux, 128 KiB"));
        }
        if let Some(why) = secret::why(name, value) {
            return fault_with(
                format!("variable {name} would be written to files, but {why}"),
                "list its name in the secrets and remove its value",
            );
        }
    }
    let mut seen = BTreeSet::new();
    for name in secrets {
        if environment.contains_key(name) || !seen.insert(name) {
            return fault(format!("variable {name} is set twice"));
        }
    }
    Ok(())
}

/// Whether a value can be made of a text and a secret everywhere: nothing in it is replaced or has to be quoted.
pub(super) fn check_prefixed(name: &str, value: &Prefixed) -> Result<(), Fault> {
    if !is_variable(&value.secret) {
        return fault(format!("variable {name} uses a secret with an invalid name"));
    }
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._:/@".contains(letter);
    if value.prefix.len() > 64 || !value.prefix.chars().all(is_plain) {
        return fault(format!("variable {name} has a prefix with more than 64 letters, digits and `-._:/@`"));
    }
    match secret::text(&value.prefix) {
        Some(why) => {
            fault_with(format!("the prefix of variable {name} is a secret: {why}"), "define it as a secret")
        }
        None => Ok(()),
    }
}

/// The name under which Kubernetes puts the secret of a variable into the container. Not one that begins as the variable does:
/// the image of Neo4j takes everything that begins with `NEO4J_` for a setting.
pub(crate) fn secret_part(name: &str) -> String {
    format!("SECRET_OF_{name}")
}

pub(super) fn check_paths<'a>(paths: impl Iterator<Item = &'a String>) -> Result<(), Fault> {
    let mut names = BTreeMap::new();
    for path in paths {
        let is_part = |part: &str| !matches!(part, "" | "." | "..");
        // Compose parts the text at `:` and `,`.
        let is_letter = |letter: char| !letter.is_control() && !":,\\".contains(letter);
        let inner = path.strip_prefix('/').unwrap_or_default();
        if !inner.split('/').all(is_part) || !path.chars().all(is_letter) || path.len() > LONGEST_PATH {
            return fault(format!(
                "`{}` is not a writable path: use an absolute path without `..`, below `/`, up to {LONGEST_PATH} characters",
                shown(path)
            ));
        }
        if let Some(other) = names.insert(path_name(path), path)
            && other != path
        {
            return fault(format!("`{other}` and `{path}` lead to the same volume name"));
        }
    }
    Ok(())
}

/// The name of the volume at a path: `app-data` for `/app/data`.
pub(crate) fn path_name(path: &str) -> String {
    let words = path.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("-").to_ascii_lowercase();
    if name.is_empty() { "path".into() } else { name }
}

pub(super) fn check_source(path: &str) -> Result<(), Fault> {
    if path == "." {
        return fault_with(
            "mounting the whole project on /app would hide files of the image",
            "list files and folders: `hooks`, `prompts/answer.txt`",
        );
    }
    let is_part = |part: &str| !matches!(part, "" | "." | "..");
    match path.split('/').all(is_part) && !path.chars().any(|letter| letter.is_control() || letter == ':') {
        true => Ok(()),
        false => fault(format!("source `{}` is not a plain path inside the project", shown(path))),
    }
}

/// A text of a stranger in a message: short, and nothing that a terminal obeys.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}
