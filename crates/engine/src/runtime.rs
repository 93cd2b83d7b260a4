use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use wainwright_base::{Surveyed, survey};
use wainwright_blob::{Compression, Options};
use wainwright_debian::{DebianLock, LockedDeb, Mirrors, architecture};
use wainwright_layer::debian::{
    DebFile, FORMAT as RUNTIME, Ground, GroundKind, Note, Runtime, RuntimeLayer, RuntimeOptions,
    RuntimeOrigin, add, assemble, compile_stdlib,
};
use wainwright_oci::{Descriptor, Image, Layer, Platform, Reference};
use wainwright_python::PythonVersion;
use wainwright_store::{CacheKey, Store};

use crate::execute::write_entries;
use crate::format::facts;
use crate::native::Libraries;
use crate::plan::{read_layer, write_layer};
use crate::remote::fetch_layers;
use crate::{Error, Event, Tools};

/// Raised when the same packages are added to the same image in another way than before.
const ADDED: u32 = 1;

/// How layers are made of Debian packages: a whole base, or what is added to an image.
#[derive(Clone, Debug)]
pub struct RuntimeRecipe {
    pub(crate) lock: Arc<DebianLock>,
    pub(crate) mirrors: Mirrors,
    /// As Debian names it.
    pub(crate) architecture: String,
    pub(crate) onto: Onto,
    key: CacheKey,
    options: Options,
    /// Its layers, when the store has them all.
    pub(crate) made: Option<Vec<RuntimeLayerMade>>,
    /// The cache that has them, when it is not the store.
    pub(crate) offered: Option<Reference>,
    /// What a cache says that they are, where they are made to check that.
    pub(crate) doubt: Option<(Reference, Vec<RuntimeLayerMade>)>,
    /// The libraries in it, as a cache says.
    pub(crate) told: Option<Arc<Libraries>>,
}

/// What packages are laid out on.
#[derive(Clone, Debug)]
pub(crate) enum Onto {
    /// Nothing: they make a base for this Python.
    Nothing(PythonVersion),
    /// An image, with what lies in it where somebody looked already.
    Image(Box<Image>, Option<Arc<Ground>>),
}

/// A finished layer of a base.
#[derive(Clone, Debug)]
pub(crate) struct RuntimeLayerMade {
    pub(crate) name: String,
    pub(crate) packages: Vec<String>,
    pub(crate) layer: Layer,
}

impl RuntimeRecipe {
    pub(crate) fn new(
        lock: Arc<DebianLock>,
        mirrors: Mirrors,
        platform: &Platform,
        onto: Onto,
        options: Options,
        store: &Store,
    ) -> Result<Self, Error> {
        let architecture = debian_architecture(platform);
        // Packages hold nothing that could be spliced; made once for many builds, they are worth the best gzip there is.
        let compression = match options.compression {
            Compression::Splice => Compression::Gzip(9),
            other => other,
        };
        let options = Options { compression, ..options };
        let debs: Vec<_> =
            lock.packages(&architecture)?.iter().map(|deb| (&deb.name, &deb.version, deb.sha256)).collect();
        let key = match &onto {
            Onto::Nothing(python) => CacheKey::of(
                "runtime",
                &json!({
                    "format": facts(&options), "runtime": RUNTIME, "python": python.short(), "bytecode": true, "debs": debs,
                }),
            )?,
            Onto::Image(image, _) => CacheKey::of(
                "system-packages",
                &json!({
                    "format": facts(&options), "runtime": RUNTIME, "added": ADDED, "debs": debs,
                    "base": image.layers.iter().map(|layer| layer.diff_id).collect::<Vec<_>>(),
                }),
            )?,
        };
        let made = store.recall(&key)?.and_then(|memo| read(&memo, store));
        Ok(Self {
            lock,
            mirrors,
            architecture,
            onto,
            key,
            options,
            made,
            offered: None,
            doubt: None,
            told: None,
        })
    }

    /// Whether its layers are for an image that is there already.
    pub fn is_added(&self) -> bool {
        matches!(self.onto, Onto::Image(..))
    }

