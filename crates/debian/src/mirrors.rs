use url::Url;

use crate::{ArchiveId, Date, LockedDeb};

/// Where the archives are fetched from. Nothing of this reaches a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirrors {
    /// The root of the main archive: has `dists/` and `pool/`.
    pub main: Url,
    /// The root of the security archive.
    pub security: Url,
    /// An archive of all that ever was, for locked packages a mirror no longer has: below it `debian/20260711T101637Z/pool/...`.
    pub snapshot: Option<Url>,
}

impl Default for Mirrors {
    /// Debian's own.
    fn default() -> Self {
        let url = |text| Url::parse(text).expect("a constant that a test parses");
        Self {
            main: url("https://deb.debian.org/debian"),
            security: url("https://deb.debian.org/debian-security"),
            snapshot: Some(url("https://snapshot.debian.org/archive")),
        }
    }
}

impl Mirrors {
    /// The address of a file of an archive; `path` is relative and plain.
    pub(crate) fn url(&self, archive: ArchiveId, path: &str) -> Url {
        match archive {
            ArchiveId::Main => below(&self.main, path),
            ArchiveId::Security => below(&self.security, path),
        }
    }

    /// The address of a package in the snapshot archive, as it was half a day after its suite was published.
    ///
    /// Snapshots are taken every six hours, so that one shows the suite, and pools keep files for longer than that.
    pub(crate) fn snapshot_url(&self, package: &LockedDeb, published: Date) -> Option<Url> {
        let archive = match package.archive {
            ArchiveId::Main => "debian",
            ArchiveId::Security => "debian-security",
        };
        let moment = published.plus_hours(12).compact();
        Some(below(self.snapshot.as_ref()?, &format!("{archive}/{moment}/{}", package.path)))
    }
}

fn below(root: &Url, path: &str) -> Url {
    let mut url = root.clone();
    // Cannot be refused: an address without a path is no root. Were it, the client would refuse the address.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_below_the_root() {
        let mirrors = Mirrors::default();
        assert_eq!(
            mirrors.url(ArchiveId::Security, "pool/g++_1.0~1+b1.deb").as_str(),
            "https://deb.debian.org/debian-security/pool/g++_1.0~1+b1.deb"
        );
        assert_eq!(
            mirrors.url(ArchiveId::Main, "https://evil.example/x?y#z").as_str(),
            "https://deb.debian.org/debian/https://evil.example/x%3Fy%23z"
        );
    }
}
