use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wainwright_blob::{Entry, Options};
use wainwright_layer::{Environment, app, fingerprint, source_entries};
use wainwright_lock::{LocalMember, LockFormat, ProjectRequirements, Selection};
use wainwright_oci::{Digest, Platform, Reference};
use wainwright_project::{AllowedClash, Project, SourceTree, refuse_leaks, start};
use wainwright_pypi::IndexOptions;
use wainwright_python::{Bytecode, PackageName, PythonVersion, Target};
use wainwright_resolve::Upgrade;
use wainwright_wheel::Layout;

use crate::base::{Found, PlatformBase, fits, oldest_python, requires, resolve_base};
use crate::choose::{ChosenWheel, choose};
use crate::components::Shares;
use crate::describe::{annotations, config};
use crate::format::options;
use crate::image::Config;
use crate::native::Libraries;
use crate::oracle::{Caches, cache_reference};
use crate::project_files::list_files;
use crate::sources::{Backends, Unbuilt, members, settle};
use crate::unlocked::{Unlocked, has_dependencies, refuse};
use crate::{Error, Event, Output, Request, Tools};

/// How many layers an image gets on top of its base, unless somebody wants another number: small enough for a registry
/// to answer about all of them quickly, large enough that most packages change alone.
const MAX_LAYERS: u8 = 40;

/// What goes into the images: every requirement is one file, every name one digest.
pub struct Resolution {
    /// One for each platform.
    pub platforms: Vec<PlatformResolution>,
    /// The names the image gets.
    pub tags: Vec<Reference>,
    /// Where it goes.
    pub outputs: Vec<Output>,
    /// Whose files stay where packages clash; the first that fits decides.
    pub allow_clash: Vec<AllowedClash>,
    /// How many layers an image may get on top of its base.
    pub max_layers: usize,
    /// Annotations of its manifests.
    pub annotations: BTreeMap<String, String>,
    /// How our layers are written.
    pub options: Options,
    /// Whether a module that cannot be imported for want of a library is an error.
    pub strict_native: bool,
    /// Whether the modules of wheels are compiled.
    pub bytecode: Bytecode,
    /// Which caches in registries are asked and told.
    pub caches: Caches,
}

impl Resolution {
    /// What the request says of all platforms, else the settings.
    pub(crate) fn new(
        request: &Request,
        project: &Project,
        tags: Vec<Reference>,
        platforms: Vec<PlatformResolution>,
    ) -> Result<Self, Error> {
        let settings = &project.settings;
        Ok(Self {
            platforms,
            tags,
            outputs: request.outputs.clone(),
            allow_clash: request.allow_clash.iter().chain(&settings.allow_clash).cloned().collect(),
            bytecode: request.bytecode.or(settings.bytecode).unwrap_or_default(),
            strict_native: request.strict_native || settings.strict_native,
            max_layers: max_layers(request, project),
            annotations: annotations(project),
            options: options(request, project)?,
            caches: caches(request, project)?,
        })
    }
}

/// How many layers an image may get on top of its base.
pub(crate) fn max_layers(request: &Request, project: &Project) -> usize {
    request.max_layers.or(project.settings.max_layers).unwrap_or(MAX_LAYERS).into()
}

/// What goes into the image for one platform.
pub struct PlatformResolution {
    pub(crate) platform: Platform,
    pub(crate) target: Target,
    pub(crate) base_name: String,
    pub(crate) base_reference: Option<String>,
    pub(crate) base: PlatformBase,
    pub(crate) libraries: Arc<Libraries>,
    pub(crate) takes_packages: bool,
    pub(crate) codename: Option<String>,
    pub(crate) environment: Environment,
    pub(crate) layout: Layout,
    pub(crate) wheels: Vec<ChosenWheel>,
    /// What only a build would make.
    pub(crate) unbuilt: Vec<Unbuilt>,
    /// What lies below the wheels, besides the environment.
    pub(crate) below: Option<Files>,
    /// What lies above the wheels.
    pub(crate) files: Files,
    /// Which wheels share a layer, where other images have a say in that.
    pub(crate) shares: Arc<Shares>,
    pub(crate) config: Config,
}

impl PlatformResolution {
    pub(crate) fn new(
        found: Found,
        layout: Layout,
        (wheels, unbuilt): (Vec<ChosenWheel>, Vec<Unbuilt>),
        (below, files): (Option<Files>, Files),
        shares: Arc<Shares>,
        config: Config,
    ) -> Self {
        Self {
            config,
            environment: Environment {
                interpreter: found.interpreter,
                python: found.target.python,
                has_app: found.has_app,
            },
            platform: found.platform,
            target: found.target,
            base_name: found.name,
            base_reference: found.reference,
            base: found.base,
            libraries: found.libraries,
            takes_packages: found.takes_packages,
            codename: found.codename,
            layout,
            wheels,
            unbuilt,
            below,
            files,
            shares,
        }
    }
}

