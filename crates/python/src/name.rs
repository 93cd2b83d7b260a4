use std::fmt;
use std::str::FromStr;

use crate::Error;

/// A package name in normalized form: lower case, `-` for every run of `.`, `-` and `_`
/// (PyPA, "Names and normalization").
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PackageName(String);

/// The name of an extra; normalized like a package name.
pub type ExtraName = PackageName;

impl PackageName {
    /// The normalized text: `foo-bar`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it stands in wheel file names and `.dist-info` directories: `foo_bar`.
    pub fn escaped(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl FromStr for PackageName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bytes = text.as_bytes();
        let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        if !is_edge(bytes.first()) || !is_edge(bytes.last()) || !bytes.iter().all(is_inner) {
            // A letter that only looks like an ASCII one has to be seen: `\u{441}ryptography`.
            let text = text.chars().take(100).flat_map(char::escape_default).collect();
            return Err(Error::Name { text });
        }
        let mut name = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter {
                '.' | '-' | '_' if name.ends_with('-') => {}
                '.' | '-' | '_' => name.push('-'),
                letter => name.push(letter.to_ascii_lowercase()),
            }
        }
        Ok(Self(name))
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

crate::serde_as_text!(PackageName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_names_are_normalized() {
        for text in ["Foo.Bar", "foo-bar", "FOO__bar", "foo._-bar"] {
            assert_eq!(text.parse::<PackageName>().unwrap().as_str(), "foo-bar");
        }
    }

    #[test]
    fn names_are_ascii() {
        for text in ["", "-a", "a-", "a b", "\u{0441}ryptography", "a/b", "..", "a\n"] {
            assert!(text.parse::<PackageName>().is_err(), "{text:?} was read");
        }
        let error = "\u{0441}ryptography".parse::<PackageName>().unwrap_err();
        assert_eq!(error.to_string(), "`\\u{441}ryptography` is not a package name");
    }
}
