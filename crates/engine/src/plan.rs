use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;
use wainwright_blob::{Entry, Options};
use wainwright_oci::{Digest, Image, ImagePath, Layer, Place, Platform, Reference};
use wainwright_project::AllowedClash;
use wainwright_python::{Bytecode, Slim, Target};
use wainwright_store::{CacheKey, Store};
use wainwright_wheel::Layout;

use crate::base::PlatformBase;
use crate::bytecode;
use crate::choose::ChosenWheel;
use crate::components::Shares;
use crate::image::Config;
use crate::layering::{group, room_for_wheels};
use crate::native::Libraries;
use crate::oracle::{Caches, Offer, Told};
use crate::resolve::{Files, PlatformResolution, Resolution};
use crate::runtime::RuntimeRecipe;
use crate::sources::Unbuilt;
use crate::{Error, Output};

/// Raised when wheels are laid out in another way than before, or a wheel that made a layer would be refused now.
const WHEELS: u32 = 3;
/// Raised when other files than before are of a kind that can be left out.
const SLIM: u32 = 2;
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
    /// How our layers are written.
    pub options: Options,
    /// Whether a module that cannot be imported for want of a library is an error.
    pub strict_native: bool,
    /// Which caches in registries are asked and told.
    pub caches: Caches,
}

/// One image.
#[derive(Clone, Debug)]
pub struct ImagePlan {
    /// The component whose image it is, where it is a workflow.
    pub component: Option<String>,
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
    pub system: Option<Box<RuntimeRecipe>>,
    /// Our layers, lowest first.
    pub layers: Vec<LayerPlan>,
    /// Whose files stay where its packages clash; the first that fits decides.
    pub allow_clash: Vec<AllowedClash>,
    /// The kinds of files that are left out of packages.
    pub slim: BTreeSet<Slim>,
    /// The libraries of a base that is an image; of an assembled one they are found out when they are asked for.
    pub(crate) libraries: Arc<Libraries>,
    /// Whether `system-packages` can add something to its base.
    pub(crate) takes_packages: bool,
    /// The Debian release its base is of, where it is of one: `bookworm`.
    pub(crate) codename: Option<String>,
    /// What caches say of its wheels.
    pub(crate) told: Arc<Told>,
    /// What its config says.
    pub config: Config,
    /// Annotations of its manifest, but for those that name the base.
    pub annotations: BTreeMap<String, String>,
}

/// The layers below ours.
#[derive(Clone, Debug)]
pub enum BasePlan {
    /// Assembled from Debian packages.
    Runtime(Box<RuntimeRecipe>),
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
    pub doubt: Option<Box<Offer>>,
    pub(crate) recipe: Recipe,
}

/// Whether a layer was made earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayerState {
    /// It is in the store.
    Cached(Box<Layer>),
    /// Somebody else made it, and a registry has it.
    Offered(Box<Offer>),
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
    /// From a wheel that a build would have built before; a plan says so.
    Unbuilt(Unbuilt),
    /// From the modules of wheels, which are compiled.
    Bytecode(Arc<Vec<ChosenWheel>>, Layout),
}

impl LayerPlan {
    /// Whether it holds the bytecode of wheels.
    pub(crate) fn is_bytecode(&self) -> bool {
        matches!(self.recipe, Recipe::Bytecode(..))
    }
}

