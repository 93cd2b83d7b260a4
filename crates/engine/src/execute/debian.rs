use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use serde_json::json;
use wainwright_debian::LockedDeb;
use wainwright_layer::debian::{
    DebFile, DebianTree, Note, Runtime, RuntimeLayer, RuntimeOptions, RuntimeOrigin, add, assemble,
    compile_stdlib,
};
use wainwright_python::PythonVersion;
use wainwright_store::Store;

use super::layer_file::write_entries;
use crate::model::debian::{
    DebianLayer, Onto, debian_architecture, file_name, known_libraries, libraries_key,
};
use crate::model::format::write_layer;
use crate::model::native::LibraryIndex;
use crate::resolve::image_tree;
use crate::{DebianRecipe, Error, Event, Session};

/// A base that is laid out in memory.
#[derive(Clone)]
pub struct AssembledBase {
    /// Its layers.
    pub layers: Vec<RuntimeLayer>,
    /// Where the paths of its layers come from; what is not listed is bytecode.
    pub origins: BTreeMap<Vec<u8>, RuntimeOrigin>,
}

/// Makes the layers of a base, and remembers them.
pub(crate) async fn make(recipe: &DebianRecipe, session: &Arc<Session>) -> Result<Vec<DebianLayer>, Error> {
    if let Some(made) = &recipe.made {
        return Ok(made.clone());
    }
    let assembled = lay_out(recipe, session).await?;
    write_base(recipe, assembled.layers, session).await
}

/// Fetches the packages of a base and lays them out.
///
/// The bytecode of the standard library is compiled by the base's own interpreter, taken from the packages for this
/// machine's processor; it is the same for all processors.
pub async fn lay_out(recipe: &DebianRecipe, session: &Arc<Session>) -> Result<AssembledBase, Error> {
    let debs = fetch(recipe, &recipe.architecture, session).await?;
    let python = match &recipe.onto {
        Onto::Nothing(python) => *python,
        Onto::Image(image, ground) => {
            let ground = match ground {
                Some(ground) => ground.clone(),
                None => image_tree(image, session).await?,
            };
            session.report(Event::LayerStarted { name: "system packages".into() });
            let (job, session_) = (recipe.clone(), session.clone());
            return session.compute(move || add_all(&job, &debs, &ground, &session_)).await;
        }
    };
    let label = format!("base debian:{}", recipe.lock.suite);
    let host = debian_architecture(&session.machine.platform);
    let host_debs =
        if host == recipe.architecture { None } else { Some(fetch(recipe, &host, session).await?) };
    session.report(Event::LayerStarted { name: label });
    let (job, session_) = (recipe.clone(), session.clone());
    session.compute(move || assemble_all(&job, python, &debs, host_debs.as_deref(), &session_)).await
}

/// The libraries that a base offers, with their versions; `None` where they are not known and the network may not be used.
pub(crate) async fn libraries(
    recipe: &DebianRecipe,
    session: &Arc<Session>,
) -> Result<Option<LibraryIndex>, Error> {
    if let Some(known) = known_libraries(recipe, &session.store)? {
        return Ok(Some(known));
    }
    let is_here = |deb: &LockedDeb| session.store.contains(&deb.sha256, Some(deb.size));
    if session.machine.is_offline && !recipe.lock.packages(&recipe.architecture)?.iter().all(is_here) {
        return Ok(None);
    }
    let debs = fetch(recipe, &recipe.architecture, session).await?;
    let ground = match &recipe.onto {
        Onto::Image(image, None) => Some(image_tree(image, session).await?),
        Onto::Image(_, ground) => ground.clone(),
        Onto::Nothing(_) => None,
    };
    let (job, session_) = (recipe.clone(), session.clone());
    let job = move || {
        let libraries = match (&job.onto, ground) {
            (Onto::Nothing(python), _) => {
                assemble(&debs, &RuntimeOptions { python: *python, keep_docs: false })?.libraries()
            }
            (Onto::Image(..), ground) => add(&debs, &ground.unwrap_or_default())?.libraries(),
        };
        remember_libraries(&job, libraries, &session_.store)
    };
    Ok(Some(session.compute(job).await?))
}

fn remember_libraries(
    recipe: &DebianRecipe,
    libraries: LibraryIndex,
    store: &Store,
) -> Result<LibraryIndex, Error> {
    store.remember(&libraries_key(recipe)?, &libraries)?;
    Ok(libraries)
}

