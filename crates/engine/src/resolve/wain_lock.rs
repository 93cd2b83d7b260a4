use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wainwright_base::BaseImage;
use wainwright_debian::{Archive, DebianLock, Mirrors, Recipe, Suite, mirrors_from_apt, recipe};
use wainwright_http::Url;
use wainwright_layer::debian::DebianTree;
use wainwright_oci::{Digest, Platform};
use wainwright_project::Project;

use super::built_pin::BuiltPin;
use super::component_pins::ComponentPins;
use super::image_tree::image_tree;
use crate::model::debian::debian_architecture;
use crate::{Base, Error, Event, Pinning, Request, Session};

/// What `wain.lock` says: the inputs of an image that Python's lockfiles do not pin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WainLock {
    /// The form of the file; 1.
    version: u32,
    /// Packages of Debian releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    debian: Vec<DebianLock>,
    /// Base images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    image: Vec<LockedImage>,
    /// Packages that are added to base images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    system: Vec<LockedSystem>,
    /// Wheels that were built here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) wheel: Vec<BuiltPin>,
    /// What the components of a workflow require, by the name of its file.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) components: BTreeMap<String, ComponentPins>,
}

/// Packages for one base image as it was when they were chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedSystem {
    base: String,
    platform: String,
    /// Of the manifest of the image that lacked them.
    digest: Digest,
    packages: DebianLock,
}

/// A base image as it was when it was locked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LockedImage {
    base: String,
    platform: String,
    digest: Digest,
}

const VERSION: u32 = 1;
/// A lock of two platforms has about 25 kB.
const LARGEST: u64 = 16 << 20;
const HEAD: &str = "# Written by `wain lock`. Pins what the lockfile of the project does not: the packages and the digest of the base.\n";

/// The file of a project.
pub(crate) fn path(root: &Path) -> PathBuf {
    root.join("wain.lock")
}

impl WainLock {
    /// The version of the file that is read and written.
    pub const VERSION: u32 = VERSION;

    /// Reads the file of a project; empty when there is none.
    pub(crate) fn read(root: &Path) -> Result<Self, Error> {
        let path = path(root);
        let refuse = |reason: String| Error::WainLock { path: path.clone(), reason };
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self { version: VERSION, ..Self::default() });
            }
            Err(error) => return Err(refuse(error.to_string())),
            // A pipe would be waited for.
            Ok(found) if !found.is_file() => return Err(refuse("it is not a regular file".into())),
            Ok(found) if found.len() > LARGEST => return Err(refuse("it is too large".into())),
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&path).map_err(|error| refuse(error.to_string()))?;
        let lock: Self = toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        if lock.version != VERSION {
            return Err(refuse(format!(
                "it has version {}, and this program reads version {VERSION}",
                lock.version
            )));
        }
        Ok(lock)
    }

    /// Writes the file of a project, whole or not at all.
    pub(crate) fn write(&self, root: &Path) -> Result<(), Error> {
        let path = path(root);
        let text = toml::to_string(self).map_err(|error| Error::Bug { what: error.to_string() })?;
        Ok(wainwright_image::replace(&path, format!("{HEAD}{text}").as_bytes())?)
    }

    /// Without what is pinned of bases.
    pub(crate) fn without_bases(&self) -> Self {
        Self { version: VERSION, components: self.components.clone(), ..Self::default() }
    }

    /// The digest an image base is pinned to.
    pub(crate) fn image(&self, base: &str, platform: &Platform) -> Option<Digest> {
        let platform = platform.to_string();
        self.image
            .iter()
            .find(|image| image.base == base && image.platform == platform)
            .map(|image| image.digest)
    }

    /// Pins an image base.
    pub(crate) fn set_image(&mut self, base: &str, platform: &Platform, digest: Digest) {
        let platform = platform.to_string();
        self.image.retain(|image| !(image.base == base && image.platform == platform));
        self.image.push(LockedImage { base: base.to_owned(), platform, digest });
        self.image.sort_by(|a, b| (&a.base, &a.platform).cmp(&(&b.base, &b.platform)));
    }

    fn system(&self, question: &Question<'_>, asked: &wainwright_debian::Request) -> Option<&DebianLock> {
        let (base, platform) = (question.base.to_string(), question.platform.to_string());
        let is_same = |system: &&LockedSystem| {
            (&system.base, &system.platform) == (&base, &platform)
                && system.digest == question.image.image.manifest.digest()
                && system.packages.answers(question.suite, asked)
        };
        self.system.iter().find(is_same).map(|system| &system.packages)
    }

    fn set_system(&mut self, question: &Question<'_>, packages: DebianLock) {
        let (base, platform) = (question.base.to_string(), question.platform.to_string());
        let digest = question.image.image.manifest.digest();
        self.system.retain(|old| !(old.base == base && old.platform == platform));
        self.system.push(LockedSystem { base, platform, digest, packages });
        self.system.sort_by(|a, b| (&a.base, &a.platform).cmp(&(&b.base, &b.platform)));
    }

    fn debian(&self, suite: Suite, question: &wainwright_debian::Request) -> Option<&DebianLock> {
        self.debian.iter().find(|lock| lock.answers(suite, question))
    }

    fn set_debian(&mut self, lock: DebianLock) {
        self.debian.retain(|old| old.suite != lock.suite);
        self.debian.push(lock);
        self.debian.sort_by_key(|lock| lock.suite.to_string());
    }
}

