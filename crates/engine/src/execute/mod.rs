//! From a plan to images: fetches and makes what is missing, then writes the documents.

mod bytecode;
mod compose;
mod conflicts;
mod debian;
mod layer_file;
mod native;
mod wheels;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{try_join, try_join_all};
use tokio::task::JoinSet;
use wainwright_blob::Options;
use wainwright_layer::{ConflictLosers, wheel_entries};
use wainwright_oci::{Image, Layer, Place, Reference, annotation};
use wainwright_store::CacheKey;

use self::compose::{NamedLayer, compose, index};
use self::conflicts::compare as compare_wheels;
pub use self::conflicts::lost_files;
pub use self::debian::{AssembledBase, lay_out, write_base};
pub use self::layer_file::unbuilt;
use self::layer_file::write_entries;
pub use self::native::preflight;
pub use self::wheels::open as install_wheel;
use self::wheels::{Fetches, blame, install_all};
use crate::model::cache::CacheOffer;
use crate::model::debian::DebianLayer;
use crate::model::format::write_layer;
use crate::session::{EarlyUploads, bring, compare, early_uploads};
use crate::{
    BasePlan, BuiltImage, BuiltPlatform, Config, DebianRecipe, Error, Event, Images, LayerPlan, LayerReport,
    LayerState, Output, Plan, PlatformPlan, Recipe, Session,
};

/// Fetches and makes what is missing, then writes the documents. Nothing is delivered yet.
///
/// # Errors
/// When something cannot be fetched or made, or images would not work.
pub async fn execute(plan: &Plan, session: &Arc<Session>) -> Result<Images, Error> {
    for image in plan.images.iter().filter(|image| image.outputs.contains(&Output::Registry)) {
        image.tags.iter().try_for_each(|tag| session.demand_registry(tag.registry()))?;
    }
    let (early, queue) = early_uploads(plan);
    let fetches = Arc::new(Fetches::default());
    let making = async {
        // A conflict that is allowed decides what layers hold; without one, nothing has to wait until every wheel is here.
        let mut all = BTreeMap::new();
        for platform in plan.platforms().filter(|platform| !platform.allow_clash.is_empty()) {
            let found = Arc::new(lost_files(&compare_wheels(platform, &fetches, session).await?.shared));
            all.extend(platform.layers.iter().map(|layer| (layer.key, found.clone())));
        }
        let bases = bases(plan, early.clone(), session);
        let layers = layers(plan, &all, &fetches, early.clone(), session);
        let (bases, mut made) = try_join(bases, layers).await?;
        // The Python of a base compiles, so the base comes first.
        made.extend(bytecode::make(plan, &bases, &all, &fetches, &early, session).await?);
        // The queue ends when nobody can add a layer any more.
        drop(early);
        Ok((bases, made))
    };
    let ((bases, made), sent) = try_join(making, queue.send(session)).await?;
    // Images share wheels; what is odd about one is reported once.
    let (mut notes, mut warnings) = (BTreeSet::new(), BTreeSet::new());
    let mut shared = Vec::new();
    for platform in plan.platforms() {
        let native = native::look(platform, &fetches, session).await?;
        native.refuse(plan.strict_native)?;
        warnings.extend(native.warnings());
        let conflicts = compare_wheels(platform, &fetches, session).await?;
        notes.extend(conflicts.notes());
        warnings.extend(conflicts.warnings(&platform.allow_clash));
        shared.push(conflicts.shared);
    }
    notes.into_iter().for_each(|message| session.report(Event::Noted { message }));
    warnings.into_iter().for_each(|message| session.report(Event::Warned { message }));
    let mut images = Vec::new();
    let mut of_each = bases.into_iter().zip(shared);
    for image in &plan.images {
        let mut platforms = Vec::new();
        for (platform, (base, shared)) in image.platforms.iter().zip(&mut of_each) {
            let (made, layers) = finish(platform, base.as_deref(), &made, plan.options.mtime)?;
            session.report(Event::ImageFinished {
                component: platform.image.clone(),
                platform: platform.platform.clone(),
                digest: made.manifest.digest(),
                size: made.layers.iter().map(|layer| layer.descriptor.size).sum(),
            });
            platforms.push(BuiltPlatform { image: made, layers, shared, base });
        }
        let first = image.platforms.first();
        let annotations = first.map(|platform| platform.annotations.clone()).unwrap_or_default();
        images.push(BuiltImage {
            name: image.name.clone(),
            service: image.service.clone(),
            tags: image.tags.clone(),
            outputs: image.outputs.clone(),
            user: first.map(|platform| platform.config.user.clone()).unwrap_or_default(),
            index: (platforms.len() > 1)
                .then(|| index(platforms.iter().map(|platform| &platform.image), &annotations)),
            platforms,
        });
    }
    Ok(Images { images, sent, made })
}

