use serde::{Deserialize, Serialize};

use crate::accounts::text;
use crate::tree::Tree;

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
    if let Some(status) = text(tree, b"var/lib/dpkg/status") {
        let is_installed = |stanza: &&str| {
            field(stanza, "Status")
                .is_some_and(|status| status.split_whitespace().last() == Some("installed"))
        };
        found.extend(status.split("\n\n").filter(is_installed).filter_map(package));
    }
    if let Some(folder) = tree.resolve(b"var/lib/dpkg/status.d") {
        for (path, _) in tree.below(&folder) {
            found.extend(text(tree, path).and_then(|control| package(&control)));
        }
    }
    found.sort();
    found.dedup();
    found
}

fn package(stanza: &str) -> Option<DebianPackage> {
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

/// The version of an Alpine package; the list has moved from `/lib` to `/usr/lib`.
pub(crate) fn apk_version(tree: &Tree, name: &str) -> Option<String> {
    let list = text(tree, b"lib/apk/db/installed").or_else(|| text(tree, b"usr/lib/apk/db/installed"))?;
    let value =
        |stanza: &str, key: &str| stanza.lines().find_map(|line| line.strip_prefix(key).map(str::to_owned));
    list.split("\n\n")
        .find(|stanza| value(stanza, "P:").as_deref() == Some(name))
        .and_then(|s| value(s, "V:"))
}
