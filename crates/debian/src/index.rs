use std::io::BufRead;

use wainwright_oci::Digest;

use crate::record::{Lists, NAME, PROVIDES, Record, Span, VERSION, range, read_file};
use crate::relation::{self, Relation};
use crate::{Error, version};

/// The packages of one processor, out of one or more `Packages` files: for each name the highest version.
///
/// Holds the fields a resolver needs in one text and spans into it: about 25 MB for the 64 000 packages of Debian 12.
#[derive(Debug)]
pub struct Index {
    text: String,
    /// Sorted by name, each name once.
    records: Vec<Record>,
    /// Sorted by name: who provides it besides the package of that name.
    provides: Vec<Provided>,
}

/// Where a package is in an [`Index`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackageId(u32);

/// One package of an [`Index`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Package<'a> {
    /// `libc6`.
    pub name: &'a str,
    /// `2.36-9+deb12u10`.
    pub version: &'a str,
    /// `amd64`, or `all` where the processor does not matter.
    pub architecture: &'a str,
    /// The source package: `glibc`.
    pub source: &'a str,
    /// Where the `.deb` is, below the root of the archive.
    pub path: &'a str,
    /// Of the `.deb`, in bytes.
    pub size: u64,
    /// Of the `.deb`.
    pub digest: Digest,
    /// Which of the files given to [`Index::read`] lists it, counted from zero.
    pub origin: usize,
    pub(crate) pre_depends: &'a str,
    pub(crate) depends: &'a str,
    pub(crate) conflicts: &'a str,
    pub(crate) breaks: &'a str,
    pub(crate) provides: &'a str,
}

#[derive(Clone, Debug)]
struct Provided {
    name: Span,
    version: Option<Span>,
    by: PackageId,
}

impl Index {
    /// Reads `Packages` files, each with a name for errors, in order of preference: where two list the same version, the first wins.
    ///
    /// Packages for other processors than `architecture` and `all` are passed over.
    pub fn read<R: BufRead>(
        files: impl IntoIterator<Item = (String, R)>,
        architecture: &str,
    ) -> Result<Self, Error> {
        Self::read_beside(files, architecture, "")
    }

    /// As [`Index::read`], with the packages that a system has already, out of dpkg's `status` or control files with empty lines
    /// between them.
    ///
    /// What is there stays as it is: other versions of it are not in the index.
    pub fn read_beside<R: BufRead>(
        files: impl IntoIterator<Item = (String, R)>,
        architecture: &str,
        installed: &str,
    ) -> Result<Self, Error> {
        let mut text = String::new();
        let mut records = Vec::new();
        for (origin, (file, reader)) in (0..).zip(files) {
            read_file(&file, reader, Lists::Archive, origin, architecture, &mut text, &mut records)?;
        }
        read_file("status", installed.as_bytes(), Lists::System, 0, architecture, &mut text, &mut records)
            .map_err(|error| match error {
                Error::Syntax { line, reason, .. } => Error::Installed { line, reason },
                other => other,
            })?;
        records.sort_unstable_by(|a: &Record, b: &Record| {
            let version = |record: &Record| &text[range(&record.spans[VERSION])];
            let name = |record: &Record| &text[range(&record.spans[NAME])];
            // The best of a name comes first, and only it stays.
            name(a)
                .cmp(name(b))
                .then_with(|| b.is_installed.cmp(&a.is_installed))
                .then_with(|| version::compare(version(b), version(a)))
                .then_with(|| a.order.cmp(&b.order))
        });
        records.dedup_by(|later, first| text[range(&later.spans[NAME])] == text[range(&first.spans[NAME])]);
        records.shrink_to_fit();
        let provides = all_provided(&text, &records);
        Ok(Self { text, records, provides })
    }

