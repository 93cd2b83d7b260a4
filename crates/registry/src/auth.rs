use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use wainwright_http::{Auth, Body, Exchange, Method, Secret, Url, redacted};

use crate::challenge::{self, Challenge};
use crate::credentials::Login;
use crate::error::{ServerError, clean};
use crate::keys::{Renewal, Token};
use crate::scope::Scope;
use crate::{Error, Repository};

/// What a token without `expires_in` is good for (distribution token specification).
const USUAL_LIFE: Duration = Duration::from_secs(60);
/// A token that ends within this time is not used for another request.
const MARGIN: Duration = Duration::from_secs(10);
/// The most that a token server may answer.
const LARGEST: usize = 1 << 20;

impl Repository {
    /// What to show the registry, if it is known by now that it wants something.
    pub(crate) async fn auth(&self, base: &Url) -> Result<Option<Auth>, Error> {
        if let Some(token) = self.token() {
            return Ok(Some(token.auth));
        }
        let known = lock(&self.client().keys().challenges).get(self.host()).cloned();
        let Some(challenge) = known else { return Ok(None) };
        let renewal = self.renewal();
        let _alone = renewal.lock().await;
        match self.token() {
            Some(token) => Ok(Some(token.auth)),
            None => self.answer(base, &challenge).await,
        }
    }

    /// Answers a 401: forgets what was shown, and gets something new; `false` when nobody gave us anything to show.
    pub(crate) async fn authorize(
        &self,
        base: &Url,
        shown: Option<&Auth>,
        headers: &[String],
    ) -> Result<bool, Error> {
        let refuse =
            |reason: &str| Error::Challenge { registry: self.host().to_owned(), reason: reason.into() };
        let all = challenge::read(headers.iter().map(String::as_str));
        let find = |scheme: &str| all.iter().find(|challenge| challenge.scheme == scheme);
        let Some(challenge) = find("bearer").or_else(|| find("basic")) else {
            let schemes: Vec<&str> = all.iter().map(|challenge| challenge.scheme.as_str()).collect();
            return Err(match schemes[..] {
                [] => refuse("it does not name a scheme"),
                _ => refuse(&format!("it requires `{}`", clean(&schemes.join("`, `")))),
            });
        };
        lock(&self.client().keys().challenges).insert(self.host().to_owned(), challenge.clone());
        let renewal = self.renewal();
        let _alone = renewal.lock().await;
        // Somebody else may have got something new in the meantime.
        if self.token().is_some_and(|token| Some(&token.auth) != shown) {
            return Ok(true);
        }
        lock(&self.client().keys().tokens).remove(&self.key());
        Ok(self.answer(base, challenge).await?.is_some())
    }

    fn renewal(&self) -> Renewal {
        lock(&self.client().keys().renewals).entry(self.key()).or_default().clone()
    }

    /// Adds to a refusal who was refused.
    pub(crate) fn denied(&self, refusal: Error) -> Error {
        let Error::Refused { method, url, status, errors } = refusal else { return refusal };
        let who = self.token().map(|token| token.who).unwrap_or_default();
        Error::Denied {
            method,
            url,
            status,
            registry: self.host().to_owned(),
            repository: self.name().to_owned(),
            what: self.scope().verb(),
            who,
            errors,
        }
    }

    /// What tokens are remembered by.
    fn key(&self) -> (String, Scope) {
        (self.host().to_owned(), self.scope().clone())
    }

    fn token(&self) -> Option<Token> {
        let tokens = lock(&self.client().keys().tokens);
        let token = tokens.get(&self.key())?;
        (token.until > self.client().http().clock().now() + MARGIN).then(|| token.clone())
    }

    /// Whether what is shown for a scope was given to us as to anybody.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.token().is_some_and(|token| token.who.is_empty())
    }

    /// Credentials are looked for once: a helper may ask a person.
    async fn login(&self) -> Result<Option<Login>, Error> {
        let key = (self.host().to_owned(), self.name().to_owned());
        let mut logins = self.client().keys().logins.lock().await;
        if let Some(known) = logins.get(&key) {
            return Ok(known.clone());
        }
        let found = self.client().credentials().find(self.host(), self.name()).await?;
        logins.insert(key, found.clone());
        Ok(found)
    }

    async fn answer(&self, base: &Url, challenge: &Challenge) -> Result<Option<Auth>, Error> {
        let login = self.login().await?;
        let token = if challenge.scheme == "basic" {
            let Some(login) = login.filter(|login| !login.is_identity_token) else { return Ok(None) };
            let auth = Auth::basic(&login.user, &login.secret);
            Token {
                auth,
                until: self.client().http().clock().now() + Duration::from_secs(86_400),
                who: login.user,
            }
        } else {
            let fetched = self.fetch_token(base, self.scope(), challenge, login.clone()).await;
            match (fetched, self.scope().without_mounts()) {
                // Whoever may not read where blobs would be mounted from may still send them.
                (Err(Error::Denied { .. }), Some(narrow)) => {
                    self.fetch_token(base, &narrow, challenge, login).await?
                }
                (fetched, _) => fetched?,
            }
        };
        let auth = token.auth.clone();
        lock(&self.client().keys().tokens).insert(self.key(), token);
        Ok(Some(auth))
    }

    async fn fetch_token(
        &self,
        base: &Url,
        scope: &Scope,
        challenge: &Challenge,
        login: Option<Login>,
    ) -> Result<Token, Error> {
        let refuse = |reason: String| Error::Challenge { registry: self.host().to_owned(), reason };
        let realm =
            challenge.parameters.get("realm").ok_or_else(|| refuse("it names no token server".into()))?;
        let mut url = wainwright_http::target(base, realm)?;
        let mut login = login;
        if login.is_some() && !self.client().hosts().may_have_token(self.host(), &url) {
            // A stranger may still give a token to anybody.
            self.client().tell(format!(
                "{} uses the token server {} on another host, so no credentials are sent to it",
                self.host(),
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
        let (status, body) = self.client().read_patiently(&exchange, LARGEST).await?;
        match status {
            200..=299 => {}
            400..=499 => {
                return Err(Error::Denied {
                    method: exchange.method.to_string(),
                    url: shown,
                    status,
                    registry: self.host().to_owned(),
                    repository: self.name().to_owned(),
                    what: scope.verb(),
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
        Ok(Token { auth, until: self.client().http().clock().now() + life.max(MARGIN * 2), who })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
