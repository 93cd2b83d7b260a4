use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wainwright_engine::{ComponentImages, Delivery, Event, Images};

use crate::units::{bytes, things};

/// What a build cost, folded from its events.
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

    /// A build is tried again: what it reuses is counted once.
    pub(crate) fn forget_reused(&mut self) {
        self.reused = 0;
    }

    /// The three lines at the end: what, how large and how long, where it is.
    pub(crate) fn summary(&self, images: &Images, delivery: &Delivery, tags: &[String]) -> String {
        let name = tags.first().map_or_else(|| "image".to_owned(), Clone::clone);
        let more = tags.len().saturating_sub(1);
        let names = if more > 0 { format!("{name} and {more} more") } else { name };
        let platforms: Vec<String> = images.images.iter().map(|image| image.platform.to_string()).collect();
        let size: u64 = images.layers.iter().flatten().map(|layer| layer.size).sum();
        let is_unchanged = self.made == 0 && delivery.outcomes.iter().all(|outcome| outcome.was_there);
        let work = match (is_unchanged, self.fetched_files) {
            (true, _) => "nothing changed".to_owned(),
            (false, 0) => format!("{} made, {} reused", things(self.made, "layer"), self.reused),
            (false, files) => format!(
                "{} made, {} reused, {} fetched ({})",
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
                (true, _) => format!("{} has it already", outcome.output),
                (false, 0) => format!("{}: {} written", outcome.output, bytes(outcome.bytes)),
                (false, skipped) => {
                    let (written, skipped) = (bytes(outcome.bytes), bytes(skipped));
                    format!("{}: {written} written, {skipped} were there", outcome.output)
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

    /// Everything, for `--metadata-file`. Sizes are in bytes, times in seconds.
    pub(crate) fn metadata(&self, images: &Images, delivery: &Delivery, tags: &[String]) -> Value {
        self.with_cost(image(images, delivery, tags))
    }

    /// Everything about the images of a workflow: for each component what [`Report::metadata`] says of an image, by name.
    pub(crate) fn workflow_metadata(&self, images: &[ComponentImages], deliveries: &[Delivery]) -> Value {
        let component = |(one, delivery): (&ComponentImages, &Delivery)| {
            let tags: Vec<String> = one.tags.iter().map(ToString::to_string).collect();
            let mut value = image(&one.images, delivery, &tags);
            value["service"] = one.service.clone().into();
            (one.name.clone(), value)
        };
        let components: BTreeMap<String, Value> = images.iter().zip(deliveries).map(component).collect();
        self.with_cost(json!({ "components": components }))
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

/// What became of an image.
fn image(images: &Images, delivery: &Delivery, tags: &[String]) -> Value {
    let platforms: BTreeMap<String, Value> = images
        .images
        .iter()
        .zip(images.layers.iter().zip(&images.shared))
        .map(|(image, (layers, shared))| {
            let value = json!({
                "digest": image.manifest.digest(),
                "config": image.config.digest(),
                "size": image.layers.iter().map(|layer| layer.descriptor.size).sum::<u64>(),
                "layers": layers,
                "sharedPaths": shared,
            });
            (image.platform.to_string(), value)
        })
        .collect();
    json!({ "digest": delivery.digest, "tags": tags, "outputs": delivery.outcomes, "platforms": platforms })
}
