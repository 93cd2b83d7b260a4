use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wainwright_base::{BaseImage, PathKind, inspect};
use wainwright_blob::Entry;
use wainwright_debian::Suite;
use wainwright_layer::{Environment, app, fingerprint, source_entries};
use wainwright_lock::{ProjectRequirements, Selection};
use wainwright_oci::{Digest, Platform, Reference};
use wainwright_project::{Project, PythonProject, SourceTree, list_sources_except, start};
use wainwright_pypi::IndexOptions;
use wainwright_python::{PythonVersion, Target, Version, VersionSpecifiers};
use wainwright_wheel::Layout;

use crate::choose::{ChosenWheel, choose};
use crate::image::Config;
use crate::runtime::{RuntimeRecipe, debian_architecture};
use crate::wain_lock::{self, WainLock, recipe_of};
use crate::{Base, Error, Event, Output, Pinning, Request, Tools};

/// What goes into the images: every requirement is one file, every name one digest.
pub struct Resolution {
    /// The project's name, or that of its folder.
    pub name: String,
    /// One for each platform.
    pub platforms: Vec<PlatformResolution>,
    /// The names the image gets.
    pub tags: Vec<Reference>,
    /// Where it goes.
    pub outputs: Vec<Output>,
    /// Annotations of its manifests.
    pub annotations: BTreeMap<String, String>,
    /// Modification time of every file we make, in seconds since 1970.
    pub epoch: u64,
}

/// What goes into the image for one platform.
pub struct PlatformResolution {
    pub(crate) platform: Platform,
    pub(crate) target: Target,
    pub(crate) base_name: String,
    pub(crate) base: PlatformBase,
    pub(crate) environment: Environment,
    pub(crate) layout: Layout,
    pub(crate) wheels: Vec<ChosenWheel>,
    pub(crate) source: Arc<Vec<Entry>>,
    pub(crate) source_digest: Digest,
    pub(crate) config: Config,
}

/// The base for one platform.
#[derive(Clone)]
pub(crate) enum PlatformBase {
    Debian(RuntimeRecipe),
    Image(Box<BaseImage>),
}

/// A base with what it offers, for one platform.
pub(crate) struct Found {
    platform: Platform,
    base: PlatformBase,
    name: String,
    target: Target,
    /// An absolute path.
    interpreter: String,
    has_app: bool,
    user: String,
    sets_language: bool,
}

/// The Debian releases with a Python base, newest first.
const SUITES: [&str; 2] = ["trixie", "bookworm"];
/// The account of a base that has no other.
const NONROOT: &str = "65532:65532";

/// Finds out what goes into the images. The network is asked only for what no lockfile and no memo knows.
pub async fn resolve(request: &Request, tools: &mut Tools) -> Result<Resolution, Error> {
    let (project, bases) = resolve_base(request, tools).await?;
    let lock = read_lock(&project, tools)?;
    let selection = selection(request, &project);
    let tags = tags(request, &project)?;
    let ours = [request.root.join(".wain")];
    let outputs: Vec<&Path> =
        request.outputs.iter().filter_map(output_path).chain(ours.iter().map(PathBuf::as_path)).collect();
    let tree = list_sources_except(&project, &outputs)?;
    tell_about(&project, &tree, tools);
    let start = start(&project, &tree)?;
    tools.tell(Event::Noted { message: format!("starts {}: {}", start.entrypoint.join(" "), start.why) });

    let mut sources: BTreeMap<String, (Arc<Vec<Entry>>, Digest)> = BTreeMap::new();
    let mut platforms = Vec::new();
    for found in bases {
        check_python(&project, lock.as_ref(), found.target.python)?;
        let packages = match &lock {
            Some(lock) => {
                refuse_members(lock, &selection, &found.target)?;
                lock.packages(&selection, &found.target)?
            }
            None => Vec::new(),
        };
        let wheels = choose(&packages, &found.target, tools).await?;
        let layout = Layout::venv(app().join(".venv")?, found.target.python);
        let short = found.target.python.short();
        let (source, source_digest) = match sources.get(&short) {
            Some((source, digest)) => (source.clone(), *digest),
            None => {
                let entries = source_entries(&project, &tree, &layout)?;
                let digest = fingerprint(&entries);
                let entries = Arc::new(entries);
                sources.insert(short, (entries.clone(), digest));
                (entries, digest)
            }
        };
        tools.tell(Event::Resolved {
            platform: found.platform.clone(),
            base: found.name.clone(),
            python: found.target.python.to_string(),
            wheels: wheels.len(),
        });
        platforms.push(PlatformResolution {
            config: config(&project, &start, &found),
            environment: Environment {
                interpreter: found.interpreter,
                python: found.target.python,
                has_app: found.has_app,
            },
            platform: found.platform,
            target: found.target,
            base_name: found.name,
            base: found.base,
            layout,
            wheels,
            source,
            source_digest,
        });
    }
    let name = project.name.as_ref().map_or_else(|| folder_name(&project.root), ToString::to_string);
    Ok(Resolution {
        name,
        platforms,
        tags,
        outputs: request.outputs.clone(),
        annotations: annotations(&project),
        epoch: request.epoch,
    })
}

