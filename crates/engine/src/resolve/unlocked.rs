use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wainwright_http::Secret;
use wainwright_lock::{LockFormat, Selection};
use wainwright_project::Project;
use wainwright_pypi::{FindLinks, IndexOptions, Location, Wanted};
use wainwright_python::PythonVersion;
use wainwright_resolve::{
    FILE_NAME, Inputs, Kind, Question, Recorded, Resolution, Resolver, Upgrade, pinned, unpack,
};

use crate::expand::{find_locks, has_dependencies};
use crate::{Error, Event, Pinning, Request, ResolveBan, Session};

/// Requirements that no lockfile answers, or that one of ours answers.
pub(crate) struct Unlocked {
    inputs: Inputs,
    /// The lockfile that was made from them, as it was then.
    pub(crate) recorded: Option<Recorded>,
    /// Files that were uploaded later do not count.
    exclude_newer: Option<String>,
}

impl Unlocked {
    /// Looks for requirements that are ours to resolve, and the package indexes that they name; `None` where the project has a
    /// lockfile of another tool, or nothing to lock.
    pub(super) fn find(
        project: &Project,
        request: &Request,
        session: &Session,
    ) -> Result<Option<(Self, IndexOptions)>, Error> {
        let root = &project.root;
        let requirements = || Inputs::of_requirements(root, &session.machine.vars);
        let (inputs, recorded) = match find_locks(project).into_iter().next() {
            None if project.python_project.as_ref().is_some_and(has_dependencies) => {
                (of_project(project, request)?, None)
            }
            Some((LockFormat::Requirements, _)) => (requirements()?, None),
            Some((LockFormat::Pylock, path)) => match Recorded::read(&path)? {
                Some(recorded) if recorded.from == Kind::Requirements.file_name() => {
                    (requirements()?, Some(recorded))
                }
                Some(recorded) if project.python_project.is_some() => {
                    (of_project(project, request)?, Some(recorded))
                }
                _ => (None, None),
            },
            _ => (None, None),
        };
        let Some(inputs) = inputs else { return Ok(None) };
        let absolute = |link: &String| match link.contains("://") {
            true => link.clone(),
            false => std::path::absolute(link).map_or(link.clone(), |path| path.display().to_string()),
        };
        let indexes = IndexOptions {
            place: inputs.kind.file_name().into(),
            index_url: inputs.indexes.index.clone(),
            extra_index_urls: inputs.indexes.extra.clone(),
            find_links: inputs.indexes.links.iter().map(absolute).collect(),
            no_index: inputs.indexes.no_index,
            named: Vec::new(),
            exclude_newer: None,
        };
        let exclude_newer = session.with_indexes(vec![indexes.clone()]).index_settings()?.exclude_newer;
        Ok(Some((Self { inputs, recorded, exclude_newer }, indexes)))
    }

    /// Why the lockfile will not do, as the end of a sentence; `None` when it will. Which Python the image has may not be
    /// known yet.
    pub(crate) fn reason(&self, python: Option<PythonVersion>) -> Option<String> {
        let file = self.inputs.kind.file_name();
        let Some(recorded) = &self.recorded else { return Some(format!("{file} is not locked")) };
        if !self.inputs.fits(recorded) {
            return Some(format!("{FILE_NAME} was made from another {file}"));
        }
        // Who asks for no time takes what was locked.
        if let Some(asked) =
            self.exclude_newer.as_ref().filter(|_| self.exclude_newer != recorded.exclude_newer)
        {
            return Some(match &recorded.exclude_newer {
                Some(other) => format!("{FILE_NAME} was made with --exclude-newer {other}, and not {asked}"),
                None => format!("{FILE_NAME} was made without --exclude-newer {asked}"),
            });
        }
        let minor = |python: PythonVersion| (python.major, python.minor);
        let python = python.filter(|python| minor(*python) < minor(recorded.python))?;
        Some(format!(
            "{FILE_NAME} was made for Python {}, and the image has {}",
            recorded.python,
            python.short()
        ))
    }

    /// What of the project is in the lockfile: extras and groups were chosen when it was made.
    pub(crate) fn selection(&self, asked: Selection) -> Selection {
        match self.inputs.kind {
            Kind::Requirements => asked,
            Kind::Project => Selection { project: asked.project, ..Selection::default() },
        }
    }

