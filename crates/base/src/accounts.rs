use serde::{Deserialize, Serialize};

use crate::tree::Tree;

/// Lines of `/etc/passwd` and `/etc/group` that are read.
const MOST_LINES: usize = 10_000;

/// A user of the base image (`/etc/passwd`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// `root`.
    pub name: String,
    /// The number of the user.
    pub uid: u32,
    /// The number of the user's first group.
    pub gid: u32,
    /// The home directory.
    pub home: String,
}

/// A group of the base image (`/etc/group`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// `root`.
    pub name: String,
    /// The number of the group.
    pub gid: u32,
}

pub(crate) fn users(tree: &Tree) -> Vec<User> {
    let user = |fields: &[&str]| match *fields {
        [name, _, uid, gid, _, home, ..] => Some(User {
            name: name.into(),
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            home: home.into(),
        }),
        _ => None,
    };
    read(tree, b"etc/passwd", user)
}

pub(crate) fn groups(tree: &Tree) -> Vec<Group> {
    let group = |fields: &[&str]| match *fields {
        [name, _, gid, ..] => Some(Group { name: name.into(), gid: gid.parse().ok()? }),
        _ => None,
    };
    read(tree, b"etc/group", group)
}

/// Lines that are damaged are skipped, as the C library does.
fn read<T>(tree: &Tree, path: &[u8], parse: impl Fn(&[&str]) -> Option<T>) -> Vec<T> {
    let text = tree.text(path).unwrap_or_default();
    let fields = |line: &'_ str| parse(&line.split(':').collect::<Vec<_>>());
    text.lines().take(MOST_LINES).filter_map(fields).collect()
}

/// The name of the distribution, from `PRETTY_NAME` of os-release(5).
pub(crate) fn distribution(tree: &Tree) -> Option<String> {
    let text = tree.text(b"etc/os-release").or_else(|| tree.text(b"usr/lib/os-release"))?;
    let value = text.lines().find_map(|line| line.trim().strip_prefix("PRETTY_NAME="))?;
    let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''));
    let inner = quote.and_then(|quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value);
    Some(inner.replace('\\', "").chars().filter(|letter| !letter.is_control()).take(200).collect())
}

/// The Debian release, from `ID` and `VERSION_CODENAME` of os-release(5); those made from Debian have other IDs.
pub(crate) fn codename(tree: &Tree) -> Option<String> {
    let text = tree.text(b"etc/os-release").or_else(|| tree.text(b"usr/lib/os-release"))?;
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches(['"', '\'']))
    };
    (field("ID") == Some("debian")).then(|| field("VERSION_CODENAME").map(ToOwned::to_owned))?
}
