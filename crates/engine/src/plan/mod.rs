//! From what goes into the images to what will happen: every layer by its key, and whether it is in the store.

mod bytecode;
mod cache;
mod layering;
mod layers;
mod share;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;
use wainwright_oci::Digest;
use wainwright_python::Bytecode;
use wainwright_store::Store;

pub use self::cache::consult;
pub(crate) use self::cache::{
    Artifact, BaseEntry, BaseLayer, Entries, FACTS_MEDIA_TYPE, Facts, Finding, LARGEST_ENTRIES, LayerEntry,
    Standing, find, write,
};
pub use self::layering::group;
use self::layering::room_for_wheels;
use self::layers::{environment, files_layer, unbuilt_layer, wheel_layer};
use self::share::{Shares, share};
use crate::model::base::BaseRecipe;
use crate::model::wheel::ChosenWheel;
use crate::{BasePlan, Error, ImagePlan, LayerPlan, Plan, PlatformPlan, PlatformResolution, Resolution};

/// The layers of a component that have no wheels: the environment of its Python, the component runtime, its own files.
const OTHER_LAYERS: usize = 3;

/// Decides what every image holds, and which layers have to be made.
///
/// Pure but for asking the store what it remembers.
///
/// # Errors
/// When a base leaves no room for layers, or the store cannot be read.
pub fn plan(resolution: &Resolution, store: &Store) -> Result<Plan, Error> {
    // Images with names are some of many, and share layers with others.
    let is_shared = resolution.images.iter().any(|image| image.name.is_some());
    let count = resolution.images.iter().map(|image| image.platforms.len()).max().unwrap_or(0);
    let shares: Vec<Shares> = (0..count)
        .map(|at| {
            let wheels =
                resolution.images.iter().filter_map(|image| Some(image.platforms.get(at)?.wheels.as_slice()));
            let room = resolution.max_layers.saturating_sub(OTHER_LAYERS).max(1);
            if is_shared { share(&wheels.collect::<Vec<_>>(), room) } else { Shares::default() }
        })
        .collect();
    let mut images = Vec::new();
    for image in &resolution.images {
        let mut platforms = Vec::new();
        for (resolved, shares) in image.platforms.iter().zip(&shares) {
            let base = &resolved.base;
            platforms.push(PlatformPlan {
                image: image.name.clone(),
                platform: base.platform.clone(),
                target: base.target.clone(),
                interpreter: base.interpreter.clone(),
                base_name: base.name.clone(),
                base_reference: base.reference.clone(),
                base: match &base.base {
                    BaseRecipe::Debian(recipe) => BasePlan::Runtime(recipe.clone()),
                    BaseRecipe::Image(base, _) => BasePlan::Image(Box::new(base.image.clone())),
                },
                system: match &base.base {
                    BaseRecipe::Image(_, system) => system.clone(),
                    BaseRecipe::Debian(_) => None,
                },
                layers: plan_layers(resolved, shares, resolution, store)?,
                allow_clash: resolution.allow_clash.clone(),
                slim: resolved.layout.slim.clone(),
                libraries: base.libraries.clone(),
                takes_packages: base.takes_packages,
                codename: base.codename.clone(),
                cache_hits: Arc::default(),
                config: resolved.config.clone(),
                annotations: image.annotations.clone(),
            });
        }
        images.push(ImagePlan {
            name: image.name.clone(),
            service: image.service.clone(),
            tags: image.tags.clone(),
            outputs: image.outputs.clone(),
            platforms,
        });
    }
    Ok(Plan {
        images,
        options: resolution.options,
        strict_native: resolution.strict_native,
        caches: resolution.caches.clone(),
    })
}

/// Our layers of an image, lowest first.
fn plan_layers(
    resolved: &PlatformResolution,
    shares: &Shares,
    resolution: &Resolution,
    store: &Store,
) -> Result<Vec<LayerPlan>, Error> {
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
            false if !shares.is_empty() => shared(wheels, shares),
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
        let (own, rest) = bytecode::share(of_locked.len(), room).ok_or(Error::FewLayers { max_layers })?;
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
    Ok(layers)
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
    let base = match &resolved.base.base {
        BaseRecipe::Debian(_) => 1,
        // Packages and the list of them are two layers.
        BaseRecipe::Image(base, system) => base.image.layers.len() + if system.is_some() { 2 } else { 0 },
    };
    let has_wheels = !resolved.wheels.is_empty() || !resolved.unbuilt.is_empty();
    // Beside the project there may be other files.
    let more = usize::from(resolved.below.is_some());
    room_for_wheels(base + more, has_wheels, max_layers.saturating_sub(more))
        .ok_or_else(|| Error::FullBase { base: resolved.base.name.clone(), layers: base })
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
