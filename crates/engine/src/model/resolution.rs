use std::collections::BTreeMap;
use std::sync::Arc;

use wainwright_blob::{Entry, Options};
use wainwright_layer::{Environment, fingerprint};
use wainwright_oci::{Digest, Reference};
use wainwright_project::AllowedClash;
use wainwright_pypi::IndexOptions;
use wainwright_python::Bytecode;
use wainwright_wheel::Layout;

use super::base::ResolvedBase;
use super::cache::Caches;
use super::config::Config;
use super::request::Output;
use super::wheel::{ChosenWheel, Unbuilt};

/// What goes into the images of a set: every requirement is one file, every name one digest.
pub struct Resolution {
    /// The images, in the order of the set.
    pub images: Vec<ImageResolution>,
    /// Which package wins a file conflict; the first rule that matches decides.
    pub allow_clash: Vec<AllowedClash>,
    /// How many layers an image may get on top of its base.
    pub max_layers: usize,
    /// How our layers are written.
    pub options: Options,
    /// Whether a module that cannot be imported because a library is missing is an error.
    pub strict_native: bool,
    /// Whether the modules of wheels are compiled.
    pub bytecode: Bytecode,
    /// Which registry caches are read and written.
    pub caches: Caches,
    /// Package indexes that lockfiles and requirements files of the project name, for
    /// [`Session::with_indexes`](crate::Session::with_indexes).
    pub indexes: Vec<IndexOptions>,
}

/// What goes into one image of the set.
pub struct ImageResolution {
    /// Its name within the set; `None` where the set is one image without a name.
    pub name: Option<String>,
    /// The name that deployment files give it.
    pub service: String,
    /// The references it gets.
    pub tags: Vec<Reference>,
    /// Where it goes.
    pub outputs: Vec<Output>,
    /// Annotations of its manifests.
    pub annotations: BTreeMap<String, String>,
    /// One for each platform, in the same order for every image of the set.
    pub platforms: Vec<PlatformResolution>,
}

/// What goes into an image for one platform.
pub struct PlatformResolution {
    pub(crate) base: ResolvedBase,
    pub(crate) layout: Layout,
    pub(crate) wheels: Vec<ChosenWheel>,
    /// Wheels that only a build makes.
    pub(crate) unbuilt: Vec<Unbuilt>,
    /// Layers of files below the wheels, besides the environment.
    pub(crate) below: Option<FilesLayer>,
    /// The layer of files above the wheels.
    pub(crate) files: FilesLayer,
    /// What its config says.
    pub config: Config,
}

impl PlatformResolution {
    /// The environment that wheels are installed into.
    pub(crate) fn environment(&self) -> Environment {
        Environment {
            interpreter: self.base.interpreter.clone(),
            python: self.base.target.python,
            has_app: self.base.has_app,
        }
    }
}

/// Files that are a layer of their own.
#[derive(Clone)]
pub(crate) struct FilesLayer {
    /// What the layer is called.
    pub(crate) name: String,
    pub(crate) entries: Arc<Vec<Entry>>,
    /// Decides the bytes of the layer.
    pub(crate) digest: Digest,
}

impl FilesLayer {
    pub(crate) fn new(name: String, entries: Vec<Entry>) -> Self {
        Self { name, digest: fingerprint(&entries), entries: Arc::new(entries) }
    }
}