    /// The package of this name, in its highest version.
    pub fn package(&self, name: &str) -> Option<Package<'_>> {
        self.find(name).map(|id| self.get(id))
    }

    /// What the system has already.
    pub(crate) fn installed(&self) -> impl Iterator<Item = PackageId> {
        (0..).map(PackageId).zip(&self.records).filter(|(_, record)| record.is_installed).map(|(id, _)| id)
    }

    pub(crate) fn is_installed(&self, id: PackageId) -> bool {
        self.records[id.0 as usize].is_installed
    }

    /// How many packages there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Up to three names that begin like `name`, for hints.
    pub(crate) fn similar(&self, name: &str) -> Vec<&str> {
        let at = self.records.partition_point(|record| self.span(&record.spans[NAME]) < name);
        let names = self.records[at..].iter().map(|record| self.span(&record.spans[NAME]));
        names.take_while(|found| found.starts_with(name)).take(3).collect()
    }

    pub(crate) fn find(&self, name: &str) -> Option<PackageId> {
        let at = self.records.binary_search_by(|record| self.span(&record.spans[NAME]).cmp(name)).ok()?;
        u32::try_from(at).ok().map(PackageId)
    }

    /// Who provides `name` and with which version, the most important package first.
    pub(crate) fn providers(&self, name: &str) -> impl Iterator<Item = (PackageId, Option<&str>)> {
        let at = self.provides.partition_point(|provided| self.span(&provided.name) < name);
        self.provides[at..]
            .iter()
            .take_while(move |provided| self.span(&provided.name) == name)
            .map(|provided| (provided.by, provided.version.as_ref().map(|version| self.span(version))))
    }

    /// The package at a place. Places come from this index alone.
    pub(crate) fn get(&self, id: PackageId) -> Package<'_> {
        let record = &self.records[id.0 as usize];
        let [name, version, architecture, source, path, pre_depends, depends, conflicts, breaks, provides, _] =
            record.spans.each_ref().map(|span| self.span(span));
        // `Source: glibc (2.36-9)` names the version where it is another one.
        let source = source.split_once(' ').map_or(source, |(source, _)| source);
        Package {
            name,
            version,
            architecture,
            source: if source.is_empty() { name } else { source },
            path,
            size: record.size.unwrap_or(0),
            digest: record.digest.unwrap_or_else(|| Digest::of(b"")),
            origin: record.origin as usize,
            pre_depends,
            depends,
            conflicts,
            breaks,
            provides,
        }
    }

    fn span(&self, span: &Span) -> &str {
        &self.text[range(span)]
    }
}

