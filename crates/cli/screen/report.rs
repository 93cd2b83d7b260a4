use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wainwright_engine::{BuiltImage, BuiltPlatform, Delivery, Event, Images, LayerReport};

use crate::units::{bytes, things};

/// The cost of a build, computed from its events.
pub(crate) struct Report {
    start: Instant,
    phase_start: Instant,
    phases: BTreeMap<&'static str, Duration>,
    fetched: BTreeMap<&'static str, u64>,
    fetched_files: u64,
    made: u64,
    reused: u64,
}

impl Report {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            phase_start: now,
            phases: BTreeMap::new(),
            fetched: BTreeMap::new(),
            fetched_files: 0,
            made: 0,
            reused: 0,
        }
    }

    /// Takes the next event.
    pub(crate) fn add(&mut self, event: &Event) {
        match event {
            Event::PhaseStarted { .. } => self.phase_start = Instant::now(),
            Event::PhaseFinished { phase } => {
                self.phases.insert(phase, self.phase_start.elapsed());
            }
            Event::FetchFinished { bytes, .. } => {
                *self.fetched.entry("fetched").or_default() += bytes;
                self.fetched_files += 1;
            }
            Event::LayerFinished { .. } => self.made += 1,
            Event::LayerReused { .. } => self.reused += 1,
            Event::DeliveryFinished { bytes, .. } => *self.fetched.entry("delivered").or_default() += bytes,
            _ => {}
        }
    }

    /// Restarts the count of reused layers before a retry.
    pub(crate) fn forget_reused(&mut self) {
        self.reused = 0;
    }

    /// The summary: image, size and time, outputs.
    pub(crate) fn summary(&self, images: &Images, deliveries: &[Delivery]) -> String {
        match (&images.images[..], deliveries) {
            ([image], [delivery]) if image.name.is_none() => self.summary_of_one(image, delivery),
            _ => self.summary_of_many(images, deliveries),
        }
    }

    fn summary_of_one(&self, image: &BuiltImage, delivery: &Delivery) -> String {
        let name = image.tags.first().map_or_else(|| "image".to_owned(), ToString::to_string);
        let more = image.tags.len().saturating_sub(1);
        let names = if more > 0 { format!("{name} and {more} more") } else { name };
        let platforms: Vec<String> =
            image.platforms.iter().map(|platform| platform.image.platform.to_string()).collect();
        let size: u64 =
            image.platforms.iter().flat_map(|platform| &platform.layers).map(|layer| layer.size).sum();
        let is_unchanged = self.made == 0 && delivery.outcomes.iter().all(|outcome| outcome.was_there);
        let work = match (is_unchanged, self.fetched_files) {
            (true, _) => "nothing changed".to_owned(),
            (false, 0) => format!("{} built, {} reused", things(self.made, "layer"), self.reused),
            (false, files) => format!(
                "{} built, {} reused, {} fetched ({})",
                things(self.made, "layer"),
                self.reused,
                things(files, "file"),
                bytes(self.fetched.get("fetched").copied().unwrap_or(0))
            ),
        };
        let places: Vec<String> = delivery
            .outcomes
            .iter()
            .map(|outcome| match (outcome.was_there, outcome.skipped) {
                (true, _) => format!("{} is up to date", outcome.output),
                (false, 0) => format!("{}: {} written", outcome.output, bytes(outcome.bytes)),
                (false, skipped) => {
                    let (written, skipped) = (bytes(outcome.bytes), bytes(skipped));
                    format!("{}: {written} written, {skipped} unchanged", outcome.output)
                }
            })
            .collect();
        format!(
            "{names} {}\n{} for {}; {work}; {:.2} s\n{}",
            delivery.digest,
            bytes(size),
            platforms.join(" and "),
            self.start.elapsed().as_secs_f64(),
            places.join("; "),
        )
    }

    fn summary_of_many(&self, images: &Images, deliveries: &[Delivery]) -> String {
        let platforms = images.images.iter().flat_map(|image| &image.platforms);
        let mut layers: Vec<&LayerReport> = platforms.flat_map(|platform| &platform.layers).collect();
        let all: u64 = layers.iter().map(|layer| layer.size).sum();
        layers.sort_by_key(|layer| layer.digest);
        layers.dedup_by_key(|layer| layer.digest);
        let own: u64 = layers.iter().map(|layer| layer.size).sum();
        let is_unchanged =
            deliveries.iter().flat_map(|delivery| &delivery.outcomes).all(|outcome| outcome.was_there);
        let changed = if is_unchanged { "; nothing changed" } else { "" };
        format!(
            "{}, {} in {}; {} without sharing{changed}; {:.2} s",
            things(images.images.len(), "image"),
            bytes(own),
            things(layers.len(), "layer"),
            bytes(all),
            self.start.elapsed().as_secs_f64(),
        )
    }

    /// The report of `--metadata-file`. Sizes are in bytes, times in seconds. Images with names are listed by name.
    pub(crate) fn metadata(&self, images: &Images, deliveries: &[Delivery]) -> Value {
        let mut named: BTreeMap<&str, Value> = BTreeMap::new();
        let mut of_all = json!({});
        for (image, delivery) in images.images.iter().zip(deliveries) {
            let mut value = facts(image, delivery);
            match &image.name {
                Some(name) => {
                    value["service"] = image.service.clone().into();
                    named.insert(name, value);
                    of_all = json!({ "components": named });
                }
                None => of_all = value,
            }
        }
        self.with_cost(of_all)
    }

    fn with_cost(&self, mut value: Value) -> Value {
        let seconds: BTreeMap<&str, f64> =
            self.phases.iter().map(|(phase, time)| (*phase, time.as_secs_f64())).collect();
        value["version"] = 1.into();
        value["seconds"] = json!(seconds);
        value["totalSeconds"] = self.start.elapsed().as_secs_f64().into();
        value["bytes"] = json!({
            "fetched": self.fetched.get("fetched").copied().unwrap_or(0),
            "delivered": self.fetched.get("delivered").copied().unwrap_or(0),
        });
        value["files"] = json!({ "fetched": self.fetched_files });
        value["cache"] = json!({ "hits": self.reused, "misses": self.made });
        value
    }
}

/// The report of an image.
fn facts(image: &BuiltImage, delivery: &Delivery) -> Value {
    let tags: Vec<String> = image.tags.iter().map(ToString::to_string).collect();
    let platform = |platform: &BuiltPlatform| {
        let BuiltPlatform { image, layers, shared, .. } = platform;
        let value = json!({
            "digest": image.manifest.digest(),
            "config": image.config.digest(),
            "size": image.layers.iter().map(|layer| layer.descriptor.size).sum::<u64>(),
            "layers": layers,
            "sharedPaths": shared,
        });
        (image.platform.to_string(), value)
    };
    let platforms: BTreeMap<String, Value> = image.platforms.iter().map(platform).collect();
    json!({ "digest": delivery.digest, "tags": tags, "outputs": delivery.outcomes, "platforms": platforms })
}
