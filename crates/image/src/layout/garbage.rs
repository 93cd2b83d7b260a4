use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use wainwright_oci::Digest;

use super::contents::document;

/// The blobs that `replaced` reach and `kept` do not.
///
/// None at all when something that is kept cannot be read: who knows what it reaches.
pub(super) fn between(dir: &Path, replaced: &[Value], kept: &[Value]) -> BTreeSet<Digest> {
    if replaced.is_empty() {
        return BTreeSet::new();
    }
    let kept = reach(dir, kept);
    if !kept.is_complete {
        return BTreeSet::new();
    }
    reach(dir, replaced).digests.difference(&kept.digests).copied().collect()
}

struct Reach {
    digests: BTreeSet<Digest>,
    /// Whether every document on the way could be read.
    is_complete: bool,
}

/// Everything that can be reached from some descriptors of `index.json`.
fn reach(dir: &Path, from: &[Value]) -> Reach {
    let mut reach = Reach { digests: BTreeSet::new(), is_complete: true };
    // Each digest is looked at once, so that this ends however documents name one another.
    let mut documents: Vec<Value> = from.to_vec();
    while let Some(descriptor) = documents.pop() {
        let Some(digest) = digest(&descriptor) else {
            // Another algorithm: nothing we would remove, but what is behind it?
            reach.is_complete = false;
            continue;
        };
        if !reach.digests.insert(digest) {
            continue;
        }
        let Some(mut document) = document(dir, &descriptor) else {
            reach.is_complete = false;
            continue;
        };
        for leaves in [document["layers"].take(), document["blobs"].take(), document["config"].take()] {
            match leaves {
                Value::Array(leaves) => reach.digests.extend(leaves.iter().filter_map(self::digest)),
                leaf => reach.digests.extend(self::digest(&leaf)),
            }
        }
        if let Value::Array(manifests) = document["manifests"].take() {
            documents.extend(manifests);
        }
        if let subject @ Value::Object(_) = document["subject"].take() {
            documents.push(subject);
        }
    }
    reach
}

fn digest(descriptor: &Value) -> Option<Digest> {
    descriptor["digest"].as_str()?.parse().ok()
}