/// Writes the layers of a base into the store, and remembers them.
pub async fn write_base(
    recipe: &DebianRecipe,
    layers: Vec<RuntimeLayer>,
    session: &Arc<Session>,
) -> Result<Vec<DebianLayer>, Error> {
    let versions: BTreeMap<String, String> = recipe
        .lock
        .packages(&recipe.architecture)?
        .iter()
        .map(|deb| (deb.name.clone(), format!("{} {}", deb.name, deb.version)))
        .collect();
    let is_added = recipe.is_added();
    let jobs = layers.into_iter().map(|layer| {
        let (session, options) = (session.clone(), recipe.options);
        let packages: Vec<String> =
            layer.packages.iter().filter_map(|name| versions.get(name).cloned()).collect();
        async move {
            let store = session.store.clone();
            let RuntimeLayer { name, entries, .. } = layer;
            let label = if is_added { name.clone() } else { format!("base {name}") };
            let job = {
                let label = label.clone();
                move || write_entries(&label, &entries, &options, &store)
            };
            let made = session.compute(job).await?.keep().await?;
            session.report(Event::LayerFinished { name: label, descriptor: made.descriptor.clone() });
            Ok::<_, Error>(DebianLayer { name, packages, layer: made })
        }
    });
    let made = try_join_all(jobs).await?;
    let memo: Vec<_> = made
        .iter()
        .map(
            |made| json!({ "name": made.name, "packages": made.packages, "layer": write_layer(&made.layer) }),
        )
        .collect();
    session.store.remember(&recipe.key, &memo)?;
    Ok(made)
}

async fn fetch(
    recipe: &DebianRecipe,
    architecture: &str,
    session: &Arc<Session>,
) -> Result<Vec<DebFile>, Error> {
    let packages = recipe.lock.packages(architecture)?;
    let jobs = packages.iter().map(|deb| async move {
        let is_damaged = {
            let (store, digest, size) = (session.store.clone(), deb.sha256, deb.size);
            let job = move || Ok(store.contains(&digest, Some(size)) && !store.verify(&digest)?);
            session.compute(job).await?
        };
        if is_damaged {
            session.report(Event::Warned {
                message: format!("`{}` was damaged in the cache; it is fetched again", file_name(deb)),
            });
        }
        if !session.store.contains(&deb.sha256, Some(deb.size)) {
            let name = file_name(deb);
            session.report(Event::FetchStarted { name: name.clone(), size: Some(deb.size) });
            let progress = |bytes| session.report(Event::FetchProgressed { name: name.clone(), bytes });
            let http = session.http().await?;
            let bytes =
                wainwright_debian::fetch(http, &session.store, &recipe.mirrors, &recipe.lock, deb, &progress)
                    .await?;
            session.report(Event::FetchFinished { name: name.clone(), bytes });
        }
        open(deb, &session.store)
    });
    try_join_all(jobs).await
}

fn open(deb: &LockedDeb, store: &Store) -> Result<DebFile, Error> {
    let missing = wainwright_store::Error::Missing { digest: deb.sha256 };
    let file = store.open_blob(&deb.sha256)?.ok_or(missing)?;
    Ok(DebFile {
        name: deb.name.clone(),
        version: deb.version.clone(),
        architecture: deb.architecture.clone(),
        source: deb.source.clone(),
        file: Arc::new(file),
    })
}

fn add_all(
    recipe: &DebianRecipe,
    debs: &[DebFile],
    ground: &DebianTree,
    session: &Session,
) -> Result<AssembledBase, Error> {
    let added = add(debs, ground)?;
    for note in &added.notes {
        session.report(match note {
            Note::LibraryMissing(_) => Event::Warned { message: note.to_string() },
            _ => Event::Noted { message: note.to_string() },
        });
    }
    remember_libraries(recipe, added.libraries(), &session.store)?;
    let origins = added.origins().map(|(path, origin)| (path.to_vec(), origin)).collect();
    Ok(AssembledBase { layers: added.layers, origins })
}

fn assemble_all(
    recipe: &DebianRecipe,
    python: PythonVersion,
    debs: &[DebFile],
    host: Option<&[DebFile]>,
    session: &Session,
) -> Result<AssembledBase, Error> {
    let options = RuntimeOptions { python, keep_docs: false };
    let target = assemble(debs, &options)?;
    for note in &target.facts.notes {
        session.report(Event::Noted { message: note.to_string() });
    }
    remember_libraries(recipe, target.libraries(), &session.store)?;
    let other: Option<Runtime> = host.map(|debs| assemble(debs, &options)).transpose()?;
    let scratch = session.store.scratch()?;
    let bytecode = compile_stdlib(&target, other.as_ref().unwrap_or(&target), scratch.path())?;
    let origins = target.origins().map(|(path, origin)| (path.to_vec(), origin)).collect();
    let mut layers = target.layers;
    layers.push(bytecode);
    Ok(AssembledBase { layers, origins })
}
