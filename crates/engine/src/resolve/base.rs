use std::collections::BTreeSet;
use std::sync::Arc;

use wainwright_base::{BaseImage, Offers, PathKind, inspect, is_inspected};
use wainwright_debian::Suite;
use wainwright_oci::Platform;
use wainwright_project::Project;
use wainwright_python::{Libc, PythonVersion, Target, Version, VersionSpecifiers};

use super::layer_options::layer_options;
use super::wain_lock::{self, Question, WainLock, recipe_of};
use crate::model::base::{BaseRecipe, ResolvedBase};
use crate::model::debian::{DebianRecipe, Onto, debian_architecture};
use crate::session::{fetch_layers, open_image};
use crate::{Base, Error, Event, Request, Session};

/// The Debian releases with a Python base, newest first.
const SUITES: [&str; 2] = ["trixie", "bookworm"];
/// The account of a base that has no other.
const NONROOT: &str = "65532:65532";

/// Settles the base of a project for every platform, beginning with `pins` instead of those in `wain.lock` if given; writes `wain.lock` when it pins something new.
pub(crate) async fn resolve_base(
    request: &Request,
    project: &Project,
    pins: Option<WainLock>,
    session: &Arc<Session>,
) -> Result<Vec<ResolvedBase>, Error> {
    let before = WainLock::read(&request.root)?;
    let mut lock = pins.unwrap_or_else(|| before.clone());
    let platforms = match (&request.platforms[..], &project.settings.platforms[..]) {
        ([], []) => vec![session.machine.platform.clone()],
        ([], some) | (some, _) => some.to_vec(),
    };
    // Each once, in one order, however they were written.
    let platforms: Vec<Platform> = BTreeSet::from_iter(platforms).into_iter().collect();
    let base = base(request, project)?;
    let found = match &base {
        Base::Debian(suite) => debian(request, project, suite, &platforms, &mut lock, session).await?,
        Base::Disk(_) | Base::Registry(_) => {
            image(request, project, &base, &platforms, &mut lock, session).await?
        }
    };
    if lock != before {
        if request.is_locked {
            return Err(Error::Locked { reason: format!("does not pin {base} as it is now") });
        }
        wain_lock::write(&lock, "the base is", request, session)?;
    }
    Ok(found)
}

/// The oldest Python of some bases: what fits it has to fit all of them.
pub(crate) fn oldest_python(bases: &[ResolvedBase]) -> Option<PythonVersion> {
    bases.iter().map(|found| found.target.python).min_by_key(|python| (python.major, python.minor))
}

/// Which base: asked for, else set, else the newest release whose Python fits.
pub(crate) fn base(request: &Request, project: &Project) -> Result<Base, Error> {
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

pub(crate) fn requires(project: &Project) -> Option<&VersionSpecifiers> {
    project.python_project.as_ref()?.requires_python.as_ref()
}

fn same_minor(a: PythonVersion, b: PythonVersion) -> bool {
    (a.major, a.minor) == (b.major, b.minor)
}

/// Whether some patch level of a Python fits: a recipe does not know which it will be.
pub(crate) fn fits(requires: &VersionSpecifiers, python: PythonVersion) -> bool {
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
    session: &Arc<Session>,
) -> Result<Vec<ResolvedBase>, Error> {
    let recipe = recipe_of(suite)?;
    let suite: Suite = recipe.suite;
    let mirrors = wain_lock::mirrors(project, request, session, suite)?;
    let locked =
        Arc::new(wain_lock::debian(project, request, &recipe, &mirrors, platforms, lock, session).await?);
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
        let base = DebianRecipe::new(
            locked.clone(),
            mirrors.clone(),
            platform,
            Onto::Nothing(python),
            layer_options(request, project)?,
            &session.store,
        )?;
        found.push(ResolvedBase {
            platform: platform.clone(),
            base: BaseRecipe::Debian(Box::new(base)),
            name: name.clone(),
            reference: Some(name.clone()),
            target: target(platform, python, libc),
            interpreter: format!("/usr/bin/python{}", python.short()),
            has_app: false,
            user: NONROOT.into(),
            sets_language: false,
            libraries: Arc::default(),
            takes_packages: true,
            codename: Some(suite.codename().to_owned()),
        });
    }
    Ok(found)
}

