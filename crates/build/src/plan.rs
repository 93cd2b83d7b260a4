use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use wainwright_blob::{Compression, Entry, FORMAT};
use wainwright_oci::{Digest, Document, ImagePath, Layer, Place, Platform, Reference};
use wainwright_python::Target;
use wainwright_store::{CacheKey, Store};
use wainwright_wheel::Layout;

use crate::choose::ChosenWheel;
use crate::image::Config;
use crate::layering::group;
use crate::resolve::{PlatformBase, Resolution};
use crate::runtime::RuntimeRecipe;
use crate::{Error, Event, Output};

/// Raised when wheels are laid out in another way than before.
const WHEELS: u32 = 1;
/// Raised when an environment is laid out in another way than before.
const ENVIRONMENT: u32 = 1;
/// Raised when a project is laid out in another way than before.
const SOURCE: u32 = 1;

/// Everything that will happen, decided: executing it takes no further decisions.
#[derive(Clone, Debug)]
pub struct Plan {
    /// One image for each platform.
    pub images: Vec<ImagePlan>,
    /// Where they go.
    pub outputs: Vec<Output>,
    /// The names they get.
    pub tags: Vec<Reference>,
    /// Modification time of every file we make, in seconds since 1970.
    pub epoch: u64,
}

/// One image.
#[derive(Clone, Debug)]
pub struct ImagePlan {
    /// What it runs on.
    pub platform: Platform,
    /// What its wheels fit.
    pub target: Target,
    /// The name of its base.
    pub base_name: String,
    /// The layers of its base.
    pub base: BasePlan,
    /// Our layers, lowest first.
    pub layers: Vec<LayerPlan>,
    /// What its config says.
    pub config: Config,
    /// Annotations of its manifest, but for those that name the base.
    pub annotations: BTreeMap<String, String>,
}

/// The layers below ours.
#[derive(Clone, Debug)]
pub enum BasePlan {
    /// Assembled from Debian packages.
    Runtime(RuntimeRecipe),
    /// Taken from another image as they are.
    Image {
        /// Its manifest.
        manifest: Document,
        /// Its config.
        config: Document,
        /// Its layers.
        layers: Vec<Layer>,
    },
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
    pub(crate) recipe: Recipe,
}

/// Whether a layer was made earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// It is in the store.
    Cached(Layer),
    /// It has to be made.
    Missing,
}

/// How a layer is made.
#[derive(Clone, Debug)]
pub(crate) enum Recipe {
    /// From entries that are known already.
    Entries(Arc<Vec<Entry>>),
    /// From wheels, which may have to be fetched.
    Wheels(Arc<Vec<ChosenWheel>>, Layout),
}

/// Decides what every image holds, and which layers have to be made.
///
/// Pure but for asking the store what it remembers.
pub fn plan(resolution: &Resolution, store: &Store) -> Result<Plan, Error> {
    let mut images = Vec::new();
    for resolved in &resolution.platforms {
        let layout = &resolved.layout;
        let mut layers = vec![environment(resolved, resolution.epoch, store)?];
        let sized: Vec<(&str, u64)> = resolved
            .wheels
            .iter()
            .map(|wheel| (wheel.name.as_str(), wheel.wanted.size.unwrap_or(0)))
            .collect();
        for indices in group(&sized) {
            let wheels = indices.into_iter().map(|index| resolved.wheels[index].clone()).collect();
            layers.push(wheel_layer(wheels, layout, resolution.epoch, store)?);
        }
        layers.push(source(&resolved.source, resolved.source_digest, resolution, store)?);
        let base = match &resolved.base {
            PlatformBase::Debian(recipe) => BasePlan::Runtime(recipe.clone()),
            PlatformBase::Image(base) => BasePlan::Image {
                manifest: base.image.manifest.clone(),
                config: base.image.config.clone(),
                layers: base.image.layers.clone(),
            },
        };
        images.push(ImagePlan {
            platform: resolved.platform.clone(),
            target: resolved.target.clone(),
            base_name: resolved.base_name.clone(),
            base,
            layers,
            config: resolved.config.clone(),
            annotations: resolution.annotations.clone(),
        });
    }
    Ok(Plan {
        images,
        outputs: resolution.outputs.clone(),
        tags: resolution.tags.clone(),
        epoch: resolution.epoch,
    })
}

