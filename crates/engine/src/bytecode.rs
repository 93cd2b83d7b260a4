//! Layers with the bytecode of wheels, made by a Python of the image's version that runs on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use wainwright_base::extract;
use wainwright_blob::{Compression, Options};
use wainwright_layer::bytecode::{FORMAT, Interpreter, OLDEST, bytecode_entries, is_needed};
use wainwright_layer::{Lost, wheel_entries};
use wainwright_oci::Layer;
use wainwright_python::PythonVersion;
use wainwright_store::CacheKey;

use crate::base::PlatformBase;
use crate::execute::write_entries;
use crate::plan::{Recipe, write_layer};
use crate::remote::fetch_layer;
use crate::resolve::PlatformResolution;
use crate::runtime::{self, Onto, RuntimeLayerMade, RuntimeRecipe};
use crate::transfer::Ahead;
use crate::wheels::{Fetches, install_all};
use crate::{BasePlan, Error, Event, ImagePlan, LayerPlan, LayerState, Plan, Tools};

/// What decides bytecode beside its sources: the Python that the image has, as exactly as it is known.
pub(crate) fn facts(resolved: &PlatformResolution) -> Result<Value, Error> {
    let python = resolved.target.python;
    if (python.major, python.minor) < OLDEST {
        return Err(Error::OldBytecode { python });
    }
    let interpreter = match &resolved.base {
        PlatformBase::Debian(recipe) => {
            let packages = recipe.packages();
            let is_python = |name: &String| name.trim_start_matches("lib").starts_with("python3");
            json!(packages.into_iter().filter(is_python).collect::<Vec<_>>())
        }
        PlatformBase::Image(..) if python.patch.is_some() => json!(python.full()),
        PlatformBase::Image(base, _) => {
            json!(base.image.layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>())
        }
    };
    Ok(json!({ "format": FORMAT, "interpreter": interpreter }))
}

/// How many layers wheels and their bytecode get of the room for both, where the wheels alone would take `groups`.
///
/// Wheels keep the layers they would have without bytecode, unless those leave it less than a quarter.
pub(crate) fn share(groups: usize, room: usize) -> Option<(usize, usize)> {
    let least = (room / 4).max(1).min(groups.max(1));
    match room.checked_sub(groups) {
        Some(left) if left >= least => Some((groups, left.min(groups))),
        _ => Some((room.checked_sub(least).filter(|left| *left > 0)?, least)),
    }
}

/// Makes the layers of bytecode that are missing.
pub(crate) async fn make(
    plan: &Plan,
    bases: &[Option<Vec<RuntimeLayerMade>>],
    lost: &BTreeMap<CacheKey, Arc<Lost>>,
    fetches: &Fetches,
    ahead: &Ahead,
    tools: &Arc<Tools>,
) -> Result<BTreeMap<CacheKey, Layer>, Error> {
    let mut made = BTreeMap::new();
    for (number, image) in plan.images.iter().enumerate() {
        let mut unpacked: Option<(Interpreter, Arc<TempDir>)> = None;
        for layer in image.layers.iter().filter(|layer| layer.is_bytecode()) {
            if layer.state != LayerState::Missing || made.contains_key(&layer.key) {
                continue;
            }
            let (interpreter, keep) = match &unpacked {
                Some(ready) => ready.clone(),
                None => unpacked.insert(interpreter(plan, number, bases, tools).await?).clone(),
            };
            let lost = lost.get(&layer.key).cloned().unwrap_or_default();
            let finished = one(layer, image, interpreter, lost, plan, fetches, tools).await?;
            drop(keep);
            ahead.take(&finished);
            made.insert(layer.key, finished);
        }
    }
    Ok(made)
}

async fn one(
    layer: &LayerPlan,
    image: &ImagePlan,
    interpreter: Interpreter,
    lost: Arc<Lost>,
    plan: &Plan,
    fetches: &Fetches,
    tools: &Arc<Tools>,
) -> Result<Layer, Error> {
    let Recipe::Bytecode(wheels, layout) = &layer.recipe else {
        return Err(Error::Bug { what: format!("the layer `{}` is not of bytecode", layer.name) });
    };
    let all = wheels.iter().map(|wheel| fetches.fetch(wheel, tools));
    futures_util::future::try_join_all(all).await?;
    let (wheels, layout, version) = (wheels.clone(), layout.clone(), image.target.python);
    // There is nothing to splice in what was just compiled.
    let compression = match plan.options.compression {
        Compression::Splice => Compression::Gzip(9),
        other => other,
    };
    let options = Options { compression, ..plan.options };
    let (name, store, jobs) = (layer.name.clone(), tools.store.clone(), tools.machine.jobs);
    let tell = tools.listener();
    let job = move || {
        tell(Event::LayerStarted { name: name.clone() });
        let scratch = store.scratch()?;
        let entries = wheel_entries(install_all(&wheels, &layout, &lost, &store)?, &layout)?;
        let bytecode = bytecode_entries(&entries, &layout, &interpreter, version, scratch.path(), jobs)?;
        write_entries(&name, &bytecode, &options, &store)
    };
    let made = tools.cpu().await?.run(job).await?.keep().await?;
    tools.store.remember(&layer.key, &write_layer(&made))?;
    tools.tell(Event::LayerFinished { name: layer.name.clone(), descriptor: made.descriptor.clone() });
    Ok(made)
}

