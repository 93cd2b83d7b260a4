use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use wainwright_http::Url;

use crate::Error;

/// How hosts are reached: everything about them that is not in a reference.
#[derive(Clone, Default)]
pub struct Hosts {
    /// Registries, `host` or `host:port`, that may be spoken to without encryption. Loopback always may.
    pub insecure: BTreeSet<String>,
    /// Where to ask instead of a registry, first to last; the registry itself comes after them. For reading only.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Folders with a folder for each registry, `host:port`, that holds the authorities it is checked with (`*.crt`) and
    /// what we show it (`*.cert` and `*.key`), as Docker and podman have them.
    pub certificates: Vec<PathBuf>,
    /// Hosts, besides its own, that a registry may send credentials' owners to for tokens.
    pub token_servers: BTreeMap<String, BTreeSet<String>>,
}

impl Hosts {
    /// Whether a registry may be spoken to without encryption.
    pub(crate) fn may_be_plain(&self, registry: &str) -> bool {
        self.insecure.contains(registry) || self.insecure.contains(name(registry)) || is_loopback(registry)
    }

    /// What a registry's own folders say about its certificates; `None` when there are none.
    pub(crate) fn trust(&self, registry: &str) -> Option<Trust> {
        let mut trust = Trust::default();
        // A name that could lead elsewhere is no host.
        let folders = self
            .certificates
            .iter()
            .filter(|_| !registry.contains(['/', '\\']) && !registry.starts_with('.'));
        for folder in folders.map(|folder| folder.join(address(registry))) {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            files.sort();
            for file in files {
                match file.extension().and_then(|ending| ending.to_str()) {
                    Some("crt") => trust.authorities.push(file),
                    Some("cert") if trust.identity.is_none() => {
                        let key = file.with_extension("key");
                        trust.identity = Some((file, key));
                    }
                    _ => {}
                }
            }
        }
        (trust != Trust::default()).then_some(trust)
    }

    /// Whether credentials for a registry may be shown to the token server at `realm`.
    ///
    /// To the registry itself, to a host of the same domain, and to those that the user named. Everything else is a
    /// stranger, whatever the registry says.
    pub(crate) fn may_have_token(&self, registry: &str, realm: &Url) -> bool {
        let Some(host) = realm.host_str() else { return false };
        let with_port = realm.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
        let allowed = self.token_servers.get(registry);
        if allowed.is_some_and(|allowed| allowed.contains(host) || allowed.contains(&with_port)) {
            return true;
        }
        let address = address(registry);
        with_port == address || (realm.scheme() == "https" && is_same_domain(name(&address), host))
    }
}

/// How a registry and we prove to each other who we are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Trust {
    pub(crate) authorities: Vec<PathBuf>,
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
}

/// The host behind a registry's name; Docker's own has two.
pub(crate) fn address(registry: &str) -> String {
    if registry == "docker.io" { "registry-1.docker.io".into() } else { registry.to_owned() }
}

/// The start of every request to a registry.
pub(crate) fn base(registry: &str, scheme: &str) -> Result<Url, Error> {
    format!("{scheme}://{}/v2/", address(registry)).parse().map_err(|_| Error::Document {
        reference: registry.to_owned(),
        reason: "it is not a host with an optional port".into(),
    })
}

/// Without the port.
fn name(registry: &str) -> &str {
    match registry.rsplit_once(':') {
        Some((host, _)) if !registry.ends_with(']') => host,
        _ => registry,
    }
}

fn is_loopback(registry: &str) -> bool {
    let name = name(registry);
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name == "localhost" || name.ends_with(".localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

/// Whether two names have the last two labels in common, neither being an address.
///
/// That is a domain somebody registered, but for those under names like `co.uk`; there only the same host is meant.
fn is_same_domain(a: &str, b: &str) -> bool {
    let labels = |name: &str| name.to_ascii_lowercase().split('.').map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = (labels(a), labels(b));
    let is_address = |labels: &[String]| labels.last().is_none_or(|last| last.parse::<u8>().is_ok());
    if a == b {
        return !is_address(&a) || a.len() == 4;
    }
    let is_public_suffix = |labels: &[String]| {
        // Two short labels: `co.uk`, `com.au`; three are needed for a name of one's own.
        labels.len() >= 2 && labels[labels.len() - 1].len() == 2 && labels[labels.len() - 2].len() <= 3
    };
    let own = if is_public_suffix(&a) { 3 } else { 2 };
    !is_address(&a) && a.len() >= own && b.len() >= own && a[a.len() - own..] == b[b.len() - own..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_named_hosts_may_be_plain() {
        let hosts =
            Hosts { insecure: ["reg.example:5000".into(), "lan.example".into()].into(), ..Hosts::default() };
        for registry in
            ["localhost:5000", "127.0.0.1:5000", "[::1]:5000", "reg.example:5000", "lan.example:80"]
        {
            assert!(hosts.may_be_plain(registry), "{registry}");
        }
        for registry in ["reg.example", "reg.example:5001", "localhost.example", "10.0.0.1:5000", "docker.io"]
        {
            assert!(!hosts.may_be_plain(registry), "{registry}");
        }
    }

    #[test]
    fn registries_have_certificates_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("reg.example:5000");
        std::fs::create_dir(&own).unwrap();
        let hosts = Hosts { certificates: vec![folder.path().into(), "/absent".into()], ..Hosts::default() };
        assert_eq!(hosts.trust("reg.example:5000"), None);
        for name in ["b.crt", "a.crt", "me.cert", "me.key", "README"] {
            std::fs::write(own.join(name), "").unwrap();
        }
        let wanted = Trust {
            authorities: vec![own.join("a.crt"), own.join("b.crt")],
            identity: Some((own.join("me.cert"), own.join("me.key"))),
        };
        assert_eq!(hosts.trust("reg.example:5000"), Some(wanted));
        assert_eq!(hosts.trust("reg.example"), None);
        assert_eq!(hosts.trust(".."), None);
    }

    #[test]
    fn credentials_stay_with_related_hosts() {
        let hosts = Hosts {
            token_servers: [("127.0.0.1:5000".into(), ["127.0.0.1:5001".into()].into())].into(),
            ..Hosts::default()
        };
        let may = |registry, realm: &str| hosts.may_have_token(registry, &realm.parse().unwrap());
        assert!(may("docker.io", "https://auth.docker.io/token"));
        assert!(may("ghcr.io", "https://ghcr.io/token"));
        assert!(may("registry.gitlab.example.com", "https://gitlab.example.com/jwt/auth"));
        assert!(may("127.0.0.1:5000", "http://127.0.0.1:5000/token"));
        assert!(may("127.0.0.1:5000", "http://127.0.0.1:5001/token"), "named by the user");
        assert!(!may("127.0.0.1:5002", "http://127.0.0.1:5001/token"));
        assert!(!may("ghcr.io", "http://ghcr.io.evil.example/token"));
        assert!(!may("ghcr.io", "https://evil.io/token"));
        assert!(!may("auth.example.com", "http://token.example.com/"), "unencrypted");
        assert!(!may("a.co.uk", "https://b.co.uk/token"));
        assert!(!may("10.0.0.1:5000", "https://10.0.0.2/token"));
    }
}
