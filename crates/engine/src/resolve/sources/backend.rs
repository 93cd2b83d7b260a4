use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;
use wainwright_backend::{Built, Checkout, Job, build, checkout, unpack};
use wainwright_http::Secret;
use wainwright_lock::GitSource;
use wainwright_project::{BuildSdists, Project};
use wainwright_python::{Libc, Tags, Target, WheelFilename};
use wainwright_store::CacheKey;
use wainwright_wheel::Wheel;

use super::tool::{Builder, installer_vars};
use super::{Folder, Origin, SourcePackage, chosen, keep};
use crate::model::wheel::{ChosenWheel, Made, MadeBy, Unbuilt, what};
use crate::resolve::built_pin::BuiltPin;
use crate::resolve::wain_lock::WainLock;
use crate::{Error, Event, Request, Session};

/// Raised when the same source may give another wheel than before.
const BUILT: u32 = 1;

/// What runs build backends, and what is known of this machine for that.
pub(crate) struct Backends<'a> {
    /// Whose backends may run.
    pub(crate) permission: BuildSdists,
    request: &'a Request,
    session: &'a Session,
    /// What `wain.lock` says.
    pins: Vec<BuiltPin>,
    /// By Python: `3.13`.
    builders: Mutex<BTreeMap<String, Option<Builder>>>,
    /// Folders that were read; platforms share them.
    folders: Mutex<BTreeMap<PathBuf, Arc<Folder>>>,
}

/// What is remembered of a wheel that was built.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Memo {
    made: Made,
    size: u64,
    /// Whether the Python that built uses the GNU C library.
    has_glibc: bool,
}

impl<'a> Backends<'a> {
    pub(crate) fn new(request: &'a Request, project: &Project, session: &'a Session) -> Result<Self, Error> {
        Ok(Self {
            pins: WainLock::read(&request.root)?.wheel,
            permission: request.build_sdists.or(&project.settings.build_sdists),
            request,
            session,
            builders: Mutex::default(),
            folders: Mutex::default(),
        })
    }

    /// A folder as it was when it was first asked for.
    pub(super) async fn folder(&self, path: &Path, shown: String) -> Result<Arc<Folder>, Error> {
        let mut folders = self.folders.lock().await;
        if let Some(known) = folders.get(path) {
            return Ok(known.clone());
        }
        let folder = Arc::new(Folder::read(path, shown, self.session).await?);
        folders.insert(path.to_owned(), folder.clone());
        Ok(folder)
    }

    /// The wheel of a source that may be built: from the cache, else built now; or what a plan says of it.
    pub(crate) async fn make(
        &self,
        package: &SourcePackage,
        target: &Target,
    ) -> Result<Result<ChosenWheel, Unbuilt>, Error> {
        let what = what(&package.name, package.version.as_ref());
        let later = || Unbuilt {
            name: package.name.clone(),
            version: package.version.clone(),
            from: package.origin.to_string(),
        };
        if let Some(wheel) = self.pinned(package, target)? {
            return Ok(Ok(wheel));
        }
        let Some(builder) = self.builder(target).await else {
            return match self.request.runs_backends {
                true => Err(Error::NoInterpreter { what, python: target.python.short() }),
                false => Ok(Err(later())),
            };
        };
        let python = &builder.python;
        let key = CacheKey::of(
            "built-wheel",
            &json!({
                "format": BUILT,
                "name": package.name,
                "version": package.version.as_ref().map(ToString::to_string),
                "source": package.origin.identity(),
                "tool": builder.name(),
                "python": python.version.short(),
                "machine": python.machine,
                "libc": python.glibc,
                "epoch": self.request.epoch,
            }),
        )?;
        let store = &self.session.store;
        let known =
            store.recall(&key)?.filter(|memo: &Memo| store.contains(&memo.made.digest, Some(memo.size)));
        let memo = match known {
            Some(memo) => memo,
            None if !self.request.runs_backends => return Ok(Err(later())),
            None => {
                let from = package.origin.to_string();
                self.session.report(Event::WheelStarted { name: what.clone(), from });
                let memo = self.build(package, &what, &builder).await?;
                store.remember(&key, &memo)?;
                self.session.report(Event::WheelFinished { name: what.clone(), made: memo.made.clone() });
                memo
            }
        };
        // Another folder with the same files is the same source.
        let made = Made { from: package.origin.to_string(), ..memo.made.clone() };
        let filename: WheelFilename = made.wheel.parse()?;
        let has_other_libc = is_linux(&filename) && memo.has_glibc != matches!(target.libc, Libc::Glibc(..));
        if Tags::of(target).fit(&filename).is_none() || has_other_libc {
            let (found, machine) = (python.version.short(), python.machine.clone());
            return Err(Error::Impure {
                what,
                wheel: made.wheel,
                target: Box::new(target.clone()),
                found,
                machine,
            });
        }
        let digest = made.digest;
        Ok(Ok(chosen(&package.name, filename, digest, memo.size, made, store)))
    }

