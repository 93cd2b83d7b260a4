use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wainwright_oci::{Descriptor, DiffId, Digest, annotation, canonical_json, media_type};

use crate::model::native::LibraryIndex;

/// Raised when the document changes its form: readers of another number leave it alone.
const FORMAT: u64 = 1;
/// What was not used for so many days is dropped.
const OLDEST: u32 = 30;
/// How many layers are remembered; a manifest names them all, and registries take manifests of 4 MiB.
const MOST_LAYERS: usize = 500;
/// How many bases and findings are remembered.
const MOST_OTHERS: usize = 100;
/// No layer is larger: 1 TiB.
const LARGEST_LAYER: u64 = 1 << 40;
/// A base has a handful.
const MOST_BASE_LAYERS: usize = 100;

/// What a cache knows, by digests of the inputs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entries {
    /// Layers of wheels.
    pub(crate) layers: BTreeMap<Digest, LayerEntry>,
    /// Bases that are assembled.
    pub(crate) bases: BTreeMap<Digest, BaseEntry>,
    /// What was found out about all wheels of an image together.
    pub(crate) findings: BTreeMap<Digest, Finding>,
}

/// A layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LayerEntry {
    pub(crate) descriptor: Descriptor,
    pub(crate) diff_id: DiffId,
    /// A blob with what is known of its wheels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) facts: Option<Descriptor>,
    /// When it was last used, in days since 1970.
    pub(crate) used: u32,
}

/// A base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BaseEntry {
    pub(crate) layers: Vec<BaseLayer>,
    /// The libraries in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) libraries: Option<LibraryIndex>,
    pub(crate) used: u32,
}

/// A layer of a base.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BaseLayer {
    pub(crate) name: String,
    pub(crate) packages: Vec<String>,
    pub(crate) descriptor: Descriptor,
    pub(crate) diff_id: DiffId,
}

/// A memo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) value: Value,
    pub(crate) used: u32,
}

impl Entries {
    /// Reads the document; the error says what is wrong with it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let json: Value =
            serde_json::from_slice(bytes).map_err(|error| format!("its entries are no JSON: {error}"))?;
        match json.get("format").and_then(Value::as_u64) {
            Some(FORMAT) => {}
            Some(other) => return Err(format!("its format is {other}, and this wain reads {FORMAT}")),
            None => return Err("its entries have no format".into()),
        }
        let entries: Self =
            serde_json::from_value(json).map_err(|error| format!("its entries do not read: {error}"))?;
        for entry in entries.layers.values() {
            check(&entry.descriptor)?;
        }
        for base in entries.bases.values() {
            if base.layers.is_empty() || base.layers.len() > MOST_BASE_LAYERS {
                return Err(format!("it has a base of {} layers", base.layers.len()));
            }
            base.layers.iter().try_for_each(|layer| check(&layer.descriptor))?;
        }
        Ok(entries)
    }

    /// The document.
    pub(crate) fn write(&self) -> Vec<u8> {
        let Self { layers, bases, findings } = self;
        canonical_json(&json!({ "format": FORMAT, "layers": layers, "bases": bases, "findings": findings }))
    }

    /// Adds what was used today, which counts more than what was known; then drops what is too much.
    pub(crate) fn merge(&mut self, new: Self, today: u32) {
        for (key, mut entry) in new.layers {
            // Whoever reuses a layer may have forgotten what is in its wheels.
            let known = self.layers.get(&key).filter(|known| known.descriptor == entry.descriptor);
            entry.facts = entry.facts.or_else(|| known?.facts.clone());
            self.layers.insert(key, entry);
        }
        self.bases.extend(new.bases);
        self.findings.extend(new.findings);
        keep(&mut self.layers, |entry| &mut entry.used, today, MOST_LAYERS);
        keep(&mut self.bases, |entry| &mut entry.used, today, MOST_OTHERS);
        keep(&mut self.findings, |entry| &mut entry.used, today, MOST_OTHERS);
    }

    /// Forgets all that needs a blob.
    pub(crate) fn forget(&mut self, blob: &Digest) {
        self.layers.retain(|_, entry| entry.descriptor.digest != *blob);
        for entry in self.layers.values_mut() {
            entry.facts.take_if(|facts| facts.digest == *blob);
        }
        self.bases.retain(|_, base| base.layers.iter().all(|layer| layer.descriptor.digest != *blob));
    }

    /// The blobs that entries name, each once: facts, then layers. Annotations are the image's business.
    pub(crate) fn blobs(&self) -> Vec<Descriptor> {
        let facts = self.layers.values().filter_map(|entry| entry.facts.as_ref());
        let layers = self.layers.values().map(|entry| &entry.descriptor);
        let bases = self.bases.values().flat_map(|base| &base.layers).map(|layer| &layer.descriptor);
        let mut seen = BTreeSet::new();
        let all = facts.chain(layers).chain(bases).filter(|blob| seen.insert(blob.digest));
        all.map(|blob| Descriptor::new(&blob.media_type, blob.digest, blob.size)).collect()
    }
}

