use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::json;
use wainwright_oci::{Descriptor, Digest, Held, Layer, Place, Reference};
use wainwright_registry::{Blob, Error as RegistryError, Push, Source};

use crate::model::cache::CacheOffer;
use crate::model::debian::{DebianLayer, known_libraries};
use crate::model::findings::{conflicts_key, native_key};
use crate::plan::{
    Artifact, BaseEntry, BaseLayer, Entries, FACTS_MEDIA_TYPE, Facts, Finding, LARGEST_ENTRIES, LayerEntry,
    Standing, find, write,
};
use crate::session::{Target, blob, fetch_blobs, uploads};
use crate::{BasePlan, Error, Event, Images, LayerState, Output, Plan, PlatformPlan, Recipe, Session};

/// A larger finding is found again by whoever needs it.
const LARGEST_FINDING: usize = 64 << 10;

/// Tells the cache of a plan which layers were used, and where they lie; what it knew before stays, until it is too old.
///
/// The layers are put, or mounted, into the repository of the cache. Of two builds that write at once the last one wins,
/// and what the other had to say is said again by the next. Nothing is written over what is no cache.
pub async fn publish(plan: &Plan, images: &Images, session: &Arc<Session>) -> Result<(), Error> {
    let Some(reference) = &plan.caches.to else { return Ok(()) };
    let refuse = |source: Error| Error::CacheWrite { cache: reference.to_string(), source: Box::new(source) };
    write_to(reference, plan, images, session).await.map_err(refuse)
}

async fn write_to(
    reference: &Reference,
    plan: &Plan,
    images: &Images,
    session: &Arc<Session>,
) -> Result<(), Error> {
    let today = today(session.machine.now);
    let mut new = News::gather(plan, images, today, session)?;
    let (mut entries, known) = match find(reference, session).await? {
        Standing::Cache(Artifact { entries, blobs, .. }) => (entries, blobs.into_keys().collect()),
        Standing::Nothing => (Entries::default(), BTreeSet::new()),
        Standing::Broken(reason) => {
            session
                .report(Event::Warned { message: format!("the cache {reference} is begun anew: {reason}") });
            (Entries::default(), BTreeSet::new())
        }
        Standing::Other => return Err(Error::NoCache { reference: reference.to_string() }),
    };
    let before = entries.clone();
    entries.merge(std::mem::take(&mut new.entries), today);
    if entries.write().len() as u64 > LARGEST_ENTRIES / 2 {
        // Of all that is remembered, only findings can be large.
        entries.findings.clear();
    }
    if entries == before {
        session.report(Event::Noted { message: format!("the cache {reference} knows all this") });
        return Ok(());
    }
    let pushed = put(reference, &mut entries, known, &new, plan, session).await?;
    let message = format!(
        "the cache {reference} knows {} layers; {} bytes were sent to it",
        entries.layers.len() + entries.bases.values().map(|base| base.layers.len()).sum::<usize>(),
        pushed,
    );
    session.report(Event::Noted { message });
    Ok(())
}