    /// Has uv resolve the requirements for all platforms, writes the lockfile as `pinning` says, and reads it.
    ///
    /// Versions of the old lockfile are kept where they fit, but for those that `upgrade` names.
    pub(crate) async fn lock(
        &self,
        request: &Request,
        python: PythonVersion,
        upgrade: &Upgrade,
        session: &Session,
    ) -> Result<Locked, Error> {
        let file = self.inputs.kind.file_name();
        let reason = self.reason(Some(python)).unwrap_or_else(|| format!("{FILE_NAME} is upgraded"));
        refuse(&reason, request, session)?;
        let uv = Uv::get(&reason, session).await?;
        let path = request.root.join(FILE_NAME);
        let before = self.recorded.as_ref().map(|_| path.as_path());
        let asked = (request.root.as_path(), &self.inputs, python);
        let resolution = uv.resolve(asked, before, upgrade, &uv.place, session).await?;
        let use_up = || {
            let thrown_away = uv.place.join(FILE_NAME);
            write(&thrown_away, &resolution.text_for_anywhere)?;
            Ok(Locked { lock: wainwright_lock::read(&thrown_away)?, is_changed: false })
        };
        if request.pinning == Pinning::Never {
            return use_up();
        }
        let before = std::fs::read(&path).ok();
        if before.as_deref() == Some(resolution.text.as_bytes()) {
            return Ok(Locked { lock: wainwright_lock::read(&path)?, is_changed: false });
        }
        match write(&path, &resolution.text) {
            Ok(()) => {
                session.report(Event::FileWritten { path: path.clone() });
                Ok(Locked { lock: wainwright_lock::read(&path)?, is_changed: true })
            }
            Err(error) if request.pinning == Pinning::Always => Err(error),
            // A checkout that nobody may write to can be built all the same.
            Err(error) => {
                let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
                let message = format!(
                    "{error}: {file} is not locked, and the next build may get other versions ({cause})"
                );
                session.report(Event::Warned { message });
                use_up()
            }
        }
    }
}

/// Refuses what cannot be resolved now, before anybody is asked and anything is written.
pub(crate) fn refuse(reason: &str, request: &Request, session: &Session) -> Result<(), Error> {
    let settings = session.index_settings()?;
    let is_local =
        settings.no_index && settings.find_links.iter().all(|links| matches!(links, FindLinks::Folder(_)));
    let option = match (request.is_locked, session.machine.is_offline) {
        (true, _) => ResolveBan::Locked,
        (false, true) if !is_local => ResolveBan::Offline,
        _ => return Ok(()),
    };
    Err(Error::NotLocked { reason: reason.into(), option })
}

/// uv, with all it has to know; what it says is told.
pub(crate) struct Uv {
    /// What it may write to; a folder of it is needed for every question.
    pub(crate) place: PathBuf,
    _scratch: TempDir,
    resolver: Resolver,
    no_index: bool,
    exclude_newer: Option<String>,
    vars: BTreeMap<String, String>,
    passwords: Vec<Secret>,
}

impl Uv {
    /// Finds it or fetches it. `reason` is why it is needed.
    pub(crate) async fn get(reason: &str, session: &Session) -> Result<Self, Error> {
        let settings = session.index_settings()?;
        let scratch = session.store.scratch()?;
        let place = std::path::absolute(scratch.path()).unwrap_or_else(|_| scratch.path().to_owned());
        let resolver = resolver(&place, session).await?;
        session.report(Event::Noted { message: format!("{reason}: resolving with uv {}", resolver.version) });
        Ok(Self {
            _scratch: scratch,
            resolver,
            no_index: settings.no_index,
            exclude_newer: settings.exclude_newer,
            vars: environment(&place, session)?,
            passwords: session.passwords().into_iter().map(Secret::new).collect(),
            place,
        })
    }

    /// Has the requirements of a folder resolved. `before` is a lockfile whose versions are kept where they fit, and `scratch` an
    /// empty folder.
    pub(crate) async fn resolve(
        &self,
        (root, inputs, python): (&Path, &Inputs, PythonVersion),
        before: Option<&Path>,
        upgrade: &Upgrade,
        scratch: &Path,
        session: &Session,
    ) -> Result<Resolution, Error> {
        let question = Question {
            root,
            inputs,
            python,
            before,
            upgrade,
            no_index: self.no_index,
            exclude_newer: self.exclude_newer.as_deref(),
            vars: &self.vars,
            passwords: &self.passwords,
            scratch,
        };
        let resolution = self.resolver.resolve(&question).await?;
        let is_in =
            |secret: &Secret| !secret.reveal().is_empty() && resolution.text.contains(secret.reveal());
        if self.passwords.iter().any(is_in) {
            return Err(Error::SecretInLock { file: inputs.kind.file_name().into() });
        }
        for warning in &resolution.warnings {
            session.report(Event::Warned { message: format!("uv: {warning}") });
        }
        Ok(resolution)
    }
}

