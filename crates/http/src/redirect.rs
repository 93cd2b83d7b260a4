use std::net::IpAddr;

use url::{Host, Url};

use crate::{Error, Unfollowed, redacted};

/// Where a redirect or a link on a page leads, if it may be followed: to http(s) only, never from https to
/// http, and not from a public server to a private address. Credentials in it are dropped.
pub fn target(from: &Url, location: &str) -> Result<Url, Error> {
    let refuse = |to: String, reason| Error::Redirect { url: redacted(from), to, reason };
    let mut to = from.join(location).map_err(|_| refuse("?".into(), Unfollowed::NotAUrl))?;
    // Nobody else decides which credentials we send.
    crate::take_credentials(&mut to);
    if !matches!(to.scheme(), "http" | "https") {
        return Err(refuse(redacted(&to), Unfollowed::OtherScheme));
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(refuse(redacted(&to), Unfollowed::Unencrypted));
    }
    if is_private(&to) && !is_private(from) {
        return Err(refuse(redacted(&to), Unfollowed::Private));
    }
    Ok(to)
}

/// Whether two URLs are the same server (scheme, host and port), so that what authorizes one may be shown to
/// the other.
pub fn is_same_server(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

fn is_private(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => is_private_ip(ip.into()),
        Some(Host::Ipv6(ip)) => is_private_ip(ip.to_ipv4_mapped().map_or(ip.into(), IpAddr::from)),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        None => true,
    }
}

fn is_private_ip(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified(),
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn follow(from: &str, to: &str) -> Option<String> {
        target(&from.parse().unwrap(), to).ok().map(String::from)
    }

    #[test]
    fn relative_and_foreign_targets_are_followed() {
        let from = "https://a.example/x/y";
        assert_eq!(follow(from, "z").as_deref(), Some("https://a.example/x/z"));
        assert_eq!(follow(from, "//b.example/z").as_deref(), Some("https://b.example/z"));
        assert_eq!(follow(from, "https://u:p@b.example/").as_deref(), Some("https://b.example/"));
        assert_eq!(follow("http://a.example/", "https://a.example/").as_deref(), Some("https://a.example/"));
        assert_eq!(
            follow("http://127.0.0.1:1/", "http://127.0.0.1:2/").as_deref(),
            Some("http://127.0.0.1:2/")
        );
    }

    #[test]
    fn forbidden_redirects_are_rejected() {
        for to in [
            "http://a.example/",
            "file:///etc/passwd",
            "ftp://a.example/",
            "https://127.0.0.1/",
            "https://169.254.169.254/latest",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]/",
            "https://2130706433/",
            "https://localhost/",
            "https://[",
        ] {
            assert_eq!(follow("https://a.example/x", to), None, "{to}");
        }
    }

    #[test]
    fn a_server_is_scheme_host_and_port() {
        let same = |a: &str, b: &str| is_same_server(&a.parse().unwrap(), &b.parse().unwrap());
        assert!(same("https://a.example/x", "https://A.example:443/y"));
        assert!(!same("https://a.example/", "https://a.example:444/"));
        assert!(!same("https://a.example/", "http://a.example/"));
        assert!(!same("https://a.example/", "https://b.a.example/"));
    }
}