    /// Its layers by name, when they were made earlier.
    pub fn layers(&self) -> Option<impl Iterator<Item = (&str, &Descriptor)>> {
        let made = self.made.as_ref()?;
        Some(made.iter().map(|made| (made.name.as_str(), &made.layer.descriptor)))
    }

    /// The same, with layers that have to be made.
    pub(crate) fn anew(&self) -> Self {
        Self { made: None, offered: None, told: None, ..self.clone() }
    }

    /// The cache in a registry that has its layers, when the store has not.
    pub fn offered(&self) -> Option<&Reference> {
        self.offered.as_ref()
    }

    /// Decides its layers.
    pub(crate) fn key(&self) -> &CacheKey {
        &self.key
    }

    /// The packages, as `name version`.
    pub fn packages(&self) -> Vec<String> {
        let packages = self.lock.packages(&self.architecture).unwrap_or_default();
        packages.iter().map(|deb| format!("{} {}", deb.name, deb.version)).collect()
    }

    /// The package files that are not in the store, with their sizes.
    pub(crate) fn fetches(&self, store: &Store) -> Vec<(String, Option<u64>)> {
        if self.made.is_some() {
            return Vec::new();
        }
        let packages = self.lock.packages(&self.architecture).unwrap_or_default();
        let missing = packages.iter().filter(|deb| !store.contains(&deb.sha256, Some(deb.size)));
        missing.map(|deb| (file_name(deb), Some(deb.size))).collect()
    }
}

/// A base that is laid out in memory.
#[derive(Clone)]
pub(crate) struct Assembled {
    pub(crate) layers: Vec<RuntimeLayer>,
    /// Where the paths of its layers come from; what is not listed is bytecode.
    pub(crate) origins: BTreeMap<Vec<u8>, RuntimeOrigin>,
}

/// Makes the layers of a base, and remembers them.
pub(crate) async fn make(recipe: &RuntimeRecipe, tools: &Arc<Tools>) -> Result<Vec<RuntimeLayerMade>, Error> {
    if let Some(made) = &recipe.made {
        return Ok(made.clone());
    }
    let assembled = lay_out(recipe, tools).await?;
    write(recipe, assembled.layers, tools).await
}

/// Fetches the packages of a base and lays them out.
///
/// The bytecode of the standard library is compiled by the base's own interpreter, taken from the packages for this
/// machine's processor; it is the same for all processors.
pub(crate) async fn lay_out(recipe: &RuntimeRecipe, tools: &Arc<Tools>) -> Result<Assembled, Error> {
    let debs = fetch(recipe, &recipe.architecture, tools).await?;
    let python = match &recipe.onto {
        Onto::Nothing(python) => *python,
        Onto::Image(image, ground) => {
            let ground = match ground {
                Some(ground) => ground.clone(),
                None => ground_of(image, tools).await?,
            };
            tools.tell(Event::LayerStarted { name: "system packages".into() });
            let (job, tools_) = (recipe.clone(), tools.clone());
            return tools.cpu().await?.run(move || add_all(&job, &debs, &ground, &tools_)).await;
        }
    };
    let label = format!("base debian:{}", recipe.lock.suite);
    let host = debian_architecture(&tools.machine.platform);
    let host_debs = if host == recipe.architecture { None } else { Some(fetch(recipe, &host, tools).await?) };
    tools.tell(Event::LayerStarted { name: label });
    let (job, tools_) = (recipe.clone(), tools.clone());
    tools.cpu().await?.run(move || assemble_all(&job, python, &debs, host_debs.as_deref(), &tools_)).await
}