/// A lockfile that was just made.
pub(crate) struct Locked {
    pub(crate) lock: wainwright_lock::Lock,
    /// Whether it is new on disk.
    pub(crate) is_changed: bool,
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    Ok(wainwright_image::replace(path, text.as_bytes())?)
}

/// `None` for a project that uv cannot read, because it has no `[project]`.
fn of_project(project: &Project, request: &Request) -> Result<Option<Inputs>, Error> {
    let asked = &request.selection;
    let mut extras: BTreeSet<_> = asked.extras.iter().chain(&project.settings.extras).cloned().collect();
    let mut groups: BTreeSet<_> = asked.groups.iter().chain(&project.settings.groups).cloned().collect();
    if let Some(python) = &project.python_project {
        if asked.all_extras {
            extras.extend(python.optional_dependencies.keys().cloned());
        }
        if asked.all_groups {
            groups.extend(python.dependency_groups.keys().cloned());
        }
    }
    Ok(Inputs::of_project(&project.root, extras, groups)?)
}

/// uv from the `PATH`, else its own wheel, fetched from the index like any other.
pub(crate) async fn resolver(scratch: &Path, session: &Session) -> Result<Resolver, Error> {
    let found = Resolver::find(&session.machine.vars, session.root()).await;
    if let Some(Ok(resolver)) = found {
        return Ok(resolver);
    }
    let old = found.and_then(Result::err);
    let architecture = &session.machine.platform.architecture;
    let Some((filename, digest)) = pinned(architecture) else {
        return Err(Error::NoResolver { architecture: architecture.clone(), old });
    };
    let name = filename.to_string();
    session.report(Event::FetchStarted { name: name.clone(), size: None });
    let location = Location::Index { registry: None };
    let wanted = Wanted { filename: filename.clone(), digest, size: None, location };
    let progress = |bytes| session.report(Event::FetchProgressed { name: name.clone(), bytes });
    let fetched = session.index().await?.fetch(&session.store, &wanted, &progress).await?;
    session.report(Event::FetchFinished { name: name.clone(), bytes: fetched.moved });
    let open = || session.store.open_blob(&digest);
    let file = open()?.ok_or_else(|| Error::Bug { what: format!("`{name}` is not in the store") })?;
    let scratch = scratch.to_owned();
    session.compute(move || Ok(unpack(file, &filename, &scratch)?)).await
}

/// The environment of uv: ours, with the indexes as we know them.
pub(crate) fn environment(scratch: &Path, session: &Session) -> Result<BTreeMap<String, String>, Error> {
    let settings = session.index_settings()?;
    let machine = &session.machine;
    let mut vars = machine.vars.clone();
    for (name, value) in settings.for_uv() {
        match value {
            Some(value) => drop(vars.insert(name.into(), value.reveal().into())),
            None => drop(vars.remove(name)),
        }
    }
    if machine.is_offline {
        vars.insert("UV_OFFLINE".into(), "1".into());
    }
    // uv makes itself a cache where it is let; one without a home is thrown away.
    if machine.cache.is_none() || machine.home.is_none() {
        vars.insert("UV_NO_CACHE".into(), "1".into());
    }
    if let Some(authorities) = authorities(settings.ca_file, scratch, session)? {
        vars.entry("SSL_CERT_FILE".into()).or_insert(authorities.display().to_string());
    }
    Ok(vars)
}

/// One file with the certificate authorities that we trust; `None` for the usual ones.
fn authorities(
    ca_file: Option<PathBuf>,
    scratch: &Path,
    session: &Session,
) -> Result<Option<PathBuf>, Error> {
    if session.machine.ca_certs.is_empty() {
        return Ok(ca_file);
    }
    // uv takes the file instead of the usual authorities, and ours are besides.
    let usual = ca_file.unwrap_or_else(|| session.machine.etc.join("ssl/certs/ca-certificates.crt"));
    let mut text = std::fs::read(&usual).unwrap_or_default();
    for path in &session.machine.ca_certs {
        let failed = |source| wainwright_resolve::Error::Read { path: path.clone(), source };
        text.push(b'\n');
        text.extend(std::fs::read(path).map_err(failed)?);
    }
    let path = scratch.join("authorities.pem");
    let failed = |source| wainwright_resolve::Error::Write { path: path.clone(), source };
    std::fs::write(&path, text).map_err(failed)?;
    Ok(Some(path))
}
