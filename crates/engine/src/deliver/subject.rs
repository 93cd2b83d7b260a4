use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use wainwright_base::Source;
use wainwright_oci::Reference;

use crate::Error;

/// An image that is there already, wherever that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// On disk: `layout:DIR` or `archive:FILE`.
    Disk(Source),
    /// What was built last from a project: `last`, or `last:DIR` for a project in another folder.
    Last(PathBuf),
    /// In a registry: `ghcr.io/acme/api:1.4`.
    Registry(Reference),
}

impl FromStr for Subject {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.starts_with("layout:") || text.starts_with("archive:") {
            return Ok(Self::Disk(text.parse()?));
        }
        match text.strip_prefix("last") {
            Some("") => return Ok(Self::Last(".".into())),
            Some(rest) if rest.len() > 1 && rest.starts_with(':') => return Ok(Self::Last(rest[1..].into())),
            _ => {}
        }
        let refuse = |source| Error::UnknownSubject { text: text.chars().take(200).collect(), source };
        Ok(Self::Registry(text.parse().map_err(refuse)?))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(source) => source.fmt(f),
            Self::Last(folder) if folder.as_os_str() == "." => f.write_str("last"),
            Self::Last(folder) => write!(f, "last:{}", folder.display()),
            Self::Registry(reference) => reference.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_read_and_written_the_same() {
        for text in ["layout:out:1", "archive:a.tar", "last", "last:api", "ghcr.io/acme/api:1.4"] {
            assert_eq!(text.parse::<Subject>().unwrap().to_string(), text);
        }
        assert!(matches!("lastly".parse().unwrap(), Subject::Registry(_)));
        for text in ["", "layout:", "Upper", ".wain/image"] {
            assert!(text.parse::<Subject>().is_err(), "{text} was read");
        }
    }
}
