use std::time::Duration;

use wainwright_http::{
    Answer, Body, Exchange, Method, Retry, Tries, Url, is_passing, is_same_server, redacted, retry_after,
};

use crate::error::{ServerError, clean};
use crate::{Error, Registry, Repository};

/// A question to a registry.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) to: To,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

impl Ask {
    /// Without headers and a body.
    pub(crate) fn new(method: Method, to: To) -> Self {
        Self { method, to, headers: Vec::new(), body: Body::Empty }
    }

    /// Adds a header.
    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends bytes along.
    #[must_use]
    pub(crate) fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }
}

/// Where a question goes.
#[derive(Clone)]
pub(crate) enum To {
    /// `/v2/` itself.
    Root,
    /// Below `/v2/REPOSITORY/` of the registry.
    Path(String),
    /// Where an answer of the registry led.
    Url(Url),
}

/// A question that got no answer to use, and what another try may hope for.
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) retry: Retry,
}

impl Failure {
    pub(crate) fn is_final(error: impl Into<Error>) -> Self {
        Self { error: error.into(), retry: Retry::Never }
    }
}

/// How much of a refusal is read.
const LONGEST_REFUSAL: usize = 64 << 10;

impl Repository {
    /// Asks until there is an answer: with new credentials when the registry wants some, and again when it is in passing
    /// trouble. The answer may be any other refusal.
    pub(crate) async fn ask(&self, ask: &Ask) -> Result<Answer, Error> {
        let mut tries = self.tries(&self.base()?);
        loop {
            match self.ask_once(ask).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => {
                    tracing::debug!(error = %failure.error, "failed");
                    if !self.again(&mut tries, &failure, false).await {
                        return Err(failure.error.after(tries.count()));
                    }
                }
            }
        }
    }

    /// Waits before another try, if there is one; the user should know why it takes so long.
    pub(crate) async fn again(&self, tries: &mut Tries<'_>, failure: &Failure, has_progressed: bool) -> bool {
        let Some(wait) = tries.next(failure.retry, has_progressed) else { return false };
        let when = match wait.as_secs() {
            0..2 => String::new(),
            seconds => format!(" in {seconds} s"),
        };
        self.client().tell(format!("{}; retrying{when}", failure.error));
        tries.pass(wait).await;
        true
    }

    /// Asks once. Tokens that ran out are renewed without counting as another try.
    pub(crate) async fn ask_once(&self, ask: &Ask) -> Result<Answer, Failure> {
        let mut is_renewed = false;
        let mut scheme = None;
        let mut first = None;
        loop {
            let base = match scheme {
                Some(scheme) => crate::host::base(self.host(), scheme),
                None => self.base(),
            }
            .map_err(Failure::is_final)?;
            let url = self.url(ask, &base)?;
            // Credentials are for the registry; whoever it sends us to gets none.
            let is_home = is_same_server(&url, &base);
            let auth = match is_home {
                true => self.auth(&base).await.map_err(Failure::is_final)?,
                false => None,
            };
            let exchange = Exchange {
                method: ask.method.clone(),
                url: &url,
                headers: ask.headers.clone(),
                auth: auth.as_ref(),
                body: ask.body.clone(),
            };
            // What a registry was given to prove who it is, or we are, is for it alone.
            let http = match is_home {
                true => self.client().http_of(self.host()).map_err(Failure::is_final)?,
                false => self.client().http().clone(),
            };
            let answer = match http.exchange(&exchange).await {
                Ok(answer) => answer,
                Err(fault) => {
                    let is_mute = matches!(&fault.error, wainwright_http::Error::Unreachable { .. });
                    if let (true, None, Some(other)) =
                        (is_mute, scheme, self.client().other_scheme(self.host(), &url))
                    {
                        // A server that expects encryption may also just hang up.
                        (scheme, first) = (Some(other), Some(fault));
                        continue;
                    }
                    // That it does not expect encryption either is not worth a word.
                    let fault = first.unwrap_or(fault);
                    return Err(Failure { error: fault.error.into(), retry: fault.retry });
                }
            };
            let status = answer.status();
            if status == 400
                && let (None, Some(other)) = (scheme, self.client().other_scheme(self.host(), &url))
            {
                let error = refusal(ask, answer).await;
                if error.asks_for_https() {
                    scheme = Some(other);
                    continue;
                }
                return Err(Failure::is_final(error));
            }
            self.client().answered_to(self.host(), if base.scheme() == "http" { "http" } else { "https" });
            self.client().show_warnings(&answer);
            match status {
                401 if is_home => {
                    let headers: Vec<String> = answer
                        .headers()
                        .get_all("www-authenticate")
                        .iter()
                        .filter_map(|value| value.to_str().ok().map(str::to_owned))
                        .collect();
                    let refused = refusal(ask, answer).await;
                    let shown = auth.as_ref();
                    if is_renewed
                        || !self.authorize(&base, shown, &headers).await.map_err(Failure::is_final)?
                    {
                        return Err(Failure::is_final(self.denied(refused)));
                    }
                    is_renewed = true;
                }
                status if is_passing(status) => {
                    let retry = match retry_after(answer.headers()) {
                        Some(time) => Retry::After(time),
                        None => Retry::Later { lost: Duration::ZERO },
                    };
                    return Err(Failure { error: refusal(ask, answer).await, retry });
                }
                _ => return Ok(answer),
            }
        }
    }

    /// The tries of a request. A registry that has answered in this run is worth waiting for until it is back.
    pub(crate) fn tries(&self, url: &Url) -> Tries<'_> {
        self.http().tries(url).with_more(if self.client().has_answered(self.host()) { 2 } else { 0 })
    }

    fn url(&self, ask: &Ask, base: &Url) -> Result<Url, Failure> {
        match &ask.to {
            To::Root => Ok(base.clone()),
            To::Url(url) => Ok(url.clone()),
            To::Path(path) => base.join(&format!("{}/{path}", self.name())).map_err(|_| {
                Failure::is_final(Error::Document {
                    reference: path.clone(),
                    reason: "it is not a valid URL".into(),
                })
            }),
        }
    }
}