/// Puts the artifact into its repository; says how many bytes that took. An entry whose layer is nowhere any more is
/// dropped.
async fn put(
    reference: &Reference,
    entries: &mut Entries,
    mut known: BTreeSet<Digest>,
    new: &News,
    plan: &Plan,
    session: &Arc<Session>,
) -> Result<u64, Error> {
    let target = Target {
        registry: reference.registry().to_owned(),
        repository: reference.repository().to_owned(),
        tags: vec![reference.tag().unwrap_or_default().to_owned()],
    };
    let pushed = plan.images.iter().filter(|image| image.outputs.contains(&Output::Registry));
    let pushed_to = pushed
        .flat_map(|image| &image.tags)
        .find(|tag| tag.registry() == target.registry)
        .map(|tag| tag.repository().to_owned());
    let client = session.registry().await?;
    let listener = uploads(&target, session);
    let mut fetched = BTreeSet::new();
    loop {
        let documents = write(entries);
        let mut blobs = Vec::new();
        for (descriptor, bytes) in [documents.config, documents.entries] {
            blobs.push(Blob { descriptor, source: Source::Bytes(bytes.into()), from: None });
        }
        for descriptor in entries.blobs() {
            blobs.push(match (new.facts.get(&descriptor.digest), new.layers.get(&descriptor.digest)) {
                (Some(bytes), _) => Blob { descriptor, source: Source::Bytes(bytes.clone()), from: None },
                (None, Some(held)) => {
                    let mut blob = blob(held, &target, session);
                    // What this build has just pushed to the same registry is mounted from there.
                    if held.place == Place::Store && pushed_to.is_some() {
                        blob.from.clone_from(&pushed_to);
                    }
                    blob
                }
                (None, None) => {
                    let source = match session.store.contains(&descriptor.digest, Some(descriptor.size)) {
                        true => Source::File { path: session.store.path(&descriptor.digest), offset: 0 },
                        false => Source::Absent,
                    };
                    Blob { descriptor, source, from: None }
                }
            });
        }
        let push = Push {
            registry: target.registry.clone(),
            repository: target.repository.clone(),
            blobs,
            children: Vec::new(),
            root: documents.manifest,
            tags: target.tags.clone(),
            known: known.clone(),
            is_settled: false,
        };
        match client.push(&push, &listener).await {
            Ok(pushed) => return Ok(pushed.bytes),
            Err(RegistryError::BytesNeeded { digest }) => {
                let held = new.layers.get(&digest).filter(|_| fetched.insert(digest));
                let is_here = match held {
                    Some(held) => fetch_blobs([held], session).await.is_ok(),
                    None => false,
                };
                if !is_here {
                    entries.forget(&digest);
                    known.remove(&digest);
                }
            }
            // Somebody else wrote at the same time, and came last.
            Err(RegistryError::NotThere { found: Some(_), .. }) => {
                let message = format!("another build wrote the cache {reference} at the same time");
                session.report(Event::Noted { message });
                return Ok(0);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a build has to tell.
#[derive(Default)]
struct News {
    entries: Entries,
    /// Blobs that were used, and where they are.
    layers: BTreeMap<Digest, Held>,
    /// Blobs of facts that were made here.
    facts: BTreeMap<Digest, Arc<[u8]>>,
}

impl News {
    fn gather(plan: &Plan, images: &Images, used: u32, session: &Session) -> Result<Self, Error> {
        let mut news = Self::default();
        for image in plan.platforms() {
            for layer in &image.layers {
                let (Recipe::Wheels(wheels, layout), Some(made)) =
                    (&layer.recipe, images.made.get(&layer.key))
                else {
                    continue;
                };
                let facts = match &layer.state {
                    LayerState::Offered(offer) => news.pass_on(offer),
                    _ => match Facts::recall(wheels, layout, &session.store)? {
                        Some(facts) => news.keep(&facts),
                        None => None,
                    },
                };
                let descriptor = news.hold(made);
                let entry = LayerEntry { descriptor, diff_id: made.diff_id, facts, used };
                news.entries.layers.insert(layer.key.digest(), entry);
            }
            news.add_findings(image, used, session)?;
        }
        let made = images.images.iter().flat_map(|image| &image.platforms);
        for (image, base) in plan.platforms().zip(made.map(|platform| &platform.base)) {
            let (BasePlan::Runtime(recipe), Some(made)) = (&image.base, base) else { continue };
            let layer = |made: &DebianLayer| BaseLayer {
                name: made.name.clone(),
                packages: made.packages.clone(),
                descriptor: made.layer.descriptor.clone(),
                diff_id: made.layer.diff_id,
            };
            let layers = made.iter().map(layer).collect();
            made.iter().for_each(|made| drop(news.hold(&made.layer)));
            let known = known_libraries(recipe, &session.store)?;
            let libraries = known.or_else(|| recipe.offered_libraries.as_deref().cloned());
            news.entries.bases.insert(recipe.key().digest(), BaseEntry { layers, libraries, used });
        }
        Ok(news)
    }

    /// What was found out about the wheels of an image together.
    fn add_findings(&mut self, image: &PlatformPlan, used: u32, session: &Session) -> Result<(), Error> {
        let native =
            native_key(image)?.map(|key| (key, image.cache_hits.native.as_ref().map(|told| json!(told))));
        let together = conflicts_key(image)?
            .map(|key| (key, image.cache_hits.conflicts.as_ref().map(|told| json!(told))));
        for (key, told) in native.into_iter().chain(together) {
            let value = session.store.recall(&key)?.or(told);
            if let Some(value) = value.filter(|value| value.to_string().len() <= LARGEST_FINDING) {
                self.entries.findings.insert(key.digest(), Finding { value, used });
            }
        }
        Ok(())
    }

    fn hold(&mut self, layer: &Layer) -> Descriptor {
        let held = Held { descriptor: layer.descriptor.clone(), place: layer.place.clone() };
        self.layers.insert(layer.descriptor.digest, held);
        layer.descriptor.clone()
    }

    /// Facts that another cache, or this one, had.
    fn pass_on(&mut self, offer: &CacheOffer) -> Option<Descriptor> {
        let facts = offer.facts.clone()?;
        let held = Held { descriptor: facts.clone(), place: Place::Registry(offer.cache.clone()) };
        self.layers.insert(facts.digest, held);
        Some(facts)
    }

    fn keep(&mut self, facts: &Facts) -> Option<Descriptor> {
        let blob = facts.write()?;
        let descriptor = Descriptor::of(FACTS_MEDIA_TYPE, &blob);
        self.facts.insert(descriptor.digest, blob.into());
        Some(descriptor)
    }
}

/// Days since 1970.
fn today(now: SystemTime) -> u32 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs() / (24 * 60 * 60)).unwrap_or(u32::MAX)
}
