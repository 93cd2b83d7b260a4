use std::fmt;
use std::str::FromStr;

use crate::{Digest, Error};

/// The name of an image: `registry/repository:tag@digest` (the grammar of the distribution project's `reference`).
///
/// Docker's short forms are read as Docker reads them: `x` is `docker.io/library/x:latest`. Two spellings of one name are
/// equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// The registry of names that name none.
const DEFAULT_REGISTRY: &str = "docker.io";

impl Reference {
    /// Host and port of the registry: `docker.io`, `localhost:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository: `library/python`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` when neither tag nor digest was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, when one was written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refuse = |reason| Error::Reference { text: text.chars().take(300).collect(), reason };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                let digest =
                    digest.parse().map_err(|_| refuse("the part after `@` is not a sha256 digest"))?;
                (rest, Some(digest))
            }
            None => (text, None),
        };
        // A colon behind the last slash separates a tag; one before it, a port.
        let (name, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(refuse("a tag has at most 128 letters, digits, `_`, `.` and `-`"));
        }
        let (registry, path) = match name.split_once('/') {
            Some((first, path)) if is_registry(first) => (first, path),
            _ => (DEFAULT_REGISTRY, name),
        };
        if !is_host(registry) {
            return Err(refuse("its registry is not a host with an optional port"));
        }
        if path.is_empty() {
            return Err(refuse("the repository is missing"));
        }
        if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(refuse("repository names are lower-case"));
        }
        if !path.split('/').all(is_component) {
            return Err(refuse(
                "repository names consist of lower-case letters and digits, with single `.`, `_`, `-` or `/` between them",
            ));
        }
        if registry.len() + path.len() >= 255 {
            return Err(refuse("the repository name is longer than 255 characters"));
        }
        let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
        let repository = match (registry, path.contains('/')) {
            (DEFAULT_REGISTRY, false) => format!("library/{path}"),
            _ => path.to_owned(),
        };
        let tag = tag.or(if digest.is_none() { Some("latest") } else { None });
        Ok(Self { registry: registry.to_owned(), repository, tag: tag.map(ToOwned::to_owned), digest })
    }
}

/// Whether the first part of a name is a registry, and not the first folder of a repository of Docker's.
fn is_registry(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost" || part.bytes().any(|byte| byte.is_ascii_uppercase())
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        // The colons of an address in brackets are its own.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0) && !port.starts_with('+');
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_name = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.split('.').all(is_label),
    };
    is_name && port.is_none_or(is_port)
}

/// `[a-z0-9]+` with `.`, `_`, `__` or dashes between.
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edges = [text.bytes().next(), text.bytes().next_back()];
    if !edges.into_iter().all(|edge| edge.is_some_and(is_word)) {
        return false;
    }
    text.split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit())
        .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'))
}

fn is_tag(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    text.len() <= 128 && text.bytes().all(is_inner) && !text.is_empty() && !text.starts_with(['.', '-'])
}

impl fmt::Display for Reference {
    /// In full: `docker.io/library/x:latest`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        self.digest.map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_completed_as_docker_does() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        let with_digest = format!("quay.io/a/b@{digest}");
        let with_both = format!("x:1@{digest}");
        for (text, expected) in [
            ("x", "docker.io/library/x:latest"),
            ("demo/api:1", "docker.io/demo/api:1"),
            ("localhost/x", "localhost/x:latest"),
            ("localhost:5000/x:y", "localhost:5000/x:y"),
            ("[::1]:5000/x", "[::1]:5000/x:latest"),
            ("index.docker.io/library/x", "docker.io/library/x:latest"),
            ("ghcr.io/a/b__c-d.e/f:V1.0_x", "ghcr.io/a/b__c-d.e/f:V1.0_x"),
            (&with_digest, &with_digest),
            (&with_both, &format!("docker.io/library/{with_both}")),
        ] {
            assert_eq!(text.parse::<Reference>().map(|r| r.to_string()), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn reader_rejects_invalid_references() {
        let long_tag = format!("x:{}", "t".repeat(129));
        let long_name = "x".repeat(255);
        for text in [
            "",
            ":1",
            "X",
            "a/B",
            "x:",
            "x:.a",
            "x@",
            "x@sha256:00",
            "x@y@z",
            "a//b",
            "-rf",
            "a b",
            "x:a b",
            "../x",
            "host.example:99999/x",
            "host.example:/x",
            "a___b",
            "a..b",
            "x/",
            "/x",
            "[::g]/x",
            &long_tag,
            &long_name,
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text} was read");
        }
    }

    #[test]
    fn documents_parse_with_oci_spec() {
        for text in ["x", "demo/api:1", "localhost:5000/x:y", "ghcr.io/a/b-c/d:V1", "a.b/c:d"] {
            let theirs: oci_spec::distribution::Reference = text.parse().unwrap();
            let ours: Reference = text.parse().unwrap();
            assert_eq!((ours.registry(), ours.repository()), (theirs.registry(), theirs.repository()));
            assert_eq!(ours.tag(), theirs.tag());
        }
    }

    /// Why this is not oci-spec's `Reference`, which also keeps the digest as a text.
    #[test]
    fn oci_spec_reads_other_references() {
        let theirs = |text: &str| text.parse::<oci_spec::distribution::Reference>().is_ok();
        for text in ["x:\u{e9}", "host.example:99999/x"] {
            assert!(theirs(text) && text.parse::<Reference>().is_err(), "{text}");
        }
        let address = "[::1]:5000/x";
        assert!(!theirs(address) && address.parse::<Reference>().is_ok());
    }
}