/// Decides what every image holds, and which layers have to be made.
///
/// Pure but for asking the store what it remembers.
pub fn plan(resolution: &Resolution, store: &Store) -> Result<Plan, Error> {
    let mut images = Vec::new();
    for resolved in &resolution.platforms {
        let layout = &resolved.layout;
        let mut layers = vec![environment(resolved, &resolution.options, store)?];
        if let Some(files) = &resolved.below {
            layers.push(files_layer(files, &resolution.options, store)?);
        }
        let (made, locked): (Vec<&ChosenWheel>, Vec<&ChosenWheel>) =
            resolved.wheels.iter().partition(|wheel| wheel.made.is_some());
        let room = wheel_layers(resolved, resolution.max_layers)?;
        let count = made.len() + resolved.unbuilt.len();
        let (room, own) = room_for_made(room, count, !locked.is_empty());
        // What a wheel loses to others depends on all of them, and is known only once they are fetched.
        let together = (!resolution.allow_clash.is_empty()).then(|| {
            let digests: BTreeSet<Digest> = resolved.wheels.iter().map(|wheel| wheel.wanted.digest).collect();
            let rules: Vec<String> = resolution.allow_clash.iter().map(ToString::to_string).collect();
            json!({ "allowClash": rules, "digests": digests })
        });
        let (options, together) = (&resolution.options, together.as_ref());
        let groups = |wheels: &[&ChosenWheel], room: usize| -> Vec<Vec<ChosenWheel>> {
            let sized: Vec<(&str, u64)> =
                wheels.iter().map(|wheel| (wheel.name.as_str(), wheel.size.unwrap_or(0))).collect();
            let groups = match wheels.iter().all(|wheel| wheel.made.is_some()) && wheels.len() <= room {
                true => (0..wheels.len()).map(|index| vec![index]).collect(),
                false if !resolved.shares.is_empty() => shared(wheels, &resolved.shares),
                false => group(&sized, room),
            };
            let chosen = |indices: Vec<usize>| {
                indices.into_iter().filter_map(|index| wheels.get(index).copied().cloned()).collect()
            };
            groups.into_iter().map(chosen).collect()
        };
        let mut of_locked = groups(&locked, room);
        let mut compiled = Vec::new();
        if resolution.bytecode == Bytecode::UncheckedHash && !locked.is_empty() {
            let max_layers = resolution.max_layers;
            let (own, rest) =
                bytecode::share(of_locked.len(), room).ok_or(Error::FewLayers { max_layers })?;
            if own < of_locked.len() {
                of_locked = groups(&locked, own);
            }
            let facts = bytecode::facts(resolved)?;
            for wheels in groups(&locked, rest) {
                compiled.push(wheel_layer(wheels, layout, options, together, Some(&facts), store)?);
            }
        }
        for wheels in of_locked {
            layers.push(wheel_layer(wheels, layout, options, together, None, store)?);
        }
        layers.append(&mut compiled);
        // What is made of source changes more often than what an index has: it lies above, and alone.
        for wheels in groups(&made, own.saturating_sub(resolved.unbuilt.len())) {
            layers.push(wheel_layer(wheels, layout, options, together, None, store)?);
        }
        for unbuilt in &resolved.unbuilt {
            layers.push(unbuilt_layer(unbuilt)?);
        }
        layers.push(files_layer(&resolved.files, options, store)?);
        let base = match &resolved.base {
            PlatformBase::Debian(recipe) => BasePlan::Runtime(recipe.clone()),
            PlatformBase::Image(base, _) => BasePlan::Image(Box::new(base.image.clone())),
        };
        let system = match &resolved.base {
            PlatformBase::Image(_, system) => system.clone(),
            PlatformBase::Debian(_) => None,
        };
        images.push(ImagePlan {
            component: None,
            platform: resolved.platform.clone(),
            target: resolved.target.clone(),
            interpreter: resolved.environment.interpreter.clone(),
            base_name: resolved.base_name.clone(),
            base_reference: resolved.base_reference.clone(),
            base,
            system,
            layers,
            allow_clash: resolution.allow_clash.clone(),
            slim: resolved.layout.slim.clone(),
            libraries: resolved.libraries.clone(),
            takes_packages: resolved.takes_packages,
            codename: resolved.codename.clone(),
            told: Arc::default(),
            config: resolved.config.clone(),
            annotations: resolution.annotations.clone(),
        });
    }
    Ok(Plan {
        images,
        outputs: resolution.outputs.clone(),
        tags: resolution.tags.clone(),
        options: resolution.options,
        strict_native: resolution.strict_native,
        caches: resolution.caches.clone(),
    })
}

/// The layers of wheels, as other images have them too.
fn shared(wheels: &[&ChosenWheel], shares: &Shares) -> Vec<Vec<usize>> {
    let mut layers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, wheel) in wheels.iter().enumerate() {
        let number = shares.get(&wheel.wanted.digest).copied().unwrap_or(usize::MAX);
        layers.entry(number).or_default().push(index);
    }
    layers.into_values().collect()
}

/// How many layers the wheels may get.
fn wheel_layers(resolved: &PlatformResolution, max_layers: usize) -> Result<usize, Error> {
    let base = match &resolved.base {
        PlatformBase::Debian(_) => 1,
        // Packages and the list of them are two layers.
        PlatformBase::Image(base, system) => base.image.layers.len() + if system.is_some() { 2 } else { 0 },
    };
    let has_wheels = !resolved.wheels.is_empty() || !resolved.unbuilt.is_empty();
    // Beside the project there may be other files.
    let more = usize::from(resolved.below.is_some());
    room_for_wheels(base + more, has_wheels, max_layers.saturating_sub(more))
        .ok_or_else(|| Error::FullBase { base: resolved.base_name.clone(), layers: base })
}

/// How many layers of `room` the wheels of an index get, and how many those that are made of source: each of those one of its own,
/// as long as at least half of the room is left to the others.
fn room_for_made(room: usize, made: usize, has_locked: bool) -> (usize, usize) {
    if !has_locked {
        return (0, room);
    }
    let own = made.min(room / 2);
    (room - own, own)
}