/// Files that are a layer of their own.
#[derive(Clone)]
pub(crate) struct Files {
    /// What the layer is called.
    pub(crate) name: String,
    pub(crate) entries: Arc<Vec<Entry>>,
    /// Decides the bytes of the layer.
    pub(crate) digest: Digest,
}

impl Files {
    pub(crate) fn new(name: String, entries: Vec<Entry>) -> Self {
        Self { name, digest: fingerprint(&entries), entries: Arc::new(entries) }
    }
}

/// Finds out what goes into the images. The network is asked only for what no lockfile and no memo knows.
pub async fn resolve(request: &Request, tools: &Arc<Tools>) -> Result<Resolution, Error> {
    let project = Arc::new(wainwright_project::load(&request.root)?);
    let unlocked = Unlocked::find(&project, request, tools)?;
    let open = unlocked.as_ref().and_then(|one| one.reason(None));
    let mut lock = match open {
        // What will be refused in any case asks nobody before.
        Some(reason) => refuse(&reason, request, tools).map(|()| None)?,
        None => read_lock(&project, unlocked.is_some(), tools)?,
    };
    let mut selection = selection(request, &project);
    let tags = tags(request, &project)?;
    let mut tree = list_files(&project, &[], request, tools).await?;
    tell_about(&project, &tree, tools);
    let passwords = tools.passwords();
    if !passwords.is_empty() {
        let (project, tree) = (project.clone(), tree.clone());
        let search = move || Ok(refuse_leaks(&project, &tree, &passwords)?);
        tools.cpu().await?.run(search).await?;
    }
    let start = start(&project, &tree)?;
    // All that the folder alone can tell comes first: a project that cannot be built asks nobody and writes nothing.
    let bases = resolve_base(request, &project, None, tools).await?;
    tools.tell(Event::Noted { message: format!("starts {}: {}", start.entrypoint.join(" "), start.why) });
    if let (Some(unlocked), Some(python)) = (unlocked, oldest_python(&bases)) {
        if unlocked.reason(Some(python)).is_some() {
            for found in &bases {
                check_python(&project, None, found.target.python)?;
            }
            let locked = unlocked.lock(request, python, &Upgrade::Nothing, tools).await?;
            if locked.is_changed {
                // The lockfile is a file of the project, and the next build will see it there.
                tree = list_files(&project, &[], request, tools).await?;
            }
            lock = Some(locked.lock);
        }
        selection = unlocked.selection(selection);
    }

    let backends = Backends::new(request, &project, tools)?;
    let needed = bases.iter().map(|found| match &lock {
        Some(lock) => lock.local_members(&selection, &found.target),
        None => Ok(Vec::new()),
    });
    let needed: Vec<Vec<LocalMember>> = needed.collect::<Result<_, _>>()?;
    // What is installed like a package is not copied besides.
    let installed = needed.iter().flatten().filter(|member| !member.is_root && member.is_package);
    let installed: Vec<PathBuf> = installed.map(|member| member.path.clone()).collect();
    if !installed.is_empty() {
        tree = list_files(&project, &installed, request, tools).await?;
    }
    let name = project.name.as_ref().map_or_else(|| "app".to_owned(), ToString::to_string);
    let mut sources: BTreeMap<String, Files> = BTreeMap::new();
    let mut platforms = Vec::new();
    for (found, needed) in bases.into_iter().zip(needed) {
        check_python(&project, lock.as_ref(), found.target.python)?;
        let packages = match &lock {
            Some(lock) => lock.packages(&selection, &found.target)?,
            None => Vec::new(),
        };
        let (mut wheels, mut unbuilt) = choose(&packages, &found.target, &backends, tools).await?;
        let (more, later) = members(&needed, &found.target, &backends, tools).await?;
        wheels.extend(more);
        unbuilt.extend(later);
        let slim = request.slim.union(&project.settings.slim).copied().collect();
        let layout = Layout { slim, ..Layout::venv(app().join(".venv")?, found.target.python) };
        let short = found.target.python.short();
        let source = match sources.get(&short) {
            Some(source) => source.clone(),
            None => {
                let (project, tree, layout) = (project.clone(), tree.clone(), layout.clone());
                let name = format!("project {name}");
                let read = move || Ok(Files::new(name, source_entries(&project, &tree, &layout)?));
                let source = tools.cpu().await?.run(read).await?;
                sources.insert(short, source.clone());
                source
            }
        };
        tools.tell(Event::Resolved {
            components: Vec::new(),
            platform: found.platform.clone(),
            base: found.name.clone(),
            python: found.target.python.to_string(),
            wheels: wheels.len() + unbuilt.len(),
        });
        let config = config(&project, &start, &found);
        let wheels = (wheels, unbuilt);
        platforms.push(PlatformResolution::new(
            found,
            layout,
            wheels,
            (None, source),
            Arc::default(),
            config,
        ));
    }
    settle(platforms.iter().flat_map(|platform| &platform.wheels), request, tools)?;
    Resolution::new(request, &project, tags, platforms)
}

