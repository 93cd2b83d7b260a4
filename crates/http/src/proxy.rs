use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Proxy;
use url::Url;

use crate::cause::innermost;
use crate::{Error, Proxies, redacted};

/// Knows which proxy stands between us and a server.
pub(crate) struct Routes {
    http: Option<Through>,
    https: Option<Through>,
    /// Servers that are reached directly.
    none: Exceptions,
    /// The same for one port alone.
    none_at: Vec<(Exceptions, u16)>,
}

/// A proxy.
pub(crate) struct Through {
    /// Which variable names it.
    variable: &'static str,
    /// With its credentials.
    url: Url,
}

impl Routes {
    pub(crate) fn new(proxies: &Proxies) -> Result<Self, Error> {
        let all = || proxies.all.as_deref().map(|text| ("ALL_PROXY", text));
        let http = proxies.http.as_deref().map(|text| ("HTTP_PROXY", text)).or_else(all);
        let https = proxies.https.as_deref().map(|text| ("HTTPS_PROXY", text)).or_else(all);
        let read = |(variable, text)| Through::read(variable, text);
        let (mut everywhere, mut none_at) = (Vec::new(), Vec::new());
        for entry in proxies.none.iter().flat_map(|list| list.split(',')).map(str::trim) {
            match exception(entry) {
                (host, Some(port)) => none_at.push((Exceptions::new(host), port)),
                (host, None) => everywhere.push(host),
            }
        }
        Ok(Self {
            http: http.map(read).transpose()?,
            https: https.map(read).transpose()?,
            none: Exceptions::new(&everywhere.join(",")),
            none_at,
        })
    }

    /// The same for the HTTP client.
    pub(crate) fn rule(self: &Arc<Self>) -> Proxy {
        let routes = self.clone();
        Proxy::custom(move |url| routes.through(url).map(|through| through.url.clone()))
    }

    /// The proxy on the way to a server.
    pub(crate) fn through(&self, url: &Url) -> Option<&Through> {
        let through = if url.scheme() == "https" { &self.https } else { &self.http }.as_ref()?;
        let port = url.port_or_known_default();
        let is_direct = self.none.hold(url)
            || self.none_at.iter().any(|(none, only)| Some(*only) == port && none.hold(url));
        (!is_direct).then_some(through)
    }

    /// `http://proxy.lan:3128 of HTTPS_PROXY`, where a server is reached through it.
    pub(crate) fn way(&self, url: &Url) -> Option<String> {
        let Through { variable, url } = self.through(url)?;
        Some(format!("{} of {variable}", redacted(url).trim_end_matches('/')))
    }
}

impl Through {
    fn read(variable: &'static str, text: &str) -> Result<Self, Error> {
        // The reason must not repeat the URL: it may hold a password.
        let refuse = |reason| Error::Proxy { variable, reason };
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        Proxy::all(&full).map_err(|error| refuse(innermost(&error.without_url())))?;
        let url = full.parse().map_err(|error: url::ParseError| refuse(error.to_string()))?;
        Ok(Self { variable, url })
    }

    /// Why nothing comes through it, if it is of a kind that we do not speak to.
    pub(crate) fn objection(&self) -> Option<Error> {
        let scheme = self.url.scheme();
        let reason = format!("only http and https proxies are supported, not {scheme}");
        (!matches!(scheme, "http" | "https")).then_some(Error::Proxy { variable: self.variable, reason })
    }
}

/// An entry of `NO_PROXY`: a host, and the port where it has one. IPv6 addresses may have brackets, as in a URL, and names
/// `*.` before them.
fn exception(entry: &str) -> (&str, Option<u16>) {
    let (host, port) = match entry.rsplit_once(':') {
        // The colons of an address without brackets are its own.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()),
        _ => (entry, None),
    };
    let host = if port.is_some() { host } else { entry };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    (bare.or(host.strip_prefix('*').filter(|rest| rest.starts_with('.'))).unwrap_or(host), port)
}