/// The base layers of every image that has its base assembled; one after the other, since they share work. What several
/// images have is made once.
async fn bases(
    plan: &Plan,
    early: EarlyUploads,
    session: &Arc<Session>,
) -> Result<Vec<Option<Vec<DebianLayer>>>, Error> {
    let mut by_key: BTreeMap<CacheKey, Vec<DebianLayer>> = BTreeMap::new();
    let mut made = Vec::new();
    for image in plan.platforms() {
        let recipe = match &image.base {
            BasePlan::Runtime(recipe) => Some(recipe),
            BasePlan::Image(_) => image.system.as_ref(),
        };
        made.push(match recipe {
            Some(recipe) => Some(match by_key.get(recipe.key()) {
                Some(known) => known.clone(),
                None => {
                    let layers = runtime_layers(recipe, plan, &early, session).await?;
                    by_key.insert(*recipe.key(), layers.clone());
                    layers
                }
            }),
            None => None,
        });
    }
    Ok(made)
}

/// The layers of a base, or what is added to an image.
async fn runtime_layers(
    recipe: &DebianRecipe,
    plan: &Plan,
    early: &EarlyUploads,
    session: &Arc<Session>,
) -> Result<Vec<DebianLayer>, Error> {
    let layers = match &recipe.offered {
        Some(cache) => offered_base(recipe, cache, stays(plan, cache), early, session).await?,
        None => debian::make(recipe, session).await?,
    };
    check_base(recipe, &layers)?;
    layers.iter().filter(|made| is_here(&made.layer)).for_each(|made| early.take(&made.layer));
    Ok(layers)
}

/// The layers of a base that a cache has: left there where a registry alone wants them, else brought here. If the cache
/// does not give them, they are made.
async fn offered_base(
    recipe: &DebianRecipe,
    cache: &Reference,
    stays: bool,
    early: &EarlyUploads,
    session: &Arc<Session>,
) -> Result<Vec<DebianLayer>, Error> {
    let mut base = recipe.made.clone().unwrap_or_default();
    for made in &mut base {
        let offer = CacheOffer { cache: cache.clone(), layer: made.layer.clone(), facts: None };
        match take(&format!("base {}", made.name), &offer, stays, early, session).await? {
            Some(layer) => made.layer = layer,
            None => return debian::make(&recipe.anew(), session).await,
        }
    }
    Ok(base)
}

/// Holds a base that was made against what a cache says of it.
fn check_base(recipe: &DebianRecipe, base: &[DebianLayer]) -> Result<(), Error> {
    let Some((cache, said)) = &recipe.doubt else { return Ok(()) };
    for (said, made) in said.iter().zip(base) {
        let offer = CacheOffer { cache: cache.clone(), layer: said.layer.clone(), facts: None };
        compare(&format!("base {}", made.name), &offer, &made.layer)?;
    }
    let names = |layers: &[DebianLayer]| {
        layers.iter().map(|made| (made.name.clone(), made.packages.clone())).collect::<Vec<_>>()
    };
    match names(said) == names(base) {
        true => Ok(()),
        false => Err(Error::CacheLie {
            cache: cache.to_string(),
            layer: format!("base debian:{}", recipe.lock.suite),
            reason: "it names other layers or packages".into(),
        }),
    }
}

