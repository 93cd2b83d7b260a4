use std::sync::Arc;

use serde_json::json;
use wainwright_blob::{Compression, Options};
use wainwright_debian::{DebianLock, LockedDeb, Mirrors, architecture};
use wainwright_layer::debian::{DebianTree, FORMAT as RUNTIME};
use wainwright_oci::{Descriptor, Image, Layer, Platform, Reference};
use wainwright_python::PythonVersion;
use wainwright_store::{CacheKey, Store};

use super::error::Error;
use super::format::{facts, read_layer};
use super::native::LibraryIndex;

/// Raised when the same packages are added to the same image in another way than before.
const ADDED: u32 = 1;

/// How layers are made of Debian packages: a whole base, or what is added to an image.
#[derive(Clone, Debug)]
pub struct DebianRecipe {
    pub(crate) lock: Arc<DebianLock>,
    pub(crate) mirrors: Mirrors,
    /// As Debian names it.
    pub(crate) architecture: String,
    pub(crate) onto: Onto,
    pub(crate) key: CacheKey,
    pub(crate) options: Options,
    /// Its layers, when the store has them all.
    pub made: Option<Vec<DebianLayer>>,
    /// The cache that has them, when it is not the store.
    pub(crate) offered: Option<Reference>,
    /// What a cache says that they are, where they are made to check that.
    pub(crate) doubt: Option<(Reference, Vec<DebianLayer>)>,
    /// The libraries in it, as a registry cache says.
    pub(crate) offered_libraries: Option<Arc<LibraryIndex>>,
}

/// What packages are laid out on.
#[derive(Clone, Debug)]
pub(crate) enum Onto {
    /// Nothing: they make a base for this Python.
    Nothing(PythonVersion),
    /// An image, with what lies in it where somebody looked already.
    Image(Box<Image>, Option<Arc<DebianTree>>),
}

/// A finished layer of a base.
#[derive(Clone, Debug)]
pub struct DebianLayer {
    /// What it is called.
    pub name: String,
    /// The packages in it, as `name version`.
    pub packages: Vec<String>,
    /// Its digest, diff ID and place.
    pub layer: Layer,
}

impl DebianRecipe {
    pub(crate) fn new(
        lock: Arc<DebianLock>,
        mirrors: Mirrors,
        platform: &Platform,
        onto: Onto,
        options: Options,
        store: &Store,
    ) -> Result<Self, Error> {
        let architecture = debian_architecture(platform);
        // Packages hold nothing that could be spliced; made once for many builds, they are worth the best gzip there is.
        let compression = match options.compression {
            Compression::Splice => Compression::Gzip(9),
            other => other,
        };
        let options = Options { compression, ..options };
        let debs: Vec<_> =
            lock.packages(&architecture)?.iter().map(|deb| (&deb.name, &deb.version, deb.sha256)).collect();
        let key = match &onto {
            Onto::Nothing(python) => CacheKey::of(
                "runtime",
                &json!({
                    "format": facts(&options), "runtime": RUNTIME, "python": python.short(), "bytecode": true, "debs": debs,
                }),
            )?,
            Onto::Image(image, _) => CacheKey::of(
                "system-packages",
                &json!({
                    "format": facts(&options), "runtime": RUNTIME, "added": ADDED, "debs": debs,
                    "base": image.layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>(),
                }),
            )?,
        };
        let made = store.recall(&key)?.and_then(|memo| read(&memo, store));
        Ok(Self {
            lock,
            mirrors,
            architecture,
            onto,
            key,
            options,
            made,
            offered: None,
            doubt: None,
            offered_libraries: None,
        })
    }

    /// Whether its layers are for an image that is there already.
    pub fn is_added(&self) -> bool {
        matches!(self.onto, Onto::Image(..))
    }

    /// Its layers by name, when they were made earlier.
    pub fn layers(&self) -> Option<impl Iterator<Item = (&str, &Descriptor)>> {
        let made = self.made.as_ref()?;
        Some(made.iter().map(|made| (made.name.as_str(), &made.layer.descriptor)))
    }

    /// The same, with layers that have to be made.
    pub(crate) fn anew(&self) -> Self {
        Self { made: None, offered: None, offered_libraries: None, ..self.clone() }
    }

    /// The cache in a registry that has its layers, when the store has not.
    pub fn offered(&self) -> Option<&Reference> {
        self.offered.as_ref()
    }

    /// Decides its layers.
    pub(crate) fn key(&self) -> &CacheKey {
        &self.key
    }

    /// The packages, as `name version`.
    pub fn packages(&self) -> Vec<String> {
        let packages = self.lock.packages(&self.architecture).unwrap_or_default();
        packages.iter().map(|deb| format!("{} {}", deb.name, deb.version)).collect()
    }

    /// The package files that are not in the store, with their sizes.
    pub(crate) fn fetches(&self, store: &Store) -> Vec<(String, Option<u64>)> {
        if self.made.is_some() {
            return Vec::new();
        }
        let packages = self.lock.packages(&self.architecture).unwrap_or_default();
        let missing = packages.iter().filter(|deb| !store.contains(&deb.sha256, Some(deb.size)));
        missing.map(|deb| (file_name(deb), Some(deb.size))).collect()
    }
}

/// The libraries that a base offers, as far as the store remembers.
pub(crate) fn known_libraries(recipe: &DebianRecipe, store: &Store) -> Result<Option<LibraryIndex>, Error> {
    Ok(store.recall(&libraries_key(recipe)?)?)
}

pub(crate) fn libraries_key(recipe: &DebianRecipe) -> Result<CacheKey, Error> {
    Ok(CacheKey::of("base-libraries", &json!({ "format": 1, "base": recipe.key.digest() }))?)
}

fn read(memo: &serde_json::Value, store: &Store) -> Option<Vec<DebianLayer>> {
    let layer = |memo: &serde_json::Value| {
        let layer = read_layer(memo.get("layer")?)?;
        let packages = memo.get("packages")?.as_array()?;
        store.contains(&layer.descriptor.digest, Some(layer.descriptor.size)).then_some(())?;
        Some(DebianLayer {
            name: memo.get("name")?.as_str()?.to_owned(),
            packages: packages.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect(),
            layer,
        })
    };
    memo.as_array()?.iter().map(layer).collect()
}

/// The file name of a package in the archive.
pub(crate) fn file_name(deb: &LockedDeb) -> String {
    format!("{}_{}_{}.deb", deb.name, deb.version, deb.architecture)
}

/// The name Debian has for the processor of a platform; an unknown one keeps its name, and no lock will have it.
pub(crate) fn debian_architecture(platform: &Platform) -> String {
    architecture(platform).map_or_else(|| platform.architecture.clone(), ToOwned::to_owned)
}
