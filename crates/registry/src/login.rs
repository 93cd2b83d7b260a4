use std::collections::BTreeMap;

use wainwright_http::{Auth, Body, Exchange, Method, Secret};

use crate::answer::is_html;
use crate::ask::{Ask, To};
use crate::scope::Scope;
use crate::{Credentials, Error, Registry};

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
    pub fn only(registry: &str, user: &str, secret: &Secret) -> Self {
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
        let entrance = self.open(registry, Scope::none());
        let refuse = |errors| Error::Login { registry: registry.to_owned(), user: user.to_owned(), errors };
        let ask = Ask::new(Method::GET, To::Root);
        let answer = match entrance.ask(&ask).await {
            Ok(answer) => answer,
            Err(Error::Denied { errors, .. }) => return Err(refuse(errors)),
            Err(error) => return Err(error),
        };
        match answer.status() {
            200..=299 if is_html(&answer) => {
                let url = wainwright_http::redacted(answer.url());
                return Err(Error::NotARegistry { url, reason: "it sent a web page".into() });
            }
            200..=299 => {}
            403 => return Err(refuse(Vec::new())),
            _ => return Err(crate::ask::refusal(&ask, answer).await),
        }
        drop(answer);
        let base = entrance.base()?;
        if entrance.auth(&base).await?.is_some() {
            return match entrance.is_anonymous() {
                false => Ok(LoginCheck::Taken),
                // The token server is a stranger: it was shown nothing, and gives a token to anybody.
                true => Err(Error::Challenge {
                    registry: registry.to_owned(),
                    reason: "its token server is on another host, so the password was neither sent nor checked; to allow it, add that host to `token-servers` in ~/.config/wainwright/registries.toml"
                        .into(),
                }),
            };
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wainwright_testing::{Asked, Reply, Server};

    use super::*;
    use crate::{Hosts, ProbeRequest, Settings};

    fn client(server: &Server, password: &str) -> (Registry, String) {
        let url = server.url("");
        let registry = format!("127.0.0.1:{}", url.port().unwrap());
        let settings = Settings {
            http: wainwright_http::Settings::new("test"),
            hosts: Hosts::default(),
            credentials: Credentials::only(&registry, "ann", &Secret::new(password)),
            listener: Arc::new(|_| ()),
        };
        (Registry::new(settings).unwrap(), registry)
    }

    async fn check(server: &Server, password: &str) -> Result<LoginCheck, Error> {
        let (client, registry) = client(server, password);
        client.check_login(&registry, "ann", &Secret::new(password)).await
    }

    const GOOD: &str = "Basic YW5uOmdvb2Q="; // ann:good

    fn shows(seen: &Asked, what: &str) -> bool {
        seen.headers.get("authorization").is_some_and(|shown| shown == what)
    }

    #[tokio::test]
    async fn a_token_server_is_asked_about_no_repository() {
        let server = Server::start(|seen| match seen.target.split('?').next().unwrap() {
            "/v2/" if shows(seen, "Bearer T") => Reply::ok("{}"),
            "/v2/" => {
                let realm = format!("Bearer realm=\"http://{}/token\",service=\"x\"", seen.headers["host"]);
                Reply::status(401).header("Www-Authenticate", realm)
            }
            "/token" if shows(seen, GOOD) => Reply::ok(r#"{"token": "T"}"#),
            _ => Reply::status(401),
        });
        assert_eq!(check(&server, "good").await.unwrap(), LoginCheck::Taken);
        let asked: Vec<String> = server.seen().into_iter().map(|seen| seen.target).collect();
        assert!(asked.contains(&"/token?service=x".to_owned()), "{asked:?}");
        let error = check(&server, "CANARY").await.unwrap_err();
        assert!(matches!(error, Error::Login { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("CANARY"));
    }

    #[tokio::test]
    async fn a_wrong_password_is_found_where_nobody_is_asked() {
        let server = Server::start(|seen| match seen.headers.contains_key("authorization") {
            true if !shows(seen, GOOD) => Reply::status(401),
            _ => Reply::ok("{}"),
        });
        assert_eq!(check(&server, "good").await.unwrap(), LoginCheck::NotAsked);
        assert!(matches!(check(&server, "bad").await.unwrap_err(), Error::Login { .. }));
    }

    #[tokio::test]
    async fn a_web_page_is_no_registry() {
        let server = Server::start(|_| Reply::ok("<html>").header("Content-Type", "text/html"));
        assert!(matches!(check(&server, "good").await.unwrap_err(), Error::NotARegistry { .. }));
    }

    #[tokio::test]
    async fn refused_probe_is_reported() {
        let server = Server::start(|seen| match seen.target.as_str() {
            "/v2/" => Reply::ok("{}"),
            _ => Reply::status(405).body(r#"{"errors": [{"code": "UNSUPPORTED", "message": "read only"}]}"#),
        });
        let (client, registry) = client(&server, "good");
        let repository = "a/b".to_owned();
        let request = ProbeRequest { registry, repository, other: None, is_read_only: false };
        let probe = client.probe(&request).await.unwrap();
        let last = probe.findings.last().unwrap();
        assert_eq!((last.feature, last.can), ("push", Some(false)));
        assert_eq!(last.detail, "405 UNSUPPORTED: read only");
        assert_eq!(probe.left, [] as [&str; 0]);
    }
}
