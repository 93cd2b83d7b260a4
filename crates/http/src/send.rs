use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, IF_RANGE, LOCATION, RANGE};
use reqwest::{Method, StatusCode};
use url::Url;

use crate::retry::{Fault, Retry, is_passing, retry_after};
use crate::{Auth, Client, Error, redacted, redirect, take_credentials, tls};

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
        for _ in 0..=redirect::MOST {
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
                (416, _) if ask.rest.is_some() => return Ok(Answer { response, url }),
                _ if status.is_success() => return Ok(Answer { response, url }),
                _ => return Err(bad_status(&url, &response)),
            }
        }
        let error = Error::Redirect {
            url: redacted(ask.url),
            to: redacted(&url),
            reason: "that is one redirect too many (10 are followed)",
        };
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
        match tokio::time::timeout(self.shared.idle_timeout, request.send()).await {
            Ok(Ok(response)) => {
                tracing::debug!(status = response.status().as_u16(), url = redacted(url), "answered");
                Ok(response)
            }
            Ok(Err(error)) => Err(broken(url, &error)),
            Err(_) => Err(self.stalled(url)),
        }
    }

    /// The next bytes of a body; `None` at its end.
    pub(crate) async fn chunk(
        &self,
        url: &Url,
        response: &mut reqwest::Response,
    ) -> Result<Option<impl AsRef<[u8]> + std::ops::Deref<Target = [u8]> + use<>>, Fault> {
        match tokio::time::timeout(self.shared.idle_timeout, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(broken(url, &error)),
            Err(_) => Err(self.stalled(url)),
        }
    }

    pub(crate) fn stalled(&self, url: &Url) -> Fault {
        let lost = self.shared.idle_timeout;
        let reason = format!("nothing came for {} s", lost.as_secs_f32());
        let error = Error::Unreachable { url: redacted(url), reason, tries: 1 };
        Fault { error, retry: Retry::Later { lost } }
    }
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

/// A connection that did not open, or broke. Refused certificates stay refused; anything else may pass.
pub(crate) fn broken(url: &Url, error: &reqwest::Error) -> Fault {
    if let Some(reason) = tls::refusal(error) {
        let host = url.host_str().unwrap_or_default().to_owned();
        return Fault::is_final(Error::Tls { host, reason });
    }
    let reason = innermost(error);
    let fault = Error::Unreachable { url: redacted(url), reason, tries: 1 };
    if error.is_builder() { Fault::is_final(fault) } else { Fault::may_pass(fault) }
}

/// The cause that has no cause: the others only say that something failed.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
