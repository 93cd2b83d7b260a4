use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use wainwright_http::{Auth, Body, Exchange, Method, Secret, Url, redacted};

use crate::challenge::{self, Challenge};
use crate::credentials::Login;
use crate::error::{ServerError, clean};
use crate::{Error, Registry};

/// What is to be done with which repositories of one registry (distribution-spec token scopes).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    repository: String,
    may_write: bool,
    may_delete: bool,
    /// Repositories that blobs are mounted from.
    mounts: BTreeSet<String>,
}

impl Scope {
    /// To read a repository.
    pub fn read(repository: impl Into<String>) -> Self {
        Self { repository: repository.into(), may_write: false, may_delete: false, mounts: BTreeSet::new() }
    }

    /// To write a repository, mounting blobs of others.
    pub fn write(repository: impl Into<String>, mounts: impl IntoIterator<Item = String>) -> Self {
        let repository = repository.into();
        let mounts = mounts.into_iter().filter(|from| *from != repository).collect();
        Self { repository, may_write: true, may_delete: false, mounts }
    }

    /// To write a repository, and to remove what was written.
    pub(crate) fn write_and_delete(repository: &str) -> Self {
        Self { may_delete: true, ..Self::write(repository, []) }
    }

    /// To find out whether the registry lets us in; nothing is done with any repository.
    pub(crate) fn none() -> Self {
        Self::read("")
    }

    /// The repository.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The same without the repositories that blobs are mounted from, if there are any.
    fn without_mounts(&self) -> Option<Self> {
        (!self.mounts.is_empty()).then(|| Self { mounts: BTreeSet::new(), ..self.clone() })
    }

    fn texts(&self) -> Vec<String> {
        if self.repository.is_empty() {
            return Vec::new();
        }
        let actions = match (self.may_write, self.may_delete) {
            (_, true) => "pull,push,delete",
            (true, false) => "pull,push",
            (false, false) => "pull",
        };
        let own = format!("repository:{}:{actions}", self.repository);
        [own].into_iter().chain(self.mounts.iter().map(|from| format!("repository:{from}:pull"))).collect()
    }
}

/// What registries asked for, and what was got for it.
#[derive(Default)]
pub(crate) struct Keys {
    challenges: Mutex<BTreeMap<String, Challenge>>,
    tokens: Mutex<BTreeMap<(String, Scope), Token>>,
    /// Held while a token is fetched, so that many requests in need of one fetch one.
    renewals: Mutex<BTreeMap<(String, Scope), Renewal>>,
    logins: tokio::sync::Mutex<BTreeMap<(String, String), Option<Login>>>,
}

type Renewal = Arc<tokio::sync::Mutex<()>>;

#[derive(Clone)]
struct Token {
    auth: Auth,
    /// By the monotonic clock: a machine's date may be wrong.
    until: Duration,
    who: String,
}

/// What a token without `expires_in` is good for (distribution token specification).
const USUAL_LIFE: Duration = Duration::from_secs(60);
/// A token that ends within this time is not used for another request.
const MARGIN: Duration = Duration::from_secs(10);
/// The most that a token server may answer.
const LARGEST: usize = 1 << 20;

impl Registry {
    /// What to show a registry for a scope, if it is known by now that it wants something.
    pub(crate) async fn auth(
        &self,
        registry: &str,
        base: &Url,
        scope: &Scope,
    ) -> Result<Option<Auth>, Error> {
        if let Some(token) = self.token(registry, scope) {
            return Ok(Some(token.auth));
        }
        let known = lock(&self.keys().challenges).get(registry).cloned();
        let Some(challenge) = known else { return Ok(None) };
        let renewal = self.renewal(registry, scope);
        let _alone = renewal.lock().await;
        match self.token(registry, scope) {
            Some(token) => Ok(Some(token.auth)),
            None => self.answer(registry, base, scope, &challenge).await,
        }
    }

