use std::sync::atomic::AtomicU64;
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, IF_RANGE, LOCATION, RANGE};
use reqwest::{Method, StatusCode};
use url::Url;

use crate::cause::innermost;
use crate::limits::MOST_REDIRECTS;
use crate::pace::Pace;
use crate::proxy::Through;
use crate::retry::{Fault, Retry, is_passing, retry_after};
use crate::{Auth, Client, Error, Unfollowed, redacted, redirect, take_credentials, tls};

/// One request on the wire.
pub(crate) struct Ask<'a> {
    pub(crate) url: &'a Url,
    pub(crate) accept: Option<&'a str>,
    pub(crate) auth: Option<&'a Auth>,
    pub(crate) rest: Option<Rest<'a>>,
    /// Ask for the headers only.
    pub(crate) is_head: bool,
}

/// Ask for the bytes from `start` on, provided the file is still the one with this ETag.
#[derive(Clone, Copy)]
pub(crate) struct Rest<'a> {
    pub(crate) start: u64,
    pub(crate) etag: Option<&'a str>,
}

/// An answer whose body has not been read.
pub(crate) struct Answer {
    pub(crate) response: reqwest::Response,
    pub(crate) url: Url,
    pub(crate) pace: Pace,
}

impl Client {
    /// Sends the request and follows redirects. The answer is a success, or 416 where a rest was asked for.
    pub(crate) async fn open(&self, ask: &Ask<'_>) -> Result<Answer, Fault> {
        let mut url = ask.url.clone();
        let in_url = take_credentials(&mut url);
        let mut auth = ask.auth.or(in_url.as_ref());
        check_scheme(&url)?;
        if self.shared.offline {
            return Err(Fault::is_final(Error::Offline { url: redacted(&url) }));
        }
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send(&url, ask, auth).await?;
            let status = response.status();
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            match (status.as_u16(), location) {
                (301 | 302 | 303 | 307 | 308, Some(location)) => {
                    let next = redirect::target(&url, location).map_err(Fault::is_final)?;
                    if !redirect::is_same_server(&url, &next) {
                        auth = None;
                    }
                    url = next;
                }
                (416, _) if ask.rest.is_some() => return Ok(self.answer(response, url)),
                _ if status.is_success() => return Ok(self.answer(response, url)),
                _ => return Err(bad_status(&url, &response)),
            }
        }
        let error =
            Error::Redirect { url: redacted(ask.url), to: redacted(&url), reason: Unfollowed::TooMany };
        Err(Fault::is_final(error))
    }

    async fn send(&self, url: &Url, ask: &Ask<'_>, auth: Option<&Auth>) -> Result<reqwest::Response, Fault> {
        let method = if ask.is_head { Method::HEAD } else { Method::GET };
        let mut request = self.shared.http.request(method, url.clone()).header(ACCEPT_ENCODING, "identity");
        request = request.header(ACCEPT, ask.accept.unwrap_or("*/*"));
        if let Some(auth) = auth {
            request = request.header(AUTHORIZATION, auth.header());
        }
        if let Some(rest) = ask.rest {
            request = request.header(RANGE, format!("bytes={}-", rest.start));
            if let Some(etag) = rest.etag {
                request = request.header(IF_RANGE, etag);
            }
        }
        tracing::debug!(method = if ask.is_head { "HEAD" } else { "GET" }, url = redacted(url), "asking");
        match self.patiently(url, &AtomicU64::new(0), request.send()).await? {
            Ok(response) => {
                tracing::debug!(status = response.status().as_u16(), url = redacted(url), "answered");
                Ok(response)
            }
            Err(error) => Err(self.broken(url, &error)),
        }
    }

    fn answer(&self, response: reqwest::Response, url: Url) -> Answer {
        Answer { response, url, pace: Pace::new(self.shared.limits) }
    }

    /// A connection that did not open, or broke. Refused certificates stay refused, and what is no HTTP is rarely any the
    /// next time; anything else may pass.
    pub(crate) fn broken(&self, url: &Url, error: &reqwest::Error) -> Fault {
        if let Some((problem, reason)) = tls::refusal(error) {
            let host = url.host_str().unwrap_or_default().to_owned();
            return Fault::is_final(Error::Tls { host, reason, problem });
        }
        if let Some(error) = self.shared.routes.through(url).and_then(Through::objection) {
            return Fault::is_final(error);
        }
        let (reason, proxy) = (innermost(error), self.shared.routes.way(url));
        let fault = Error::Unreachable { url: redacted(url), reason, proxy, tries: 1 };
        match error.is_builder() {
            true => Fault::is_final(fault),
            false if is_malformed(error) => Fault { error: fault, retry: Retry::Once },
            false => Fault::may_pass(fault),
        }
    }
}

/// Whether something came that is no HTTP.
fn is_malformed(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return true;
        }
        cause = error.source();
    }
    false
}

pub(crate) fn check_scheme(url: &Url) -> Result<(), Fault> {
    let reason = match url.scheme() {
        "http" | "https" if url.has_host() => return Ok(()),
        "http" | "https" => "it names no server",
        _ => "only http, https and file are understood",
    };
    Err(Fault::is_final(Error::Url { url: redacted(url), reason }))
}

fn bad_status(url: &Url, response: &reqwest::Response) -> Fault {
    let status = response.status();
    let error = Error::Status {
        url: redacted(url),
        status: status.as_u16(),
        reason: StatusCode::canonical_reason(&status).unwrap_or("(no usual name)"),
        tries: 1,
    };
    let retry = match (is_passing(status.as_u16()), retry_after(response.headers())) {
        (false, _) => Retry::Never,
        (true, Some(time)) => Retry::After(time),
        (true, None) => Retry::Later { lost: Duration::ZERO },
    };
    Fault { error, retry }
}