impl Registry {
    /// Prints what a registry warns of (distribution-spec, "Warnings"), each once.
    fn show_warnings(&self, answer: &Answer) {
        for value in
            answer.headers().get_all("warning").iter().filter_map(|value| value.to_str().ok()).take(5)
        {
            if let Some(text) = value.strip_prefix("299 - ") {
                let host = answer.url().host_str().unwrap_or_default();
                self.tell(format!("{host} warns: {}", clean(text.trim_matches('"'))));
            }
        }
    }

    /// Reads a whole small answer from elsewhere than a registry, again if need be.
    pub(crate) async fn read_patiently(
        &self,
        exchange: &Exchange<'_>,
        limit: usize,
    ) -> Result<(u16, Vec<u8>), Error> {
        let mut tries = self.http().tries(exchange.url);
        loop {
            let read = async {
                let answer = self.http().exchange(exchange).await?;
                let status = answer.status();
                let retry = is_passing(status).then(|| retry_after(answer.headers()));
                Ok((status, retry, answer.bytes(limit).await?))
            };
            match read.await {
                Err(fault) => tries.again(fault, false).await?,
                Ok((status, Some(time), body)) => {
                    let retry = time.map_or(Retry::Later { lost: Duration::ZERO }, Retry::After);
                    if !tries.wait(retry, false).await {
                        return Ok((status, body));
                    }
                }
                Ok((status, None, body)) => return Ok((status, body)),
            }
        }
    }
}

/// An answer that is no success, as an error.
pub(crate) async fn refusal(ask: &Ask, answer: Answer) -> Error {
    let (status, url) = (answer.status(), redacted(answer.url()));
    let method = ask.method.to_string();
    let errors = ServerError::read(&answer.start(LONGEST_REFUSAL).await);
    Error::Refused { method, url, status, errors }
}
