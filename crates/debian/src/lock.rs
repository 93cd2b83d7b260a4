use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use wainwright_oci::Digest;
use wainwright_python::{Libc, PythonVersion};

use crate::record::is_archive_path;
use crate::relation::is_package_name;
use crate::{ArchiveId, Date, Error, Exclusion, Suite, version};

/// The exact packages of a base image, each with its digest. Names no mirror: any that has the bytes will do.
///
/// Everything in it is sorted, so that the same archive gives the same lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebianLock {
    /// The release.
    pub suite: Suite,
    /// What was asked for.
    pub requested: Vec<String>,
    /// What was left out although it is depended on.
    pub excluded: Vec<Exclusion>,
    /// What was read to choose the packages.
    pub suites: Vec<LockedSuite>,
    /// The packages by Debian's name of the processor, sorted by name.
    pub packages: BTreeMap<String, Vec<LockedDeb>>,
}

/// One suite as it was when the packages were chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedSuite {
    /// `bookworm-security`.
    pub suite: String,
    /// Which archive has it.
    pub archive: ArchiveId,
    /// When it was published.
    pub date: Date,
    /// The digest of its `InRelease`.
    pub inrelease_sha256: Digest,
    /// Who signed that, as far as the keys are known: primary fingerprints.
    pub signed_by: Vec<String>,
}

/// One package to install.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedDeb {
    /// `libc6`.
    #[serde(deserialize_with = "package_name")]
    pub name: String,
    /// `2.36-9+deb12u10`.
    #[serde(deserialize_with = "word")]
    pub version: String,
    /// `amd64`, or `all`.
    #[serde(deserialize_with = "package_name")]
    pub architecture: String,
    /// The source package it is built from: `glibc`.
    #[serde(deserialize_with = "package_name")]
    pub source: String,
    /// Of the `.deb`, in bytes.
    pub size: u64,
    /// Of the `.deb`.
    pub sha256: Digest,
    /// The suite that lists it.
    pub suite: String,
    /// The archive that has it.
    pub archive: ArchiveId,
    /// Where it is in the archive: `pool/main/g/glibc/libc6_2.36-9+deb12u10_amd64.deb`.
    #[serde(deserialize_with = "archive_path")]
    pub path: String,
    /// Why it is there: `requested`, or `for` and the name of the first package that wanted it.
    pub why: String,
}

impl DebianLock {
    /// The packages for a processor, by Debian's name of it.
    pub fn packages(&self, architecture: &str) -> Result<&[LockedDeb], Error> {
        self.packages.get(architecture).map(Vec::as_slice).ok_or_else(|| Error::Architecture {
            suite: self.suite.to_string(),
            architecture: architecture.to_owned(),
        })
    }

    /// Whether the lock was made for this question; otherwise it must be made again.
    pub fn answers(&self, suite: Suite, request: &crate::Request) -> bool {
        let request = request.sorted();
        self.suite == suite
            && self.requested == request.requested
            && self.excluded == request.excluded
            && request.architectures.iter().all(|architecture| self.packages.contains_key(architecture))
    }

    /// The Python among the packages: `python3.11` in version `3.11.2-6+deb12u6` is 3.11.2.
    pub fn python(&self, architecture: &str) -> Option<PythonVersion> {
        let packages = self.packages.get(architecture)?;
        packages.iter().find_map(|package| {
            let (major, minor) = package.name.strip_prefix("python")?.split_once('.')?;
            let named = PythonVersion::new(major.parse().ok()?, minor.parse().ok()?);
            let mut numbers = leading_numbers(&package.version);
            let is_named =
                numbers.next()? == u16::from(named.major) && numbers.next()? == u16::from(named.minor);
            let patch = numbers.next().and_then(|patch| u8::try_from(patch).ok());
            is_named.then_some(PythonVersion { patch, ..named })
        })
    }

    /// The C library among the packages: `libc6` in version `2.36-9` is glibc 2.36.
    pub fn libc(&self, architecture: &str) -> Option<Libc> {
        let packages = self.packages.get(architecture)?;
        let libc = packages.iter().find(|package| package.name == "libc6")?;
        let mut numbers = leading_numbers(&libc.version);
        Some(Libc::Glibc(numbers.next()?, numbers.next()?))
    }