fn is_here(layer: &Layer) -> bool {
    !matches!(layer.place, Place::Registry(_))
}

/// Whether what a cache has may stay where it is: only its own registry can do without the bytes passing through here.
fn stays(plan: &Plan, cache: &Reference) -> bool {
    plan.outputs().all(|output| *output == Output::Registry)
        && plan.tags().all(|tag| tag.registry() == cache.registry())
}

/// Takes a layer that a cache has. `None` when the cache does not give it after all.
async fn take(
    name: &str,
    offer: &CacheOffer,
    stays: bool,
    early: &EarlyUploads,
    session: &Arc<Session>,
) -> Result<Option<Layer>, Error> {
    if stays {
        early.take_offer(name, offer);
        return Ok(Some(offer.layer.clone()));
    }
    let brought = bring(name, offer, session).await?;
    brought.iter().for_each(|layer| early.take(layer));
    Ok(brought)
}

/// Our layers by key; those that platforms share are made once.
///
/// `lost` holds what packages lose to others, for layers of images where that is allowed.
async fn layers(
    plan: &Plan,
    lost: &BTreeMap<CacheKey, Arc<ConflictLosers>>,
    fetches: &Arc<Fetches>,
    early: EarlyUploads,
    session: &Arc<Session>,
) -> Result<BTreeMap<CacheKey, Layer>, Error> {
    let mut made = BTreeMap::new();
    let mut missing: BTreeMap<CacheKey, &LayerPlan> = BTreeMap::new();
    for layer in plan.layers() {
        match &layer.state {
            LayerState::Cached(known) => {
                if made.insert(layer.key, Layer::clone(known)).is_none() {
                    let (name, descriptor) = (layer.name.clone(), known.descriptor.clone());
                    session.report(Event::LayerReused { name, descriptor });
                }
            }
            _ if layer.is_bytecode() => {}
            LayerState::Missing | LayerState::Offered(_) => {
                missing.insert(layer.key, layer);
            }
        }
    }
    let mut order: Vec<&LayerPlan> = missing.into_values().collect();
    // The longest first, so that none is left alone at the end.
    order.sort_by_key(|layer| std::cmp::Reverse(layer.input_size()));
    let mut jobs: JoinSet<Result<(CacheKey, Layer), Error>> = JoinSet::new();
    for layer in order {
        let (layer, session, fetches, options) =
            (layer.clone(), session.clone(), fetches.clone(), plan.options);
        let lost = lost.get(&layer.key).cloned().unwrap_or_default();
        let early = early.clone();
        let stays = matches!(&layer.state, LayerState::Offered(offer) if stays(plan, &offer.cache));
        jobs.spawn(async move {
            if let LayerState::Offered(offer) = &layer.state
                && let Some(taken) = take(&layer.name, offer, stays, &early, &session).await?
            {
                let (name, descriptor) = (layer.name.clone(), taken.descriptor.clone());
                session.report(Event::LayerReused { name, descriptor });
                return Ok((layer.key, taken));
            }
            let made = make(&layer, lost, options, &fetches, &session).await?;
            if let Some(doubt) = &layer.doubt {
                compare(&layer.name, doubt, &made)?;
            }
            early.take(&made);
            Ok((layer.key, made))
        });
    }
    while let Some(done) = jobs.join_next().await {
        // UploadQueue early ends the other jobs.
        let (key, layer) = done.map_err(|error| Error::Bug { what: error.to_string() })??;
        made.insert(key, layer);
    }
    Ok(made)
}