    /// Answers a 401: forgets what was shown, and gets something new; `false` when nobody gave us anything to show.
    pub(crate) async fn authorize(
        &self,
        registry: &str,
        base: &Url,
        scope: &Scope,
        shown: Option<&Auth>,
        headers: &[String],
    ) -> Result<bool, Error> {
        let refuse = |reason: &str| Error::Challenge { registry: registry.to_owned(), reason: reason.into() };
        let all = challenge::read(headers.iter().map(String::as_str));
        let find = |scheme: &str| all.iter().find(|challenge| challenge.scheme == scheme);
        let Some(challenge) = find("bearer").or_else(|| find("basic")) else {
            let schemes: Vec<&str> = all.iter().map(|challenge| challenge.scheme.as_str()).collect();
            return Err(match schemes[..] {
                [] => refuse("it does not name a scheme"),
                _ => refuse(&format!("it requires `{}`", clean(&schemes.join("`, `")))),
            });
        };
        lock(&self.keys().challenges).insert(registry.to_owned(), challenge.clone());
        let renewal = self.renewal(registry, scope);
        let _alone = renewal.lock().await;
        // Somebody else may have got something new in the meantime.
        if self.token(registry, scope).is_some_and(|token| Some(&token.auth) != shown) {
            return Ok(true);
        }
        lock(&self.keys().tokens).remove(&(registry.to_owned(), scope.clone()));
        Ok(self.answer(registry, base, scope, challenge).await?.is_some())
    }

    fn renewal(&self, registry: &str, scope: &Scope) -> Renewal {
        lock(&self.keys().renewals).entry((registry.to_owned(), scope.clone())).or_default().clone()
    }

    /// Adds to a refusal who was refused.
    pub(crate) fn denied(&self, registry: &str, scope: &Scope, refusal: Error) -> Error {
        let Error::Refused { method, url, status, errors } = refusal else { return refusal };
        let who = self.token(registry, scope).map(|token| token.who).unwrap_or_default();
        Error::Denied {
            method,
            url,
            status,
            registry: registry.to_owned(),
            repository: scope.repository().to_owned(),
            what: if scope.may_write { "write" } else { "read" },
            who,
            errors,
        }
    }

    fn token(&self, registry: &str, scope: &Scope) -> Option<Token> {
        let tokens = lock(&self.keys().tokens);
        let token = tokens.get(&(registry.to_owned(), scope.clone()))?;
        (token.until > self.http().clock().now() + MARGIN).then(|| token.clone())
    }

    /// Whether what is shown for a scope was given to us as to anybody.
    pub(crate) fn is_anonymous(&self, registry: &str, scope: &Scope) -> bool {
        self.token(registry, scope).is_some_and(|token| token.who.is_empty())
    }

    /// Credentials are looked for once: a helper may ask a person.
    async fn login(&self, registry: &str, repository: &str) -> Result<Option<Login>, Error> {
        let key = (registry.to_owned(), repository.to_owned());
        let mut logins = self.keys().logins.lock().await;
        if let Some(known) = logins.get(&key) {
            return Ok(known.clone());
        }
        let found = self.credentials().find(registry, repository).await?;
        logins.insert(key, found.clone());
        Ok(found)
    }

    async fn answer(
        &self,
        registry: &str,
        base: &Url,
        scope: &Scope,
        challenge: &Challenge,
    ) -> Result<Option<Auth>, Error> {
        let login = self.login(registry, scope.repository()).await?;
        let token = if challenge.scheme == "basic" {
            let Some(login) = login.filter(|login| !login.is_identity_token) else { return Ok(None) };
            let auth = Auth::basic(&login.user, &login.secret);
            Token { auth, until: self.http().clock().now() + Duration::from_secs(86_400), who: login.user }
        } else {
            let fetched = self.fetch_token(registry, base, scope, challenge, login.clone()).await;
            match (fetched, scope.without_mounts()) {
                // Whoever may not read where blobs would be mounted from may still send them.
                (Err(Error::Denied { .. }), Some(narrow)) => {
                    self.fetch_token(registry, base, &narrow, challenge, login).await?
                }
                (fetched, _) => fetched?,
            }
        };
        let auth = token.auth.clone();
        lock(&self.keys().tokens).insert((registry.to_owned(), scope.clone()), token);
        Ok(Some(auth))
    }

