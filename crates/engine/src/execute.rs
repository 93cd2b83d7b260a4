use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::task::JoinSet;
use wainwright_blob::{Entry, Options, write};
use wainwright_layer::{Lost, wheel_entries};
use wainwright_oci::{Digest, Document, Image, Layer, Place, Reference, annotation};
use wainwright_store::{CacheKey, Draft, Store};

use crate::bytecode;
use crate::image::{NamedLayer, compose, index};
use crate::native;
use crate::oracle::{self, Offer, bring};
use crate::plan::{BasePlan, Recipe, write_layer};
use crate::runtime::{self, RuntimeLayerMade};
use crate::together::{Shared, compare, lost};
use crate::transfer::{Ahead, ahead};
use crate::wheels::{Fetches, blame, install_all};
use crate::{Error, Event, ImagePlan, LayerPlan, LayerState, Output, Plan, RuntimeRecipe, Tools};

/// Finished images: bytes and digests, no more questions.
#[derive(Clone, Debug)]
pub struct Images {
    /// One for each platform, in the order of the plan.
    pub images: Vec<Image>,
    /// Lists them, when there are several.
    pub index: Option<Document>,
    /// For each image, its layers with what they hold, lowest first.
    pub layers: Vec<Vec<LayerReport>>,
    /// For each image, the paths that several packages own.
    pub shared: Vec<Vec<Shared>>,
    /// How many bytes of layers are in their registries already.
    pub sent: u64,
    /// Our layers, by what decides them.
    pub(crate) made: BTreeMap<CacheKey, Layer>,
    /// For each image, the layers of a base that is assembled.
    pub(crate) bases: Vec<Option<Vec<RuntimeLayerMade>>>,
}

impl Images {
    /// Takes the images behind the first `count` away; `plan` is that of the first.
    pub(crate) fn split_off(&mut self, count: usize, plan: &Plan) -> Self {
        let rest = Self {
            images: self.images.split_off(count),
            index: None,
            layers: self.layers.split_off(count),
            shared: self.shared.split_off(count),
            sent: 0,
            made: self.made.clone(),
            bases: self.bases.split_off(count),
        };
        let annotations = plan.images.first().map(|image| image.annotations.clone()).unwrap_or_default();
        self.index = (self.images.len() > 1).then(|| index(&self.images, &annotations));
        rest
    }
}

/// A layer, for a report.
#[derive(Clone, Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LayerReport {
    /// What it is called.
    pub name: String,
    /// The packages in it, as `name version`.
    pub packages: Vec<String>,
    /// Its digest.
    pub digest: Digest,
    /// Digest of the tar inside.
    pub diff_id: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Whether it was made earlier.
    pub cached: bool,
}

/// Fetches and makes what is missing, then writes the documents. Nothing is delivered yet.
pub async fn execute(plan: &Plan, tools: &Arc<Tools>) -> Result<Images, Error> {
    if plan.outputs.contains(&Output::Registry) {
        plan.tags.iter().try_for_each(|tag| tools.demand_registry(tag.registry()))?;
    }
    let (ahead, leaving) = ahead(plan)?;
    let fetches = Arc::new(Fetches::default());
    let making = async {
        // A clash that is allowed decides what layers hold; without one, nothing has to wait until every wheel is here.
        let mut all = BTreeMap::new();
        for image in plan.images.iter().filter(|image| !image.allow_clash.is_empty()) {
            let found = Arc::new(lost(&compare(image, &fetches, tools).await?.shared));
            all.extend(image.layers.iter().map(|layer| (layer.key, found.clone())));
        }
        let runtimes = runtimes(plan, ahead.clone(), tools);
        let layers = layers(plan, &all, &fetches, ahead.clone(), tools);
        let (runtimes, mut made) = futures_util::future::try_join(runtimes, layers).await?;
        // The Python of a base compiles, so the base comes first.
        made.extend(bytecode::make(plan, &runtimes, &all, &fetches, &ahead, tools).await?);
        // Leaving is over when the last layer was handed in.
        drop(ahead);
        Ok((runtimes, made))
    };
    let ((runtimes, made), sent) = futures_util::future::try_join(making, leaving.send(tools)).await?;
    // Platforms share wheels; what is odd about one is told once.
    let (mut notes, mut warnings) = (BTreeSet::new(), BTreeSet::new());
    let mut shared = Vec::new();
    for image in &plan.images {
        let native = native::look(image, &fetches, tools).await?;
        native.refuse(plan.strict_native)?;
        warnings.extend(native.warnings());
        let together = compare(image, &fetches, tools).await?;
        notes.extend(together.notes());
        warnings.extend(together.warnings(&image.allow_clash));
        shared.push(together.shared);
    }
    notes.into_iter().for_each(|message| tools.tell(Event::Noted { message }));
    warnings.into_iter().for_each(|message| tools.tell(Event::Warned { message }));
    let mut images = Vec::new();
    let mut reports = Vec::new();
    for (image, runtime) in plan.images.iter().zip(&runtimes) {
        let component = image.component.clone();
        let (image, report) = finish(image, runtime.as_deref(), &made, plan.options.mtime)?;
        let size = image.layers.iter().map(|layer| layer.descriptor.size).sum();
        let (platform, digest) = (image.platform.clone(), image.manifest.digest());
        tools.tell(Event::ImageFinished { component, platform, digest, size });
        images.push(image);
        reports.push(report);
    }
    let annotations = plan.images.first().map(|image| image.annotations.clone()).unwrap_or_default();
    let index = (images.len() > 1).then(|| index(&images, &annotations));
    Ok(Images { images, index, layers: reports, shared, sent, made, bases: runtimes })
}

