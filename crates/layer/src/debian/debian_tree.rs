//! The image that packages are added to: its files, and the records of its dpkg.

use std::collections::{BTreeMap, BTreeSet};

use super::filters::Filters;
use super::member::MemberKind;
use super::tree::Tree;
use super::{Error, control};

/// The files of an image that Debian packages are added to.
#[derive(Clone, Debug, Default)]
pub struct DebianTree {
    /// Every path without its leading slash.
    pub paths: BTreeMap<Vec<u8>, DebianTreeKind>,
}

/// The kind of a file in an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DebianTreeKind {
    /// A directory.
    Directory,
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// Anything else; with its bytes where it is a file of dpkg or of the loader.
    File(Option<Vec<u8>>),
}

const STATUS: &str = "var/lib/dpkg/status";
const STATUS_D: &[u8] = b"var/lib/dpkg/status.d/";
const INFO: &[u8] = b"var/lib/dpkg/info/";

/// Diversions of files of one name; more exist in no image.
const MOST_DIVERSIONS: usize = 100;

/// How an image lists its packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lists {
    /// As dpkg does.
    Dpkg,
    /// A file for each package in `status.d`, as in images made without dpkg.
    Plain,
}

impl DebianTree {
    fn text(&self, path: &str) -> Option<std::borrow::Cow<'_, str>> {
        match self.paths.get(path.as_bytes())? {
            DebianTreeKind::File(Some(bytes)) => Some(String::from_utf8_lossy(bytes)),
            _ => None,
        }
    }

    /// The kept files of a directory by name; those of its directories are not among them.
    fn files(&self, directory: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        let from = self.paths.range(directory.to_vec()..);
        from.map_while(move |(path, kind)| Some((path.strip_prefix(directory)?, kind))).filter_map(
            |(name, kind)| match kind {
                DebianTreeKind::File(Some(bytes)) if !name.contains(&b'/') => Some((name, bytes.as_slice())),
                _ => None,
            },
        )
    }

    /// The bytes of a kept file.
    pub(super) fn bytes(&self, path: &str) -> Option<&[u8]> {
        match self.paths.get(path.as_bytes())? {
            DebianTreeKind::File(bytes) => bytes.as_deref(),
            _ => None,
        }
    }

    pub(super) fn lists(&self) -> Result<Lists, Error> {
        if self.bytes(STATUS).is_some_and(|status| !status.trim_ascii().is_empty()) {
            return Ok(Lists::Dpkg);
        }
        self.files(STATUS_D).next().map(|_| Lists::Plain).ok_or(Error::NoPackageList)
    }

    /// The packages in dpkg's own words: its `status`, or the control files of `status.d` with empty lines between them.
    pub fn package_list(&self) -> Result<String, Error> {
        if self.lists()? == Lists::Dpkg {
            return Ok(self.text(STATUS).unwrap_or_default().into_owned());
        }
        let files = self.files(STATUS_D).filter(|(name, _)| !name.ends_with(b".md5sums"));
        Ok(files.map(|(_, bytes)| String::from_utf8_lossy(bytes).trim().to_owned() + "\n\n").collect())
    }

    /// What its dpkg is told to leave out.
    pub(super) fn filters(&self) -> Filters {
        let mut filters = Filters::default();
        for (name, bytes) in self.files(b"etc/dpkg/dpkg.cfg.d/") {
            // As with run-parts(8), backups and the like are no configuration.
            if name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(byte)) {
                filters.read(&String::from_utf8_lossy(bytes));
            }
        }
        filters.read(&self.text("etc/dpkg/dpkg.cfg").unwrap_or_default());
        filters
    }

    /// Where files go that some package wants elsewhere (dpkg-divert(1)): path, new path, package; by the name of the file.
    pub(super) fn diversions(&self) -> BTreeMap<Vec<u8>, Vec<[String; 3]>> {
        let text = self.text("var/lib/dpkg/diversions").unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let mut diversions: BTreeMap<Vec<u8>, Vec<[String; 3]>> = BTreeMap::new();
        for three in lines.chunks_exact(3) {
            let [from, to, package] = three else { continue };
            let name = from.rsplit('/').next().unwrap_or_default().as_bytes().to_vec();
            let rules = diversions.entry(name).or_default();
            if rules.len() < MOST_DIVERSIONS {
                rules.push([from, to, package].map(|text| (*text).to_owned()));
            }
        }
        diversions
    }

    /// Directories whose changes packages want to hear of, with the package (`/var/lib/dpkg/triggers/File`).
    pub(super) fn triggers(&self) -> Vec<(String, String)> {
        let text = self.text("var/lib/dpkg/triggers/File").unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once(' '));
        let name = |package: &str| package.split([':', '/']).next().unwrap_or_default().to_owned();
        lines.map(|(path, package)| (path.to_owned(), name(package))).collect()
    }

    /// Its paths as a tree, where those with the last component among `names` know their package.
    pub(super) fn tree(&self, names: &BTreeSet<&[u8]>) -> Tree {
        let mut tree = Tree::default();
        for (path, kind) in &self.paths {
            let kind = match kind {
                DebianTreeKind::Directory => MemberKind::Directory,
                DebianTreeKind::Symlink(target) => MemberKind::Symlink(target.clone()),
                DebianTreeKind::File(None) => MemberKind::There,
                DebianTreeKind::File(Some(bytes)) => MemberKind::File(bytes.as_slice().into()),
            };
            tree.ground(path.clone(), kind);
        }
        for (package, path) in self.owned(names) {
            if let Ok(path) = tree.resolve(&path, false) {
                tree.own(&path, &package);
            }
        }
        tree
    }

    /// Paths with their package, as they are written in the lists.
    fn owned<'a>(&'a self, names: &'a BTreeSet<&[u8]>) -> impl Iterator<Item = (String, Vec<u8>)> + 'a {
        let is_wanted =
            |path: &&[u8]| path.rsplit(|byte| *byte == b'/').next().is_some_and(|name| names.contains(name));
        let lines = |bytes: &'a [u8]| bytes.split(|byte| *byte == b'\n');
        let of_dpkg =
            self.files(INFO).filter_map(|(name, bytes)| Some((name.strip_suffix(b".list")?, bytes)));
        let of_dpkg = of_dpkg.flat_map(move |(name, bytes)| {
            let paths = lines(bytes).filter_map(|line| line.strip_prefix(b"/"));
            paths.map(move |path| (name, path))
        });
        let plain =
            self.files(STATUS_D).filter_map(|(name, bytes)| Some((name.strip_suffix(b".md5sums")?, bytes)));
        let plain = plain.flat_map(move |(name, bytes)| {
            // `0123456789abcdef0123456789abcdef  usr/lib/x`
            let paths = lines(bytes).filter_map(|line| line.get(34..));
            paths.map(move |path| (name, path))
        });
        of_dpkg.chain(plain).filter(move |(_, path)| is_wanted(path)).map(|(name, path)| {
            let name = String::from_utf8_lossy(name);
            let name = name.split(':').next().unwrap_or_default().to_owned();
            (name, path.to_vec())
        })
    }

    /// The lists of the paths of a package, one for each processor it is there for.
    pub(super) fn lists_of<'a>(&'a self, package: &'a str) -> impl Iterator<Item = (String, &'a [u8])> {
        self.files(INFO).filter_map(move |(name, bytes)| {
            let name = std::str::from_utf8(name).ok()?;
            let of = name.strip_suffix(".list")?.split(':').next()?;
            (of == package).then(|| (format!("var/lib/dpkg/info/{name}"), bytes))
        })
    }

    /// The stanzas of its packages by name, for what they say about others.
    pub(super) fn stanzas(list: &str) -> BTreeMap<&str, &str> {
        list.split("\n\n")
            .filter_map(|stanza| Some((control::field(stanza.trim_start(), "Package")?, stanza)))
            .collect()
    }
}