fn all_provided(text: &str, records: &[Record]) -> Vec<Provided> {
    // What is provided lies inside `text`, so a place in it is a span.
    let span = |part: &str| {
        let start = (part.as_ptr() as usize).wrapping_sub(text.as_ptr() as usize);
        (start as u32)..((start + part.len()) as u32)
    };
    let mut provides = Vec::new();
    for (by, record) in (0..).map(PackageId).zip(records) {
        for Relation { name, bound } in relation::entries(&text[range(&record.spans[PROVIDES])]).flatten() {
            provides.push(Provided {
                name: span(name),
                version: bound.map(|(_, version)| span(version)),
                by,
            });
        }
    }
    provides.sort_by_key(|provided| {
        let record = &records[provided.by.0 as usize];
        (&text[range(&provided.name)], record.priority, record.order)
    });
    provides
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;

    use super::*;
    use crate::record::FIELDS;
    use proptest::prelude::*;

    const LIBC: &str = "Package: libc6\nSource: glibc (2.36-9)\nVersion: 2.36-9+b1\nArchitecture: amd64\n\
        Description: words that are not kept\n and more of them\nDepends: libgcc-s1,\n libcrypt1\n\
        Filename: pool/main/g/glibc/libc6_2.36-9_amd64.deb\nSize: 12\n\
        SHA256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\n";

    fn read(texts: &[&str]) -> Result<Index, Error> {
        Index::read(texts.iter().map(|text| ("Packages".to_owned(), text.as_bytes())), "amd64")
    }

    #[test]
    fn a_paragraph_becomes_a_package() {
        let index = read(&[LIBC]).expect("a good index");
        let libc = index.package("libc6").expect("there");
        assert_eq!((libc.source, libc.version, libc.architecture), ("glibc", "2.36-9+b1", "amd64"));
        assert_eq!((libc.size, libc.digest), (12, Digest::of(b"")));
        assert_eq!(libc.depends, "libgcc-s1, libcrypt1");
        assert!(!index.text.contains("words"), "descriptions take most of the room");
        assert!(index.package("libc").is_none());
    }

    #[test]
    fn packages_for_other_processors_leave_nothing() {
        let other = LIBC.replace("libc6\n", "libother\n").replace(": amd64", ": arm64");
        let all = LIBC.replace("libc6\n", "tzdata\n").replace(": amd64", ": all");
        let index = read(&[&other, &all, LIBC]).expect("a good index");
        assert_eq!(index.len(), 2);
        assert!(!index.text.contains("libother"));
        assert_eq!(index.package("tzdata").map(|package| package.origin), Some(1));
    }

    #[test]
    fn of_equal_versions_the_first_file_wins() {
        let same = LIBC.replace("pool/main", "pool/updates");
        let newer = LIBC.replace("2.36-9+b1", "2.36-9+b2");
        assert_eq!(
            read(&[LIBC, &same]).expect("good").package("libc6").map(|package| package.origin),
            Some(0)
        );
        assert_eq!(
            read(&[LIBC, &newer]).expect("good").package("libc6").map(|package| package.origin),
            Some(1)
        );
    }

    #[test]
    fn improper_packages_are_refused_with_their_line() {
        for (good, bad, expected) in [
            ("Package: libc6", "Package: ../libc6", "line 1: the package has no valid name"),
            ("Version: 2.36-9+b1\n", "", "line 1: the package has no valid version"),
            ("Filename: pool", "Filename: ../pool", "line 1: the package has no valid file name"),
            ("Filename: pool/", "Filename: /pool/", "line 1: the package has no valid file name"),
            ("Source: glibc", "Source: ../glibc", "line 1: the source package has no valid name"),
            ("Size: 12\n", "", "line 1: the package has no size or no SHA256"),
            ("Size: 12", "Size: twelve", "line 10: not a size"),
            ("SHA256: e3", "SHA256: E3", "line 11: not a sha256"),
            ("Source:", "package:", "line 2: duplicate field"),
        ] {
            assert!(LIBC.contains(good), "{good}");
            let error = read(&[&LIBC.replacen(good, bad, 1)]).expect_err(bad);
            assert_eq!(error.to_string(), format!("`Packages`, {expected}"));
        }
    }

    #[test]
    fn base_with_invalid_package_list_is_rejected() {
        for (status, expected) in [
            ("Package: libc6\nnonsense\n", "line 2: the line is not `Name: value`"),
            ("\u{0}\u{1}", "line 1: the line is not `Name: value`"),
            ("Package: ../x\nArchitecture: all\nVersion: 1\n", "line 1: the package has no valid name"),
        ] {
            let error = Index::read_beside([("Packages".to_owned(), LIBC.as_bytes())], "amd64", status)
                .expect_err("no list");
            assert_eq!(error.to_string(), format!("the package list of the base, {expected}"));
            assert!(error.hint().is_some_and(|hint| hint.contains("rebuild the base")));
            assert!(!error.is_outside());
        }
    }

    proptest! {
        #[test]
        fn no_index_makes_the_reader_panic(
            values in proptest::collection::vec((0..FIELDS.len() + 3, "[ -~]{0,12}|[a-z0-9]{1,4}|\n [a-z]{0,3}"), 0..40),
        ) {
            let mut text = String::new();
            for (field, value) in values {
                let name = ["Size", "SHA256", "\n\nArchitecture"];
                text += FIELDS.get(field).or_else(|| name.get(field - FIELDS.len())).copied().unwrap_or("X");
                text += &format!(": {value}\n");
            }
            if let Ok(index) = read(&[&text]) {
                prop_assert!(index.is_empty() || index.package("a").is_none_or(|package| package.name == "a"));
            }
        }
    }
}
