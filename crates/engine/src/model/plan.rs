use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wainwright_blob::{Entry, Options};
use wainwright_oci::{Image, Layer, Platform, Reference};
use wainwright_project::AllowedClash;
use wainwright_python::{Slim, Target};
use wainwright_store::CacheKey;
use wainwright_wheel::Layout;

use super::cache::{CacheHits, CacheOffer, Caches};
use super::config::Config;
use super::debian::DebianRecipe;
use super::native::LibraryIndex;
use super::request::Output;
use super::wheel::{ChosenWheel, Unbuilt};

/// Everything that will happen, decided: executing it takes no further decisions.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The images of the set, in its order.
    pub images: Vec<ImagePlan>,
    /// How our layers are written.
    pub options: Options,
    /// Whether a module that cannot be imported because a library is missing is an error.
    pub strict_native: bool,
    /// Which registry caches are read and written.
    pub caches: Caches,
}

/// One image of the set.
#[derive(Clone, Debug)]
pub struct ImagePlan {
    /// Its name within the set; `None` where the set has one image without a name.
    pub name: Option<String>,
    /// The name that deployment files give it: a DNS label.
    pub service: String,
    /// The references it gets.
    pub tags: Vec<Reference>,
    /// Where it goes.
    pub outputs: Vec<Output>,
    /// The image for each platform.
    pub platforms: Vec<PlatformPlan>,
}

impl Plan {
    /// Every image for every platform, image after image.
    pub fn platforms(&self) -> impl Iterator<Item = &PlatformPlan> + Clone {
        self.images.iter().flat_map(|image| &image.platforms)
    }

    /// As [`Self::platforms`], to change them.
    pub fn platforms_mut(&mut self) -> impl Iterator<Item = &mut PlatformPlan> {
        self.images.iter_mut().flat_map(|image| &mut image.platforms)
    }

    /// Our layers of every image; a layer that several images have appears several times.
    pub fn layers(&self) -> impl Iterator<Item = &LayerPlan> + Clone {
        self.platforms().flat_map(|platform| &platform.layers)
    }

    /// The references of all images.
    pub fn tags(&self) -> impl Iterator<Item = &Reference> + Clone {
        self.images.iter().flat_map(|image| &image.tags)
    }

    /// Where images go; an output that several images share appears several times.
    pub fn outputs(&self) -> impl Iterator<Item = &Output> + Clone {
        self.images.iter().flat_map(|image| &image.outputs)
    }
}

/// One image for one platform.
#[derive(Clone, Debug)]
pub struct PlatformPlan {
    /// The name of its image within the set; `None` where the set has one image without a name.
    pub image: Option<String>,
    /// What it runs on.
    pub platform: Platform,
    /// What its wheels fit.
    pub target: Target,
    /// The Python of its base, an absolute path.
    pub(crate) interpreter: String,
    /// What its base is called on the screen.
    pub base_name: String,
    /// The reference of its base, where it has one.
    pub base_reference: Option<String>,
    /// The layers of its base.
    pub base: BasePlan,
    /// What Debian packages add to a base that is an image, below our layers.
    pub system: Option<Box<DebianRecipe>>,
    /// Our layers, lowest first.
    pub layers: Vec<LayerPlan>,
    /// Whose files stay where its packages clash; the first that fits decides.
    pub allow_clash: Vec<AllowedClash>,
    /// The kinds of files that are left out of packages.
    pub slim: BTreeSet<Slim>,
    /// The libraries of a base that is an image; of an assembled one they are found out when they are asked for.
    pub(crate) libraries: Arc<LibraryIndex>,
    /// Whether `system-packages` can add something to its base.
    pub(crate) takes_packages: bool,
    /// The Debian release its base is of, where it is of one: `bookworm`.
    pub(crate) codename: Option<String>,
    /// What registry caches say of its wheels.
    pub(crate) cache_hits: Arc<CacheHits>,
    /// What its config says.
    pub config: Config,
    /// Annotations of its manifest, but for those that name the base.
    pub annotations: BTreeMap<String, String>,
}

/// The layers below ours.
#[derive(Clone, Debug)]
pub enum BasePlan {
    /// Assembled from Debian packages.
    Runtime(Box<DebianRecipe>),
    /// Taken from another image as they are.
    Image(Box<Image>),
}

/// One layer of ours.
#[derive(Clone, Debug)]
pub struct LayerPlan {
    /// What it is called on the screen and in the image's history.
    pub name: String,
    /// Decides its bytes; the same key always gives the same bytes.
    pub key: CacheKey,
    /// The packages in it, as `name version`.
    pub packages: Vec<String>,
    /// Why it is a layer of its own, as half a sentence.
    pub why: String,
    /// Whether it was made earlier.
    pub state: LayerState,
    /// What a cache says that it is, where it is made to check that.
    pub doubt: Option<Box<CacheOffer>>,
    /// How it is made.
    pub recipe: Recipe,
}

/// Whether a layer was made earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// It is in the store.
    Cached(Box<Layer>),
    /// Somebody else made it, and a registry has it.
    Offered(Box<CacheOffer>),
    /// It has to be made.
    Missing,
}

/// How a layer is made.
#[derive(Clone, Debug)]
pub enum Recipe {
    /// From entries that are known already.
    Entries(Arc<Vec<Entry>>),
    /// From wheels, which may have to be fetched.
    Wheels(Arc<Vec<ChosenWheel>>, Layout),
    /// From a wheel that a build would have built before; a plan says so.
    Unbuilt(Unbuilt),
    /// From the modules of wheels, which are compiled.
    Bytecode(Arc<Vec<ChosenWheel>>, Layout),
}

impl LayerPlan {
    /// Whether it holds the bytecode of wheels.
    pub fn is_bytecode(&self) -> bool {
        matches!(self.recipe, Recipe::Bytecode(..))
    }
}
