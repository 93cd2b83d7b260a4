use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use wainwright_oci::Digest;
use wainwright_pypi::Wanted;
use wainwright_python::{PackageName, Version};
use wainwright_store::{CacheKey, Store};
use wainwright_wheel::{InstalledFile, Layout};

use super::error::Error;
use super::format::layout_facts;

/// Raised when other facts are found out about a wheel.
pub(crate) const FACTS: u32 = 3;

/// A locked package with the one file of it that goes into the image.
#[derive(Clone, Debug)]
pub struct ChosenWheel {
    /// The package.
    pub name: PackageName,
    /// The file, its digest and where to get it.
    pub wanted: Wanted,
    /// Its size in bytes as far as it is known before it is fetched: decides which wheels share a layer.
    pub size: Option<u64>,
    /// How it came to be, where no index has it.
    pub made: Option<Arc<Made>>,
}

/// How a wheel came to be that no index has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    /// Its source: `sdist sha256:...`, `git commit ...` or "the folder `...`".
    pub from: String,
    /// The build backend that made it; `None` where none had to run.
    pub by: Option<MadeBy>,
    /// What it is called: `foo-1.0-py3-none-any.whl`.
    pub wheel: String,
    /// The digest of the wheel in its one form.
    pub digest: Digest,
}

/// Who made a wheel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MadeBy {
    /// The backend: `hatchling.build`.
    pub backend: String,
    /// Who called it: `uv 0.13.9`.
    pub tool: String,
    /// The Python it ran on: `3.13.5`.
    pub python: String,
    /// What was installed for it, as `name version`.
    pub with: Vec<String>,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.by {
            Some(by) => write!(
                f,
                "built here from {} by {} ({}, Python {})",
                self.from, by.backend, by.tool, by.python
            ),
            None => write!(f, "the files of {}, put together here", self.from),
        }
    }
}

/// A wheel that a plan names and only a build would make.
#[derive(Clone, Debug)]
pub struct Unbuilt {
    /// The package.
    pub name: PackageName,
    /// Its version, where the lockfile tells.
    pub version: Option<Version>,
    /// Its source.
    pub from: String,
}

impl Unbuilt {
    /// `foo 1.0`
    pub(crate) fn what(&self) -> String {
        what(&self.name, self.version.as_ref())
    }
}

pub(crate) fn what(name: &PackageName, version: Option<&Version>) -> String {
    version.map_or_else(|| name.to_string(), |version| format!("{name} {version}"))
}

/// What is known of a wheel: the files it installs, and what is odd about it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct WheelFiles {
    /// A line for each file: what it holds, a space, its path. Half a million of them may be there, and one text takes a
    /// third of what as many objects do.
    files: String,
    pub(crate) notes: Vec<String>,
}

impl WheelFiles {
    pub(crate) fn new(installed: &[InstalledFile], notes: Vec<String>) -> Self {
        let mut files = String::new();
        for file in installed {
            let digest = file.content.digest().map(|digest| digest.hex()).unwrap_or_default();
            let mark = if file.executable { "x" } else { "" };
            let _ = writeln!(files, "{digest}{mark} {}", file.path);
        }
        Self { files, notes }
    }

    /// The files, as `(path, content)`; of the content nothing but equality means something, and none is equal to an
    /// empty one.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        // Paths are shown without control characters, contents have no spaces.
        self.files.lines().filter_map(|line| line.split_once(' ')).map(|(content, path)| (path, content))
    }
}

pub(crate) fn facts_key(wheel: Digest, layout: &Layout) -> Result<CacheKey, Error> {
    Ok(CacheKey::of(
        "wheel-facts",
        &json!({ "format": FACTS, "wheel": wheel, "layout": layout_facts(layout) }),
    )?)
}

/// What a store knows of a wheel.
pub(crate) fn recall(wheel: Digest, layout: &Layout, store: &Store) -> Result<Option<WheelFiles>, Error> {
    Ok(store.recall(&facts_key(wheel, layout)?)?)
}
