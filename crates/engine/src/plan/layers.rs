use std::sync::Arc;

use serde_json::json;
use wainwright_blob::Options;
use wainwright_oci::Digest;
use wainwright_store::{CacheKey, Store};
use wainwright_wheel::Layout;

use crate::model::format::{facts as format_facts, layout_facts, read_layer};
use crate::model::resolution::{FilesLayer, PlatformResolution};
use crate::model::wheel::{ChosenWheel, Unbuilt};
use crate::{Error, LayerPlan, LayerState, Recipe};

/// Raised when wheels are laid out in another way than before, or a wheel that made a layer would be refused now.
const WHEELS: u32 = 3;
/// Raised when an environment is laid out in another way than before.
const ENVIRONMENT: u32 = 1;
/// Raised when a project is laid out in another way than before.
const SOURCE: u32 = 1;

/// What a plan says of a wheel that only a build would build: which bytes it has, nobody knows before.
pub(super) fn unbuilt_layer(unbuilt: &Unbuilt) -> Result<LayerPlan, Error> {
    let what = unbuilt.what();
    let facts = json!({ "unbuilt": what, "from": unbuilt.from });
    Ok(LayerPlan {
        name: what.clone(),
        key: CacheKey::of("unbuilt", &facts)?,
        packages: vec![what],
        why: format!("`wain build` builds it here from {}, which runs its code", unbuilt.from),
        state: LayerState::Missing,
        doubt: None,
        recipe: Recipe::Unbuilt(unbuilt.clone()),
    })
}

pub(super) fn environment(
    resolved: &PlatformResolution,
    options: &Options,
    store: &Store,
) -> Result<LayerPlan, Error> {
    let environment = resolved.environment();
    let key = CacheKey::of(
        "layer",
        &json!({
            "format": format_facts(options),
            "environment": ENVIRONMENT,
            "facts": environment,
        }),
    )?;
    Ok(LayerPlan {
        name: format!("environment for Python {}", environment.python.short()),
        why: format!("links to {}", environment.interpreter),
        state: state(&key, store)?,
        key,
        doubt: None,
        packages: Vec::new(),
        recipe: Recipe::Entries(Arc::new(environment.entries()?)),
    })
}

pub(super) fn wheel_layer(
    wheels: Vec<ChosenWheel>,
    layout: &Layout,
    options: &Options,
    together: Option<&serde_json::Value>,
    bytecode: Option<&serde_json::Value>,
    store: &Store,
) -> Result<LayerPlan, Error> {
    let mut digests: Vec<Digest> = wheels.iter().map(|wheel| wheel.wanted.digest).collect();
    digests.sort();
    let mut facts = json!({
        "format": format_facts(options),
        "wheels": WHEELS,
        "digests": digests,
        "layout": layout_facts(layout),
    });
    if let Some(together) = together {
        facts["together"] = together.clone();
    }
    if let Some(bytecode) = bytecode {
        facts["bytecode"] = bytecode.clone();
    }
    let key = CacheKey::of("layer", &facts)?;
    let packages: Vec<String> =
        wheels.iter().map(|wheel| format!("{} {}", wheel.name, wheel.wanted.filename.version)).collect();
    let name = match &packages[..] {
        [one] => one.clone(),
        [first, .., last] => format!("{} packages, {first} to {last}", packages.len()),
        [] => "no packages".into(),
    };
    let why = match &wheels[..] {
        [ChosenWheel { made: Some(made), .. }] => made.to_string(),
        [_] => "changes with this package alone".to_owned(),
        _ if wheels.iter().all(|wheel| wheel.made.is_some()) => "made here of source".to_owned(),
        _ => "small packages share a layer".to_owned(),
    };
    let (wheels, layout) = (Arc::new(wheels), layout.clone());
    let (name, why, packages, recipe) = match bytecode {
        None => (name, why, packages, Recipe::Wheels(wheels, layout)),
        // The packages are in the layer of their files.
        Some(_) => {
            let name = format!("bytecode of {name}");
            (name, "compiled modules".to_owned(), Vec::new(), Recipe::Bytecode(wheels, layout))
        }
    };
    Ok(LayerPlan { name, why, state: state(&key, store)?, key, doubt: None, packages, recipe })
}

pub(super) fn files_layer(files: &FilesLayer, options: &Options, store: &Store) -> Result<LayerPlan, Error> {
    let key = CacheKey::of(
        "layer",
        &json!({ "format": format_facts(options), "source": SOURCE, "digest": files.digest }),
    )?;
    Ok(LayerPlan {
        name: files.name.clone(),
        why: format!("{} files and folders", files.entries.len()),
        state: state(&key, store)?,
        key,
        doubt: None,
        packages: Vec::new(),
        recipe: Recipe::Entries(files.entries.clone()),
    })
}

/// What the store remembers of a layer, if its bytes are still there.
fn state(key: &CacheKey, store: &Store) -> Result<LayerState, Error> {
    let known = store.recall(key)?.and_then(|memo| read_layer(&memo));
    let there = known.filter(|layer| store.contains(&layer.descriptor.digest, Some(layer.descriptor.size)));
    Ok(there.map_or(LayerState::Missing, |layer| LayerState::Cached(Box::new(layer))))
}