/// Hosts, domains, addresses and networks, by the rules of curl; `None` is all there are.
struct Exceptions(Option<Matcher>);

impl Exceptions {
    fn new(list: &str) -> Self {
        // The matcher knows this of names alone, and not of addresses.
        if list.split(',').any(|entry| entry == "*") {
            return Self(None);
        }
        // Only what is no exception would go through this one.
        Self(Some(Matcher::builder().all("http://proxy.invalid").no(list).build()))
    }

    fn hold(&self, url: &Url) -> bool {
        let Some(matcher) = &self.0 else { return true };
        let server = format!("{}://{}/", url.scheme(), url.host_str().unwrap_or_default());
        server.parse().is_ok_and(|server| matcher.intercept(&server).is_none())
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
            ..Proxies::default()
        };
        let routes = Routes::new(&proxies).unwrap();
        let way = |url: &str| routes.way(&url.parse().unwrap());
        assert_eq!(way("https://ghcr.io/v2/").unwrap(), "http://proxy.lan:3128 of HTTPS_PROXY");
        assert_eq!(way("http://ghcr.io/v2/").unwrap(), "http://other.lan:8080 of ALL_PROXY");
        let none = Routes::new(&Proxies::default()).unwrap();
        assert_eq!(none.way(&"https://ghcr.io/".parse().unwrap()), None);
    }

    #[test]
    fn exceptions_are_hosts_domains_and_networks_with_or_without_a_port() {
        let check = |list: &str, url: &str| {
            let proxies =
                Proxies { all: Some("proxy.lan".into()), none: Some(list.into()), ..Proxies::default() };
            Routes::new(&proxies).unwrap().through(&url.parse().unwrap()).is_none()
        };
        for (list, direct, other) in [
            ("a.lan, b.lan", "https://b.lan/v2/", "https://c.lan/"),
            (".lan", "https://a.b.lan/", "https://lan.example/"),
            ("*.lan", "https://a.lan/", "https://notalan/"),
            ("10.0.0.0/8", "http://10.1.2.3:5000/", "http://11.1.2.3/"),
            ("fd00::/8", "http://[fd00::1]/", "http://[fe00::1]/"),
            ("::1", "http://[::1]:5000/", "http://[::2]:5000/"),
            ("[::1]", "http://[::1]:5000/", "http://[::2]:5000/"),
            ("[::1]:5000", "http://[::1]:5000/", "http://[::1]:5001/"),
            ("a.lan:5000", "http://a.lan:5000/", "http://a.lan:5001/"),
            ("a.lan:443", "https://a.lan/", "http://a.lan/"),
            ("127.0.0.1:5000,c.lan", "http://127.0.0.1:5000/", "http://127.0.0.1/"),
        ] {
            assert!(check(list, direct), "{list} does not hold {direct}");
            assert!(!check(list, other), "{list} holds {other}");
        }
        assert!(check("*", "https://ghcr.io/") && check("a.lan,*", "https://10.0.0.1/"));
    }

    #[test]
    fn proxies_that_cannot_be_used_are_told_without_their_password() {
        let refused = |text: &str| {
            let proxies = Proxies { http: Some(text.into()), ..Proxies::default() };
            let error = match Routes::new(&proxies) {
                Err(error) => error,
                Ok(routes) => {
                    let through = routes.through(&"http://a.lan/".parse().unwrap()).unwrap();
                    through.objection().unwrap()
                }
            };
            assert!(!format!("{error} {error:?}").contains("CANARY"), "{error}");
            error.to_string()
        };
        assert!(refused("socks5://ann:CANARY@proxy.lan:1080").contains("not socks5"));
        assert!(refused("http://ann:CANARY@ :x").contains("invalid proxy in HTTP_PROXY"));
        assert!(refused("http://").contains("invalid proxy in HTTP_PROXY"));
    }
}
