use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use wainwright_oci::Digest;
use wainwright_python::{ExtraName, PackageName, PythonVersion};

use crate::Error;
use crate::requirements::read;

/// The name that PEP 751 gives the file.
pub const FILE_NAME: &str = "pylock.toml";

/// What a lockfile says about how it was made, in `[tool.wainwright]`; only ours do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Recorded {
    /// The name of the file that was resolved.
    pub from: String,
    /// [`Inputs::digest`](crate::Inputs::digest).
    pub inputs: Digest,
    /// The oldest Python it was made for.
    pub python: PythonVersion,
    /// The extras that are in it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub extras: BTreeSet<ExtraName>,
    /// The dependency groups that are in it.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<PackageName>,
    /// No file in it was uploaded later than this, as it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_newer: Option<String>,
}

impl Recorded {
    /// Reads it from a lockfile; `None` when the lockfile is not one of ours.
    pub fn read(pylock: &Path) -> Result<Option<Self>, Error> {
        #[derive(Default, Deserialize)]
        struct Tool {
            wainwright: Option<Recorded>,
        }
        #[derive(Deserialize)]
        struct Document {
            #[serde(default)]
            tool: Tool,
        }
        let document: Document = toml::from_str(&read(pylock)?)
            .map_err(|error| Error::Syntax { path: pylock.into(), reason: error.message().to_owned() })?;
        Ok(document.tool.wainwright)
    }
}
