use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{NoProxy, Proxy};
use url::Url;

use crate::send::innermost;
use crate::{Error, Proxies, redacted};

/// The proxies as the HTTP client wants them.
pub(crate) fn list(proxies: &Proxies) -> Result<Vec<Proxy>, Error> {
    let exceptions = proxies.none.as_deref().and_then(NoProxy::from_string);
    let mut list = Vec::new();
    // The reason must not repeat the URL: it may hold a password.
    let refuse =
        |variable, error: reqwest::Error| Error::Proxy { variable, reason: innermost(&error.without_url()) };
    if let Some((variable, url)) = proxies.for_http() {
        list.push(Proxy::http(url).map_err(|error| refuse(variable, error))?);
    }
    if let Some((variable, url)) = proxies.for_https() {
        list.push(Proxy::https(url).map_err(|error| refuse(variable, error))?);
    }
    Ok(list.into_iter().map(|proxy| proxy.no_proxy(exceptions.clone())).collect())
}

impl Proxies {
    fn for_http(&self) -> Option<(&'static str, &str)> {
        let all = self.all.as_deref().map(|url| ("ALL_PROXY", url));
        self.http.as_deref().map(|url| ("HTTP_PROXY", url)).or(all)
    }

    fn for_https(&self) -> Option<(&'static str, &str)> {
        let all = self.all.as_deref().map(|url| ("ALL_PROXY", url));
        self.https.as_deref().map(|url| ("HTTPS_PROXY", url)).or(all)
    }
}

/// Knows which proxy stands between us and a server, for messages. It asks what the HTTP client asks.
pub(crate) struct Routes {
    matcher: Matcher,
    proxies: Proxies,
}

impl Routes {
    pub(crate) fn new(proxies: &Proxies) -> Self {
        let url = |found: Option<(&str, &str)>| found.map_or(String::new(), |(_, url)| url.to_owned());
        let matcher = Matcher::builder()
            .http(url(proxies.for_http()))
            .https(url(proxies.for_https()))
            .no(proxies.none.clone().unwrap_or_default())
            .build();
        Self { matcher, proxies: proxies.clone() }
    }

    /// ` (through the proxy http://proxy.lan:3128 of HTTPS_PROXY)`, or nothing.
    pub(crate) fn way(&self, url: &Url) -> String {
        let Some(through) = url.as_str().parse().ok().and_then(|uri| self.matcher.intercept(&uri)) else {
            return String::new();
        };
        let found = if url.scheme() == "https" { self.proxies.for_https() } else { self.proxies.for_http() };
        let variable = found.map_or("the environment", |(variable, _)| variable);
        let shown = through.uri().to_string().parse().as_ref().map_or_else(|_| "?".to_owned(), redacted);
        format!(" (through the proxy {} of {variable})", shown.trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_without_its_password() {
        let proxies = Proxies {
            https: Some("ann:CANARY@proxy.lan:3128".into()),
            all: Some("http://other.lan:8080".into()),
            none: Some("inside.lan, 10.0.0.0/8".into()),
            ..Proxies::default()
        };
        let routes = Routes::new(&proxies);
        let way = |url: &str| routes.way(&url.parse().unwrap());
        assert_eq!(way("https://ghcr.io/v2/"), " (through the proxy http://proxy.lan:3128 of HTTPS_PROXY)");
        assert_eq!(way("http://ghcr.io/v2/"), " (through the proxy http://other.lan:8080 of ALL_PROXY)");
        for url in ["https://inside.lan/", "https://a.inside.lan/", "https://10.1.2.3/", "file:///x"] {
            assert_eq!(way(url), "", "{url}");
        }
        assert_eq!(Routes::new(&Proxies::default()).way(&"https://ghcr.io/".parse().unwrap()), "");
    }
}