fn environment(
    resolved: &crate::resolve::PlatformResolution,
    epoch: u64,
    store: &Store,
) -> Result<LayerPlan, Error> {
    let environment = &resolved.environment;
    let key = CacheKey::of(
        "layer",
        &json!({ "format": FORMAT, "environment": ENVIRONMENT, "mtime": epoch, "facts": environment }),
    )?;
    Ok(LayerPlan {
        name: format!("environment for Python {}", environment.python.short()),
        why: format!("links to {}", environment.interpreter),
        state: state(&key, store)?,
        key,
        packages: Vec::new(),
        recipe: Recipe::Entries(Arc::new(environment.entries()?)),
    })
}

fn wheel_layer(
    wheels: Vec<ChosenWheel>,
    layout: &Layout,
    epoch: u64,
    store: &Store,
) -> Result<LayerPlan, Error> {
    let mut digests: Vec<Digest> = wheels.iter().map(|wheel| wheel.wanted.digest).collect();
    digests.sort();
    let key = CacheKey::of(
        "layer",
        &json!({
            "format": FORMAT,
            "wheels": WHEELS,
            "mtime": epoch,
            "compression": compression_name(Compression::Splice),
            "digests": digests,
            "layout": layout_facts(layout),
        }),
    )?;
    let packages: Vec<String> =
        wheels.iter().map(|wheel| format!("{} {}", wheel.name, wheel.wanted.filename.version)).collect();
    let name = match &packages[..] {
        [one] => one.clone(),
        [first, .., last] => format!("{} packages, {first} to {last}", packages.len()),
        [] => "no packages".into(),
    };
    let why = match packages.len() {
        1 => "changes with this package alone",
        _ => "small packages share a layer",
    };
    Ok(LayerPlan {
        name,
        why: why.into(),
        state: state(&key, store)?,
        key,
        packages,
        recipe: Recipe::Wheels(Arc::new(wheels), layout.clone()),
    })
}

fn source(
    entries: &Arc<Vec<Entry>>,
    digest: Digest,
    resolution: &Resolution,
    store: &Store,
) -> Result<LayerPlan, Error> {
    let key = CacheKey::of(
        "layer",
        &json!({ "format": FORMAT, "source": SOURCE, "mtime": resolution.epoch, "digest": digest }),
    )?;
    Ok(LayerPlan {
        name: format!("project {}", resolution.name),
        why: format!("{} files and folders", entries.len()),
        state: state(&key, store)?,
        key,
        packages: Vec::new(),
        recipe: Recipe::Entries(entries.clone()),
    })
}

fn compression_name(compression: Compression) -> String {
    match compression {
        Compression::Splice => "splice".into(),
        Compression::Gzip(level) => format!("gzip:{level}"),
        Compression::None => "none".into(),
    }
}

pub(crate) fn layout_facts(layout: &Layout) -> serde_json::Value {
    json!({
        "prefix": prefix(&layout.prefix),
        "python": layout.python.short(),
        "interpreter": layout.interpreter,
        "installer": layout.installer,
    })
}

fn prefix(path: &ImagePath) -> String {
    path.to_string()
}

/// What the store remembers of a layer, if its bytes are still there.
fn state(key: &CacheKey, store: &Store) -> Result<LayerState, Error> {
    let known = store.recall(key)?.and_then(|memo| read_layer(&memo));
    let there = known.filter(|layer| store.contains(&layer.descriptor.digest, Some(layer.descriptor.size)));
    Ok(there.map_or(LayerState::Missing, LayerState::Cached))
}

/// Reads what [`write_layer`] wrote.
pub(crate) fn read_layer(memo: &serde_json::Value) -> Option<Layer> {
    Some(Layer {
        descriptor: serde_json::from_value(memo.get("descriptor")?.clone()).ok()?,
        diff_id: serde_json::from_value(memo.get("diffId")?.clone()).ok()?,
        place: Place::Store,
    })
}

/// A layer of the store, for a memo.
pub(crate) fn write_layer(layer: &Layer) -> serde_json::Value {
    json!({ "descriptor": layer.descriptor, "diffId": layer.diff_id })
}