/// A layer as we write them.
fn check(descriptor: &Descriptor) -> Result<(), String> {
    let Descriptor { media_type, digest, size, platform, annotations } = descriptor;
    let ours = [media_type::LAYER_GZIP, media_type::LAYER_ZSTD, media_type::LAYER_TAR];
    // They become part of a manifest: those of lazy layers, and no others.
    let is_plain = annotations.iter().all(|(name, value)| {
        [annotation::TOC_DIGEST, annotation::TAR_SIZE].contains(&name.as_str()) && value.len() < 100
    });
    let is_sized = (1..=LARGEST_LAYER).contains(size);
    match ours.contains(&media_type.as_str()) && is_sized && platform.is_none() && is_plain {
        true => Ok(()),
        false => Err(format!("{digest} with {size} bytes as `{media_type}` is no layer of ours")),
    }
}

/// Keeps what was used of late, at most so many. Clocks that were ahead are set back.
fn keep<T>(entries: &mut BTreeMap<Digest, T>, used: impl Fn(&mut T) -> &mut u32, today: u32, most: usize) {
    let mut days: Vec<(u32, Digest)> = Vec::with_capacity(entries.len());
    for (key, entry) in entries.iter_mut() {
        let used = used(entry);
        *used = today.min(*used);
        days.push((*used, *key));
    }
    days.sort_unstable_by(|one, other| other.cmp(one));
    for (index, (day, key)) in days.into_iter().enumerate() {
        if index >= most || today.saturating_sub(day) > OLDEST {
            entries.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str, used: u32) -> LayerEntry {
        let descriptor = Descriptor::of(media_type::LAYER_GZIP, text.as_bytes());
        let facts = Some(Descriptor::of("x", format!("facts of {text}").as_bytes()));
        LayerEntry { descriptor, diff_id: DiffId(Digest::of("tar")), facts, used }
    }

    fn entries(list: &[(&str, u32)]) -> Entries {
        let layers =
            list.iter().map(|(text, used)| (Digest::of(format!("key of {text}")), layer(text, *used)));
        Entries { layers: layers.collect(), ..Entries::default() }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut written = entries(&[("one", 3), ("two", 4)]);
        written.findings.insert(Digest::of("f"), Finding { value: json!({"a": [1]}), used: 5 });
        assert_eq!(Entries::read(&written.write()).unwrap(), written);
    }

    #[test]
    fn what_is_odd_is_refused() {
        let good = String::from_utf8(entries(&[("one", 3)]).write()).unwrap();
        let refuse = |from: &str, to: &str| Entries::read(good.replace(from, to).as_bytes()).unwrap_err();
        assert!(Entries::read(good.as_bytes()).is_ok());
        insta::assert_snapshot!(refuse("\"format\":1", "\"format\":9"), @"its format is 9, and this wain reads 1");
        insta::assert_snapshot!(refuse("\"format\":1", "\"form\":1"), @"its entries have no format");
        insta::assert_snapshot!(refuse("\"size\":3", "\"size\":0"), @"sha256:7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed with 0 bytes as `application/vnd.oci.image.layer.v1.tar+gzip` is no layer of ours");
        assert!(refuse("\"size\":3", "\"size\":-3").contains("do not read"));
        assert!(refuse("\"size\":3", "\"size\":18446744073709551615").contains("no layer of ours"));
        assert!(
            refuse("\"size\":3", "\"size\":3,\"annotations\":{\"x\":\"y\"}").contains("no layer of ours")
        );
        assert!(refuse("tar+gzip", "html").contains("no layer of ours"));
        assert!(refuse("sha256:7692", "sha256:zzzz").contains("do not read"));
        assert!(Entries::read(b"<html>").unwrap_err().contains("no JSON"));
        assert!(Entries::read(&[b'['; 100_000]).unwrap_err().contains("no JSON"));
    }

    #[test]
    fn no_changed_byte_makes_a_layer_that_is_none() {
        let good = entries(&[("one", 3)]).write();
        for at in 0..good.len() {
            for byte in [b'"', b'-', b'9', b'}', 0, 255, good[at] ^ 1] {
                let mut bad = good.clone();
                bad[at] = byte;
                let Ok(read) = Entries::read(&bad) else { continue };
                assert!(read.layers.values().all(|entry| check(&entry.descriptor).is_ok()));
            }
            assert!(Entries::read(&good[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_nobody_uses_is_dropped() {
        let mut all = entries(&[("old", 10), ("fresh", 90), ("again", 20), ("ahead", 4000)]);
        all.merge(entries(&[("again", 100), ("new", 100)]), 100);
        assert_eq!(all, entries(&[("fresh", 90), ("again", 100), ("new", 100), ("ahead", 100)]));

        let names: Vec<String> = (0..600).map(|number| number.to_string()).collect();
        let many: Vec<(&str, u32)> =
            names.iter().enumerate().map(|(at, name)| (&**name, 80 + at as u32 / 100)).collect();
        let mut all = entries(&many);
        all.merge(Entries::default(), 100);
        assert_eq!(all.layers.len(), MOST_LAYERS);
        assert!(all.layers.values().all(|entry| entry.used > 80), "the oldest hundred went");
    }

    #[test]
    fn a_blob_that_is_gone_takes_its_entries_along() {
        let mut all = entries(&[("one", 1), ("two", 1)]);
        assert_eq!(all.blobs().len(), 4);
        all.forget(&Digest::of("one"));
        assert_eq!(all, entries(&[("two", 1)]));
        all.forget(&Digest::of("facts of two"));
        assert_eq!(all.blobs(), [Descriptor::of(media_type::LAYER_GZIP, b"two")]);
    }
}