/// Reads the project and settles its base for every platform; writes `wain.lock` when it pins something new.
pub(crate) async fn resolve_base(
    request: &Request,
    tools: &mut Tools,
) -> Result<(Project, Vec<Found>), Error> {
    let project = wainwright_project::load(&request.root)?;
    let before = WainLock::read(&request.root)?;
    let mut lock = tools.lock_override.take().unwrap_or_else(|| before.clone());
    let platforms = match (&request.platforms[..], &project.settings.platforms[..]) {
        ([], []) => vec![tools.machine.platform.clone()],
        ([], some) | (some, _) => some.to_vec(),
    };
    let base = base(request, &project)?;
    let found = match &base {
        Base::Debian(suite) => debian(request, &project, suite, &platforms, &mut lock, tools).await?,
        Base::Disk(_) => {
            if !project.settings.system_packages.is_empty() {
                return Err(Error::NotDebian { setting: "system-packages", base: base.to_string() });
            }
            image(request, &project, &base, &platforms, &mut lock, tools)?
        }
    };
    if lock != before {
        if request.is_locked {
            return Err(Error::Locked { reason: format!("does not pin {base} as it is now") });
        }
        write_lock(&lock, request, tools)?;
    }
    Ok((project, found))
}

fn write_lock(lock: &WainLock, request: &Request, tools: &Tools) -> Result<(), Error> {
    if request.pinning == Pinning::Never {
        return Ok(());
    }
    match lock.write(&request.root) {
        Ok(()) => tools.tell(Event::FileWritten { path: wain_lock::path(&request.root) }),
        Err(error) if request.pinning == Pinning::Always => return Err(error),
        Err(error) => tools.tell(Event::Warned {
            message: format!("{error}: the base is not pinned ({})", source_text(&error)),
        }),
    }
    Ok(())
}

