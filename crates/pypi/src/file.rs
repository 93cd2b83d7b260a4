use std::fmt;

use wainwright_http::Url;
use wainwright_oci::Digest;
use wainwright_python::{PackageName, Version, WheelFilename};

/// A file that an index or a page of links knows.
#[derive(Clone, Debug)]
pub struct IndexFile {
    /// Its name, checked: never a path.
    pub filename: Filename,
    /// Where its bytes are.
    pub url: Url,
    /// The page that said so.
    pub page: Url,
    /// Its sha256 as the index gives it. Only a hint: the lockfile decides.
    pub digest: Option<Digest>,
    /// Its length in bytes as the index gives it.
    pub size: Option<u64>,
    /// Why it should not be used any more; may be empty.
    pub yanked: Option<String>,
    /// The Python versions it is for, as the index writes them.
    pub requires_python: Option<String>,
}

/// The name of a distribution file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filename {
    /// A wheel.
    Wheel(WheelFilename),
    /// A source distribution.
    Sdist(String),
}

impl Filename {
    /// Reads the name of a file of `package`; `None` for anything else, as indexes hold many odd old files.
    pub(crate) fn read(text: &str, package: &PackageName) -> Option<Self> {
        if text.ends_with(".whl") {
            return text.parse().ok().filter(|wheel: &WheelFilename| wheel.name == *package).map(Self::Wheel);
        }
        let name = Self::Sdist(text.to_owned());
        name.version(package).map(|_| name)
    }

    /// The version in the name.
    pub(crate) fn version(&self, package: &PackageName) -> Option<Version> {
        match self {
            Self::Wheel(wheel) => Some(wheel.version.clone()),
            Self::Sdist(text) => sdist_version(text, package),
        }
    }

    /// The whole file name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Wheel(wheel) => wheel.as_str(),
            Self::Sdist(text) => text,
        }
    }
}

impl fmt::Display for Filename {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `name-version.tar.gz` (PEP 625), or one of its older forms, where the name itself may hold dashes.
fn sdist_version(text: &str, package: &PackageName) -> Option<Version> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"._-+!".contains(&b);
    if text.len() > 255 || !text.bytes().all(is_plain) {
        return None;
    }
    let stem = [".tar.gz", ".zip", ".tar.bz2", ".tgz"].iter().find_map(|end| text.strip_suffix(end))?;
    stem.match_indices('-').find_map(|(at, _)| {
        let (name, version) = (stem.get(..at)?, stem.get(at + 1..)?);
        let is_name = name.parse::<PackageName>().is_ok_and(|name| name == *package);
        version.parse().ok().filter(|_| is_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(file: &str, package: &str) -> Option<String> {
        let package = package.parse().unwrap();
        Filename::read(file, &package)?.version(&package).map(|version| version.to_string())
    }

    #[test]
    fn files_say_their_version() {
        assert_eq!(version("foo_bar-1.0-py3-none-any.whl", "foo-bar").as_deref(), Some("1.0"));
        assert_eq!(version("foo_bar-1.0.tar.gz", "foo-bar").as_deref(), Some("1.0"));
        assert_eq!(version("foo-bar-1.0rc1.zip", "foo-bar").as_deref(), Some("1.0rc1"));
    }

    #[test]
    fn files_of_others_and_odd_ones_are_left_out() {
        for file in [
            "foo-1.0-py3-none-any.whl",
            "foo-1.0.tar.gz",
            "foo_bar-1.0.win32.exe",
            "foo_bar-1.0-py3.11.egg",
            "foo_bar-.tar.gz",
            "../foo_bar-1.0.tar.gz",
            "..%2ffoo_bar-1.0.tar.gz",
        ] {
            assert_eq!(version(file, "foo-bar"), None, "{file}");
        }
    }
}
