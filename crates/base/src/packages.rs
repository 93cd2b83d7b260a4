use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::tree::Tree;

/// Packages that are read; no image has more.
const MOST_PACKAGES: usize = 100_000;

/// Versions of Alpine packages by name.
pub(crate) type Alpine = BTreeMap<String, String>;

/// A Debian package of the base image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DebianPackage {
    /// `libc6`.
    pub name: String,
    /// `2.36-9+deb12u10`.
    pub version: String,
    /// `amd64` or `all`; empty where the record does not say.
    pub architecture: String,
}

/// The packages dpkg knows to be installed, and those that images without dpkg list in `status.d`; sorted.
pub(crate) fn debian(tree: &Tree) -> Vec<DebianPackage> {
    let mut found = Vec::new();
    if let Some(status) = tree.text(b"var/lib/dpkg/status") {
        found.extend(installed(&status));
    }
    if let Some(folder) = tree.resolve(b"var/lib/dpkg/status.d") {
        for (path, _) in tree.below(&folder).take(MOST_PACKAGES) {
            found.extend(tree.text(path).and_then(|control| package(&control)));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The packages that dpkg's own list, `/var/lib/dpkg/status`, calls installed.
pub(crate) fn installed(status: &str) -> impl Iterator<Item = DebianPackage> {
    let is_installed = |stanza: &&str| {
        field(stanza, "Status").is_some_and(|status| status.split_whitespace().last() == Some("installed"))
    };
    status.split("\n\n").take(MOST_PACKAGES).filter(is_installed).filter_map(package)
}

/// The package that one stanza is about.
pub(crate) fn package(stanza: &str) -> Option<DebianPackage> {
    Some(DebianPackage {
        name: field(stanza, "Package")?.to_owned(),
        version: field(stanza, "Version")?.to_owned(),
        architecture: field(stanza, "Architecture").unwrap_or_default().to_owned(),
    })
}

/// The one-line field of a stanza (deb822(5)).
fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    stanza.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// Name and version of the packages in an Alpine package list, which has moved from `/lib` to `/usr/lib`.
pub(crate) fn alpine(tree: &Tree) -> Alpine {
    let list = tree.text(b"lib/apk/db/installed").or_else(|| tree.text(b"usr/lib/apk/db/installed"));
    let list = list.unwrap_or_default();
    let package = |stanza: &str| {
        let value = |key: &str| stanza.lines().find_map(|line| line.strip_prefix(key)).map(str::to_owned);
        Some((value("P:")?, value("V:")?))
    };
    list.split("\n\n").take(MOST_PACKAGES).filter_map(package).collect()
}