/// The base layers of every image that has its base assembled; one after the other, since they share work. What several
/// images have is made once.
async fn runtimes(
    plan: &Plan,
    ahead: Ahead,
    tools: &Arc<Tools>,
) -> Result<Vec<Option<Vec<RuntimeLayerMade>>>, Error> {
    let mut by_key: BTreeMap<CacheKey, Vec<RuntimeLayerMade>> = BTreeMap::new();
    let mut made = Vec::new();
    for image in &plan.images {
        let recipe = match &image.base {
            BasePlan::Runtime(recipe) => Some(recipe),
            BasePlan::Image(_) => image.system.as_ref(),
        };
        made.push(match recipe {
            Some(recipe) => Some(match by_key.get(recipe.key()) {
                Some(known) => known.clone(),
                None => {
                    let layers = runtime_layers(recipe, plan, &ahead, tools).await?;
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
    recipe: &RuntimeRecipe,
    plan: &Plan,
    ahead: &Ahead,
    tools: &Arc<Tools>,
) -> Result<Vec<RuntimeLayerMade>, Error> {
    let layers = match &recipe.offered {
        Some(cache) => offered_base(recipe, cache, stays(plan, cache), ahead, tools).await?,
        None => runtime::make(recipe, tools).await?,
    };
    check_base(recipe, &layers)?;
    layers.iter().filter(|made| is_here(&made.layer)).for_each(|made| ahead.take(&made.layer));
    Ok(layers)
}

/// The layers of a base that a cache has: left there where a registry alone wants them, else brought here. If the cache
/// does not give them, they are made.
async fn offered_base(
    recipe: &RuntimeRecipe,
    cache: &Reference,
    stays: bool,
    ahead: &Ahead,
    tools: &Arc<Tools>,
) -> Result<Vec<RuntimeLayerMade>, Error> {
    let mut base = recipe.made.clone().unwrap_or_default();
    for made in &mut base {
        let offer = Offer { cache: cache.clone(), layer: made.layer.clone(), facts: None };
        match take(&format!("base {}", made.name), &offer, stays, ahead, tools).await? {
            Some(layer) => made.layer = layer,
            None => return runtime::make(&recipe.anew(), tools).await,
        }
    }
    Ok(base)
}

/// Holds a base that was made against what a cache says of it.
fn check_base(recipe: &RuntimeRecipe, base: &[RuntimeLayerMade]) -> Result<(), Error> {
    let Some((cache, said)) = &recipe.doubt else { return Ok(()) };
    for (said, made) in said.iter().zip(base) {
        let offer = Offer { cache: cache.clone(), layer: said.layer.clone(), facts: None };
        oracle::compare(&format!("base {}", made.name), &offer, &made.layer)?;
    }
    let names = |layers: &[RuntimeLayerMade]| {
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
    plan.outputs.iter().all(|output| *output == Output::Registry)
        && plan.tags.iter().all(|tag| tag.registry() == cache.registry())
}

/// Takes a layer that a cache has. `None` when the cache does not give it after all.
async fn take(
    name: &str,
    offer: &Offer,
    stays: bool,
    ahead: &Ahead,
    tools: &Arc<Tools>,
) -> Result<Option<Layer>, Error> {
    if stays {
        ahead.take_offer(name, offer);
        return Ok(Some(offer.layer.clone()));
    }
    let brought = bring(name, offer, tools).await?;
    brought.iter().for_each(|layer| ahead.take(layer));
    Ok(brought)
}

/// Our layers by key; those that platforms share are made once.
///
/// `lost` holds what packages lose to others, for layers of images where that is allowed.
async fn layers(
    plan: &Plan,
    lost: &BTreeMap<CacheKey, Arc<Lost>>,
    fetches: &Arc<Fetches>,
    ahead: Ahead,
    tools: &Arc<Tools>,
) -> Result<BTreeMap<CacheKey, Layer>, Error> {
    let mut made = BTreeMap::new();
    let mut missing: BTreeMap<CacheKey, &LayerPlan> = BTreeMap::new();
    for layer in plan.images.iter().flat_map(|image| &image.layers) {
        match &layer.state {
            LayerState::Cached(known) => {
                if made.insert(layer.key, Layer::clone(known)).is_none() {
                    let (name, descriptor) = (layer.name.clone(), known.descriptor.clone());
                    tools.tell(Event::LayerReused { name, descriptor });
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
        let (layer, tools, fetches, options) = (layer.clone(), tools.clone(), fetches.clone(), plan.options);
        let lost = lost.get(&layer.key).cloned().unwrap_or_default();
        let ahead = ahead.clone();
        let stays = matches!(&layer.state, LayerState::Offered(offer) if stays(plan, &offer.cache));
        jobs.spawn(async move {
            if let LayerState::Offered(offer) = &layer.state
                && let Some(taken) = take(&layer.name, offer, stays, &ahead, &tools).await?
            {
                let (name, descriptor) = (layer.name.clone(), taken.descriptor.clone());
                tools.tell(Event::LayerReused { name, descriptor });
                return Ok((layer.key, taken));
            }
            let made = make(&layer, lost, options, &fetches, &tools).await?;
            if let Some(doubt) = &layer.doubt {
                oracle::compare(&layer.name, doubt, &made)?;
            }
            ahead.take(&made);
            Ok((layer.key, made))
        });
    }
    while let Some(done) = jobs.join_next().await {
        // Leaving early ends the other jobs.
        let (key, layer) = done.map_err(|error| Error::Bug { what: error.to_string() })??;
        made.insert(key, layer);
    }
    Ok(made)
}

/// Makes one layer and remembers it.
async fn make(
    layer: &LayerPlan,
    lost: Arc<Lost>,
    options: Options,
    fetches: &Fetches,
    tools: &Arc<Tools>,
) -> Result<Layer, Error> {
    let (name, store, key) = (layer.name.clone(), tools.store.clone(), layer.key);
    let tell = tools.listener();
    let written = match &layer.recipe {
        Recipe::Entries(entries) => {
            let entries = entries.clone();
            let job = move || {
                tell(Event::LayerStarted { name: name.clone() });
                write_entries(&name, &entries, &options, &store)
            };
            tools.cpu().await?.run(job).await?
        }
        Recipe::Bytecode(..) => {
            return Err(Error::Bug { what: format!("`{name}` needs an interpreter") });
        }
        Recipe::Wheels(wheels, layout) => {
            let all = wheels.iter().map(|wheel| fetches.fetch(wheel, tools));
            futures_util::future::try_join_all(all).await?;
            let (wheels, layout) = (wheels.clone(), layout.clone());
            let job = move || {
                tell(Event::LayerStarted { name: name.clone() });
                let entries = wheel_entries(install_all(&wheels, &layout, &lost, &store)?, &layout)?;
                write_entries(&name, &entries, &options, &store)
                    .map_err(|error| blame(&wheels, &layout, &store, error))
            };
            tools.cpu().await?.run(job).await?
        }
        Recipe::Unbuilt(_) => return Err(unbuilt(layer)),
    };
    let made = written.keep().await?;
    tools.store.remember(&key, &write_layer(&made))?;
    tools.tell(Event::LayerFinished { name: layer.name.clone(), descriptor: made.descriptor.clone() });
    Ok(made)
}

/// A plan that was made to be looked at is carried out.
pub(crate) fn unbuilt(layer: &LayerPlan) -> Error {
    Error::Bug { what: format!("the wheel of `{}` was not built", layer.name) }
}

/// A layer that is written, but may not be on the disk yet.
pub(crate) struct WrittenLayer {
    draft: Draft,
    layer: Layer,
}

impl WrittenLayer {
    /// Waits for the disk, on a thread that has nothing else to do, and puts the layer into its place in the store.
    pub(crate) async fn keep(self) -> Result<Layer, Error> {
        let Self { draft, layer } = self;
        let digest = layer.descriptor.digest;
        let kept = tokio::task::spawn_blocking(move || draft.commit(&digest)).await;
        kept.map_err(|error| Error::Bug { what: error.to_string() })??;
        Ok(layer)
    }
}

/// Writes entries as a layer that the store may keep.
pub(crate) fn write_entries(
    name: &str,
    entries: &[Entry],
    options: &Options,
    store: &Store,
) -> Result<WrittenLayer, Error> {
    let mut draft = store.draft()?;
    let written = write(entries, options, &mut draft)
        .map_err(|source| Error::Blob { layer: name.to_owned(), source })?;
    let layer = Layer { descriptor: written.descriptor, diff_id: written.diff_id, place: Place::Store };
    Ok(WrittenLayer { draft, layer })
}

/// Puts an image together.
fn finish(
    plan: &ImagePlan,
    runtime: Option<&[RuntimeLayerMade]>,
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
    for RuntimeLayerMade { name, packages, layer } in runtime.into_iter().flatten() {
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
            let config = crate::image::Config::default();
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
