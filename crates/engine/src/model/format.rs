use serde_json::json;
use wainwright_blob::{FORMAT, Options};
use wainwright_oci::{Layer, Place};
use wainwright_wheel::Layout;

/// Raised when other files than before are of a kind that can be left out.
const SLIM: u32 = 2;
/// What decides the bytes of a layer beside its entries, for a cache key.
pub(crate) fn facts(options: &Options) -> serde_json::Value {
    let Options { mtime, compression, lazy } = options;
    json!({
        "number": FORMAT,
        "mtime": mtime,
        "compression": compression.to_string(),
        "lazy": lazy.to_string(),
    })
}

pub(crate) fn layout_facts(layout: &Layout) -> serde_json::Value {
    let mut facts = json!({
        "prefix": layout.prefix.to_string(),
        "python": layout.python.short(),
        "interpreter": layout.interpreter,
        "installer": layout.installer,
    });
    if !layout.slim.is_empty() {
        facts["slim"] =
            json!({ "rules": SLIM, "kinds": layout.slim.iter().map(|kind| kind.name()).collect::<Vec<_>>() });
    }
    facts
}

/// Reads what [`write_layer`] wrote.
pub(crate) fn read_layer(memo: &serde_json::Value) -> Option<Layer> {
    Some(Layer {
        descriptor: serde_json::from_value(memo.get("descriptor")?.clone()).ok()?,
        diff_id: serde_json::from_value(memo.get("diffId")?.clone()).ok()?,
        place: Place::Store,
    })
}

/// A layer of the store, for a memo.
pub(crate) fn write_layer(layer: &Layer) -> serde_json::Value {
    json!({ "descriptor": layer.descriptor, "diffId": layer.diff_id })
}
