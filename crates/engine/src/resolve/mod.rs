//! From the images of a set to what goes into them: every name becomes a digest.

mod base;
mod built_pin;
mod choose;
mod component_pins;
mod image_tree;
mod layer_options;
mod lock;
mod outdated;
mod packages;
mod requirement_sets;
mod sources;
mod unlocked;
mod wain_lock;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use wainwright_lock::LocalMember;
use wainwright_project::{Project, SourceTree, refuse_leaks};
use wainwright_python::PythonVersion;
use wainwright_resolve::Upgrade;

pub(crate) use self::base::fits;
use self::base::{requires, resolve_base};
use self::choose::{Choices, Chosen};
pub(crate) use self::image_tree::image_tree;
use self::layer_options::layer_options;
pub use self::lock::lock;
pub use self::outdated::report_outdated;
use self::packages::Packages;
use self::sources::{Backends, members, record_built};
pub use self::wain_lock::WainLock;
use crate::expand::list_files;
use crate::model::base::ResolvedBase;
use crate::model::cache::{Caches, cache_reference};
use crate::model::image_set::{ImageSet, ImageSpec, Kind};
use crate::model::resolution::{FilesLayer, ImageResolution, PlatformResolution, Resolution};
use crate::{Config, Error, Event, Request, Session};

/// How many layers an image gets on top of its base by default: small enough for a registry to answer about all of them
/// quickly, large enough that most packages change alone.
const MAX_LAYERS: u8 = 40;

/// Finds out what goes into the images of a set. The network is used only for what no lockfile and no memo knows.
///
/// # Errors
/// When a lockfile is stale or missing, a package has no wheel that fits, or a server fails.
pub async fn resolve(set: &ImageSet, session: &Arc<Session>) -> Result<Resolution, Error> {
    let (request, project) = (&*set.request, &set.project);
    // What the folder alone can tell comes first: a project that cannot be built sends no request and writes nothing.
    let mut packages = Packages::open(request, project, session)?;
    let session = packages.session();
    report_files(set, &session);
    reject_leaks(set, &session).await?;
    let bases = resolve_base(request, project, None, &session).await?;
    report_start(set, &session);
    bases.iter().try_for_each(|base| check_python(project, None, base.target.python))?;
    let selections: Vec<_> = set.images.iter().map(|image| image.packages.clone()).collect();
    let changed = packages.complete(&selections, &bases, &Upgrade::Nothing, request).await?;
    bases.iter().try_for_each(|base| check_python(project, packages.lock(), base.target.python))?;

    let backends = Backends::new(request, project, &session)?;
    let mut images: Vec<ImageSpec> = set.images.clone();
    let mut needed: Vec<Vec<Vec<LocalMember>>> = Vec::new();
    for image in &mut images {
        let Kind::Python { tree, .. } = &mut image.kind else {
            needed.push(bases.iter().map(|_| Vec::new()).collect());
            continue;
        };
        let of_each = bases.iter().map(|base| packages.members(&image.packages, &base.target));
        let of_each: Vec<Vec<LocalMember>> = of_each.collect::<Result<_, _>>()?;
        // What is installed like a package is not copied besides; a lockfile that was just written is a file like others.
        let installed = of_each.iter().flatten().filter(|member| !member.is_root && member.is_package);
        let installed: Vec<PathBuf> = installed.map(|member| member.path.clone()).collect();
        if changed || !installed.is_empty() {
            *tree = list_files(project, &installed, request, &session).await?;
        }
        needed.push(of_each);
    }

    let mut platforms: Vec<Vec<PlatformResolution>> = images.iter().map(|_| Vec::new()).collect();
    let mut files = FilesOfImages::default();
    for (at, base) in bases.iter().enumerate() {
        let mut choices = Choices::default();
        let mut chosen: Vec<Chosen> = Vec::new();
        for (image, needed) in images.iter().zip(&needed) {
            let locked = packages.of(&image.packages, &base.target)?;
            let (mut wheels, mut unbuilt) = choices.choose(locked, &base.target, &backends, &session).await?;
            if let Some(needed) = needed.get(at) {
                let (more, later) = members(needed, &base.target, &backends, &session).await?;
                wheels.extend(more);
                unbuilt.extend(later);
            }
            chosen.push((wheels, unbuilt));
        }
        report_resolved(&images, &chosen, base, &session);
        for (((number, image), (wheels, unbuilt)), platforms) in
            images.iter().enumerate().zip(chosen).zip(&mut platforms)
        {
            let (config, layout) = (image.config(project, base), image.layout(base)?);
            let (below, own) = files.of(number, image, project, &config, base, &session).await?;
            let base = base.clone();
            platforms.push(PlatformResolution { base, layout, wheels, unbuilt, below, files: own, config });
        }
    }
    let wheels = platforms.iter().flatten().flat_map(|platform| &platform.wheels);
    record_built(wheels, request, &session)?;
    let resolution = |(image, platforms): (ImageSpec, Vec<PlatformResolution>)| {
        let ImageSpec { name, service, tags, outputs, annotations, .. } = image;
        ImageResolution { name, service, tags, outputs, annotations, platforms }
    };
    let settings = &project.settings;
    Ok(Resolution {
        images: images.into_iter().zip(platforms).map(resolution).collect(),
        allow_clash: request.allow_clash.iter().chain(&settings.allow_clash).cloned().collect(),
        bytecode: request.bytecode.or(settings.bytecode).unwrap_or_default(),
        strict_native: request.strict_native || settings.strict_native,
        max_layers: request.max_layers.or(settings.max_layers).unwrap_or(MAX_LAYERS).into(),
        options: layer_options(request, project)?,
        caches: caches(request, project)?,
        indexes: packages.indexes(),
    })
}

