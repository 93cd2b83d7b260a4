use std::collections::BTreeSet;
use std::str::FromStr;

use wainwright_fault::Classify;
use wainwright_python::{ExtraName, PackageName, VersionSpecifiers};

use crate::{Invalid, Marker, MarkerEnvironment};

/// A dependency as people write it: `httpx[http2] >=0.27,<1 ; python_version >= '3.9'`
/// (PyPA, "Dependency specifiers").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// What is needed.
    pub name: PackageName,
    /// Its extras.
    pub extras: BTreeSet<ExtraName>,
    /// The versions that will do; all of them when empty.
    pub specifiers: VersionSpecifiers,
    /// The address in `name @ address`.
    pub url: Option<String>,
    /// When it is needed; always when there is none.
    pub marker: Option<Marker>,
}

impl Requirement {
    /// Whether it is needed in `environment`.
    pub fn applies(&self, environment: &MarkerEnvironment) -> bool {
        self.marker.as_ref().is_none_or(|marker| marker.applies(environment))
    }
}

impl FromStr for Requirement {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |reason: String| Invalid::new("requirement", text, reason);
        let rest = text.trim();
        // A wrong letter belongs to the name it was meant for, so that the message can show the name.
        let is_name = |c: char| !c.is_whitespace() && !"[(<>=!~;@,".contains(c);
        let (name, rest) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        let name = name.parse().map_err(|error: wainwright_python::Error| {
            let hint = error.hint().unwrap_or_default();
            refuse(format!("{error} ({hint})"))
        })?;

        let mut rest = rest.trim_start();
        let mut extras = BTreeSet::new();
        if let Some(inner) = rest.strip_prefix('[') {
            let (list, after) = inner.split_once(']').ok_or_else(|| refuse("`[` is not closed".into()))?;
            for extra in list.split(',').map(str::trim).filter(|_| !list.trim().is_empty()) {
                extras.insert(
                    extra.parse().map_err(|error: wainwright_python::Error| refuse(error.to_string()))?,
                );
            }
            rest = after.trim_start();
        }

        let mut url = None;
        let mut specifiers = VersionSpecifiers::empty();
        let marker;
        if let Some(after) = rest.strip_prefix('@') {
            // An address may hold `;`, so the marker begins after white space.
            let after = after.trim_start();
            let (address, after) = after.split_at(after.find(char::is_whitespace).unwrap_or(after.len()));
            if address.is_empty() {
                return Err(refuse("expected a URL after `@`".into()));
            }
            url = Some(address.to_owned());
            let after = after.trim_start();
            marker = match after.strip_prefix(';') {
                Some(marker) => Some(marker),
                None if after.is_empty() => None,
                None => return Err(refuse("expected `;` after the URL".into())),
            };
        } else {
            let (versions, after) = match rest.split_once(';') {
                Some((versions, marker)) => (versions.trim(), Some(marker)),
                None => (rest.trim(), None),
            };
            let inner = versions.strip_prefix('(').and_then(|inner| inner.strip_suffix(')'));
            let versions = inner.unwrap_or(versions).trim();
            if !versions.is_empty() {
                let shown: String = versions.chars().take(100).collect();
                specifiers =
                    versions.parse().map_err(|_| refuse(format!("`{shown}` is not a version range")))?;
            }
            marker = after;
        }
        let marker = marker
            .map(|marker| marker.trim().parse())
            .transpose()
            .map_err(|error: Invalid| refuse(error.reason().to_owned()))?;
        Ok(Self { name, extras, specifiers, url, marker })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Requirement {
        text.parse().unwrap()
    }

    #[test]
    fn all_parts_are_read() {
        let requirement = read("Foo.Bar [Test_All, x] >=1, <2 ; python_version < '3'");
        assert_eq!(requirement.name.as_str(), "foo-bar");
        assert_eq!(requirement.extras.iter().map(ToString::to_string).collect::<Vec<_>>(), ["test-all", "x"]);
        assert_eq!(requirement.specifiers.to_string(), ">=1, <2");
        assert_eq!(requirement.url, None);
        assert!(requirement.marker.is_some());
        assert_eq!(read("foo(==1.0)").specifiers.to_string(), "==1.0");
        assert_eq!(read("foo").specifiers.len(), 0);
        assert_eq!(read("foo[]").extras.len(), 0);
    }

    #[test]
    fn url_ends_at_whitespace() {
        let requirement = read("foo @ https://example.org/foo-1.0-py3-none-any.whl;x ; os_name == 'nt'");
        assert_eq!(requirement.url.as_deref(), Some("https://example.org/foo-1.0-py3-none-any.whl;x"));
        assert!(requirement.marker.is_some());
    }

    #[test]
    fn what_is_not_a_requirement_is_refused_with_a_reason() {
        let check = |text: &str, message: &str| {
            assert_eq!(text.parse::<Requirement>().unwrap_err().to_string(), message);
        };
        check(
            "\u{0441}ryptography==1",
            "`\u{0441}ryptography==1` is not a requirement: `\\u{441}ryptography` is not a package name \
             (package names contain ASCII letters, digits, `.`, `-` and `_`)",
        );
        check("foo[a", "`foo[a` is not a requirement: `[` is not closed");
        check("foo @ ", "`foo @ ` is not a requirement: expected a URL after `@`");
        check("foo 1.0", "`foo 1.0` is not a requirement: `1.0` is not a version range");
        check(
            "foo; os_name",
            "`foo; os_name` is not a requirement: expected a comparison such as `==` or `in` at character 8",
        );
    }
}
