use std::fmt;
use std::path::PathBuf;

use wainwright_fault::{Classify, Kind};
use wainwright_http::{Error as HttpError, Unfollowed};
use wainwright_oci::Digest;

/// What can go wrong with a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer came, or none that may be used.
    #[error(transparent)]
    Http(#[from] wainwright_http::Error),
    /// The registry refused.
    #[error("{method} {url}: {status}{}", ServerError::list(errors))]
    Refused {
        /// What was asked.
        method: String,
        /// Without anything secret.
        url: String,
        /// The status of the answer.
        status: u16,
        /// What the registry said about it.
        errors: Vec<ServerError>,
    },
    /// Nobody may do this, or we are not who may.
    #[error(
        "no permission to {what} {registry}/{repository} {}: {method} {url} returned {status}{}",
        as_whom(who),
        ServerError::list(errors)
    )]
    Denied {
        /// What was asked.
        method: String,
        /// The registry's URL, or its token server's, without anything secret.
        url: String,
        /// The status of the answer.
        status: u16,
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// `read` or `write`.
        what: &'static str,
        /// Whose credentials were sent; empty: none were.
        who: String,
        /// What the registry said about it.
        errors: Vec<ServerError>,
    },
    /// A user name and a password that open nothing.
    #[error("{registry} rejected the password of {user}{}", ServerError::list(errors))]
    Login {
        /// The registry.
        registry: String,
        /// Whose password it should be.
        user: String,
        /// What the registry said about it.
        errors: Vec<ServerError>,
    },
    /// There is nothing by that name.
    #[error("{reference} does not exist")]
    Absent {
        /// The reference.
        reference: String,
    },
    /// The answer is not what a registry answers.
    #[error("{url} is not a registry: {reason}")]
    NotARegistry {
        /// What was asked.
        url: String,
        /// What came instead.
        reason: String,
    },
    /// Other bytes than were asked for.
    #[error("{url} sent {found} instead of {expected}")]
    Digest {
        /// What was asked.
        url: String,
        /// What should have come.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// Everything was sent, and the registry has something else.
    #[error("{reference} is {} after the push, not {expected}", found.map_or("absent".to_owned(), |digest| digest.to_string()))]
    NotThere {
        /// The reference.
        reference: String,
        /// What was pushed.
        expected: Digest,
        /// What the registry has.
        found: Option<Digest>,
    },
    /// Some tags were moved, and then one could not be.
    #[error("{source} (moved: {}; not moved: {})", done.join(", "), left.join(", "))]
    Partly {
        /// The tags that stand for the image now.
        done: Vec<String>,
        /// The tags that do not: the one that failed, and those after it.
        left: Vec<String>,
        /// What happened to the next one.
        source: Box<Error>,
    },
    /// A document is larger than any registry takes.
    #[error("the manifest at {url} is larger than {limit} bytes")]
    Large {
        /// What was asked.
        url: String,
        /// How many bytes are accepted.
        limit: usize,
    },
    /// A document that cannot be one.
    #[error("{reference}: {reason}")]
    Document {
        /// What it is called.
        reference: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A challenge that cannot be met.
    #[error("{registry} requests credentials in an unsupported way: {reason}")]
    Challenge {
        /// The registry.
        registry: String,
        /// What is wrong.
        reason: String,
    },
    /// The registry sends us to a place that may not have our credentials or bytes.
    #[error("refusing to follow {from} to {to}: {reason}")]
    Elsewhere {
        /// Where we were.
        from: String,
        /// Where it leads.
        to: String,
        /// Why we do not go there.
        reason: &'static str,
    },
    /// A registry without encryption that was not named as one.
    #[error("{registry} does not use TLS, and plain HTTP is not allowed")]
    Insecure {
        /// The registry.
        registry: String,
    },
    /// A file with credentials cannot be used.
    #[error("cannot read the credentials in `{}`: {reason}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it; nothing of its content.
        reason: String,
    },
    /// A program that keeps credentials failed.
    #[error("the credential helper `{helper}` failed: {reason}")]
    Helper {
        /// The program.
        helper: String,
        /// What happened.
        reason: String,
    },
    /// The registry does not have a blob whose bytes are not here.
    #[error("the registry does not have {digest}")]
    BytesNeeded {
        /// The blob.
        digest: Digest,
    },
    /// A file that is to be sent cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

const MISLED: &str = "the registry or its proxy is misconfigured (X-Forwarded-Proto, or its public URL)";

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Http(HttpError::Redirect { reason: Unfollowed::Unencrypted, .. }) => Some(MISLED.into()),
            Self::Http(HttpError::Size { .. }) => Some(
                "the manifest does not match the blob: push the image again, or check whether a proxy answers instead of the registry"
                    .into(),
            ),
            Self::Http(error) => error.hint(),
            Self::Refused { status: 405 | 501, method, .. } if matches!(method.as_str(), "POST" | "PUT" | "PATCH") => {
                Some("the registry is read-only, as mirrors are, or in maintenance".into())
            }
            Self::Refused { status, errors, .. } => refusal_hint(*status, errors),
            Self::Denied { registry, who, .. } if who.is_empty() => {
                Some(format!("log in with `wain login {registry}` or `docker login {registry}`"))
            }
            Self::Denied { status: 401, registry, .. } => Some(format!(
                "the password or token was rejected; log in again with `wain login {registry}`"
            )),
            Self::Denied { status: 404.., .. } => {
                Some("this is the token server of the registry; try again later".into())
            }
            Self::Denied { .. } => {
                Some("check that the repository exists and that this user has access".into())
            }
            Self::Login { .. } => Some(
                "check the name and the password; many registries require a token instead of a password (docs/registries.md)".into(),
            ),
            Self::Absent { .. } => Some("check the name and the tag, and whether it is private".into()),
            Self::NotARegistry { .. } => {
                Some("check the host and port; a proxy or a login page may be answering".into())
            }
            Self::Digest { .. } => {
                Some("a proxy between this machine and the registry changes its responses".into())
            }
            Self::NotThere { .. } => {
                Some("another push may have run at the same time; push again".into())
            }
            Self::Partly { source, .. } => source.hint(),
            Self::Large { .. } => Some("this is not an image".into()),
            Self::Document { .. } => None,
            Self::Challenge { .. } => Some("basic and bearer authentication are supported".into()),
            Self::Elsewhere { .. } => Some(MISLED.into()),
            Self::Insecure { registry } => {
                Some(format!("to allow plain HTTP, add `--insecure-registry {registry}`"))
            }
            Self::Config { .. } => Some("correct the file, or log in again".into()),
            Self::Helper { helper, .. } => {
                Some(format!("run `{helper} get` yourself, or remove it from config.json"))
            }
            Self::BytesNeeded { .. } => Some("fetch it first".into()),
            Self::Read { .. } | Self::Write { .. } => None,
        }
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Http(error) => error.kind(),
            Self::Partly { source, .. } => source.kind(),
            Self::Document { .. } | Self::Config { .. } | Self::Digest { .. } => Kind::Input,
            Self::Refused { .. }
            | Self::Denied { .. }
            | Self::Login { .. }
            | Self::Absent { .. }
            | Self::NotARegistry { .. }
            | Self::NotThere { .. }
            | Self::Large { .. }
            | Self::Challenge { .. }
            | Self::Elsewhere { .. }
            | Self::Insecure { .. }
            | Self::Helper { .. }
            | Self::BytesNeeded { .. }
            | Self::Read { .. }
            | Self::Write { .. } => Kind::Outside,
        }
    }
}

