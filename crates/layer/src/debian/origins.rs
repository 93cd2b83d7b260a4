//! Where each path of a runtime comes from: a package, or our own hand.

use super::Runtime;
use super::keep::{gconv_name, is_below};
use super::tree::Tree;

/// Where a path of a runtime comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeOrigin {
    /// The name of the package that brings it.
    Package(String),
    /// Made here; the word says what it is.
    Made(&'static str),
}

/// What we make where, first match first; the rest are the links and folders of every root.
const MADE: &[(&str, &str)] = &[
    ("var/lib/dpkg", "package list"),
    ("etc/ssl", "certificates"),
    ("usr/lib/ssl", "certificates"),
    ("etc/ld.so.cache", "loader cache"),
    ("etc/passwd", "accounts"),
    ("etc/group", "accounts"),
    ("etc/nsswitch.conf", "accounts"),
    ("home", "accounts"),
    ("etc/alternatives", "alternatives"),
];

impl Runtime {
    /// Where every path of its layers comes from, sorted by path. The bytecode of the standard library is not listed.
    pub fn origins(&self) -> impl Iterator<Item = (&[u8], RuntimeOrigin)> {
        of(&self.tree)
    }
}

/// Where every path of a tree comes from that the image below does not have.
pub(super) fn of(tree: &Tree) -> impl Iterator<Item = (&[u8], RuntimeOrigin)> {
    tree.iter().filter(|(_, node)| !node.is_below).map(|(path, node)| {
        let origin = match node.package.as_str() {
            "" => RuntimeOrigin::Made(made(path)),
            package => RuntimeOrigin::Package(package.to_owned()),
        };
        (path, origin)
    })
}

fn made(path: &[u8]) -> &'static str {
    if gconv_name(path).is_some() {
        return "character sets";
    }
    let found = MADE.iter().find(|(place, _)| is_below(path, place.as_bytes()));
    found.map_or("links and folders", |(_, what)| *what)
}