/// Writes `wain.lock`, where it may be written. A checkout that nobody may write to can be built all the same; `what` is only
/// not pinned.
pub(crate) fn write(lock: &WainLock, what: &str, request: &Request, session: &Session) -> Result<(), Error> {
    if request.pinning == Pinning::Never {
        return Ok(());
    }
    match lock.write(&request.root) {
        Ok(()) => session.report(Event::FileWritten { path: path(&request.root) }),
        Err(error) if request.pinning == Pinning::Always => return Err(error),
        Err(error) => {
            let cause = std::error::Error::source(&error).map_or_else(String::new, ToString::to_string);
            session.report(Event::Warned { message: format!("{error}: {what} not pinned ({cause})") });
        }
    }
    Ok(())
}

/// Where Debian packages come from.
pub(crate) fn mirrors(
    project: &Project,
    request: &Request,
    session: &Session,
    suite: Suite,
) -> Result<Mirrors, Error> {
    let Some(mirror) = request.mirror.as_ref().or(project.settings.mirror.as_ref()) else {
        return Ok(mirrors_from_apt(&session.machine.etc.join("apt"), suite).unwrap_or_default());
    };
    let mirror = mirror.trim_end_matches('/');
    let parse = |text: &str| {
        Url::parse(text).map_err(|error| Error::Mirror { text: text.to_owned(), reason: error.to_string() })
    };
    // Mirrors keep the two archives side by side; one under another name holds all suites itself.
    let security = mirror.strip_suffix("/debian").map(|host| format!("{host}/debian-security"));
    let security = parse(security.as_deref().unwrap_or(mirror))?;
    Ok(Mirrors { main: parse(mirror)?, security, ..Mirrors::default() })
}

/// The packages of a Debian base: as locked, or locked now.
pub(crate) async fn debian(
    project: &Project,
    request: &Request,
    recipe: &Recipe,
    mirrors: &Mirrors,
    platforms: &[Platform],
    lock: &mut WainLock,
    session: &Session,
) -> Result<DebianLock, Error> {
    // The usual two always, and the host's, whose interpreter makes the bytecode: the same file on every machine.
    let wanted: BTreeSet<String> = platforms
        .iter()
        .chain([&session.machine.platform, &Platform::linux("amd64"), &Platform::linux("arm64")])
        .map(debian_architecture)
        .collect();
    let mut question = wainwright_debian::Request {
        architectures: wanted.into_iter().collect(),
        requested: recipe.requested.clone(),
        excluded: recipe.excluded.clone(),
        ..wainwright_debian::Request::default()
    };
    question.requested.extend(project.settings.system_packages.iter().cloned());
    if let Some(known) = lock.debian(recipe.suite, &question) {
        return Ok(known.clone());
    }
    let name = Base::Debian(recipe.suite.codename().to_owned()).to_string();
    if request.is_locked {
        return Err(Error::Locked { reason: format!("does not pin {name}") });
    }
    let locked = choose(recipe.suite, &question, mirrors, session).await?;
    lock.set_debian(locked.clone());
    Ok(locked)
}