impl Error {
    /// The same error, which came so many times.
    pub(crate) fn after(self, count: usize) -> Self {
        match self {
            Self::Http(error @ HttpError::Unreachable { .. }) => Self::Http(error.with_tries(count)),
            other => other,
        }
    }

    /// The status of a refusal.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Denied { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether it is the refusal of a request with this method.
    pub(crate) fn is_about(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { method, .. } | Self::Denied { method, .. } if method == wanted)
    }

    /// Whether the server says that it got HTTP and expects HTTPS: no status is reserved for that.
    pub(crate) fn asks_for_https(&self) -> bool {
        let is_about = |error: &ServerError| error.message.to_ascii_lowercase().contains("https");
        matches!(self, Self::Refused { errors, .. } | Self::Denied { errors, .. } if errors.iter().any(is_about))
    }

    /// Whether the registry named this code (distribution-spec, "Error Codes").
    pub(crate) fn has_code(&self, code: &str) -> bool {
        match self {
            Self::Refused { errors, .. } | Self::Denied { errors, .. } => {
                errors.iter().any(|error| error.code == code)
            }
            _ => false,
        }
    }
}

fn as_whom(who: &str) -> String {
    if who.is_empty() { "without credentials".into() } else { format!("as `{who}`") }
}

const NO_OCI: &str = "the registry may not support OCI images of this kind; see its message";

