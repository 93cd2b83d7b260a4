use std::collections::BTreeMap;

use wainwright_http::{Auth, Body, Exchange, Method, Secret};

use crate::ask::{Ask, To};
use crate::{Credentials, Error, Registry, Scope};

/// What a registry said to a user name and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginCheck {
    /// It asked for them, and took them.
    Taken,
    /// It takes anybody, so that they are worth what they are.
    NotAsked,
}

impl Credentials {
    /// Knows one user of one registry, and nothing else of this machine.
    pub fn only(registry: &str, user: &str, secret: &Secret) -> Result<Self, Error> {
        let vars = BTreeMap::from([
            (crate::credentials::variable("USER", registry), user.to_owned()),
            (crate::credentials::variable("PASSWORD", registry), secret.reveal().to_owned()),
        ]);
        Self::load(&vars, None)
    }
}

impl Registry {
    /// Shows a registry the credentials that this client was made with, and nothing else.
    ///
    /// This is how clients find out whether they may come in (distribution-spec, "Determining Support"); it says nothing
    /// about any repository.
    pub async fn check_login(
        &self,
        registry: &str,
        user: &str,
        secret: &Secret,
    ) -> Result<LoginCheck, Error> {
        let scope = Scope::none();
        let refuse = |errors| Error::Login { registry: registry.to_owned(), user: user.to_owned(), errors };
        let ask = Ask {
            method: Method::GET,
            registry,
            scope: &scope,
            to: To::Root,
            headers: Vec::new(),
            body: Body::Empty,
        };
        let answer = match self.ask(&ask).await {
            Ok(answer) => answer,
            Err(Error::Denied { errors, .. }) => return Err(refuse(errors)),
            Err(error) => return Err(error),
        };
        match answer.status() {
            200..=299 if crate::manifest::is_html(&answer) => {
                let url = wainwright_http::redacted(answer.url());
                return Err(Error::NotARegistry { url, reason: "it sent a web page".into() });
            }
            200..=299 => {}
            403 => return Err(refuse(Vec::new())),
            _ => return Err(crate::ask::refusal(&ask, answer).await),
        }
        drop(answer);
        let base = self.base(registry)?;
        if self.auth(registry, &base, &scope).await?.is_some() {
            return Ok(LoginCheck::Taken);
        }
        // Nobody was asked. Some such registries still know a wrong password when they are shown one.
        let auth = Auth::basic(user, secret);
        let exchange = Exchange {
            method: Method::GET,
            url: &base,
            headers: Vec::new(),
            auth: Some(&auth),
            body: Body::Empty,
        };
        match self.read_patiently(&exchange, 1 << 20).await? {
            (401 | 403, _) => Err(refuse(Vec::new())),
            _ => Ok(LoginCheck::NotAsked),
        }
    }
}
