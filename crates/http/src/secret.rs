use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::header::HeaderValue;
use url::Url;

/// A password or token. It has no Debug, no Display and no Serialize, and only this crate can open it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Closes the envelope.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// A text, such as what a program said, without some secrets.
pub fn without_secrets(text: &str, secrets: &[Secret]) -> String {
    let secrets = secrets.iter().map(Secret::reveal).filter(|secret| !secret.is_empty());
    secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
}

/// Credentials for one server, ready to be sent. Like [`Secret`], it cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth(HeaderValue);

impl Secret {
    /// The text, for whoever sends it to the one place it is meant for.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Auth {
    /// A token (RFC 6750); `None` when it has characters that no header may have.
    pub fn bearer(token: &Secret) -> Option<Self> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.0)).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    /// A user name and a password (RFC 7617); the password may be empty, as with tokens used as user names.
    pub fn basic(user: &str, password: &Secret) -> Self {
        let encoded = BASE64_STANDARD.encode(format!("{user}:{}", password.0));
        // Base64 has no byte a header could refuse, so the empty value is never sent.
        let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))
            .unwrap_or_else(|_| HeaderValue::from_static("Basic"));
        value.set_sensitive(true);
        Self(value)
    }

    /// The password it was made of, or the user name where that is all there is; `None` for a token.
    pub fn password(&self) -> Option<Secret> {
        let (user, password) = self.user_and_password()?;
        Some(if password.0.is_empty() { Secret(user) } else { password })
    }

    /// What it was made of, for a program of ours that has to show it in our place; `None` for a token.
    pub fn user_and_password(&self) -> Option<(String, Secret)> {
        let encoded = self.0.as_bytes().strip_prefix(b"Basic ")?;
        let text = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_owned(), Secret::new(password)))
    }

    pub(crate) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// Moves `user:password@` out of a URL.
pub fn take_credentials(url: &mut Url) -> Option<Auth> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let user = percent_decoded(url.username());
    let password = Secret::new(percent_decoded(url.password().unwrap_or_default()));
    // Refused only for URLs that cannot carry credentials in the first place.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(Auth::basic(&user, &password))
}

/// The URL as it may be shown: without credentials and fragment, query values as `***`.
pub fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    if url.query().is_some() {
        let names: Vec<String> = url.query_pairs().map(|(name, _)| format!("{name}=***")).collect();
        shown.set_query(Some(&names.join("&")));
    }
    shown.into()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let decoded = match tail {
            [high, low, ..] if first == b'%' => {
                std::str::from_utf8(&[*high, *low]).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok())
            }
            _ => None,
        };
        bytes.push(decoded.unwrap_or(first));
        rest = if decoded.is_some() { tail.get(2..).unwrap_or_default() } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_url_for_the_header() {
        let mut url: Url = "https://ann:p%40ss%3Aw@pypi.example/simple/".parse().unwrap();
        let auth = take_credentials(&mut url).unwrap();
        assert_eq!(url.as_str(), "https://pypi.example/simple/");
        assert!(auth == Auth::basic("ann", &Secret::new("p@ss:w")));
        assert!(auth.header().is_sensitive());
        assert!(take_credentials(&mut url).is_none());
    }

    #[test]
    fn netrc_token_without_login_is_accepted() {
        let mut url: Url = "https://token@pypi.example/".parse().unwrap();
        assert!(take_credentials(&mut url).unwrap() == Auth::basic("token", &Secret::new("")));
    }

    #[test]
    fn shown_urls_contain_no_secret() {
        let url = "https://ann:hunter2@h.example/a?X-Sig=hunter2&b=hunter2&hunter=#hunter2".parse().unwrap();
        let shown = redacted(&url);
        assert_eq!(shown, "https://h.example/a?X-Sig=***&b=***&hunter=***");
    }
}