async fn image(
    request: &Request,
    project: &Project,
    base: &Base,
    platforms: &[Platform],
    lock: &mut WainLock,
    session: &Arc<Session>,
) -> Result<Vec<ResolvedBase>, Error> {
    let wanted = wanted_python(request, project);
    let mut found = Vec::new();
    for platform in platforms {
        let image = match base {
            Base::Debian(_) => continue,
            Base::Disk(source) => wainwright_base::open(source, platform, &session.store)?,
            Base::Registry(reference) => {
                let pin = lock.image(&base.to_string(), platform);
                open_image(reference, pin, platform, session).await?
            }
        };
        let digest = image.image.manifest.digest();
        if let Some(old) = lock.image(&base.to_string(), platform).filter(|old| *old != digest) {
            if request.is_locked {
                return Err(Error::Locked {
                    reason: format!("pins {base} to {old}, and it is {digest} now"),
                });
            }
            session.report(Event::Warned {
                message: format!("the base {base} is another than before: {digest}"),
            });
        }
        lock.set_image(&base.to_string(), platform, digest);
        if !is_inspected(&image, &session.store)? {
            fetch_layers(&image.image, session).await?;
        }
        let offers = inspect(&image, &session.store)?;
        if offers.at("app/.venv").is_some() {
            return Err(Error::HasEnvironment { base: base.to_string() });
        }
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
        let system = match project.settings.system_packages.is_empty() {
            true => None,
            false => system(request, project, base, &image, &offers, platform, lock, session).await?,
        };
        found.push(ResolvedBase {
            platform: platform.clone(),
            name: image.name.clone().unwrap_or_else(|| base.to_string()),
            reference: image.name.clone(),
            target: target(platform, python.version, libc),
            interpreter: python.path.clone(),
            has_app: matches!(offers.at("app"), Some(PathKind::Directory)),
            user,
            sets_language: image.env("LANG").is_some(),
            libraries: Arc::new(offers.libraries.iter().map(|name| (name.clone(), Vec::new())).collect()),
            takes_packages: !offers.debian_packages.is_empty() && suite_of(&offers).is_some(),
            codename: offers.codename.clone(),
            base: BaseRecipe::Image(Box::new(image), system),
        });
    }
    Ok(found)
}

/// The Debian release that an image is of, where it is a known one.
fn suite_of(offers: &Offers) -> Option<Suite> {
    offers.codename.as_deref()?.parse().ok()
}

/// The packages to add to an image; `None` where it has them all.
#[allow(clippy::too_many_arguments)]
async fn system(
    request: &Request,
    project: &Project,
    base: &Base,
    image: &BaseImage,
    offers: &Offers,
    platform: &Platform,
    lock: &mut WainLock,
    session: &Arc<Session>,
) -> Result<Option<Box<DebianRecipe>>, Error> {
    let refuse = |reason: String| Error::NotDebian { base: base.to_string(), reason };
    let os = || offers.os.clone().unwrap_or_else(|| "of a system without a name".into());
    if offers.debian_packages.is_empty() {
        return Err(refuse(format!("it is {}, and has no list of Debian packages", os())));
    }
    let Some(suite) = suite_of(offers) else {
        return Err(refuse(format!("it is {}, and packages come from Debian's own archive alone", os())));
    };
    let mirrors = wain_lock::mirrors(project, request, session, suite)?;
    let mut ground = None;
    let question = Question { base, image, platform, suite };
    let locked = wain_lock::system(project, request, &question, &mirrors, &mut ground, lock, session).await?;
    if locked.packages(&debian_architecture(platform))?.is_empty() {
        return Ok(None);
    }
    let onto = Onto::Image(Box::new(image.image.clone()), ground);
    let recipe = DebianRecipe::new(
        Arc::new(locked),
        mirrors,
        platform,
        onto,
        layer_options(request, project)?,
        &session.store,
    )?;
    Ok(Some(Box::new(recipe)))
}

fn target(platform: &Platform, python: PythonVersion, libc: Libc) -> Target {
    Target { python, architecture: platform.architecture.clone(), variant: platform.variant.clone(), libc }
}
