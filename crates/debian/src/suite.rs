use std::fmt;
use std::str::FromStr;

use wainwright_oci::Platform;

use crate::Error;

/// A Debian release by its code name, which always means the same packages or newer ones of the same release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Suite(&'static Known);

/// The two archives a release is spread over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveId {
    /// `deb.debian.org/debian`: releases and their updates.
    Main,
    /// `deb.debian.org/debian-security`: security updates.
    Security,
}

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Known {
    codename: &'static str,
    number: Option<&'static str>,
    has_updates: bool,
}

const KNOWN: [Known; 4] = [
    Known { codename: "bookworm", number: Some("12"), has_updates: true },
    Known { codename: "trixie", number: Some("13"), has_updates: true },
    Known { codename: "forky", number: Some("14"), has_updates: true },
    Known { codename: "sid", number: None, has_updates: false },
];

/// Names that stand for another release every two years or so.
const MOVING: [&str; 5] = ["stable", "oldstable", "oldoldstable", "testing", "unstable"];

impl Suite {
    /// `bookworm`.
    pub fn codename(&self) -> &'static str {
        self.0.codename
    }

    /// The suites to read together, in order of preference: the release, its updates, its security updates.
    pub fn parts(&self) -> Vec<(String, ArchiveId)> {
        let mut parts = vec![(self.0.codename.to_owned(), ArchiveId::Main)];
        if self.0.has_updates {
            parts.push((format!("{}-updates", self.0.codename), ArchiveId::Main));
            parts.push((format!("{}-security", self.0.codename), ArchiveId::Security));
        }
        parts
    }

    /// The names of all releases known.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        KNOWN.iter().map(Self)
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.codename)
    }
}

impl FromStr for Suite {
    type Err = Error;

    /// Reads `bookworm`, `12`, `debian:12`, `debian:bookworm`. Names that move (`stable`) are refused.
    fn from_str(text: &str) -> Result<Self, Error> {
        let name = text.strip_prefix("debian:").unwrap_or(text);
        let known = Self::all().find(|suite| suite.0.codename == name || suite.0.number == Some(name));
        known.ok_or_else(|| Error::Suite {
            text: text.chars().take(100).collect(),
            moves: MOVING.contains(&name),
        })
    }
}

wainwright_python::serde_as_text!(Suite);

/// Debian's name of a processor: `amd64`, `armhf` for `arm/v7`, `ppc64el` for `ppc64le`.
///
/// `None` for what Debian does not know, and for anything but Linux.
pub fn architecture(platform: &Platform) -> Option<&'static str> {
    if platform.os != "linux" {
        return None;
    }
    match (platform.architecture.as_str(), platform.variant.as_deref()) {
        ("amd64", _) => Some("amd64"),
        ("arm64", _) => Some("arm64"),
        ("arm", Some("v5" | "v6")) => Some("armel"),
        ("arm", _) => Some("armhf"),
        ("386", _) => Some("i386"),
        ("ppc64le", _) => Some("ppc64el"),
        ("s390x", _) => Some("s390x"),
        ("riscv64", _) => Some("riscv64"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;

    use super::*;

    #[test]
    fn a_release_has_several_names() {
        for text in ["bookworm", "12", "debian:12", "debian:bookworm"] {
            assert_eq!(text.parse::<Suite>().expect(text).codename(), "bookworm");
        }
        assert_eq!("trixie".parse::<Suite>().expect("known").parts()[2].0, "trixie-security");
        assert_eq!("sid".parse::<Suite>().expect("known").parts().len(), 1);
    }

    #[test]
    fn moving_suite_names_are_rejected() {
        for text in ["stable", "debian:oldstable", "testing"] {
            let error = text.parse::<Suite>().expect_err(text);
            assert!(error.hint().is_some_and(|hint| hint.contains("`trixie`") && hint.contains("moves")));
        }
        let error = "debian:noble".parse::<Suite>().expect_err("not Debian");
        assert_eq!(error.to_string(), "`debian:noble` is not a Debian release");
        assert!(!error.is_outside());
    }

    #[test]
    fn processors_have_debian_names() {
        for (platform, expected) in [
            ("linux/amd64", Some("amd64")),
            ("linux/arm/v7", Some("armhf")),
            ("linux/ppc64le", Some("ppc64el")),
            ("linux/wasm", None),
            ("windows/amd64", None),
        ] {
            assert_eq!(architecture(&platform.parse().expect(platform)), expected);
        }
    }
}
