//! What decides the findings about the wheels of an image: keys under which the store remembers them.

use serde_json::json;
use wainwright_blob::{Entry, Kind};
use wainwright_layer::fingerprint;
use wainwright_oci::Digest;
use wainwright_store::CacheKey;
use wainwright_wheel::Layout;

use super::error::Error;
use super::format::layout_facts;
use super::plan::{BasePlan, LayerPlan, PlatformPlan, Recipe};
use super::wheel::ChosenWheel;

/// Raised when other facts are read from the native files of a wheel.
pub(crate) const NATIVE_FACTS: u32 = 1;
/// Raised when the same facts lead to other findings.
const NATIVE_FINDINGS: u32 = 3;

/// A part of an image that is not made of wheels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Project,
    Environment,
}

/// A file of such a part below the prefix of the wheels.
pub(crate) struct OwnFile {
    pub(crate) part: Part,
    pub(crate) path: String,
    /// Equal for equal files, and equal to nothing that a wheel holds.
    pub(crate) content: String,
}

/// Decides what is found out about the native files of an image; `None` when it has no wheels.
pub(crate) fn native_key(image: &PlatformPlan) -> Result<Option<CacheKey>, Error> {
    let mut digests: Vec<Digest> =
        image.layers.iter().flat_map(wheels_of).map(|(wheel, _)| wheel.wanted.digest).collect();
    if digests.is_empty() {
        return Ok(None);
    }
    digests.sort();
    let base = match &image.base {
        BasePlan::Runtime(recipe) => json!(recipe.key().digest()),
        BasePlan::Image(base) => json!([
            base.layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>(),
            image.system.as_ref().map(|recipe| recipe.key().digest()),
        ]),
    };
    Ok(Some(CacheKey::of(
        "native",
        &json!({
            "facts": NATIVE_FACTS, "findings": NATIVE_FINDINGS, "wheels": digests, "base": base,
            "architecture": image.platform.architecture, "python": image.target.python.short(),
        }),
    )?))
}

/// Decides what is found out about the native files of a wheel.
pub(crate) fn native_files_key(wheel: Digest, layout: &Layout) -> Result<CacheKey, Error> {
    let facts = json!({ "format": NATIVE_FACTS, "wheel": wheel, "layout": layout_facts(layout) });
    Ok(CacheKey::of("wheel-native", &facts)?)
}

/// Decides what the wheels of an image are to each other; `None` when there are none.
pub(crate) fn conflicts_key(image: &PlatformPlan) -> Result<Option<CacheKey>, Error> {
    let wheels: Vec<(&ChosenWheel, &Layout)> = image.layers.iter().flat_map(wheels_of).collect();
    let Some((_, layout)) = wheels.first() else { return Ok(None) };
    let mut digests: Vec<Digest> = wheels.iter().map(|(wheel, _)| wheel.wanted.digest).collect();
    digests.sort();
    let rules: Vec<String> = image.allow_clash.iter().map(ToString::to_string).collect();
    let ours = own_files(image, layout);
    let facts = json!({
        "format": 3, "wheels": digests, "layout": layout_facts(layout), "allowClash": rules,
        "ours": ours.iter().map(|file| json!([file.path, file.content])).collect::<Vec<_>>(),
    });
    Ok(Some(CacheKey::of("wheels-together", &facts)?))
}

/// The wheels of a layer, with where they are installed.
pub(crate) fn wheels_of(layer: &LayerPlan) -> impl Iterator<Item = (&ChosenWheel, &Layout)> {
    let (wheels, layout) = match &layer.recipe {
        Recipe::Wheels(wheels, layout) => (&wheels[..], Some(layout)),
        Recipe::Entries(_) | Recipe::Unbuilt(_) | Recipe::Bytecode(..) => (&[][..], None),
    };
    wheels.iter().filter_map(move |wheel| Some((wheel, layout?)))
}

/// What is in the environment besides wheels: the environment itself, which is the lowest layer, and the project.
pub(crate) fn own_files(image: &PlatformPlan, layout: &Layout) -> Vec<OwnFile> {
    let mut ours = Vec::new();
    for (index, layer) in image.layers.iter().enumerate() {
        let Recipe::Entries(entries) = &layer.recipe else { continue };
        let part = if index == 0 { Part::Environment } else { Part::Project };
        let is_file =
            |entry: &&Entry| entry.path.starts_with(&layout.prefix) && !matches!(entry.kind, Kind::Directory);
        for entry in entries.iter().filter(is_file) {
            // Never what a wheel holds: nobody else may have these paths, whatever is in them.
            let content = format!("{part:?} {}", fingerprint(std::slice::from_ref(entry)));
            ours.push(OwnFile { part, path: entry.path.to_string(), content });
        }
    }
    ours
}