fn source_text(error: &Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

/// Which base: asked for, else set, else the newest release whose Python fits.
fn base(request: &Request, project: &Project) -> Result<Base, Error> {
    if let Some(base) = &request.base {
        return Ok(base.clone());
    }
    if let Some(base) = &project.settings.base {
        let base: Base = base.parse()?;
        // A path in a settings file is relative to that file.
        return Ok(match base {
            Base::Disk(source) => Base::Disk(source.within(&project.root)),
            other => other,
        });
    }
    let wanted = wanted_python(request, project);
    for suite in SUITES {
        let python = recipe_of(suite)?.python;
        let fits = match &wanted {
            Some((version, _)) => same_minor(*version, python),
            None => requires(project).is_none_or(|requires| fits(requires, python)),
        };
        if fits {
            return Ok(Base::Debian(suite.to_owned()));
        }
    }
    let wanted = match (wanted, requires(project)) {
        (Some((version, who)), _) => format!("{version} ({who})"),
        (None, Some(requires)) => format!("requires-python `{requires}`"),
        (None, None) => "the project".into(),
    };
    Err(Error::NoPython { wanted })
}

/// The Python that somebody named, and who did.
fn wanted_python(request: &Request, project: &Project) -> Option<(PythonVersion, &'static str)> {
    let asked = request.python.map(|version| (version, "--python"));
    let set = project.settings.python.map(|version| (version, "`python` in the settings"));
    let file = project.python_version_file.map(|version| (version, ".python-version"));
    asked.or(set).or(file)
}

fn requires(project: &Project) -> Option<&VersionSpecifiers> {
    project.python_project.as_ref()?.requires_python.as_ref()
}

fn same_minor(a: PythonVersion, b: PythonVersion) -> bool {
    (a.major, a.minor) == (b.major, b.minor)
}

/// Whether some patch level of a Python fits: a recipe does not know which it will be.
fn fits(requires: &VersionSpecifiers, python: PythonVersion) -> bool {
    match python.patch {
        Some(_) => version(python).is_some_and(|version| requires.contains(&version)),
        None => (0..=99).any(|patch| {
            version(PythonVersion { patch: Some(patch), ..python })
                .is_some_and(|version| requires.contains(&version))
        }),
    }
}

fn version(python: PythonVersion) -> Option<Version> {
    python.full().parse().ok()
}

async fn debian(
    request: &Request,
    project: &Project,
    suite: &str,
    platforms: &[Platform],
    lock: &mut WainLock,
    tools: &Tools,
) -> Result<Vec<Found>, Error> {
    let recipe = recipe_of(suite)?;
    let suite: Suite = recipe.suite;
    let mirrors = wain_lock::mirrors(project, request, tools, suite)?;
    let locked =
        Arc::new(wain_lock::debian(project, request, &recipe, &mirrors, platforms, lock, tools).await?);
    let name = format!("debian:{suite}");
    let mut found = Vec::new();
    for platform in platforms {
        let architecture = debian_architecture(platform);
        let python = locked.python(&architecture).unwrap_or(recipe.python);
        if let Some((wanted, who)) = wanted_python(request, project)
            && !same_minor(wanted, python)
        {
            return Err(Error::WrongPython { found: python, wanted: format!("{who} asks for {wanted}") });
        }
        let libc = locked.libc(&architecture).ok_or_else(|| Error::NoLibc { base: name.clone() })?;
        let base = RuntimeRecipe::new(
            locked.clone(),
            mirrors.clone(),
            platform,
            python,
            request.epoch,
            &tools.store,
        )?;
        found.push(Found {
            platform: platform.clone(),
            base: PlatformBase::Debian(base),
            name: name.clone(),
            target: target(platform, python, libc),
            interpreter: format!("/usr/bin/python{}", python.short()),
            has_app: false,
            user: NONROOT.into(),
            sets_language: false,
        });
    }
    Ok(found)
}

fn image(
    request: &Request,
    project: &Project,
    base: &Base,
    platforms: &[Platform],
    lock: &mut WainLock,
    tools: &Tools,
) -> Result<Vec<Found>, Error> {
    let Base::Disk(source) = base else { return Ok(Vec::new()) };
    let wanted = wanted_python(request, project);
    let mut found = Vec::new();
    for platform in platforms {
        let image = wainwright_base::open(source, platform, &tools.store)?;
        let digest = image.image.manifest.digest();
        if let Some(old) = lock.image(&base.to_string(), platform).filter(|old| *old != digest) {
            if request.is_locked {
                return Err(Error::Locked {
                    reason: format!("pins {base} to {old}, and it is {digest} now"),
                });
            }
            tools
                .tell(Event::Warned { message: format!("the base {base} is another than before: {digest}") });
        }
        lock.set_image(&base.to_string(), platform, digest);
        let offers = inspect(&image, &tools.store)?;
        let python = offers.python(wanted.map(|(version, _)| version), image.env("PATH"))?;
        let libc = offers.libc.ok_or_else(|| Error::NoLibc { base: base.to_string() })?;
        let user = image.image.config.json.pointer("/config/User").and_then(serde_json::Value::as_str);
        let user = match user.filter(|user| !user.is_empty()) {
            None => NONROOT.to_owned(),
            Some(user) => match offers.user_id(user)? {
                (0, _) => NONROOT.to_owned(),
                (uid, gid) => format!("{uid}:{gid}"),
            },
        };
        found.push(Found {
            platform: platform.clone(),
            name: image.name.clone().unwrap_or_else(|| base.to_string()),
            target: target(platform, python.version, libc),
            interpreter: python.path.clone(),
            has_app: matches!(offers.at("app"), Some(PathKind::Directory)),
            user,
            sets_language: image.env("LANG").is_some(),
            base: PlatformBase::Image(Box::new(image)),
        });
    }
    Ok(found)
}

fn target(platform: &Platform, python: PythonVersion, libc: wainwright_python::Libc) -> Target {
    Target { python, architecture: platform.architecture.clone(), variant: platform.variant.clone(), libc }
}

/// The lockfile of the project; `None` when there is nothing to lock.
fn read_lock(project: &Project, tools: &mut Tools) -> Result<Option<wainwright_lock::Lock>, Error> {
    let Some((_, path)) = wainwright_lock::find(&project.root) else {
        let has_dependencies = |python: &PythonProject| {
            !python.dependencies.is_empty() || !python.optional_dependencies.is_empty()
        };
        return match &project.python_project {
            Some(python) if !has_dependencies(python) => Ok(None),
            Some(_) => Err(Error::NoLock { folder: project.root.clone() }),
            None => Err(Error::NoProject { folder: project.root.clone() }),
        };
    };
    let lock = wainwright_lock::read(&path)?;
    let pyproject = project.root.join("pyproject.toml");
    if pyproject.is_file() {
        lock.check_matches(&ProjectRequirements::read(&pyproject)?)?;
    }
    let indexes = lock.indexes();
    tools.add_indexes(IndexOptions {
        place: path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        index_url: indexes.index,
        extra_index_urls: indexes.extra,
        find_links: indexes.links,
        no_index: indexes.no_index,
    });
    Ok(Some(lock))
}

fn selection(request: &Request, project: &Project) -> Selection {
    let mut selection = request.selection.clone();
    selection.project = project.python_project.as_ref().map(|python| python.name.clone());
    selection.extras.extend(project.settings.extras.iter().cloned());
    selection.groups.extend(project.settings.groups.iter().cloned());
    selection
}

/// Members of a workspace other than the project itself have no layer yet.
fn refuse_members(lock: &wainwright_lock::Lock, selection: &Selection, target: &Target) -> Result<(), Error> {
    let members = lock.local_members(selection, target)?;
    match members.into_iter().find(|member| !member.is_root) {
        None => Ok(()),
        Some(member) => Err(Error::Member { name: member.name, path: member.path }),
    }
}

fn check_python(
    project: &Project,
    lock: Option<&wainwright_lock::Lock>,
    python: PythonVersion,
) -> Result<(), Error> {
    let claims = [
        (requires(project), "the project"),
        (lock.and_then(wainwright_lock::Lock::requires_python), "the lockfile"),
    ];
    for (requires, who) in claims {
        if let Some(requires) = requires
            && !fits(requires, python)
        {
            return Err(Error::WrongPython { found: python, wanted: format!("{who} requires `{requires}`") });
        }
    }
    Ok(())
}

/// The names asked for, else one after the project.
fn tags(request: &Request, project: &Project) -> Result<Vec<Reference>, Error> {
    if !request.tags.is_empty() {
        return Ok(request.tags.clone());
    }
    let Some(name) = &project.name else { return Ok(Vec::new()) };
    let text = format!("{name}:latest");
    let reference = text.parse::<Reference>();
    Ok(vec![reference.map_err(|error| Error::Tag { text, reason: error.to_string() })?])
}

fn output_path(output: &Output) -> Option<&Path> {
    match output {
        Output::Layout(path) | Output::Archive(path) => Some(path),
        Output::Docker => None,
    }
}

fn tell_about(project: &Project, tree: &SourceTree, tools: &Tools) {
    for warning in &project.warnings {
        tools.tell(Event::Warned { message: warning.clone() });
    }
    for warning in &tree.warnings {
        tools.tell(Event::Warned { message: warning.to_string() });
    }
    for excluded in &tree.excluded {
        tools.tell(Event::Warned { message: format!("`{}` is left out: {}", excluded.path, excluded.why) });
    }
}

fn config(project: &Project, start: &wainwright_project::Start, found: &Found) -> Config {
    let settings = &project.settings;
    let mut env: BTreeMap<String, String> = [("PYTHONUNBUFFERED".to_owned(), "1".to_owned())].into();
    if !found.sets_language {
        env.insert("LANG".into(), "C.UTF-8".into());
    }
    env.extend(settings.env.clone());
    Config {
        entrypoint: start.entrypoint.clone(),
        cmd: start.cmd.clone(),
        env,
        path: vec!["/app/.venv/bin".into()],
        user: settings.user.map_or_else(|| found.user.clone(), |user| user.to_string()),
        working_dir: settings.workdir.clone().unwrap_or_else(|| "/app".into()),
        ports: settings.ports.iter().map(ToString::to_string).collect(),
        volumes: settings.volumes.clone(),
        labels: settings.labels.clone(),
        stop_signal: settings.stop_signal.clone(),
    }
}

/// What the project says of itself, under the names of OCI image-spec, "Pre-Defined Annotation Keys".
fn annotations(project: &Project) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    let mut set = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            annotations.insert(format!("org.opencontainers.image.{key}"), value);
        }
    };
    if let Some(python) = &project.python_project {
        set("title", Some(python.written_name.clone()));
        set("version", python.version.as_ref().map(ToString::to_string));
        set("description", python.description.clone());
        if let Some(wainwright_project::License::Expression(license)) = &python.license {
            set("licenses", Some(license.clone()));
        }
        let authors =
            python.authors.iter().filter_map(|author| author.name.clone().or_else(|| author.email.clone()));
        set("authors", Some(authors.collect::<Vec<_>>().join(", ")));
        let url = |names: &[&str]| {
            let wanted = |label: &&String| names.contains(&label.to_lowercase().as_str());
            python.urls.keys().find(wanted).and_then(|label| python.urls.get(label)).cloned()
        };
        set("url", url(&["homepage", "home page", "home"]));
        set("source", url(&["source", "source code", "repository", "github"]));
        set("documentation", url(&["documentation", "docs"]));
    }
    annotations.extend(project.settings.annotations.clone());
    annotations
}

fn folder_name(root: &Path) -> String {
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| "app".into())
}