/// An image that packages are wanted for.
pub(crate) struct Question<'a> {
    pub(crate) base: &'a Base,
    pub(crate) image: &'a BaseImage,
    pub(crate) platform: &'a Platform,
    /// The release it is of.
    pub(crate) suite: Suite,
}

/// What only maintainer scripts of packages use: an image without dpkg does without it.
const FOR_SCRIPTS: [&str; 5] =
    ["debconf", "debconf-2.0", "dpkg", "install-info", "openssl for ca-certificates"];

/// The packages that are added to an image: as locked, or locked now. `ground` is filled when it had to be looked at.
pub(crate) async fn system(
    project: &Project,
    request: &Request,
    question: &Question<'_>,
    mirrors: &Mirrors,
    ground: &mut Option<Arc<DebianTree>>,
    lock: &mut WainLock,
    session: &Arc<Session>,
) -> Result<DebianLock, Error> {
    let mut asked = wainwright_debian::Request {
        architectures: vec![debian_architecture(question.platform)],
        requested: project.settings.system_packages.clone(),
        excluded: FOR_SCRIPTS.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
        ..wainwright_debian::Request::default()
    };
    if let Some(known) = lock.system(question, &asked) {
        return Ok(known.clone());
    }
    if request.is_locked {
        let base = question.base;
        return Err(Error::Locked {
            reason: format!("does not pin the system-packages for {base} as it is now"),
        });
    }
    let found = image_tree(&question.image.image, session).await?;
    asked.installed = found.package_list()?.into();
    *ground = Some(found);
    let locked = choose(question.suite, &asked, mirrors, session).await?;
    lock.set_system(question, locked.clone());
    Ok(locked)
}

/// Asks the archive.
async fn choose(
    suite: Suite,
    question: &wainwright_debian::Request,
    mirrors: &Mirrors,
    session: &Session,
) -> Result<DebianLock, Error> {
    let name = format!("debian:{suite}");
    let archive = Archive::new(suite, mirrors.clone(), session.machine.now);
    let what = format!("the package lists of {name}");
    session.report(Event::FetchStarted { name: what.clone(), size: None });
    let progress = |bytes| session.report(Event::FetchProgressed { name: what.clone(), bytes });
    let moved = std::sync::atomic::AtomicU64::new(0);
    let counted = |bytes| {
        moved.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        progress(bytes);
    };
    let locked =
        wainwright_debian::lock(session.http().await?, &session.store, &archive, question, &counted).await?;
    session.report(Event::FetchFinished { name: what.clone(), bytes: moved.into_inner() });
    Ok(locked)
}

/// The recipe for a base by its name: `bookworm`, `12` ...
pub(crate) fn recipe_of(suite: &str) -> Result<Recipe, Error> {
    Ok(recipe(suite.parse()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_survives_writing_and_reading() {
        let folder = tempfile::tempdir().unwrap();
        let mut lock = WainLock::read(folder.path()).unwrap();
        let platform = Platform::linux("amd64");
        lock.set_image("layout:base", &platform, Digest::of(b"1"));
        lock.set_image("layout:base", &platform, Digest::of(b"2"));
        lock.write(folder.path()).unwrap();
        let read = WainLock::read(folder.path()).unwrap();
        assert_eq!(read, lock);
        assert_eq!(read.image("layout:base", &platform), Some(Digest::of(b"2")));
        assert_eq!(read.image("layout:base", &Platform::linux("arm64")), None);
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        for (text, expected) in [
            ("version = 2\n", "it has version 2"),
            ("version = 1\nnonsense = 1\n", "unknown field `nonsense`"),
            ("version = \n", "line 1, column 11"),
        ] {
            std::fs::write(path(folder.path()), text).unwrap();
            let error = WainLock::read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        std::fs::remove_file(path(folder.path())).unwrap();
        std::fs::create_dir(path(folder.path())).unwrap();
        let error = WainLock::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("not a regular file"), "{error}");
    }
}
