use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::cause::innermost;
use crate::clock::Stopwatch;
use crate::limits::Limits;
use crate::proxy::Routes;
use crate::retry::{RetryBudget, Tries};
use crate::{Clock, Error, Settings, WaitListener, tls};

/// Downloads things, politely. Clones share connections, limits and patience.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) http: reqwest::Client,
    permits: Arc<Semaphore>,
    patience: Arc<RetryBudget>,
    pub(crate) offline: bool,
    pub(crate) limits: Limits,
    pub(crate) routes: Arc<Routes>,
    pub(crate) on_wait: Arc<WaitListener>,
    /// When the user was told last that a server is waited for.
    pub(crate) told: Mutex<BTreeMap<String, Stopwatch>>,
}

impl Client {
    /// Prepares a client; opens no connection. Fails when the proxies or the CA file cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let permits = Arc::new(Semaphore::new(settings.connections.max(1)));
        let patience = RetryBudget::new(settings.clock.clone(), settings.tries.max(1), settings.budget);
        Self::with(settings, permits, Arc::new(patience))
    }

    /// A client with other connections, which shares the limits and the patience of this one.
    pub fn beside(&self, settings: &Settings) -> Result<Self, Error> {
        Self::with(settings, self.shared.permits.clone(), self.shared.patience.clone())
    }

    fn with(settings: &Settings, permits: Arc<Semaphore>, patience: Arc<RetryBudget>) -> Result<Self, Error> {
        let routes = Arc::new(Routes::new(&settings.proxies)?);
        let shared = Shared {
            http: connect(settings, &routes)?,
            permits,
            patience,
            offline: settings.offline,
            limits: Limits::new(settings),
            routes,
            on_wait: settings.on_wait.clone(),
            told: Mutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Whether this client may use no network.
    pub fn is_offline(&self) -> bool {
        self.shared.offline
    }

    /// Counts the tries of one request, and waits between them.
    pub fn tries(&self, url: &Url) -> Tries<'_> {
        Tries::new(&self.shared.patience, url.as_str())
    }

    /// The clock that waits go by.
    pub fn clock(&self) -> &Clock {
        &self.shared.patience.clock
    }

    /// Held while bytes move, not while waiting for a better moment.
    pub(crate) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.shared.permits.clone().acquire_owned().await.ok()
    }
}

/// Opens nothing yet.
fn connect(settings: &Settings, routes: &Arc<Routes>) -> Result<reqwest::Client, Error> {
    let http = reqwest::Client::builder()
        .user_agent(&settings.user_agent)
        .tls_backend_preconfigured(tls::config(settings)?)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.connect_timeout)
        .http2_adaptive_window(true)
        .no_proxy()
        .proxy(routes.rule());
    http.build().map_err(|error| Error::Client { reason: innermost(&error) })
}
