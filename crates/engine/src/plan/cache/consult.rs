use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::{StreamExt as _, stream};
use serde::de::{DeserializeOwned, IgnoredAny};
use wainwright_oci::{Descriptor, Digest, Layer, Lazy, Place, Reference};
use wainwright_registry::Scope;
use wainwright_store::CacheKey;

use super::artifact::{Artifact, PATIENCE, Standing, blob, find};
use super::entries::LayerEntry;
use super::facts::{Facts, LARGEST};
use crate::model::cache::{CacheHits, CacheOffer, Check, WheelFacts};
use crate::model::debian::DebianLayer;
use crate::model::findings::{conflicts_key, native_key};
use crate::session::compare;
use crate::{BasePlan, Error, Event, LayerState, Plan, PlatformPlan, Recipe, Session};

/// How many questions to a registry are on their way at once.
const MOST_QUESTIONS: usize = 16;
/// Of so many layers one is made here all the same.
const SAMPLE: u64 = 50;

/// Asks the caches of a plan for the layers that the store does not have.
///
/// What a cache says changes where layers come from, and nothing else. A cache that cannot be read is told about in a
/// warning, and the plan stays as it is; one that contradicts what this machine has made is an error.
pub async fn consult(mut plan: Plan, session: &Arc<Session>) -> Result<Plan, Error> {
    if plan.caches.from.is_empty() || !plan.platforms().any(lacks_something) {
        return Ok(plan);
    }
    if session.machine.is_offline {
        session.report(Event::Noted { message: "without a network, no cache in a registry is asked".into() });
        return Ok(plan);
    }
    let mut artifacts = Vec::new();
    for reference in &plan.caches.from {
        let is_ours = plan.caches.to.as_ref() == Some(reference);
        artifacts.extend(open(reference, is_ours, session).await?);
    }
    let check = plan.caches.check;
    if check != Check::None {
        refuse_contradictions(&plan, &artifacts)?;
    }
    let there = confirm(wanted(&plan, &artifacts), session).await;
    let sample = Sample::new(check, session.machine.now, &plan);
    let options = plan.options;
    for image in plan.platforms_mut() {
        offer_base(image, &artifacts, &there, &sample);
        offer_layers(image, &artifacts, &there, &sample, &options);
        image.cache_hits = Arc::new(hits(image, &artifacts, session).await?);
    }
    tell_sample(&plan, session);
    Ok(plan)
}

/// Says what is made although a cache has it: whoever counts on the cache wonders otherwise.
fn tell_sample(plan: &Plan, session: &Session) {
    let layers: BTreeMap<CacheKey, bool> = plan
        .layers()
        .filter(|layer| layer.doubt.is_some() || matches!(layer.state, LayerState::Offered(_)))
        .map(|layer| (layer.key, layer.doubt.is_some()))
        .collect();
    let count = layers.values().filter(|is_doubted| **is_doubted).count();
    if count > 0 {
        let message = format!("made here to check a cache: {count} of the {} layers it has", layers.len());
        session.report(Event::Noted { message });
    }
}

fn lacks_something(image: &PlatformPlan) -> bool {
    matches!(&image.base, BasePlan::Runtime(recipe) if recipe.made.is_none())
        || image
            .layers
            .iter()
            .any(|layer| matches!((&layer.state, &layer.recipe), (LayerState::Missing, Recipe::Wheels(..))))
}

/// Reads a cache; a warning says why it cannot be.
async fn open(reference: &Reference, is_ours: bool, session: &Session) -> Result<Option<Artifact>, Error> {
    let reason = match tokio::time::timeout(PATIENCE, find(reference, session)).await {
        Ok(Ok(Standing::Cache(artifact))) => return Ok(Some(artifact)),
        // What this build will write need not be there yet.
        Ok(Ok(Standing::Nothing)) if is_ours => {
            session.report(Event::Noted { message: format!("there is no cache {reference} yet") });
            return Ok(None);
        }
        Ok(Ok(Standing::Nothing)) => "there is none".to_owned(),
        Ok(Ok(Standing::Broken(reason))) => reason,
        Ok(Ok(Standing::Other)) => "that is something else than a cache of wain".into(),
        Ok(Err(error @ Error::Store(_))) => return Err(error),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("it did not answer within {} s", PATIENCE.as_secs()),
    };
    session.report(Event::Warned { message: format!("the cache {reference} is not used: {reason}") });
    Ok(None)
}

/// A layer that this machine made and a cache has otherwise: one of them is wrong, and the cache was asked to be right.
fn refuse_contradictions(plan: &Plan, artifacts: &[Artifact]) -> Result<(), Error> {
    for layer in plan.layers() {
        let LayerState::Cached(known) = &layer.state else { continue };
        for artifact in artifacts {
            if let Some(entry) = artifact.entries.layers.get(&layer.key.digest()) {
                compare(&layer.name, &offer(artifact, entry), known)?;
            }
        }
    }
    Ok(())
}

fn offer(artifact: &Artifact, entry: &LayerEntry) -> CacheOffer {
    let LayerEntry { descriptor, diff_id, facts, .. } = entry.clone();
    CacheOffer { facts, ..CacheOffer::new(&artifact.reference, (descriptor, diff_id)) }
}

