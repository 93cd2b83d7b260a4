use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wainwright_http::{Client, Url};

use crate::keys::Keys;
use crate::scope::Scope;
use crate::way::Learnt;
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
    /// How registries take bytes that do not take them in one request.
    learnt: Mutex<BTreeMap<String, Learnt>>,
    /// Clients for registries with certificates of their own; `None` for those without.
    own: Mutex<BTreeMap<String, Option<Client>>>,
    sessions: Mutex<BTreeMap<u64, Open>>,
    count: AtomicU64,
}

/// An upload that is neither finished nor ended: its registry, what we may do there, its address.
pub(crate) type Open = (String, Scope, Url);

impl Registry {
    /// Prepares a client; opens no connection.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let http = Client::new(&settings.http)?;
        let shared = Shared {
            http,
            settings,
            keys: Keys::default(),
            schemes: Mutex::default(),
            learnt: Mutex::default(),
            own: Mutex::default(),
            sessions: Mutex::default(),
            count: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    pub(crate) fn http(&self) -> &Client {
        &self.shared.http
    }

    /// The client for one registry.
    pub(crate) fn http_of(&self, registry: &str) -> Result<Client, Error> {
        let mut own = self.shared.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = own.get(registry) {
            return Ok(known.as_ref().unwrap_or(&self.shared.http).clone());
        }
        let client = match self.hosts().trust(registry) {
            None => None,
            Some(trust) => {
                let mut settings = self.shared.settings.http.clone();
                settings.more_ca_files.extend(trust.authorities);
                settings.identity = trust.identity;
                Some(self.shared.http.beside(&settings)?)
            }
        };
        own.insert(registry.to_owned(), client.clone());
        Ok(client.unwrap_or_else(|| self.shared.http.clone()))
    }

    /// Where to look before a registry itself, for reading.
    pub(crate) fn mirrors(&self, registry: &str) -> impl Iterator<Item = &str> {
        self.hosts().mirrors.get(registry).into_iter().flatten().map(String::as_str)
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

    pub(crate) fn has_answered(&self, registry: &str) -> bool {
        self.schemes().contains_key(registry)
    }

    pub(crate) fn answered_to(&self, registry: &str, scheme: &'static str) {
        self.schemes().entry(registry.to_owned()).or_insert(scheme);
    }

    pub(crate) fn learnt(&self) -> MutexGuard<'_, BTreeMap<String, Learnt>> {
        self.shared.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sessions(&self) -> MutexGuard<'_, BTreeMap<u64, Open>> {
        self.shared.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers an upload until it is finished or ended.
    pub(crate) fn note_session(&self, registry: &str, scope: &Scope, url: &Url) -> u64 {
        let number = self.shared.count.fetch_add(1, Ordering::Relaxed);
        self.sessions().insert(number, (registry.to_owned(), scope.clone(), url.clone()));
        number
    }

    fn schemes(&self) -> MutexGuard<'_, BTreeMap<String, &'static str>> {
        self.shared.schemes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