fn refusal_hint(status: u16, errors: &[ServerError]) -> Option<String> {
    let has = |code: &str| errors.iter().any(|error| error.code == code);
    Some(
        match status {
            _ if has("NAME_UNKNOWN") => "create the repository at the registry first",
            _ if has("TAG_IMMUTABLE") || has("IMAGE_TAG_ALREADY_EXISTS") => {
                "the tag is immutable; push another one"
            }
            413 => "the registry, or a proxy in front of it, limits the size",
            429 => "rate limit of the registry; try again later, or log in",
            507 => "the registry's storage is full",
            500..=599 => "error in the registry; try again later",
            400 | 404 if has("MANIFEST_INVALID") || has("UNSUPPORTED") => NO_OCI,
            415 => NO_OCI,
            _ => return None,
        }
        .into(),
    )
}

/// One thing that a registry said about a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// `MANIFEST_UNKNOWN` and the like; empty when the answer was not in the registries' format.
    pub code: String,
    /// The message, cleaned and cut.
    pub message: String,
    /// The digest in its detail, where there is one.
    pub digest: Option<Digest>,
}

/// How much of a server's text is shown.
const SHOWN: usize = 300;

impl ServerError {
    /// Reads the body of a refusal (distribution-spec, "Error Codes"); a body in no such format is one message.
    pub(crate) fn read(body: &[u8]) -> Vec<Self> {
        let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let errors = json.as_ref().and_then(|json| json.get("errors")?.as_array());
        let Some(errors) = errors else {
            let text = clean(&String::from_utf8_lossy(body));
            if text.is_empty() {
                return Vec::new();
            }
            return vec![Self { code: String::new(), message: text, digest: None }];
        };
        errors
            .iter()
            .take(500)
            .map(|error| {
                let text =
                    |key: &str| clean(error.get(key).and_then(|value| value.as_str()).unwrap_or_default());
                let detail = error.get("detail");
                let digest = detail.and_then(|detail| match detail {
                    serde_json::Value::String(text) => text.parse().ok(),
                    other => other.get("digest").or_else(|| other.get("Digest"))?.as_str()?.parse().ok(),
                });
                Self { code: text("code"), message: text("message"), digest }
            })
            .collect()
    }

    fn list(errors: &[Self]) -> impl fmt::Display + '_ {
        let mut seen: Vec<String> = errors.iter().take(5).map(ToString::to_string).collect();
        seen.dedup();
        let text = seen.join("; ");
        if text.is_empty() { text } else { format!(" ({text})") }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code.as_str(), self.message.as_str()) {
            ("", message) => f.write_str(message),
            (code, "") => f.write_str(code),
            (code, message) => write!(f, "{code}: {message}"),
        }
    }
}

/// A server's text on one line without control characters, and without what it may repeat of our credentials.
pub(crate) fn clean(text: &str) -> String {
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let is_scheme = |word: &str| {
        let word = word.to_ascii_lowercase();
        word.ends_with("basic") || word.ends_with("bearer")
    };
    for at in 1..words.len() {
        // A word as long as a credential at least: others are only words.
        if is_scheme(words[at - 1]) && words[at].len() >= 8 {
            words[at] = "***";
        }
    }
    let line = words.join(" ");
    let mut shown: String = line.chars().filter(|letter| !letter.is_control()).take(SHOWN).collect();
    if shown.chars().count() == SHOWN {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_messages_hide_credentials() {
        assert_eq!(
            clean("bad \n header `Authorization: Basic dTpzZWNyZXQ=`"),
            "bad header `Authorization: Basic ***"
        );
        assert_eq!(clean("{\"authorization\":\"Bearer abcdefghi\"}"), "{\"authorization\":\"Bearer ***");
        assert_eq!(clean("a basic rule"), "a basic rule");
        assert_eq!(clean(""), "");
    }
}