impl Plan {
    /// What is planned, as an event.
    pub fn summary(&self, store: &Store) -> Event {
        let layers: BTreeMap<CacheKey, &LayerPlan> =
            self.images.iter().flat_map(|image| &image.layers).map(|layer| (layer.key, layer)).collect();
        let fetches = self.fetches(store);
        Event::Planned {
            layers: layers.len(),
            cached: layers.values().filter(|layer| layer.state != LayerState::Missing).count(),
            fetches: fetches.len(),
            fetch_bytes: fetches.iter().filter_map(|(_, size)| *size).sum(),
        }
    }

    /// The names and sizes of the files that have to be fetched; each once, sorted.
    pub fn fetches(&self, store: &Store) -> Vec<(String, Option<u64>)> {
        let mut fetches = BTreeMap::new();
        for image in &self.images {
            if let BasePlan::Runtime(recipe) = &image.base {
                fetches.extend(recipe.fetches(store));
            }
            for layer in &image.layers {
                fetches.extend(layer.fetches(store));
            }
        }
        fetches.into_iter().collect()
    }

    /// The plan as JSON, for `wain plan --json` and for reports. Sizes are in bytes; absent where not known yet.
    pub fn to_json(&self) -> serde_json::Value {
        json!({
            "version": 1,
            "tags": self.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "outputs": self.outputs.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "images": self.images.iter().map(ImagePlan::to_json).collect::<Vec<_>>(),
        })
    }
}

impl ImagePlan {
    fn to_json(&self) -> serde_json::Value {
        json!({
            "platform": self.platform.to_string(),
            "python": self.target.python,
            "libc": self.target.libc.to_string(),
            "base": self.base.to_json(&self.base_name),
            "layers": self.layers.iter().map(LayerPlan::to_json).collect::<Vec<_>>(),
            "config": self.config,
            "annotations": self.annotations,
        })
    }
}

impl BasePlan {
    fn to_json(&self, name: &str) -> serde_json::Value {
        match self {
            Self::Runtime(recipe) => json!({
                "name": name,
                "packages": recipe.packages(),
                "state": if recipe.made.is_some() { "cached" } else { "make" },
                "layers": recipe.made.iter().flatten().map(|layer| &layer.layer.descriptor).collect::<Vec<_>>(),
            }),
            Self::Image { manifest, layers, .. } => json!({
                "name": name,
                "digest": manifest.digest(),
                "state": "reuse",
                "layers": layers.iter().map(|layer| &layer.descriptor).collect::<Vec<_>>(),
            }),
        }
    }
}

impl LayerPlan {
    fn to_json(&self) -> serde_json::Value {
        let mut json = json!({
            "name": self.name, "packages": self.packages, "why": self.why, "key": self.key.digest(),
        });
        match &self.state {
            LayerState::Cached(layer) => {
                json["state"] = "cached".into();
                json["digest"] = json!(layer.descriptor.digest);
                json["size"] = layer.descriptor.size.into();
            }
            LayerState::Missing => {
                json["state"] = "make".into();
                if let Some(size) = self.input_size() {
                    json["inputSize"] = size.into();
                }
            }
        }
        json
    }

    /// How many bytes it is made of: wheels as they are fetched, files as they lie there.
    pub fn input_size(&self) -> Option<u64> {
        match &self.recipe {
            Recipe::Entries(entries) => Some(entries.iter().map(Entry::size).sum()),
            Recipe::Wheels(wheels, _) => wheels.iter().map(|wheel| wheel.wanted.size).sum(),
        }
    }

    /// The names and sizes of the wheels it is made of that the store does not have.
    fn fetches(&self, store: &Store) -> Vec<(String, Option<u64>)> {
        match (&self.state, &self.recipe) {
            (LayerState::Missing, Recipe::Wheels(wheels, _)) => wheels
                .iter()
                .filter(|wheel| !store.contains(&wheel.wanted.digest, wheel.wanted.size))
                .map(|wheel| (wheel.wanted.filename.to_string(), wheel.wanted.size))
                .collect(),
            _ => Vec::new(),
        }
    }
}

impl Serialize for LayerState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Cached(_) => "cached",
            Self::Missing => "make",
        })
    }
}
