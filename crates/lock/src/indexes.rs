use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::error::redact;

/// Where a lockfile, or the project beside it, says packages are to be found.
///
/// Addresses are as written: they may hold passwords, and `${NAME}` until [`Indexes::replace_variables`]. `Debug` hides the passwords.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Indexes {
    /// `--index-url`; it replaces the usual index.
    pub index: Option<String>,
    /// `--extra-index-url`, in the order of the file.
    pub extra: Vec<String>,
    /// `--find-links`: addresses of pages, or folders.
    pub links: Vec<String>,
    /// `--no-index`: only `links` count.
    pub no_index: bool,
    /// Names and addresses of indexes that packages of the lockfile say they are from.
    pub named: Vec<(String, String)>,
    /// Whether the values of variables are plain text, to be encoded where they are users and passwords, as PDM and pipenv have
    /// them; pip takes them as they are.
    pub has_plain_variables: bool,
}

impl fmt::Debug for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |urls: &[String]| urls.iter().map(|url| redact(url)).collect::<Vec<_>>();
        f.debug_struct("Indexes")
            .field("index", &self.index.as_deref().map(redact))
            .field("extra", &shown(&self.extra))
            .field("links", &shown(&self.links))
            .field("no_index", &self.no_index)
            .field("has_plain_variables", &self.has_plain_variables)
            .field("named", &self.named.iter().map(|(name, url)| (name, redact(url))).collect::<Vec<_>>())
            .finish()
    }
}

impl Indexes {
    /// Puts variables in the place of `${NAME}`, as pip, pipenv and PDM do; the names that are not set are told, and stay
    /// as they stand.
    pub fn replace_variables(&mut self, vars: &BTreeMap<String, String>) -> BTreeSet<String> {
        let mut missing = BTreeSet::new();
        let named = self.named.iter_mut().map(|(_, url)| url);
        let addresses = self.index.iter_mut().chain(&mut self.extra).chain(&mut self.links).chain(named);
        for address in addresses {
            let host = if self.has_plain_variables { host(address) } else { 0 };
            let (user, rest) = address.split_at(host);
            let user = replace(user, |name| vars.get(name).map(|value| encoded(value)), &mut missing);
            *address = user + &replace_variables(rest, vars, &mut missing);
        }
        missing
    }
}

/// Where the host begins in an address that has users and passwords before it.
fn host(address: &str) -> usize {
    let start = address.find("://").map_or(0, |at| at + 3);
    let authority = address[start..].split('/').next().unwrap_or_default();
    authority.rfind('@').map_or(0, |at| start + at)
}

/// Everything encoded that RFC 3986 (section 2.3) does not call unreserved.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Puts variables in the place of `${NAME}`; what is not set stays, and is added to `missing`.
pub fn replace_variables(
    text: &str,
    vars: &BTreeMap<String, String>,
    missing: &mut BTreeSet<String>,
) -> String {
    replace(text, |name| vars.get(name).cloned(), missing)
}

fn replace(text: &str, value: impl Fn(&str) -> Option<String>, missing: &mut BTreeSet<String>) -> String {
    let mut replaced = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        replaced.push_str(before);
        match value(name) {
            Some(value) => replaced.push_str(&value),
            None => {
                missing.insert(name.to_owned());
                replaced.push_str(&format!("${{{name}}}"));
            }
        }
        rest = after;
    }
    replaced + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_passwords_are_encoded_where_they_are_passwords() {
        let vars = [("U".to_owned(), "a@b".to_owned()), ("P".to_owned(), "s/+ %".to_owned())].into();
        let replaced = |has_plain_variables| {
            let extra = vec!["https://${U}:${P}@h/${P}".into(), "https://h/@${P}".into(), "${P}".into()];
            let mut indexes = Indexes { extra, has_plain_variables, ..Indexes::default() };
            assert!(indexes.replace_variables(&vars).is_empty());
            indexes.extra
        };
        assert_eq!(replaced(true), ["https://a%40b:s%2F%2B%20%25@h/s/+ %", "https://h/@s/+ %", "s/+ %"]);
        assert_eq!(replaced(false)[0], "https://a@b:s/+ %@h/s/+ %");
    }

    #[test]
    fn encoding_leaves_unreserved_letters() {
        let vars = [("U".to_owned(), "aZ9-._~ /@".to_owned())].into();
        for (address, expected) in [
            ("http://${U}@h/x@${U}", "http://aZ9-._~%20%2F%40@h/x@aZ9-._~ /@"),
            ("${U}@h", "aZ9-._~%20%2F%40@h"),
            ("folder/${U}", "folder/aZ9-._~ /@"),
        ] {
            let mut indexes = Indexes {
                links: vec![address.into()],
                named: vec![("corp".into(), address.into())],
                has_plain_variables: true,
                ..Indexes::default()
            };
            assert!(indexes.replace_variables(&vars).is_empty());
            assert_eq!((&*indexes.links[0], &*indexes.named[0].1), (expected, expected));
        }
    }

    #[test]
    fn debug_shows_addresses_without_passwords() {
        let url = || "https://u:CANARY@h/simple".to_owned();
        let indexes = Indexes {
            index: Some(url()),
            extra: vec![url()],
            links: vec![url()],
            named: vec![("corp".into(), url())],
            ..Indexes::default()
        };
        let shown = format!("{indexes:?}");
        assert_eq!(shown.matches("https://***@h/simple").count(), 4, "{shown}");
        assert!(!shown.contains("CANARY"), "{shown}");
    }

    #[test]
    fn variables_are_replaced_and_missing_ones_are_told() {
        let vars = [("TOKEN".to_owned(), "CANARY".to_owned())].into();
        let mut indexes = Indexes {
            index: Some("https://u:${TOKEN}@h/${".into()),
            extra: vec!["https://${NOT_SET}@${TOKEN}/".into(), "https://h/}${}".into()],
            ..Indexes::default()
        };
        let missing = indexes.replace_variables(&vars);
        assert_eq!(missing.iter().map(String::as_str).collect::<Vec<_>>(), ["", "NOT_SET"]);
        assert_eq!(indexes.index.as_deref(), Some("https://u:CANARY@h/${"));
        assert_eq!(indexes.extra, ["https://${NOT_SET}@CANARY/", "https://h/}${}"]);
        assert!(!format!("{indexes:?}").contains("u:CANARY"));
    }
}