/// Layers of files, made once for platforms that have the same.
#[derive(Default)]
struct FilesOfImages(BTreeMap<(usize, String, String), (Option<FilesLayer>, FilesLayer)>);

impl FilesOfImages {
    async fn of(
        &mut self,
        number: usize,
        image: &ImageSpec,
        project: &Arc<Project>,
        config: &Config,
        base: &ResolvedBase,
        session: &Session,
    ) -> Result<(Option<FilesLayer>, FilesLayer), Error> {
        let key = (number, base.target.python.short(), config.user.clone());
        if let Some(known) = self.0.get(&key) {
            return Ok(known.clone());
        }
        let (image, layout, config) = (image.clone(), image.layout(base)?, config.clone());
        let project = project.clone();
        let read = move || image.files(&project, &config, &layout);
        let made = session.compute(read).await?;
        self.0.insert(key, made.clone());
        Ok(made)
    }
}

/// Reports a platform: once for all images with as many packages.
fn report_resolved(images: &[ImageSpec], chosen: &[Chosen], base: &ResolvedBase, session: &Session) {
    let mut counts: Vec<(usize, Vec<String>)> = Vec::new();
    for (image, (wheels, unbuilt)) in images.iter().zip(chosen) {
        let count = wheels.len() + unbuilt.len();
        match counts.iter_mut().find(|(known, _)| *known == count) {
            Some((_, names)) => names.extend(image.name.clone()),
            None => counts.push((count, image.name.iter().cloned().collect())),
        }
    }
    for (wheels, components) in counts {
        session.report(Event::Resolved {
            components,
            platform: base.platform.clone(),
            base: base.name.clone(),
            python: base.target.python.to_string(),
            wheels,
        });
    }
}

/// Reports what is odd about the files of a project. A component has only what it names.
fn report_files(set: &ImageSet, session: &Session) {
    let warn = |message: String| session.report(Event::Warned { message });
    for image in &set.images {
        let Kind::Python { tree, .. } = &image.kind else { continue };
        set.project.warnings.iter().for_each(|warning| warn(warning.clone()));
        tree.warnings.iter().for_each(|warning| warn(warning.to_string()));
        tree.excluded.iter().for_each(|one| warn(format!("`{}` is left out: {}", one.path, one.why)));
    }
}

fn report_start(set: &ImageSet, session: &Session) {
    for image in &set.images {
        let Kind::Python { start, .. } = &image.kind else { continue };
        let message = format!("starts {}: {}", start.entrypoint.join(" "), start.why);
        session.report(Event::Noted { message });
    }
}

/// Rejects files that hold a password of a package index.
async fn reject_leaks(set: &ImageSet, session: &Session) -> Result<(), Error> {
    let passwords = session.passwords();
    if passwords.is_empty() {
        return Ok(());
    }
    let project = set.project.clone();
    let trees: Vec<Arc<SourceTree>> = set.images.iter().map(|image| image.tree().clone()).collect();
    let search = move || Ok(trees.iter().try_for_each(|tree| refuse_leaks(&project, tree, &passwords))?);
    session.compute(search).await
}

/// The registry caches of the command line, then those of the settings.
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
