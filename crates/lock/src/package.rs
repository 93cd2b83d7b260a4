use std::collections::BTreeSet;
use std::path::PathBuf;

use wainwright_oci::Digest;
use wainwright_python::{PackageName, Version};

use crate::{Error, Foreign, Place};

/// One package of a lockfile, to be installed for one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedPackage {
    /// Its name.
    pub name: PackageName,
    /// The version it is pinned to; `None` where only a build of its source tells.
    pub version: Option<Version>,
    /// The wheels the lockfile lists, for all platforms; none when the lockfile leaves that to the index
    /// ([`is_listed`](Self::is_listed)) or when there is only a source distribution.
    pub wheels: Vec<LockedFile>,
    /// The source distribution, if one is listed.
    pub sdist: Option<LockedFile>,
    /// Where it comes from.
    pub source: Source,
    /// Any file of the package has to have one of these digests. Empty when the lockfile has no hashes at all.
    pub hashes: BTreeSet<Digest>,
    /// Who needs it directly, by name; empty where the lockfile does not say.
    pub why: Vec<PackageName>,
    /// Where it stands in the lockfile.
    pub origin: Place,
}

impl LockedPackage {
    /// Whether the lockfile lists the files of the package; otherwise the index has to be asked for them.
    pub fn is_listed(&self) -> bool {
        !self.wheels.is_empty() || self.sdist.is_some()
    }

    /// The version for messages.
    pub(crate) fn shown_version(&self) -> String {
        self.version.as_ref().map_or_else(|| "its source".into(), ToString::to_string)
    }
}

/// One file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockedFile {
    /// Its name: a single path component.
    pub filename: String,
    /// Where its bytes are.
    pub location: Location,
    /// Its sha256; `None` where the lockfile has no hash.
    pub digest: Option<Digest>,
    /// Its length in bytes, where the lockfile says.
    pub size: Option<u64>,
}

/// Where the bytes of a file are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// At this address.
    Url(String),
    /// On this disk; relative paths are resolved against the folder of the lockfile.
    Path(PathBuf),
    /// At the package index, which has to be asked for the address.
    Index,
}

/// Where a package comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A package index; `None` where the lockfile leaves open which.
    Index(Option<String>),
    /// A folder of wheels on this disk.
    Folder(PathBuf),
    /// One file at an address.
    Url(String),
    /// One file on this disk.
    Path(PathBuf),
    /// A commit of a git repository.
    Git(GitSource),
}

/// A commit of a git repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitSource {
    /// The address of the repository: without commit and query, perhaps with a user name.
    pub url: String,
    /// The full commit, in lower case.
    pub commit: String,
    /// The folder of the package in it, without `..`; the top where there is none.
    pub subdirectory: Option<String>,
}

/// A project whose source is at hand: the project itself, a member of its workspace, or a folder it depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMember {
    /// Its name.
    pub name: PackageName,
    /// Its version, where it is not worked out during a build.
    pub version: Option<Version>,
    /// Its folder.
    pub path: PathBuf,
    /// Whether it is built and installed like a package; otherwise only its dependencies are.
    pub is_package: bool,
    /// Whether it was asked for; otherwise another member needs it.
    pub is_root: bool,
    /// Where it stands in the lockfile.
    pub origin: Place,
}

impl GitSource {
    /// Checks the address and the commit of a lockfile.
    pub(crate) fn new(url: &str, commit: &str, subdirectory: Option<&str>) -> Result<Self, Foreign> {
        let is_full = [40, 64].contains(&commit.len()) && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_full {
            return Err(Foreign::MovingCommit);
        }
        // A repository may be a path, but nothing that git takes for an option or a program.
        if url.is_empty() || url.starts_with('-') || url.contains("::") || url.chars().any(char::is_control) {
            return Err("a git repository with an invalid URL".into());
        }
        let has_password = url.split_once("://").is_some_and(|(_, rest)| {
            let host = rest.split('/').next().unwrap_or_default();
            host.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
        });
        if has_password {
            return Err("a git repository with a password in its URL".into());
        }
        let subdirectory =
            subdirectory.map(|path| path.trim_matches('/')).filter(|path| !matches!(*path, "" | "."));
        if subdirectory.is_some_and(|path| path.split('/').any(|part| matches!(part, "" | "." | ".."))) {
            return Err("a folder outside of a git repository".into());
        }
        Ok(Self {
            url: url.to_owned(),
            commit: commit.to_ascii_lowercase(),
            subdirectory: subdirectory.map(ToOwned::to_owned),
        })
    }

