use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use wainwright_http::{Client, Url};

use crate::auth::Keys;
use crate::{Credentials, Error, Hosts, host};

/// What the client is given.
#[derive(Clone)]
pub struct Settings {
    /// Connections, retries, certificates, proxies.
    pub http: wainwright_http::Settings,
    /// Which hosts are reached how.
    pub hosts: Hosts,
    /// Who we are.
    pub credentials: Credentials,
    /// Hears what a user should know, in a sentence.
    pub listener: Arc<dyn Fn(String) + Send + Sync>,
}

/// Speaks with registries. Clones share connections and tokens.
#[derive(Clone)]
pub struct Registry {
    shared: Arc<Shared>,
}

struct Shared {
    http: Client,
    settings: Settings,
    keys: Keys,
    /// `http` or `https`, for registries that have answered.
    schemes: Mutex<BTreeMap<String, &'static str>>,
}

impl Registry {
    /// Prepares a client; opens no connection.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let http = Client::new(&settings.http)?;
        let shared = Shared { http, settings, keys: Keys::default(), schemes: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(crate) fn http(&self) -> &Client {
        &self.shared.http
    }

    pub(crate) fn hosts(&self) -> &Hosts {
        &self.shared.settings.hosts
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.shared.settings.credentials
    }

    pub(crate) fn keys(&self) -> &Keys {
        &self.shared.keys
    }

    pub(crate) fn tell(&self, message: String) {
        (self.shared.settings.listener)(message);
    }

    /// Where a registry's requests begin, by the scheme that it answered to, or that is tried first.
    ///
    /// Registries that may be spoken to without encryption are tried so first: a server with encryption says at once
    /// that it is one, and the other way round takes a handshake that fails.
    pub(crate) fn base(&self, registry: &str) -> Result<Url, Error> {
        let known = self.schemes().get(registry).copied();
        let first = if self.hosts().may_be_plain(registry) { "http" } else { "https" };
        host::base(registry, known.unwrap_or(first))
    }

    /// The other scheme, if nothing has been heard from this registry yet and both are allowed.
    pub(crate) fn other_scheme(&self, registry: &str, tried: &Url) -> Option<&'static str> {
        let is_open = self.hosts().may_be_plain(registry) && !self.schemes().contains_key(registry);
        (is_open && tried.scheme() == "http").then_some("https")
    }

    pub(crate) fn answered_to(&self, registry: &str, scheme: &'static str) {
        self.schemes().entry(registry.to_owned()).or_insert(scheme);
    }

    fn schemes(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, &'static str>> {
        self.shared.schemes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