/// The blobs that would be used, with their caches.
fn wanted<'a>(plan: &Plan, artifacts: &'a [Artifact]) -> BTreeSet<(&'a Reference, Digest)> {
    let mut wanted = BTreeSet::new();
    for artifact in artifacts {
        for image in plan.platforms() {
            for layer in image.layers.iter().filter(|layer| layer.state == LayerState::Missing) {
                let entry = artifact.entries.layers.get(&layer.key.digest());
                wanted.extend(entry.map(|entry| (&artifact.reference, entry.descriptor.digest)));
            }
            if let BasePlan::Runtime(recipe) = &image.base {
                let entry =
                    artifact.entries.bases.get(&recipe.key().digest()).filter(|_| recipe.made.is_none());
                let layers = entry.into_iter().flat_map(|entry| &entry.layers);
                wanted.extend(layers.map(|layer| (&artifact.reference, layer.descriptor.digest)));
            }
        }
    }
    wanted
}

/// Those of the blobs that the registry says it has.
async fn confirm(wanted: BTreeSet<(&Reference, Digest)>, session: &Session) -> BTreeSet<(Reference, Digest)> {
    let Ok(client) = session.registry().await else { return BTreeSet::new() };
    let ask = |(cache, digest): (&Reference, Digest)| {
        let (cache, scope) = (cache.clone(), Scope::read(cache.repository()));
        async move {
            let found = client.has_blob(cache.registry(), &scope, &digest).await;
            // A doubtful answer costs the time to make a layer.
            matches!(found, Ok(Some(true))).then_some((cache, digest))
        }
    };
    let mut found = BTreeSet::new();
    let mut answers = stream::iter(wanted).map(ask).buffer_unordered(MOST_QUESTIONS);
    let all = async {
        while let Some(answer) = answers.next().await {
            found.extend(answer);
        }
    };
    // What was not confirmed by then is made.
    let _ = tokio::time::timeout(PATIENCE, all).await;
    drop(answers);
    found
}

/// Which offers are checked by making the layer all the same.
///
/// Within a run the choice depends on the layer alone, so that platforms agree; from run to run it changes, and nobody who
/// fills a cache can know it before.
struct Sample {
    check: Check,
    seed: Digest,
}

impl Sample {
    fn new(check: Check, now: SystemTime, plan: &Plan) -> Self {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let keys: Vec<String> = plan.layers().map(|layer| layer.key.digest().to_string()).collect();
        Self { check, seed: Digest::of(format!("{} {}", since.as_nanos(), keys.join(" "))) }
    }

    fn holds(&self, key: &CacheKey) -> bool {
        match self.check {
            Check::All => true,
            Check::None => false,
            Check::Sample => {
                let digest = Digest::of(format!("{} {}", self.seed, key.digest()));
                let number =
                    digest.as_bytes().iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                number % SAMPLE == 0
            }
        }
    }
}

fn offer_layers(
    image: &mut PlatformPlan,
    artifacts: &[Artifact],
    there: &BTreeSet<(Reference, Digest)>,
    sample: &Sample,
    options: &wainwright_blob::Options,
) {
    let mut offers: BTreeMap<usize, CacheOffer> = BTreeMap::new();
    let mut is_complete = true;
    for (index, layer) in image.layers.iter().enumerate() {
        if !matches!((&layer.state, &layer.recipe), (LayerState::Missing, Recipe::Wheels(..))) {
            continue;
        }
        let entries = artifacts.iter().filter_map(|artifact| {
            let entry = artifact.entries.layers.get(&layer.key.digest())?;
            let is_there = there.contains(&(artifact.reference.clone(), entry.descriptor.digest));
            let is_lazy = !entry.descriptor.annotations.is_empty();
            let is_asked_for = entry.descriptor.media_type == options.compression.media_type()
                && is_lazy == (options.lazy != Lazy::No);
            (is_there && is_asked_for).then(|| offer(artifact, entry))
        });
        match { entries }.next() {
            Some(offer) => drop(offers.insert(index, offer)),
            None => is_complete = false,
        }
    }
    let is_sampled = |index: &usize| image.layers.get(*index).is_some_and(|layer| sample.holds(&layer.key));
    // Where a clash is allowed, what one wheel holds decides what becomes of another: then a cache is believed for all
    // layers or for none, so that nothing is made, and kept, of what only a cache says.
    let is_believed = image.allow_clash.is_empty() || (is_complete && !offers.keys().any(is_sampled));
    let sampled: BTreeSet<usize> = offers.keys().copied().filter(is_sampled).collect();
    for (index, offer) in offers {
        let Some(layer) = image.layers.get_mut(index) else { continue };
        if sampled.contains(&index) {
            layer.doubt = Some(Box::new(offer));
        } else if is_believed {
            layer.state = LayerState::Offered(Box::new(offer));
        }
    }
}