/// The caches of the command line, then those of the settings.
fn caches(request: &Request, project: &Project) -> Result<Caches, Error> {
    let mut caches = request.caches.clone();
    for text in &project.settings.cache_from {
        let reference = cache_reference(text)?;
        if !caches.from.contains(&reference) {
            caches.from.push(reference);
        }
    }
    Ok(caches)
}

/// Every lockfile of the project, the one that counts first; that of its workspace where it has none of its own.
pub(crate) fn find_locks(project: &Project) -> Vec<(LockFormat, PathBuf)> {
    let mut found = wainwright_lock::find_all(&project.root);
    if found.is_empty()
        && let Some(lock) = workspace_lock(project)
    {
        found.push((LockFormat::UvLock, lock));
    }
    found
}

/// The lockfile of the project; `None` when there is nothing to lock. `is_ours` when it was made from a file beside it.
pub(crate) fn read_lock(
    project: &Project,
    is_ours: bool,
    tools: &Tools,
) -> Result<Option<wainwright_lock::Lock>, Error> {
    let found = find_locks(project);
    let Some((_, path)) = found.first() else {
        return match &project.python_project {
            Some(python) if !has_dependencies(python) => Ok(None),
            Some(_) => Err(Error::NoLock { folder: project.root.clone() }),
            None if project.root.join("Pipfile").is_file() => {
                Err(Error::NoLock { folder: project.root.clone() })
            }
            None => Err(Error::NoProject { folder: project.root.clone() }),
        };
    };
    let others = found.iter().skip(1);
    for (format, other) in others.filter(|(format, _)| !(is_ours && *format == LockFormat::Requirements)) {
        let message = format!("`{}` is not read: `{}` comes before it", file_name(other), file_name(path));
        // Requirements files are often there for other tools.
        tools.tell(match format {
            LockFormat::Requirements => Event::Noted { message },
            _ => Event::Warned { message },
        });
    }
    let lock = wainwright_lock::read(path)?;
    lock.check_fresh()?;
    let pyproject = project.root.join("pyproject.toml");
    if pyproject.is_file() {
        lock.check_matches(&ProjectRequirements::read(&pyproject)?)?;
    }
    // What a resolved requirements file says is known already.
    if !is_ours {
        let mut indexes = lock.indexes();
        for name in indexes.replace_variables(&tools.machine.vars) {
            let (file, name) = (file_name(path), name.escape_debug());
            let message = format!("`{file}` names an index with the variable `{name}`, which is not set");
            tools.tell(Event::Warned { message });
        }
        tools.add_indexes(IndexOptions {
            place: file_name(path),
            index_url: indexes.index,
            extra_index_urls: indexes.extra,
            named: indexes.named,
            find_links: indexes.links,
            no_index: indexes.no_index,
            exclude_newer: None,
        });
    }
    Ok(Some(lock))
}

/// The lock of the workspace a project is a member of.
fn workspace_lock(project: &Project) -> Option<PathBuf> {
    project.python_project.as_ref()?;
    wainwright_lock::find_workspace(&project.root.canonicalize().ok()?)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

pub(crate) fn selection(request: &Request, project: &Project) -> Selection {
    let mut selection = request.selection.clone();
    selection.project = project.python_project.as_ref().map(|python| python.name.clone());
    selection.extras.extend(project.settings.extras.iter().cloned());
    selection.groups.extend(project.settings.groups.iter().cloned());
    selection
}

pub(crate) fn check_python(
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

/// The names asked for, else one after the project, else one after its folder.
fn tags(request: &Request, project: &Project) -> Result<Vec<Reference>, Error> {
    if !request.tags.is_empty() {
        return Ok(request.tags.clone());
    }
    if request.outputs.contains(&Output::Registry) {
        return Err(Error::NoTag);
    }
    let name = project.name.clone().or_else(|| folder_name(&project.root));
    name.map_or(Ok(Vec::new()), |name| Ok(vec![format!("{name}:latest").parse()?]))
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

fn folder_name(root: &Path) -> Option<PackageName> {
    root.canonicalize().ok()?.file_name()?.to_str()?.parse().ok()
}