    /// When the suite that lists a package was published.
    pub(crate) fn published(&self, package: &LockedDeb) -> Option<Date> {
        let suites = self.suites.iter().filter(|suite| suite.archive == package.archive);
        suites.filter(|suite| suite.suite == package.suite).map(|suite| suite.date).next()
    }
}

/// The numbers an upstream version begins with: 3, 14, 0 of `3.14.0~rc2-1`.
fn leading_numbers(version: &str) -> impl Iterator<Item = u16> {
    let upstream = version::upstream(version);
    let end = upstream.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(upstream.len());
    upstream[..end].split('.').map_while(|number| number.parse().ok())
}

/// What names a package also names files in the image, so a lock changed by hand is not believed.
fn package_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(deserializer, is_package_name, "is not a package name")
}

fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    checked(deserializer, is_word, "is not a version")
}

fn archive_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    checked(deserializer, is_archive_path, "is not a path in an archive")
}

fn checked<'de, D: Deserializer<'de>>(
    deserializer: D,
    is_good: impl Fn(&str) -> bool,
    complaint: &str,
) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    if is_good(&text) {
        return Ok(text);
    }
    let shown: String = text.chars().take(100).collect();
    Err(serde::de::Error::custom(format!("`{}` {complaint}", shown.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"suite = "bookworm"
requested = ["python3.11"]
excluded = ["openssl for ca-certificates"]

[[suites]]
suite = "bookworm-security"
archive = "security"
date = "2026-11-20T00:12:41Z"
inrelease_sha256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
signed_by = ["05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0"]

[[packages.amd64]]
name = "libc6"
version = "2.36-9+deb12u10"
architecture = "amd64"
source = "glibc"
size = 2758208
sha256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
suite = "bookworm-security"
archive = "security"
path = "pool/main/g/glibc/libc6_2.36-9+deb12u10_amd64.deb"
why = "for python3.11"
"#;

    fn lock() -> DebianLock {
        toml::from_str(LOCK).expect("a good lock")
    }

    #[test]
    fn a_lock_survives_toml() {
        assert_eq!(toml::to_string(&lock()).expect("a lock is TOML"), LOCK);
    }

    #[test]
    fn locks_cannot_name_paths_outside() {
        for (good, bad) in [
            ("name = \"libc6\"", "name = \"../../etc/passwd\""),
            ("path = \"pool/", "path = \"../pool/"),
            ("path = \"pool/", "path = \"https://evil.example/"),
            ("version = \"2.36", "version = \"a/b"),
            ("bookworm\"\nrequested", "stable\"\nrequested"),
        ] {
            assert!(LOCK.contains(good));
            assert!(toml::from_str::<DebianLock>(&LOCK.replace(good, bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn python_and_libc_are_known_without_downloading() {
        let mut lock = lock();
        assert_eq!(lock.libc("amd64"), Some(Libc::Glibc(2, 36)));
        assert_eq!((lock.libc("arm64"), lock.python("amd64")), (None, None));
        for (name, version, expected) in [
            ("python3.11", "3.11.2-6+deb12u6", Some("3.11.2")),
            ("python3.14", "1:3.14.0~rc2-1", Some("3.14.0")),
            ("python3.14", "3.14-1", Some("3.14")),
            ("python3.11-minimal", "3.11.2-6", None),
            ("python3", "3.11.2-1", None),
        ] {
            let packages = lock.packages.get_mut("amd64").expect("there");
            (packages[0].name, packages[0].version) = (name.into(), version.into());
            assert_eq!(lock.python("amd64").map(|python| python.to_string()).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn a_lock_knows_what_it_was_made_for() {
        let request = |requested: &str, architecture: &str| crate::Request {
            architectures: vec![architecture.into()],
            requested: vec![requested.into()],
            excluded: vec!["openssl for ca-certificates".parse().expect("good")],
            ..crate::Request::default()
        };
        let bookworm = "bookworm".parse().expect("known");
        assert!(lock().answers(bookworm, &request("python3.11", "amd64")));
        assert!(!lock().answers("trixie".parse().expect("known"), &request("python3.11", "amd64")));
        assert!(!lock().answers(bookworm, &request("python3.11", "arm64")));
        assert!(!lock().answers(bookworm, &request("python3.12", "amd64")));
    }
}