fn offer_base(
    image: &mut PlatformPlan,
    artifacts: &[Artifact],
    there: &BTreeSet<(Reference, Digest)>,
    sample: &Sample,
) {
    let BasePlan::Runtime(recipe) = &mut image.base else { return };
    if recipe.made.is_some() {
        return;
    }
    for artifact in artifacts {
        let Some(entry) = artifact.entries.bases.get(&recipe.key().digest()) else { continue };
        let is_there = |digest: Digest| there.contains(&(artifact.reference.clone(), digest));
        let packages: BTreeSet<String> = recipe.packages().into_iter().collect();
        let is_fitting = entry.layers.iter().all(|layer| {
            is_there(layer.descriptor.digest) && layer.packages.iter().all(|name| packages.contains(name))
        });
        if !is_fitting {
            continue;
        }
        let layers = entry.layers.iter().map(|layer| {
            let place = Place::Registry(artifact.reference.clone());
            DebianLayer {
                name: layer.name.clone(),
                packages: layer.packages.clone(),
                layer: Layer { descriptor: layer.descriptor.clone(), diff_id: layer.diff_id, place },
            }
        });
        let layers = layers.collect();
        if sample.holds(recipe.key()) {
            recipe.doubt = Some((artifact.reference.clone(), layers));
        } else {
            recipe.made = Some(layers);
            recipe.offered = Some(artifact.reference.clone());
            recipe.offered_libraries = entry.libraries.clone().map(Arc::new);
        }
        return;
    }
}

/// What caches say of the wheels of an image, as far as that is needed: nothing where the store knows, or where layers are
/// offered that are also made.
async fn hits(image: &PlatformPlan, artifacts: &[Artifact], session: &Session) -> Result<CacheHits, Error> {
    let offers: Vec<&CacheOffer> = image
        .layers
        .iter()
        .filter_map(|layer| match &layer.state {
            LayerState::Offered(offer) => Some(&**offer),
            _ => None,
        })
        .collect();
    let is_doubted = image.layers.iter().any(|layer| layer.doubt.is_some());
    let (native, together) = (native_key(image)?, conflicts_key(image)?);
    let is_known = |key: &Option<CacheKey>| {
        Ok::<_, Error>(match key {
            Some(key) => session.store.recall::<IgnoredAny>(key)?.is_some(),
            None => true,
        })
    };
    let (knows_native, knows_together) = (is_known(&native)?, is_known(&together)?);
    let mut hits = CacheHits::default();
    if offers.is_empty() || (knows_native && knows_together) {
        return Ok(hits);
    }
    if !is_doubted {
        hits.native = finding(native, artifacts);
        hits.conflicts = finding(together, artifacts);
    }
    if (knows_native || hits.native.is_some()) && (knows_together || hits.conflicts.is_some()) {
        return Ok(hits);
    }
    let blobs: BTreeMap<Digest, (&Reference, &Descriptor)> = offers
        .iter()
        .filter_map(|offer| Some((&offer.cache, offer.facts.as_ref()?)))
        .filter(|(_, facts)| facts.size <= LARGEST)
        .map(|(cache, facts)| (facts.digest, (cache, facts)))
        .collect();
    let mut answers = stream::iter(blobs.into_values())
        .map(async |(cache, facts)| (cache, read_facts(cache, facts, session).await))
        .buffer_unordered(MOST_QUESTIONS);
    while let Some((cache, answer)) = answers.next().await {
        match answer {
            Ok(wheels) => hits.wheels.extend(wheels),
            Err(reason) => session.report(Event::Warned {
                message: format!(
                    "wheels are fetched to look into them, as the cache {cache} is no help: {reason}"
                ),
            }),
        }
    }
    Ok(hits)
}

async fn read_facts(
    cache: &Reference,
    facts: &Descriptor,
    session: &Session,
) -> Result<BTreeMap<Digest, WheelFacts>, String> {
    let fetch = tokio::time::timeout(PATIENCE, blob(cache, facts, session)).await;
    let bytes = fetch.map_err(|_| format!("it did not answer within {} s", PATIENCE.as_secs()))?;
    Ok(Facts::read(&bytes.map_err(|error| error.to_string())?)?.wheels)
}

fn finding<T: DeserializeOwned>(key: Option<CacheKey>, artifacts: &[Artifact]) -> Option<T> {
    let key = key?.digest();
    let mut found = artifacts.iter().filter_map(|artifact| artifact.entries.findings.get(&key));
    found.find_map(|finding| serde_json::from_value(finding.value.clone()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_small_and_never_the_same() {
        let keys: Vec<CacheKey> = (0..2000).map(|number| CacheKey::of("layer", &number).unwrap()).collect();
        let chosen = |check, seed: &str| {
            let sample = Sample { check, seed: Digest::of(seed) };
            keys.iter().filter(|key| sample.holds(key)).collect::<Vec<_>>()
        };
        let (one, two) = (chosen(Check::Sample, "one"), chosen(Check::Sample, "two"));
        assert!((20..80).contains(&one.len()), "{} of 2000", one.len());
        assert_eq!(one, chosen(Check::Sample, "one"), "a run is of one mind");
        assert_ne!(one, two);
        assert_eq!((chosen(Check::All, "x").len(), chosen(Check::None, "x").len()), (2000, 0));
    }
}