    /// The wheel that `wain.lock` names, where it is at hand: nobody is asked then who would build it now.
    fn pinned(&self, package: &SourcePackage, target: &Target) -> Result<Option<ChosenWheel>, Error> {
        let (from, tags, store) = (package.origin.to_string(), Tags::of(target), &self.session.store);
        for pin in self.pins.iter().filter(|pin| pin.name == package.name && pin.from == from) {
            let filename: WheelFilename = pin.wheel.parse()?;
            // Which C library it was built with is not said in such a name.
            if tags.fit(&filename).is_none() || is_linux(&filename) || !store.contains(&pin.digest, None) {
                continue;
            }
            let Ok(found) = std::fs::metadata(store.path(&pin.digest)) else { continue };
            return Ok(Some(chosen(&package.name, filename, pin.digest, found.len(), pin.made(), store)));
        }
        Ok(None)
    }

    async fn builder(&self, target: &Target) -> Option<Builder> {
        let mut builders = self.builders.lock().await;
        let short = target.python.short();
        if let Some(known) = builders.get(&short) {
            return known.clone();
        }
        let found = Builder::find(target.python, self.session).await;
        builders.insert(short, found.clone());
        found
    }

    async fn build(&self, package: &SourcePackage, what: &str, builder: &Builder) -> Result<Memo, Error> {
        let session = self.session;
        let held = session.store.scratch()?;
        let scratch = std::path::absolute(held.path()).unwrap_or_else(|_| held.path().to_owned());
        let folder = |name: &str| {
            let path = scratch.join(name);
            let made = std::fs::create_dir(&path);
            made.map(|()| path.clone()).map_err(|source| Error::Source { path, source })
        };
        let secrets: Vec<Secret> = session.passwords().into_iter().map(Secret::new).collect();
        let source = self.source(package, what, &scratch, &secrets).await?;
        let (fetched, work) = (folder("tool")?, folder("work")?);
        let tool = builder.ready(&fetched, session).await?;
        let vars = installer_vars(&fetched, session)?;
        let built = build(&Job {
            name: &package.name,
            version: package.version.as_ref(),
            source: &source,
            scratch: &work,
            python: &builder.python,
            tool: &tool,
            vars: &vars,
            no_index: session.index_settings()?.no_index,
            is_offline: session.machine.is_offline,
            secrets: &secrets,
            epoch: self.request.epoch,
            limit: self.request.build_timeout,
        })
        .await?;
        let (path, filename) = (built.path.clone(), built.filename.clone());
        let store = session.store.clone();
        let job = move || {
            let read = |source| Error::Source { path: path.clone(), source };
            let wheel = Wheel::open(Arc::new(File::open(&path).map_err(read)?), &filename);
            let wheel = wheel.map_err(wainwright_layer::Error::Wheel)?;
            keep(&store, |file| wheel.repack(file))
        };
        let (digest, size) = session.compute(job).await?;
        let Built { filename, backend, with, .. } = built;
        let by = MadeBy { backend, tool: tool.name(), python: builder.python.version.to_string(), with };
        let wheel = filename.to_string();
        let made = Made { from: package.origin.to_string(), by: Some(by), wheel, digest };
        Ok(Memo { made, size, has_glibc: builder.python.glibc.is_some() })
    }

    /// Puts the source into the scratch folder: verified, and nothing of it run.
    async fn source(
        &self,
        package: &SourcePackage,
        what: &str,
        scratch: &Path,
        secrets: &[Secret],
    ) -> Result<PathBuf, Error> {
        let session = self.session;
        let source = scratch.join("source");
        match &package.origin {
            Origin::Sdist(wanted) => {
                let name = wanted.filename.clone();
                let store = session.store.clone();
                let digest = wanted.digest;
                let is_here = store.contains(&digest, wanted.size)
                    && session.compute(move || Ok(store.verify(&digest)?)).await?;
                if !is_here {
                    session.report(Event::FetchStarted { name: name.clone(), size: wanted.size });
                    let progress =
                        |bytes| session.report(Event::FetchProgressed { name: name.clone(), bytes });
                    let fetched =
                        session.index().await?.fetch_sdist(&session.store, wanted, &progress).await?;
                    for warning in fetched.warnings {
                        session.report(Event::Warned { message: warning.to_string() });
                    }
                    session.report(Event::FetchFinished { name: name.clone(), bytes: fetched.moved });
                }
                let missing = wainwright_store::Error::Missing { digest };
                let file = session.store.open_blob(&digest)?.ok_or(missing)?;
                let job = move || {
                    std::fs::create_dir(&source)
                        .map_err(|error| Error::Source { path: source.clone(), source: error })?;
                    Ok(unpack(file, &name, &source)?)
                };
                session.compute(job).await
            }
            Origin::Git(GitSource { url, commit, subdirectory }) => {
                if session.machine.is_offline && !url.starts_with("file:") && !url.starts_with('/') {
                    return Err(Error::OfflineGit { what: what.to_owned(), commit: commit.clone() });
                }
                let vars = &session.machine.vars;
                let has_submodules =
                    checkout(&Checkout { what, url, commit, vars, secrets, into: &source }).await?;
                if has_submodules {
                    let message =
                        format!("the submodules of {what} are not fetched: the lockfile does not name them");
                    session.report(Event::Warned { message });
                }
                Ok(subdirectory.as_ref().map_or(source.clone(), |below| source.join(below)))
            }
            Origin::Folder(folder) => {
                let folder = folder.clone();
                let job = move || {
                    folder.copy(&source)?;
                    Ok(source)
                };
                session.compute(job).await
            }
        }
    }
}

/// Whether a wheel runs where its own machine's C library is, and says no more.
fn is_linux(filename: &WheelFilename) -> bool {
    filename.tags.iter().any(|tag| tag.platform.starts_with("linux_"))
}
