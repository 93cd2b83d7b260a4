use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::Clock;

/// What the client may do and how patient it is.
#[derive(Clone)]
pub struct Settings {
    /// How many requests run at the same time, over all servers.
    pub connections: usize,
    /// What the client calls itself.
    pub user_agent: String,
    /// Refuse everything but `file://`.
    pub offline: bool,
    /// Which servers stand between us and the others.
    pub proxies: Proxies,
    /// The certificate authorities to trust instead of the system's: a PEM file (`SSL_CERT_FILE`).
    pub ca_file: Option<PathBuf>,
    /// More certificate authorities to trust, besides those: PEM files.
    pub more_ca_files: Vec<PathBuf>,
    /// How we prove who we are to servers that ask: a certificate and its key, PEM files both.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long nothing may come over an open connection. There is no limit on the whole transfer.
    pub idle_timeout: Duration,
    /// A transfer that moves fewer bytes than [`slow_bytes`](Self::slow_bytes) in this time is given up, as one that would
    /// never end.
    pub slow_window: Duration,
    /// How many bytes these are.
    pub slow_bytes: u64,
    /// After how much time without a byte [`on_wait`](Self::on_wait) is told, again and again.
    pub notice: Duration,
    /// Hears which server, `host:port`, is waited for, and for how long.
    pub on_wait: Arc<WaitListener>,
    /// How often a request may fail in a row without a useful byte in between.
    pub tries: usize,
    /// How much time a whole run may lose to failed tries and the waits between them.
    pub budget: Duration,
    /// Real time, or time on paper for tests.
    pub clock: Clock,
}

/// Hears which server, `host:port`, is waited for, and for how long so far.
pub type WaitListener = dyn Fn(&str, Duration) + Send + Sync;

/// The proxy variables, as data.
#[derive(Clone, Default)]
pub struct Proxies {
    /// For `http://` (`HTTP_PROXY`).
    pub http: Option<String>,
    /// For `https://` (`HTTPS_PROXY`).
    pub https: Option<String>,
    /// For both where they say nothing (`ALL_PROXY`).
    pub all: Option<String>,
    /// The exceptions: host names, domains, addresses, networks, `*` (`NO_PROXY`).
    pub none: Option<String>,
}

impl Settings {
    /// The usual patience, no proxies, the system's certificate authorities.
    pub fn new(user_agent: impl Into<String>) -> Self {
        Self {
            connections: 16,
            user_agent: user_agent.into(),
            offline: false,
            proxies: Proxies::default(),
            ca_file: None,
            more_ca_files: Vec::new(),
            identity: None,
            connect_timeout: Duration::from_secs(15),
            idle_timeout: Duration::from_secs(60),
            slow_window: Duration::from_secs(300),
            slow_bytes: 300 * 1024,
            notice: Duration::from_secs(10),
            on_wait: Arc::new(|_, _| ()),
            tries: 5,
            budget: Duration::from_secs(600),
            clock: Clock::real(),
        }
    }

    /// Takes the proxies and the certificate authorities from environment variables, lower case before upper
    /// case.
    #[must_use]
    pub fn with_vars(mut self, vars: &BTreeMap<String, String>) -> Self {
        let read = |name: &str| {
            let value = vars.get(&name.to_lowercase()).or_else(|| vars.get(name));
            value.filter(|value| !value.trim().is_empty()).cloned()
        };
        self.proxies = Proxies {
            http: read("HTTP_PROXY"),
            https: read("HTTPS_PROXY"),
            all: read("ALL_PROXY"),
            none: read("NO_PROXY"),
        };
        self.ca_file = vars.get("SSL_CERT_FILE").filter(|value| !value.is_empty()).map(PathBuf::from);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_variables_win_and_empty_ones_are_ignored() {
        let vars = [
            ("HTTP_PROXY", "http://upper:1"),
            ("http_proxy", "http://lower:1"),
            ("HTTPS_PROXY", ""),
            ("SSL_CERT_FILE", "/ca.pem"),
        ];
        let vars = vars.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let settings = Settings::new("test").with_vars(&vars);
        assert_eq!(settings.proxies.http.as_deref(), Some("http://lower:1"));
        assert_eq!(settings.proxies.https, None);
        assert_eq!(settings.ca_file, Some("/ca.pem".into()));
    }
}
