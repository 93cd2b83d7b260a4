use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The libraries of a base by name, with the symbol versions they offer where those are known.
pub(crate) type LibraryIndex = BTreeMap<String, Vec<String>>;

/// What the native files of an image need and nobody has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Native {
    /// Libraries that are neither in a wheel nor in the base, by name.
    pub missing: Vec<MissingLibrary>,
    /// Files that need a newer library than the base has.
    pub too_new: Vec<TooNew>,
    /// Modules of another processor.
    pub foreign: Vec<ForeignModule>,
    /// Files that begin as an ELF file and cannot be read as one.
    pub unread: Vec<String>,
    /// Whether a setting can add Debian packages to the base.
    pub takes_packages: bool,
    /// What could not be looked at without the network: file names of wheels, or the base.
    pub unknown: Vec<String>,
}

/// A library that nobody has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MissingLibrary {
    /// `libGL.so.1`
    pub library: String,
    /// The Debian package that has it, where it is known.
    pub package: Option<String>,
    /// The modules whose import fails without it; empty where only programs and plug-ins want it.
    pub imports: Vec<String>,
    /// The file that wants it, the first of them that an import loads; an absolute path.
    pub needed_by: String,
    /// The wheel of that file.
    pub wheel: String,
    /// How many files want it.
    pub files: usize,
}

/// A file that needs a newer library than the base has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TooNew {
    /// The file, an absolute path.
    pub path: String,
    /// Its wheel.
    pub wheel: String,
    /// `libc.so.6`
    pub library: String,
    /// `GLIBC_2.38`
    pub wanted: String,
    /// `GLIBC_2.36`
    pub newest: String,
    /// Whether an import loads it.
    pub is_imported: bool,
}

/// A module of another processor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ForeignModule {
    /// The file, an absolute path.
    pub path: String,
    /// Its wheel.
    pub wheel: String,
    /// What it is for.
    pub found: String,
    /// What it had to be for.
    pub wanted: String,
}

/// `opencv_python 4.10` of the file name of its wheel, which may be long.
fn package_of(wheel: &str) -> String {
    wheel.splitn(3, '-').take(2).collect::<Vec<_>>().join(" ")
}

impl std::fmt::Display for MissingLibrary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` is in no wheel and not in the base", self.library)?;
        match &self.imports[..] {
            [] => {}
            [one] => write!(f, ": `import {one}` fails without it")?,
            [one, rest @ ..] => write!(f, ": `import {one}` and {} more fail without it", rest.len())?,
        }
        let file = self.needed_by.rsplit('/').next().unwrap_or_default();
        write!(f, " (`{file}` of {})", package_of(&self.wheel))
    }
}

impl std::fmt::Display for TooNew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, wheel, library, wanted, newest, .. } = self;
        let package = package_of(wheel);
        write!(f, "`{path}` of {package} needs {wanted} of `{library}`, and the base has {newest}")
    }
}
