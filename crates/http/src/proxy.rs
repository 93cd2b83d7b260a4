use reqwest::{NoProxy, Proxy};

use crate::send::innermost;
use crate::{Error, Proxies};

/// The proxies as the HTTP client wants them.
pub(crate) fn list(proxies: &Proxies) -> Result<Vec<Proxy>, Error> {
    let exceptions = proxies.none.as_deref().and_then(NoProxy::from_string);
    let all = proxies.all.as_deref();
    let http = proxies.http.as_deref().map(|url| ("HTTP_PROXY", url)).or(all.map(|url| ("ALL_PROXY", url)));
    let https =
        proxies.https.as_deref().map(|url| ("HTTPS_PROXY", url)).or(all.map(|url| ("ALL_PROXY", url)));
    let mut list = Vec::new();
    // The reason must not repeat the URL: it may hold a password.
    let refuse =
        |variable, error: reqwest::Error| Error::Proxy { variable, reason: innermost(&error.without_url()) };
    if let Some((variable, url)) = http {
        list.push(Proxy::http(url).map_err(|error| refuse(variable, error))?);
    }
    if let Some((variable, url)) = https {
        list.push(Proxy::https(url).map_err(|error| refuse(variable, error))?);
    }
    Ok(list.into_iter().map(|proxy| proxy.no_proxy(exceptions.clone())).collect())
}