/// The libraries that a base offers, with their versions; `None` where they are not known and the network may not be used.
pub(crate) async fn libraries(
    recipe: &RuntimeRecipe,
    tools: &Arc<Tools>,
) -> Result<Option<Libraries>, Error> {
    if let Some(known) = known_libraries(recipe, &tools.store)? {
        return Ok(Some(known));
    }
    let is_here = |deb: &LockedDeb| tools.store.contains(&deb.sha256, Some(deb.size));
    if tools.machine.is_offline && !recipe.lock.packages(&recipe.architecture)?.iter().all(is_here) {
        return Ok(None);
    }
    let debs = fetch(recipe, &recipe.architecture, tools).await?;
    let ground = match &recipe.onto {
        Onto::Image(image, None) => Some(ground_of(image, tools).await?),
        Onto::Image(_, ground) => ground.clone(),
        Onto::Nothing(_) => None,
    };
    let (job, tools_) = (recipe.clone(), tools.clone());
    let job = move || {
        let libraries = match (&job.onto, ground) {
            (Onto::Nothing(python), _) => {
                assemble(&debs, &RuntimeOptions { python: *python, keep_docs: false })?.libraries()
            }
            (Onto::Image(..), ground) => add(&debs, &ground.unwrap_or_default())?.libraries(),
        };
        remember_libraries(&job, libraries, &tools_.store)
    };
    Ok(Some(tools.cpu().await?.run(job).await?))
}

/// The libraries that a base offers, as far as the store remembers.
pub(crate) fn known_libraries(recipe: &RuntimeRecipe, store: &Store) -> Result<Option<Libraries>, Error> {
    Ok(store.recall(&libraries_key(recipe)?)?)
}

/// What lies in an image that packages are added to. Its layers are fetched where they are not here.
pub(crate) async fn ground_of(image: &Image, tools: &Arc<Tools>) -> Result<Arc<Ground>, Error> {
    fetch_layers(image, tools).await?;
    let (layers, store) = (image.layers.clone(), tools.store.clone());
    let job = move || {
        let paths = survey(&layers, &store)?.into_iter().map(|(path, what)| {
            let kind = match what {
                Surveyed::Directory => GroundKind::Directory,
                Surveyed::Symlink(target) => GroundKind::Symlink(target),
                Surveyed::File(bytes) => GroundKind::File(bytes),
                Surveyed::Other => GroundKind::File(None),
            };
            (path, kind)
        });
        Ok(Arc::new(Ground { paths: paths.collect() }))
    };
    tools.cpu().await?.run(job).await
}

fn remember_libraries(
    recipe: &RuntimeRecipe,
    libraries: Libraries,
    store: &Store,
) -> Result<Libraries, Error> {
    store.remember(&libraries_key(recipe)?, &libraries)?;
    Ok(libraries)
}

fn libraries_key(recipe: &RuntimeRecipe) -> Result<CacheKey, Error> {
    Ok(CacheKey::of("base-libraries", &json!({ "format": 1, "base": recipe.key.digest() }))?)
}

/// Writes the layers of a base into the store, and remembers them.
pub(crate) async fn write(
    recipe: &RuntimeRecipe,
    layers: Vec<RuntimeLayer>,
    tools: &Arc<Tools>,
) -> Result<Vec<RuntimeLayerMade>, Error> {
    let versions: BTreeMap<String, String> = recipe
        .lock
        .packages(&recipe.architecture)?
        .iter()
        .map(|deb| (deb.name.clone(), format!("{} {}", deb.name, deb.version)))
        .collect();
    let is_added = recipe.is_added();
    let jobs = layers.into_iter().map(|layer| {
        let (tools, options) = (tools.clone(), recipe.options);
        let packages: Vec<String> =
            layer.packages.iter().filter_map(|name| versions.get(name).cloned()).collect();
        async move {
            let store = tools.store.clone();
            let RuntimeLayer { name, entries, .. } = layer;
            let label = if is_added { name.clone() } else { format!("base {name}") };
            let job = {
                let label = label.clone();
                move || write_entries(&label, &entries, &options, &store)
            };
            let made = tools.cpu().await?.run(job).await?.keep().await?;
            tools.tell(Event::LayerFinished { name: label, descriptor: made.descriptor.clone() });
            Ok::<_, Error>(RuntimeLayerMade { name, packages, layer: made })
        }
    });
    let made = futures_util::future::try_join_all(jobs).await?;
    let memo: Vec<_> = made
        .iter()
        .map(
            |made| json!({ "name": made.name, "packages": made.packages, "layer": write_layer(&made.layer) }),
        )
        .collect();
    tools.store.remember(&recipe.key, &memo)?;
    Ok(made)
}

