//! Layers with the bytecode of wheels, made by a Python of the image's version that runs on this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use wainwright_base::extract;
use wainwright_blob::{Compression, Options};
use wainwright_layer::bytecode::{Interpreter, bytecode_entries, is_needed};
use wainwright_layer::{ConflictLosers, wheel_entries};
use wainwright_oci::Layer;
use wainwright_python::PythonVersion;
use wainwright_store::CacheKey;

use super::debian;
use super::layer_file::write_entries;
use super::wheels::{Fetches, install_all};
use crate::model::debian::{DebianLayer, Onto};
use crate::model::format::write_layer;
use crate::session::{EarlyUploads, fetch_layer};
use crate::{
    BasePlan, DebianRecipe, Error, Event, LayerPlan, LayerState, Plan, PlatformPlan, Recipe, Session,
};

/// Makes the layers of bytecode that are missing.
pub(crate) async fn make(
    plan: &Plan,
    bases: &[Option<Vec<DebianLayer>>],
    lost: &BTreeMap<CacheKey, Arc<ConflictLosers>>,
    fetches: &Fetches,
    early: &EarlyUploads,
    session: &Arc<Session>,
) -> Result<BTreeMap<CacheKey, Layer>, Error> {
    let mut made = BTreeMap::new();
    for (number, image) in plan.platforms().enumerate() {
        let mut unpacked: Option<(Interpreter, Arc<TempDir>)> = None;
        for layer in image.layers.iter().filter(|layer| layer.is_bytecode()) {
            if layer.state != LayerState::Missing || made.contains_key(&layer.key) {
                continue;
            }
            let (interpreter, keep) = match &unpacked {
                Some(ready) => ready.clone(),
                None => unpacked.insert(interpreter(plan, number, bases, session).await?).clone(),
            };
            let lost = lost.get(&layer.key).cloned().unwrap_or_default();
            let finished = one(layer, image, interpreter, lost, plan, fetches, session).await?;
            drop(keep);
            early.take(&finished);
            made.insert(layer.key, finished);
        }
    }
    Ok(made)
}

async fn one(
    layer: &LayerPlan,
    image: &PlatformPlan,
    interpreter: Interpreter,
    lost: Arc<ConflictLosers>,
    plan: &Plan,
    fetches: &Fetches,
    session: &Arc<Session>,
) -> Result<Layer, Error> {
    let Recipe::Bytecode(wheels, layout) = &layer.recipe else {
        return Err(Error::Bug { what: format!("the layer `{}` is not of bytecode", layer.name) });
    };
    let all = wheels.iter().map(|wheel| fetches.fetch(wheel, session));
    futures_util::future::try_join_all(all).await?;
    let (wheels, layout, version) = (wheels.clone(), layout.clone(), image.target.python);
    // There is nothing to splice in what was just compiled.
    let compression = match plan.options.compression {
        Compression::Splice => Compression::Gzip(9),
        other => other,
    };
    let options = Options { compression, ..plan.options };
    let (name, store, jobs) = (layer.name.clone(), session.store.clone(), session.machine.jobs);
    let tell = session.listener();
    let job = move || {
        tell(Event::LayerStarted { name: name.clone() });
        let scratch = store.scratch()?;
        let entries = wheel_entries(install_all(&wheels, &layout, &lost, &store)?, &layout)?;
        let bytecode = bytecode_entries(&entries, &layout, &interpreter, version, scratch.path(), jobs)?;
        write_entries(&name, &bytecode, &options, &store)
    };
    let made = session.compute(job).await?.keep().await?;
    session.store.remember(&layer.key, &write_layer(&made))?;
    session.report(Event::LayerFinished { name: layer.name.clone(), descriptor: made.descriptor.clone() });
    Ok(made)
}

/// A Python of an image's version that runs on this machine, with the folder it lies in.
///
/// That of the image itself, if it is for this processor; of another image of the build; of the same packages for this
/// processor; or one that is installed here, of the very same version.
async fn interpreter(
    plan: &Plan,
    number: usize,
    bases: &[Option<Vec<DebianLayer>>],
    session: &Arc<Session>,
) -> Result<(Interpreter, Arc<TempDir>), Error> {
    let Some(image) = plan.platforms().nth(number) else {
        return Err(Error::Bug { what: "an image that is not planned".into() });
    };
    let host = &session.machine.platform;
    let is_fit = |one: &&PlatformPlan| {
        one.platform.architecture == host.architecture && one.target.python == image.target.python
    };
    let others = plan.platforms().enumerate();
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
            let host = DebianRecipe::new(
                recipe.lock.clone(),
                recipe.mirrors.clone(),
                host,
                Onto::Nothing(image.target.python),
                plan.options,
                &session.store,
            )?;
            (layers_of(Some(&debian::make(&host, session).await?)), &image.interpreter)
        }
        (None, BasePlan::Image(_)) => return installed(image, session).await,
    };
    for (index, layer) in layers.iter().enumerate() {
        fetch_layer(index, layer, session).await?;
    }
    let (store, python) = (session.store.clone(), image.target.python);
    let program = program.trim_start_matches('/').to_owned();
    let job = move || {
        let root = store.scratch()?;
        let short = python.short();
        extract(&layers, &store, |path| is_needed(path, &program, &short), root.path())?;
        let cannot = |reason| wainwright_layer::bytecode::Error::CannotRun { reason };
        let interpreter = Interpreter::in_root(root.path(), &program).map_err(cannot)?;
        Ok((interpreter, Arc::new(root)))
    };
    session.compute(job).await
}

fn layers_of(base: Option<&[DebianLayer]>) -> Vec<Layer> {
    base.unwrap_or_default().iter().map(|made| made.layer.clone()).collect()
}

/// A Python of this machine, of the very version that an image has: another patch level may compile otherwise.
async fn installed(
    image: &PlatformPlan,
    session: &Arc<Session>,
) -> Result<(Interpreter, Arc<TempDir>), Error> {
    let wanted = image.target.python;
    let folders: Vec<PathBuf> = session
        .machine
        .vars
        .get("PATH")
        .map(|path| std::env::split_paths(path).collect())
        .unwrap_or_default();
    let (platform, host) = (image.platform.clone(), session.machine.platform.clone());
    let store = session.store.clone();
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
    session.compute(job).await
}

/// The version of a Python of this machine; `None` where it is none, or does not answer.
fn version(program: &Path) -> Option<PythonVersion> {
    if !program.is_file() {
        return None;
    }
    Interpreter::installed(program.to_owned()).version()
}
