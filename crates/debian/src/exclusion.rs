use std::fmt;
use std::str::FromStr;

use crate::Error;
use crate::relation::is_package_name;

/// A package that is left out although something depends on it, because only maintainer scripts would use it and none is run.
///
/// Written `debconf`, or `openssl for ca-certificates` where only one package's wish for it is passed over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exclusion {
    /// The package, or the virtual package, that is not needed.
    pub name: String,
    /// Whose dependency is passed over; `None`: everybody's.
    pub wanted_by: Option<String>,
}

impl Exclusion {
    /// Whether a dependency of `package` on `name` is passed over.
    pub(crate) fn covers(&self, name: &str, package: &str) -> bool {
        self.name == name && self.wanted_by.as_deref().is_none_or(|wanted_by| wanted_by == package)
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wanted_by {
            None => f.write_str(&self.name),
            Some(wanted_by) => write!(f, "{} for {wanted_by}", self.name),
        }
    }
}

impl FromStr for Exclusion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (name, wanted_by) = match text.split_once(" for ") {
            None => (text, None),
            Some((name, wanted_by)) => (name, Some(wanted_by)),
        };
        if !is_package_name(name) || !wanted_by.is_none_or(is_package_name) {
            return Err(Error::Exclusion { text: text.chars().take(100).collect() });
        }
        Ok(Self { name: name.into(), wanted_by: wanted_by.map(Into::into) })
    }
}

wainwright_python::serde_as_text!(Exclusion);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusion_reads_as_it_is_written() {
        for text in ["debconf", "openssl for ca-certificates"] {
            assert_eq!(text.parse::<Exclusion>().expect(text).to_string(), text);
        }
        for text in ["", "Debconf", "a for ", "a for b for c", "a, b"] {
            assert!(text.parse::<Exclusion>().is_err(), "{text} was read");
        }
    }

    #[test]
    fn an_exclusion_may_be_for_one_package_only() {
        let one: Exclusion = "openssl for ca-certificates".parse().expect("well formed");
        assert!(one.covers("openssl", "ca-certificates"));
        assert!(!one.covers("openssl", "postfix"));
    }
}