/// What a plan says of a wheel that only a build would build: which bytes it has, nobody knows before.
fn unbuilt_layer(unbuilt: &Unbuilt) -> Result<LayerPlan, Error> {
    let what = unbuilt.what();
    let facts = json!({ "unbuilt": what, "from": unbuilt.from });
    Ok(LayerPlan {
        name: what.clone(),
        key: CacheKey::of("unbuilt", &facts)?,
        packages: vec![what],
        why: format!("`wain build` builds it here from {}, which runs its code", unbuilt.from),
        state: LayerState::Missing,
        doubt: None,
        recipe: Recipe::Unbuilt(unbuilt.clone()),
    })
}

fn environment(resolved: &PlatformResolution, options: &Options, store: &Store) -> Result<LayerPlan, Error> {
    let environment = &resolved.environment;
    let key = CacheKey::of(
        "layer",
        &json!({
            "format": crate::format::facts(options),
            "environment": ENVIRONMENT,
            "facts": environment,
        }),
    )?;
    Ok(LayerPlan {
        name: format!("environment for Python {}", environment.python.short()),
        why: format!("links to {}", environment.interpreter),
        state: state(&key, store)?,
        key,
        doubt: None,
        packages: Vec::new(),
        recipe: Recipe::Entries(Arc::new(environment.entries()?)),
    })
}

fn wheel_layer(
    wheels: Vec<ChosenWheel>,
    layout: &Layout,
    options: &Options,
    together: Option<&serde_json::Value>,
    bytecode: Option<&serde_json::Value>,
    store: &Store,
) -> Result<LayerPlan, Error> {
    let mut digests: Vec<Digest> = wheels.iter().map(|wheel| wheel.wanted.digest).collect();
    digests.sort();
    let mut facts = json!({
        "format": crate::format::facts(options),
        "wheels": WHEELS,
        "digests": digests,
        "layout": layout_facts(layout),
    });
    if let Some(together) = together {
        facts["together"] = together.clone();
    }
    if let Some(bytecode) = bytecode {
        facts["bytecode"] = bytecode.clone();
    }
    let key = CacheKey::of("layer", &facts)?;
    let packages: Vec<String> =
        wheels.iter().map(|wheel| format!("{} {}", wheel.name, wheel.wanted.filename.version)).collect();
    let name = match &packages[..] {
        [one] => one.clone(),
        [first, .., last] => format!("{} packages, {first} to {last}", packages.len()),
        [] => "no packages".into(),
    };
    let why = match &wheels[..] {
        [ChosenWheel { made: Some(made), .. }] => made.to_string(),
        [_] => "changes with this package alone".to_owned(),
        _ if wheels.iter().all(|wheel| wheel.made.is_some()) => "made here of source".to_owned(),
        _ => "small packages share a layer".to_owned(),
    };
    let (wheels, layout) = (Arc::new(wheels), layout.clone());
    let (name, why, packages, recipe) = match bytecode {
        None => (name, why, packages, Recipe::Wheels(wheels, layout)),
        // The packages are in the layer of their files.
        Some(_) => {
            let name = format!("bytecode of {name}");
            (name, "compiled modules".to_owned(), Vec::new(), Recipe::Bytecode(wheels, layout))
        }
    };
    Ok(LayerPlan { name, why, state: state(&key, store)?, key, doubt: None, packages, recipe })
}

fn files_layer(files: &Files, options: &Options, store: &Store) -> Result<LayerPlan, Error> {
    let key = CacheKey::of(
        "layer",
        &json!({ "format": crate::format::facts(options), "source": SOURCE, "digest": files.digest }),
    )?;
    Ok(LayerPlan {
        name: files.name.clone(),
        why: format!("{} files and folders", files.entries.len()),
        state: state(&key, store)?,
        key,
        doubt: None,
        packages: Vec::new(),
        recipe: Recipe::Entries(files.entries.clone()),
    })
}

pub(crate) fn layout_facts(layout: &Layout) -> serde_json::Value {
    let mut facts = json!({
        "prefix": prefix(&layout.prefix),
        "python": layout.python.short(),
        "interpreter": layout.interpreter,
        "installer": layout.installer,
    });
    if !layout.slim.is_empty() {
        facts["slim"] =
            json!({ "rules": SLIM, "kinds": layout.slim.iter().map(|kind| kind.name()).collect::<Vec<_>>() });
    }
    facts
}

fn prefix(path: &ImagePath) -> String {
    path.to_string()
}

/// What the store remembers of a layer, if its bytes are still there.
fn state(key: &CacheKey, store: &Store) -> Result<LayerState, Error> {
    let known = store.recall(key)?.and_then(|memo| read_layer(&memo));
    let there = known.filter(|layer| store.contains(&layer.descriptor.digest, Some(layer.descriptor.size)));
    Ok(there.map_or(LayerState::Missing, |layer| LayerState::Cached(Box::new(layer))))
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