    async fn fetch_token(
        &self,
        registry: &str,
        base: &Url,
        scope: &Scope,
        challenge: &Challenge,
        login: Option<Login>,
    ) -> Result<Token, Error> {
        let refuse = |reason: String| Error::Challenge { registry: registry.to_owned(), reason };
        let realm =
            challenge.parameters.get("realm").ok_or_else(|| refuse("it names no token server".into()))?;
        let mut url = wainwright_http::target(base, realm)?;
        let mut login = login;
        if login.is_some() && !self.hosts().may_have_token(registry, &url) {
            // A stranger may still give a token to anybody.
            self.tell(format!(
                "{registry} uses the token server {} on another host, so no credentials are sent to it",
                redacted(&url)
            ));
            login = None;
        }
        let service = challenge.parameters.get("service");
        let mut exchange = Exchange {
            method: Method::GET,
            url: &url.clone(),
            headers: vec![("accept", "application/json".into())],
            auth: None,
            body: Body::Empty,
        };
        let mut pairs: Vec<(&str, String)> =
            service.iter().map(|service| ("service", (*service).clone())).collect();
        let basic;
        match &login {
            Some(login) if login.is_identity_token => {
                pairs.push(("grant_type", "refresh_token".into()));
                pairs.push(("client_id", "wainwright".into()));
                pairs.push(("refresh_token", login.secret.reveal().to_owned()));
                pairs.push(("scope", scope.texts().join(" ")));
                let mut form = Url::parse("form:").map_err(|error| refuse(error.to_string()))?;
                form.query_pairs_mut().extend_pairs(&pairs);
                exchange.method = Method::POST;
                exchange.headers.push(("content-type", "application/x-www-form-urlencoded".into()));
                exchange.body = Body::Bytes(form.query().unwrap_or_default().as_bytes().into());
            }
            other => {
                pairs.extend(scope.texts().into_iter().map(|text| ("scope", text)));
                url.query_pairs_mut().extend_pairs(&pairs);
                exchange.url = &url;
                if let Some(login) = other {
                    basic = Auth::basic(&login.user, &login.secret);
                    exchange.auth = Some(&basic);
                }
            }
        }
        let shown = redacted(exchange.url);
        let who = login.map_or(String::new(), |login| match login.user.as_str() {
            "" | "<token>" => "the user of the identity token".into(),
            _ => login.user,
        });
        let (status, body) = self.read_patiently(&exchange, LARGEST).await?;
        match status {
            200..=299 => {}
            400..=499 => {
                return Err(Error::Denied {
                    method: exchange.method.to_string(),
                    url: shown,
                    status,
                    registry: registry.to_owned(),
                    repository: scope.repository().to_owned(),
                    what: if scope.may_write { "write" } else { "read" },
                    who,
                    errors: ServerError::read(&body),
                });
            }
            status => {
                return Err(Error::Refused {
                    method: exchange.method.to_string(),
                    url: shown,
                    status,
                    errors: ServerError::read(&body),
                });
            }
        }
        let json: Value = serde_json::from_slice(&body).map_err(|_| {
            // What is no JSON has no token that could be shown here.
            let start: String = String::from_utf8_lossy(&body).chars().take(80).collect();
            let is_page = start.trim_start().starts_with('<');
            let reason = match is_page {
                true => format!("it sent a web page instead of a token, starting with `{}`", clean(&start)),
                false => "the token is not in a JSON object".into(),
            };
            Error::NotARegistry { url: shown.clone(), reason }
        })?;
        let text = |key: &str| json.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let token = text("token").or_else(|| text("access_token"));
        let auth = token.and_then(|token| Auth::bearer(&Secret::new(token)));
        let auth = auth.ok_or_else(|| refuse(format!("{shown} did not send a token")))?;
        let life = json.get("expires_in").and_then(Value::as_u64).filter(|seconds| *seconds > 0);
        let life = life.map_or(USUAL_LIFE, |seconds| Duration::from_secs(seconds.min(86_400)));
        Ok(Token { auth, until: self.http().clock().now() + life.max(MARGIN * 2), who })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