/// A Python of an image's version that runs on this machine, with the folder it lies in.
///
/// That of the image itself, if it is for this processor; of another image of the build; of the same packages for this
/// processor; or one that is installed here, of the very same version.
async fn interpreter(
    plan: &Plan,
    number: usize,
    bases: &[Option<Vec<RuntimeLayerMade>>],
    tools: &Arc<Tools>,
) -> Result<(Interpreter, Arc<TempDir>), Error> {
    let Some(image) = plan.images.get(number) else {
        return Err(Error::Bug { what: "an image that is not planned".into() });
    };
    let host = &tools.machine.platform;
    let is_fit = |one: &&ImagePlan| {
        one.platform.architecture == host.architecture && one.target.python == image.target.python
    };
    let others = plan.images.iter().enumerate();
    let found = [(number, image)].into_iter().chain(others).find(|(_, one)| is_fit(one));
    let (layers, program) = match (found, &image.base) {
        (Some((at, one)), _) => {
            let layers = match &one.base {
                BasePlan::Image(base) => base.layers.clone(),
                BasePlan::Runtime(_) => layers_of(bases.get(at).and_then(Option::as_deref)),
            };
            (layers, &one.interpreter)
        }
        (None, BasePlan::Runtime(recipe)) => {
            let host = RuntimeRecipe::new(
                recipe.lock.clone(),
                recipe.mirrors.clone(),
                host,
                Onto::Nothing(image.target.python),
                plan.options,
                &tools.store,
            )?;
            (layers_of(Some(&runtime::make(&host, tools).await?)), &image.interpreter)
        }
        (None, BasePlan::Image(_)) => return installed(image, tools).await,
    };
    for (index, layer) in layers.iter().enumerate() {
        fetch_layer(index, layer, tools).await?;
    }
    let (store, python) = (tools.store.clone(), image.target.python);
    let program = program.trim_start_matches('/').to_owned();
    let job = move || {
        let root = store.scratch()?;
        let short = python.short();
        extract(&layers, &store, |path| is_needed(path, &program, &short), root.path())?;
        let cannot = |reason| wainwright_layer::bytecode::Error::CannotRun { reason };
        let interpreter = Interpreter::in_root(root.path(), &program).map_err(cannot)?;
        Ok((interpreter, Arc::new(root)))
    };
    tools.cpu().await?.run(job).await
}

fn layers_of(base: Option<&[RuntimeLayerMade]>) -> Vec<Layer> {
    base.unwrap_or_default().iter().map(|made| made.layer.clone()).collect()
}

/// A Python of this machine, of the very version that an image has: another patch level may compile otherwise.
async fn installed(image: &ImagePlan, tools: &Arc<Tools>) -> Result<(Interpreter, Arc<TempDir>), Error> {
    let wanted = image.target.python;
    let folders: Vec<PathBuf> =
        tools.machine.vars.get("PATH").map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    let (platform, host) = (image.platform.clone(), tools.machine.platform.clone());
    let store = tools.store.clone();
    let job = move || {
        let mut seen = Vec::new();
        for name in [format!("python{}", wanted.short()), "python3".into()] {
            for program in folders.iter().map(|folder| folder.join(&name)).filter(|path| path.is_absolute()) {
                match version(&program) {
                    Some(found) if found == wanted && wanted.patch.is_some() => {
                        return Ok((Interpreter::installed(program), Arc::new(store.scratch()?)));
                    }
                    Some(found) => seen.push(format!("{found} at {}", program.display())),
                    None => {}
                }
            }
        }
        seen.dedup();
        let wanted = wanted.to_string();
        Err(Error::NoCompiler { wanted, platform, host, seen })
    };
    tools.cpu().await?.run(job).await
}

/// The version of a Python of this machine; `None` where it is none, or does not answer.
fn version(program: &Path) -> Option<PythonVersion> {
    if !program.is_file() {
        return None;
    }
    Interpreter::installed(program.to_owned()).version()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_keep_their_layers_where_there_is_room_for_both() {
        // What wheels would take alone, the room, and what each gets.
        for (groups, room, expected) in [
            (1, 38, Some((1, 1))),
            (15, 38, Some((15, 15))),
            (25, 38, Some((25, 13))),
            (29, 38, Some((29, 9))),
            (38, 38, Some((29, 9))),
            (5, 5, Some((4, 1))),
            (2, 2, Some((1, 1))),
            (1, 1, None),
        ] {
            assert_eq!(share(groups, room), expected, "{groups} in {room}");
        }
    }
}
