use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Spanned, Value};
use wainwright_python::{ExtraName, PackageName, Version, VersionRanges};

use crate::Error;
use crate::text::Text;

/// `poetry.lock` as Poetry writes it. What does not decide what is installed is left unread.
#[derive(Deserialize)]
pub(super) struct Document {
    #[serde(default, rename = "package")]
    pub(super) packages: Vec<Package>,
    /// The extras of the project, with the packages they add.
    #[serde(default)]
    pub(super) extras: BTreeMap<ExtraName, Vec<String>>,
    pub(super) metadata: Metadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Metadata {
    pub(super) python_versions: Option<VersionRanges>,
    pub(super) content_hash: Option<String>,
    /// Until lock version 2.0 the files stand here.
    #[serde(default)]
    pub(super) files: BTreeMap<PackageName, Vec<File>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Package {
    pub(super) name: Spanned<PackageName>,
    pub(super) version: Version,
    #[serde(default = "VersionRanges::all")]
    pub(super) python_versions: VersionRanges,
    /// Since lock version 2.1.
    #[serde(default)]
    pub(super) groups: Vec<PackageName>,
    pub(super) markers: Option<Markers>,
    #[serde(default)]
    pub(super) dependencies: BTreeMap<PackageName, Value>,
    #[serde(default)]
    pub(super) extras: BTreeMap<ExtraName, Vec<String>>,
    pub(super) files: Option<Vec<File>>,
    pub(super) source: Option<Source>,
}

/// One condition for all groups, or one for each that has any.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Markers {
    Same(String),
    ByGroup(BTreeMap<PackageName, String>),
}

#[derive(Deserialize)]
pub(super) struct File {
    pub(super) file: String,
    pub(super) hash: Option<String>,
    pub(super) url: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Source {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) url: String,
    pub(super) resolved_reference: Option<String>,
    pub(super) subdirectory: Option<String>,
}

/// Reads the document, and whether packages say to which groups they belong.
pub(super) fn read(text: &Text) -> Result<(Document, bool), Error> {
    #[derive(Deserialize)]
    struct Head {
        metadata: Version_,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Version_ {
        lock_version: Option<String>,
    }
    let found = text.toml::<Head>()?.metadata.lock_version.unwrap_or_else(|| "1.0".to_owned());
    let mut numbers = found.split('.').map(|number| number.parse::<u32>().ok());
    let has_groups = match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(1), Some(1..)) => false,
        (Some(2), Some(minor)) => minor >= 1,
        _ => return Err(Error::FormatVersion { file: text.file.clone(), found, known: "1.1 and 2" }),
    };
    Ok((text.toml()?, has_groups))
}