    /// Reads `git+https://host/repo@0123abcd...#subdirectory=lib`, as pip writes it.
    pub(crate) fn of_requirement(text: &str) -> Result<Self, Foreign> {
        let (address, fragment) = text.split_once('#').unwrap_or((text, ""));
        let address = address.strip_prefix("git+").unwrap_or(address);
        let subdirectory = fragment.split('&').find_map(|pair| pair.strip_prefix("subdirectory="));
        let host = address.find("://").map_or(0, |at| at + 3);
        let path = address.get(host..).and_then(|rest| rest.find('/')).map_or(address.len(), |at| host + at);
        // A user name before the host ends in `@` as well.
        let (url, commit) = match address.rfind('@').filter(|at| *at > path) {
            Some(at) => (&address[..at], &address[at + 1..]),
            None => (address, ""),
        };
        Self::new(url, commit, subdirectory)
    }

    /// Reads `https://host/repo?rev=main&subdirectory=lib#0123abcd...`, as uv writes it.
    pub(crate) fn of_url(text: &str) -> Result<Self, Foreign> {
        let (address, commit) = text.split_once('#').unwrap_or((text, ""));
        let (url, query) = address.split_once('?').unwrap_or((address, ""));
        let value = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
                .map(|(_, value)| value)
        };
        if value("lfs") == Some("true") {
            return Err("a git repository with large files (LFS)".into());
        }
        let subdirectory = value("subdirectory")
            .map(|text| crate::percent::percent_decoded(text).unwrap_or_else(|| text.to_owned()));
        Self::new(url.strip_prefix("git+").unwrap_or(url), commit, subdirectory.as_deref())
    }
}

/// Sorts packages by name.
pub(crate) fn by_name(mut packages: Vec<LockedPackage>) -> Vec<LockedPackage> {
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    packages
}

/// Sorts packages by name and refuses a second version of one name.
pub(crate) fn sorted(packages: Vec<LockedPackage>) -> Result<Vec<LockedPackage>, Error> {
    let packages = by_name(packages);
    for pair in packages.windows(2) {
        if let [first, second] = pair
            && first.name == second.name
        {
            return Err(Error::TwoVersions {
                name: first.name.clone(),
                one: first.shown_version(),
                other: second.shown_version(),
                first: first.origin.clone().into(),
                second: second.origin.clone().into(),
            });
        }
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_as_pip_writes_them() {
        let read = |text: &str| {
            let text = text.replace("COMMIT", "0123456789abcdef0123456789abcdef01234567");
            GitSource::of_requirement(&text).map(|one| (one.url, one.subdirectory))
        };
        let url = |url: &str| Ok((url.to_owned(), None));
        assert_eq!(read("git+https://h/r.git@COMMIT"), url("https://h/r.git"));
        assert_eq!(read("git+ssh://git@h/r@COMMIT#egg=x"), url("ssh://git@h/r"));
        assert_eq!(
            read("git+file:///r@COMMIT#egg=x&subdirectory=a/b"),
            Ok(("file:///r".into(), Some("a/b".into())))
        );
        for text in [
            "git+https://h/r",
            "git+https://h/r@main",
            "git+ssh://git@h/r",
            "git+https://COMMIT@h/",
            "@",
            "git+",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_full_commit_of_a_plain_address_is_a_source() {
        let commit = "0123456789ABCDEF0123456789abcdef01234567";
        let read = |text: &str| {
            GitSource::of_url(text).map(|one| format!("{} {} {:?}", one.url, one.commit, one.subdirectory))
        };
        let lower = commit.to_lowercase();
        assert_eq!(
            read(&format!("https://h/r?rev=main&subdirectory=a%2Fb#{commit}")),
            Ok(format!("https://h/r {lower} Some(\"a/b\")"))
        );
        assert_eq!(
            read(&format!("ssh://git@h/r.git#{commit}")),
            Ok(format!("ssh://git@h/r.git {lower} None"))
        );
        for text in [
            "https://h/r#main",
            "https://h/r",
            "https://ann:pw@h/r#0123456789abcdef0123456789abcdef01234567",
            "ext::sh -c x#0123456789abcdef0123456789abcdef01234567",
            "-u#0123456789abcdef0123456789abcdef01234567",
            "https://h/r?subdirectory=../x#0123456789abcdef0123456789abcdef01234567",
            "https://h/r?lfs=true#0123456789abcdef0123456789abcdef01234567",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