/// Makes one layer and remembers it.
async fn make(
    layer: &LayerPlan,
    lost: Arc<ConflictLosers>,
    options: Options,
    fetches: &Fetches,
    session: &Arc<Session>,
) -> Result<Layer, Error> {
    let (name, store, key) = (layer.name.clone(), session.store.clone(), layer.key);
    let tell = session.listener();
    let written = match &layer.recipe {
        Recipe::Entries(entries) => {
            let entries = entries.clone();
            let job = move || {
                tell(Event::LayerStarted { name: name.clone() });
                write_entries(&name, &entries, &options, &store)
            };
            session.compute(job).await?
        }
        Recipe::Bytecode(..) => {
            return Err(Error::Bug { what: format!("`{name}` needs an interpreter") });
        }
        Recipe::Wheels(wheels, layout) => {
            let all = wheels.iter().map(|wheel| fetches.fetch(wheel, session));
            try_join_all(all).await?;
            let (wheels, layout) = (wheels.clone(), layout.clone());
            let job = move || {
                tell(Event::LayerStarted { name: name.clone() });
                let entries = wheel_entries(install_all(&wheels, &layout, &lost, &store)?, &layout)?;
                write_entries(&name, &entries, &options, &store)
                    .map_err(|error| blame(&wheels, &layout, &store, error))
            };
            session.compute(job).await?
        }
        Recipe::Unbuilt(_) => return Err(unbuilt(layer)),
    };
    let made = written.keep().await?;
    session.store.remember(&key, &write_layer(&made))?;
    session.report(Event::LayerFinished { name: layer.name.clone(), descriptor: made.descriptor.clone() });
    Ok(made)
}

/// Puts an image together.
fn finish(
    plan: &PlatformPlan,
    runtime: Option<&[DebianLayer]>,
    made: &BTreeMap<CacheKey, Layer>,
    epoch: u64,
) -> Result<(Image, Vec<LayerReport>), Error> {
    let mut layers = Vec::new();
    let mut reports = Vec::new();
    let report = |name: &str, packages: &[String], layer: &Layer, cached| LayerReport {
        name: name.to_owned(),
        packages: packages.to_vec(),
        digest: layer.descriptor.digest,
        diff_id: layer.diff_id.0,
        size: layer.descriptor.size,
        cached,
    };
    let (base_config, base_layers) = match &plan.base {
        BasePlan::Image(base) => (Some(&base.config), base.layers.as_slice()),
        BasePlan::Runtime(_) => (None, &[][..]),
    };
    reports.extend(base_layers.iter().map(|layer| report("base", &[], layer, true)));
    let is_cached = match &plan.base {
        BasePlan::Runtime(recipe) => recipe.made.is_some(),
        BasePlan::Image(_) => plan.system.as_ref().is_some_and(|recipe| recipe.made.is_some()),
    };
    for DebianLayer { name, packages, layer } in runtime.into_iter().flatten() {
        reports.push(report(name, packages, layer, is_cached));
        let name = match &plan.base {
            BasePlan::Runtime(_) => format!("{} {name}", plan.base_name),
            BasePlan::Image(_) => name.clone(),
        };
        let created_by = match packages.is_empty() {
            true => name,
            false => format!("{name}: {}", packages.join(", ")),
        };
        layers.push(NamedLayer { layer: layer.clone(), created_by });
    }
    let base_end = layers.len();
    let mut annotations = plan.annotations.clone();
    let base_digest = match &plan.base {
        BasePlan::Image(base) => base.manifest.digest(),
        // The base as an image of its own: what somebody would get who built it without a project.
        BasePlan::Runtime(_) => {
            let config = Config::default();
            let none = BTreeMap::new();
            compose(&plan.platform, None, &[], &layers[..base_end], &config, &none, epoch).manifest.digest()
        }
    };
    if let Some(name) = &plan.base_reference {
        annotations.insert(annotation::BASE_NAME.into(), name.clone());
    }
    annotations.insert(annotation::BASE_DIGEST.into(), base_digest.to_string());
    for layer in &plan.layers {
        let Some(found) = made.get(&layer.key) else {
            return Err(Error::Bug { what: format!("the layer `{}` was not made", layer.name) });
        };
        reports.push(report(&layer.name, &layer.packages, found, layer.state != LayerState::Missing));
        let created_by = match layer.packages.len() {
            0 | 1 => layer.name.clone(),
            _ => layer.packages.join(", "),
        };
        layers.push(NamedLayer { layer: found.clone(), created_by });
    }
    let image = compose(&plan.platform, base_config, base_layers, &layers, &plan.config, &annotations, epoch);
    Ok((image, reports))
}
