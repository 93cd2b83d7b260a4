use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use wainwright_blob::Entry;
use wainwright_store::{CacheKey, Store};

use crate::model::debian::DebianRecipe;
use crate::model::wheel::Made;
use crate::{BasePlan, Event, ImagePlan, LayerPlan, LayerState, Plan, PlatformPlan, Recipe};

impl Plan {
    /// What is planned, as an event.
    pub fn summary(&self, store: &Store) -> Event {
        let layers: BTreeMap<CacheKey, &LayerPlan> = self.layers().map(|layer| (layer.key, layer)).collect();
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
        for image in self.platforms() {
            if let BasePlan::Runtime(recipe) = &image.base {
                fetches.extend(recipe.fetches(store));
            }
            if let Some(recipe) = &image.system {
                fetches.extend(recipe.fetches(store));
            }
            for layer in &image.layers {
                fetches.extend(layer.fetches(store));
            }
        }
        fetches.into_iter().collect()
    }

    /// The plan of one image as JSON, for `wain plan --json` and for reports. Sizes are in bytes; absent where not known yet.
    pub fn to_json(&self, image: &ImagePlan) -> Value {
        json!({
            "version": 1,
            "compression": self.options.compression.to_string(),
            "lazy": self.options.lazy.to_string(),
            "tags": image.tags.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "outputs": image.outputs.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "images": image.platforms.iter().map(PlatformPlan::to_json).collect::<Vec<_>>(),
        })
    }
}

impl PlatformPlan {
    fn to_json(&self) -> Value {
        json!({
            "platform": self.platform.to_string(),
            "python": self.target.python,
            "libc": self.target.libc.to_string(),
            "base": self.base.to_json(&self.base_name),
            "systemPackages": self.system.as_ref().map(|recipe| recipe.to_json()),
            "layers": self.layers.iter().map(LayerPlan::to_json).collect::<Vec<_>>(),
            "slim": self.slim.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "config": self.config,
            "annotations": self.annotations,
        })
    }
}

impl BasePlan {
    fn to_json(&self, name: &str) -> Value {
        match self {
            Self::Runtime(recipe) => {
                let mut json = recipe.to_json();
                json["name"] = name.into();
                json
            }
            Self::Image(base) => json!({
                "name": name,
                "digest": base.manifest.digest(),
                "state": "reuse",
                "layers": base.layers.iter().map(|layer| &layer.descriptor).collect::<Vec<_>>(),
            }),
        }
    }
}

impl DebianRecipe {
    fn to_json(&self) -> Value {
        json!({
            "packages": self.packages(),
            "state": match (&self.made, &self.offered) {
                (Some(_), Some(_)) => "offered",
                (Some(_), None) => "cached",
                (None, _) => "make",
            },
            "layers": self.made.iter().flatten().map(|layer| &layer.layer.descriptor).collect::<Vec<_>>(),
        })
    }
}

impl LayerPlan {
    fn to_json(&self) -> Value {
        let mut json = json!({
            "name": self.name, "packages": self.packages, "why": self.why, "key": self.key.digest(),
        });
        if let Some(doubt) = &self.doubt {
            json["checks"] = doubt.cache.to_string().into();
        }
        if let Recipe::Wheels(wheels, _) = &self.recipe {
            let made: Vec<&Made> = wheels.iter().filter_map(|wheel| wheel.made.as_deref()).collect();
            if !made.is_empty() {
                json["madeHere"] = json!(made);
            }
        }
        if let Recipe::Unbuilt(unbuilt) = &self.recipe {
            json["toBuild"] = json!({ "name": unbuilt.name, "from": unbuilt.from });
        }
        match &self.state {
            LayerState::Offered(offer) => {
                json["state"] = "offered".into();
                json["cache"] = offer.cache.to_string().into();
                json["digest"] = json!(offer.layer.descriptor.digest);
                json["size"] = offer.layer.descriptor.size.into();
            }
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
            Recipe::Wheels(wheels, _) => wheels.iter().map(|wheel| wheel.size).sum(),
            Recipe::Unbuilt(_) | Recipe::Bytecode(..) => None,
        }
    }

    /// The names and sizes of the wheels it is made of that the store does not have.
    fn fetches(&self, store: &Store) -> Vec<(String, Option<u64>)> {
        match (&self.state, &self.recipe) {
            (LayerState::Missing, Recipe::Wheels(wheels, _) | Recipe::Bytecode(wheels, _)) => wheels
                .iter()
                .filter(|wheel| !store.contains(&wheel.wanted.digest, wheel.wanted.size))
                .map(|wheel| (wheel.wanted.filename.to_string(), wheel.size))
                .collect(),
            _ => Vec::new(),
        }
    }
}

impl Serialize for LayerState {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match self {
            Self::Cached(_) => "cached",
            Self::Offered(_) => "offered",
            Self::Missing => "make",
        })
    }
}
