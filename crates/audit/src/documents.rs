use wainwright_oci::{Document, Image, annotation};

use crate::fields::{Field, differences};

/// The fields in which two manifests differ, but for those that only say which bytes layers and config have.
pub(crate) fn manifests(expected: &Document, found: &Document) -> Vec<Field> {
    let mut fields = all(expected, found);
    fields.retain(|field| {
        let last = field.field.rsplit('.').next().unwrap_or_default();
        let is_of_blob = field.field.starts_with("layers[") || field.field.starts_with("config.");
        let is_whole = is_of_blob && (field.expected.is_none() || field.found.is_none());
        // Layers that are there or not are told about as layers.
        let is_layer = is_whole && field.field.ends_with(']');
        !(is_layer || is_of_blob && ["digest", "size"].contains(&last))
    });
    fields
}

/// The fields in which two configs differ, but for the diff IDs.
pub(crate) fn configs(expected: &Document, found: &Document) -> Vec<Field> {
    let mut fields = all(expected, found);
    fields.retain(|field| field.field != "rootfs.diff_ids");
    fields
}

/// The fields in which two indexes differ, but for the digests of their manifests.
pub(crate) fn indexes(expected: Option<&Document>, found: Option<&Document>) -> Vec<Field> {
    let (Some(expected), Some(found)) = (expected, found) else {
        let digest = |document: Option<&Document>| document.map(|document| document.digest().to_string());
        let field = Field { field: INDEX.into(), expected: digest(expected), found: digest(found) };
        return if expected.is_none() && found.is_none() { Vec::new() } else { vec![field] };
    };
    let mut fields = all(expected, found);
    fields.retain(|field| {
        let last = field.field.rsplit('.').next().unwrap_or_default();
        !(field.field.starts_with("manifests[") && ["digest", "size"].contains(&last))
    });
    fields
}

/// What documents that say the same in other bytes differ in.
const BYTES: &str = "(bytes)";
/// An index that only one of two images has.
const INDEX: &str = "(index)";

/// The fields in which two documents differ; their digests where they say the same in other bytes.
pub(crate) fn all(expected: &Document, found: &Document) -> Vec<Field> {
    let fields = differences(&expected.json, &found.json);
    if !fields.is_empty() || expected.digest() == found.digest() {
        return fields;
    }
    let digest = |document: &Document| Some(document.digest().to_string());
    vec![Field { field: BYTES.into(), expected: digest(expected), found: digest(found) }]
}

/// Whether nothing differs but how documents are written and layers are cut: containers of both run the same way.
pub(crate) fn run_alike(expected: &Image, found: &Image, manifest: &[Field], config: &[Field]) -> bool {
    let is_recut = expected.layers.len() != found.layers.len();
    let is_line = |field: &Field| is_recut && field.field.starts_with("history[");
    // A line of the history stands for a layer.
    manifest.iter().chain(config).all(|field| is_form(field) || is_line(field))
}

/// Whether a field only says how documents are written.
pub(crate) fn is_form(field: &Field) -> bool {
    let name = field.field.as_str();
    [BYTES, INDEX].contains(&name)
        || name.ends_with("mediaType")
        || name.starts_with("layers[")
        || name.strip_prefix("annotations.") == Some(annotation::BASE_DIGEST)
}
