use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use wainwright_python::{ExtraName, PackageName, Version, VersionSpecifiers};

use crate::Error;
use crate::text::Text;

/// `uv.lock` as uv writes it. What does not decide what is installed is left unread, since every revision adds to it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Document {
    pub(super) version: i64,
    pub(super) requires_python: Option<VersionSpecifiers>,
    #[serde(default)]
    pub(super) supported_markers: Vec<String>,
    #[serde(default)]
    pub(super) conflicts: Vec<Vec<ConflictItem>>,
    #[serde(default)]
    pub(super) manifest: Manifest,
    #[serde(default, rename = "package")]
    pub(super) packages: Vec<Package>,
}

/// One of several things that exclude each other; a package name alone stands for the project.
#[derive(Deserialize)]
pub(super) struct ConflictItem {
    pub(super) package: PackageName,
    pub(super) extra: Option<ExtraName>,
    pub(super) group: Option<PackageName>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Manifest {
    #[serde(default)]
    pub(super) members: Vec<PackageName>,
    /// The requirements of a script, which has no package of its own.
    #[serde(default)]
    pub(super) requirements: Vec<Requirement>,
    /// The groups of a workspace whose root is no package.
    #[serde(default)]
    pub(super) dependency_groups: BTreeMap<PackageName, Vec<Requirement>>,
}

/// A requirement as the user wrote it, taken apart.
#[derive(Deserialize)]
pub(super) struct Requirement {
    pub(super) name: PackageName,
    #[serde(default)]
    pub(super) extras: Vec<ExtraName>,
    pub(super) marker: Option<String>,
    pub(super) specifier: Option<VersionSpecifiers>,
    // Where it was pointed to by its address or by `[tool.uv.sources]`.
    pub(super) git: Option<String>,
    pub(super) url: Option<String>,
    pub(super) path: Option<String>,
    pub(super) directory: Option<String>,
    pub(super) editable: Option<String>,
    #[serde(rename = "virtual")]
    pub(super) virtual_: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Package {
    pub(super) name: Spanned<PackageName>,
    pub(super) version: Option<Version>,
    pub(super) source: Source,
    #[serde(default)]
    pub(super) resolution_markers: Vec<String>,
    #[serde(default)]
    pub(super) dependencies: Vec<Dependency>,
    #[serde(default)]
    pub(super) optional_dependencies: BTreeMap<ExtraName, Vec<Dependency>>,
    #[serde(default)]
    pub(super) dev_dependencies: BTreeMap<PackageName, Vec<Dependency>>,
    #[serde(default)]
    pub(super) wheels: Vec<File>,
    pub(super) sdist: Option<File>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) requires_dist: Vec<Requirement>,
    #[serde(default)]
    pub(super) provides_extras: Vec<ExtraName>,
    #[serde(default)]
    pub(super) requires_dev: BTreeMap<PackageName, Vec<Requirement>>,
}

/// An edge: version and source are there when the name alone is not enough.
#[derive(Deserialize)]
pub(super) struct Dependency {
    pub(super) name: PackageName,
    pub(super) version: Option<Version>,
    pub(super) source: Option<Source>,
    #[serde(default)]
    pub(super) extra: Vec<ExtraName>,
    pub(super) marker: Option<String>,
}

/// Where a package comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "SourceKeys")]
pub(super) enum Source {
    Registry(String),
    Git(String),
    Url(String),
    Path(String),
    Directory(String),
    Editable(String),
    Virtual(String),
}

/// One of these keys is there; keys that say more about it, such as `subdirectory`, may follow.
#[derive(Deserialize)]
struct SourceKeys {
    registry: Option<String>,
    git: Option<String>,
    url: Option<String>,
    path: Option<String>,
    directory: Option<String>,
    editable: Option<String>,
    #[serde(rename = "virtual")]
    virtual_: Option<String>,
}

impl TryFrom<SourceKeys> for Source {
    type Error = &'static str;

    fn try_from(keys: SourceKeys) -> Result<Self, &'static str> {
        let SourceKeys { registry, git, url, path, directory, editable, virtual_ } = keys;
        let source = [
            registry.map(Self::Registry),
            git.map(Self::Git),
            url.map(Self::Url),
            path.map(Self::Path),
            directory.map(Self::Directory),
            editable.map(Self::Editable),
            virtual_.map(Self::Virtual),
        ];
        source.into_iter().flatten().next().ok_or("an unknown kind of source")
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct File {
    pub(super) url: Option<String>,
    pub(super) path: Option<String>,
    pub(super) filename: Option<String>,
    pub(super) hash: Option<String>,
    pub(super) size: Option<u64>,
}

/// Reads the document; versions other than 1 are refused by name, whatever else they hold.
pub(super) fn read(text: &Text) -> Result<Document, Error> {
    #[derive(Deserialize)]
    struct Head {
        version: i64,
    }
    let other_version =
        |found: i64| Error::FormatVersion { file: text.file.clone(), found: found.to_string(), known: "1" };
    match text.toml::<Document>() {
        Ok(document) if document.version == 1 => Ok(document),
        Ok(document) => Err(other_version(document.version)),
        Err(error) => match text.toml::<Head>() {
            Ok(head) if head.version != 1 => Err(other_version(head.version)),
            _ => Err(error),
        },
    }
}
