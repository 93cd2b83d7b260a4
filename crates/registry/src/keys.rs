use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use wainwright_http::Auth;

use crate::challenge::Challenge;
use crate::credentials::Login;
use crate::scope::Scope;

/// What registries asked for, and what was got for it.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) challenges: Mutex<BTreeMap<String, Challenge>>,
    pub(crate) tokens: Mutex<BTreeMap<(String, Scope), Token>>,
    /// Held while a token is fetched, so that many requests in need of one fetch one.
    pub(crate) renewals: Mutex<BTreeMap<(String, Scope), Renewal>>,
    pub(crate) logins: tokio::sync::Mutex<BTreeMap<(String, String), Option<Login>>>,
}

/// A lock for the fetching of one token.
pub(crate) type Renewal = Arc<tokio::sync::Mutex<()>>;

/// What a registry takes for a scope.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) auth: Auth,
    /// By the monotonic clock: a machine's date may be wrong.
    pub(crate) until: Duration,
    pub(crate) who: String,
}