fn read(memo: &serde_json::Value, store: &Store) -> Option<Vec<RuntimeLayerMade>> {
    let layer = |memo: &serde_json::Value| {
        let layer = read_layer(memo.get("layer")?)?;
        let packages = memo.get("packages")?.as_array()?;
        store.contains(&layer.descriptor.digest, Some(layer.descriptor.size)).then_some(())?;
        Some(RuntimeLayerMade {
            name: memo.get("name")?.as_str()?.to_owned(),
            packages: packages.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect(),
            layer,
        })
    };
    memo.as_array()?.iter().map(layer).collect()
}

async fn fetch(
    recipe: &RuntimeRecipe,
    architecture: &str,
    tools: &Arc<Tools>,
) -> Result<Vec<DebFile>, Error> {
    let packages = recipe.lock.packages(architecture)?;
    let jobs = packages.iter().map(|deb| async move {
        let is_damaged = {
            let (store, digest, size) = (tools.store.clone(), deb.sha256, deb.size);
            let job = move || Ok(store.contains(&digest, Some(size)) && !store.verify(&digest)?);
            tools.cpu().await?.run(job).await?
        };
        if is_damaged {
            tools.tell(Event::Warned {
                message: format!("`{}` was damaged in the cache; it is fetched again", file_name(deb)),
            });
        }
        if !tools.store.contains(&deb.sha256, Some(deb.size)) {
            let name = file_name(deb);
            tools.tell(Event::FetchStarted { name: name.clone(), size: Some(deb.size) });
            let progress = |bytes| tools.tell(Event::FetchProgressed { name: name.clone(), bytes });
            let http = tools.http().await?;
            let bytes =
                wainwright_debian::fetch(http, &tools.store, &recipe.mirrors, &recipe.lock, deb, &progress)
                    .await?;
            tools.tell(Event::FetchFinished { name: name.clone(), bytes });
        }
        open(deb, &tools.store)
    });
    futures_util::future::try_join_all(jobs).await
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
    recipe: &RuntimeRecipe,
    debs: &[DebFile],
    ground: &Ground,
    tools: &Tools,
) -> Result<Assembled, Error> {
    let added = add(debs, ground)?;
    for note in &added.notes {
        tools.tell(match note {
            Note::LibraryMissing(_) => Event::Warned { message: note.to_string() },
            _ => Event::Noted { message: note.to_string() },
        });
    }
    remember_libraries(recipe, added.libraries(), &tools.store)?;
    let origins = added.origins().map(|(path, origin)| (path.to_vec(), origin)).collect();
    Ok(Assembled { layers: added.layers, origins })
}

fn assemble_all(
    recipe: &RuntimeRecipe,
    python: PythonVersion,
    debs: &[DebFile],
    host: Option<&[DebFile]>,
    tools: &Tools,
) -> Result<Assembled, Error> {
    let options = RuntimeOptions { python, keep_docs: false };
    let target = assemble(debs, &options)?;
    for note in &target.facts.notes {
        tools.tell(Event::Noted { message: note.to_string() });
    }
    remember_libraries(recipe, target.libraries(), &tools.store)?;
    let other: Option<Runtime> = host.map(|debs| assemble(debs, &options)).transpose()?;
    let scratch = tools.store.scratch()?;
    let bytecode = compile_stdlib(&target, other.as_ref().unwrap_or(&target), scratch.path())?;
    let origins = target.origins().map(|(path, origin)| (path.to_vec(), origin)).collect();
    let mut layers = target.layers;
    layers.push(bytecode);
    Ok(Assembled { layers, origins })
}

fn file_name(deb: &LockedDeb) -> String {
    format!("{}_{}_{}.deb", deb.name, deb.version, deb.architecture)
}

/// The name Debian has for the processor of a platform; an unknown one keeps its name, and no lock will have it.
pub(crate) fn debian_architecture(platform: &Platform) -> String {
    architecture(platform).map_or_else(|| platform.architecture.clone(), ToOwned::to_owned)
}
