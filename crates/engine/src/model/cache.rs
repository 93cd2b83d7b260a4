use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use wainwright_layer::NativeFiles;
use wainwright_oci::{Descriptor, Digest, Layer, Place, Reference};

use super::conflicts::FileConflicts;
use super::error::Error;
use super::native::Native;
use super::wheel::WheelFiles;

/// The tag of a cache that is named without one; never `latest`, which may be an image.
const TAG: &str = "wain-cache";

/// Which caches in registries are used, and how far they are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caches {
    /// Those that are asked, the first that knows a layer decides.
    pub from: Vec<Reference>,
    /// The one that is told.
    pub to: Option<Reference>,
    /// Which of the layers they offer are made here all the same, and compared.
    pub check: Check,
}

/// Which layers that a cache offers are made here all the same, and compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// All: the cache is audited, and saves nothing.
    All,
    /// One of fifty, other ones in each run.
    #[default]
    Sample,
    /// None.
    None,
}

impl FromStr for Check {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            "sample" => Ok(Self::Sample),
            "none" => Ok(Self::None),
            _ => Err("it is `all`, `sample` or `none`".into()),
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Sample => "sample",
            Self::None => "none",
        })
    }
}

/// The reference of a cache: one without tag and digest gets the tag `wain-cache`.
pub fn cache_reference(text: &str) -> Result<Reference, Error> {
    let reference: Reference = text.parse()?;
    let name = text.rsplit('/').next().unwrap_or(text);
    match name.contains([':', '@']) {
        true => Ok(reference),
        false => Ok(format!("{text}:{TAG}").parse()?),
    }
}

/// A layer as a cache has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOffer {
    /// The cache.
    pub cache: Reference,
    /// The layer; its place is the repository of the cache.
    pub layer: Layer,
    /// What is known of its wheels.
    pub(crate) facts: Option<Descriptor>,
}

impl CacheOffer {
    pub(crate) fn new(
        cache: &Reference,
        (descriptor, diff_id): (Descriptor, wainwright_oci::DiffId),
    ) -> Self {
        let layer = Layer { descriptor, diff_id, place: Place::Registry(cache.clone()) };
        Self { cache: cache.clone(), layer, facts: None }
    }
}

/// What caches say of the wheels of an image, for those who would open them.
#[derive(Clone, Debug, Default)]
pub(crate) struct CacheHits {
    /// What its native files need and nobody has.
    pub(crate) native: Option<Native>,
    /// What its wheels are to each other.
    pub(crate) conflicts: Option<FileConflicts>,
    /// What is in single wheels.
    pub(crate) wheels: BTreeMap<Digest, WheelFacts>,
}

/// What is known of a wheel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WheelFacts {
    /// The files it installs, and what is odd about it.
    pub(crate) owned: WheelFiles,
    /// Its native files, where somebody looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) native: Option<NativeFiles>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_without_a_tag_is_not_the_latest_image() {
        for (text, expected) in [
            ("registry.example/team/api", "registry.example/team/api:wain-cache"),
            ("registry.example:5000/team/api", "registry.example:5000/team/api:wain-cache"),
            ("registry.example/team/api:mine", "registry.example/team/api:mine"),
        ] {
            assert_eq!(cache_reference(text).unwrap().to_string(), expected);
        }
        assert!(cache_reference("Upper").is_err());
    }
}
