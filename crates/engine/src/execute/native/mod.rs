mod check;
mod packages;

use std::sync::Arc;

use futures_util::future::try_join_all;
use wainwright_layer::{ConflictLosers, InstalledWheel, NativeFiles, native_files};
use wainwright_wheel::Layout;

use self::check::{Surroundings, check};
use self::packages::package;
use super::debian::libraries;
use super::wheels::{Fetches, open};
use crate::model::cache::CacheHits;
use crate::model::debian::known_libraries;
use crate::model::findings::{native_files_key, native_key, wheels_of};
use crate::model::native::LibraryIndex;
use crate::{BasePlan, ChosenWheel, Error, MissingLibrary, Native, Plan, PlatformPlan, Session};

/// Libraries named in one warning; the others are counted.
const MOST: usize = 20;

/// Finds out, for every image of a plan, what its native files need and nobody has.
///
/// Fetches compiled wheels and packages of the base that nobody looked into yet: the build would fetch them as well.
/// Without a network it says what is not known.
pub async fn preflight(plan: &Plan, session: &Arc<Session>) -> Result<Vec<Native>, Error> {
    let fetches = Fetches::default();
    let mut found = Vec::new();
    for image in plan.platforms() {
        found.push(look(image, &fetches, session).await?);
    }
    Ok(found)
}

/// Finds out what the native files of an image need and nobody has. What was found is remembered.
pub(crate) async fn look(
    image: &PlatformPlan,
    fetches: &Fetches,
    session: &Arc<Session>,
) -> Result<Native, Error> {
    let Some(machine) = wainwright_elf::machine(&image.platform.architecture) else {
        return Ok(Native::default());
    };
    let Some(key) = native_key(image)? else { return Ok(Native::default()) };
    if let Some(known) = session.store.recall(&key)? {
        return Ok(known);
    }
    if let Some(told) = &image.cache_hits.native {
        return Ok(told.clone());
    }
    let wheels: Vec<(&ChosenWheel, &Layout)> = image.layers.iter().flat_map(wheels_of).collect();
    let facts =
        wheels.iter().map(|(wheel, layout)| facts(wheel, layout, &image.cache_hits, fetches, session));
    let facts = try_join_all(facts).await?;
    let (mut files, mut unread, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    let mut is_ours = true;
    for ((wheel, _), facts) in wheels.iter().zip(facts) {
        let name = wheel.wanted.filename.to_string();
        match facts {
            None => unknown.push(name),
            Some((facts, is_found)) => {
                is_ours &= is_found;
                unread.extend(facts.unread);
                files.push((name, facts.files));
            }
        }
    }
    let libraries = match &image.base {
        _ if files.iter().all(|(_, files)| files.is_empty()) => Some(Arc::default()),
        BasePlan::Image(_) => match &image.system {
            None => Some(image.libraries.clone()),
            Some(recipe) => libraries(recipe, session).await?.map(|added| {
                let mut all = LibraryIndex::clone(&image.libraries);
                all.extend(added);
                Arc::new(all)
            }),
        },
        BasePlan::Runtime(recipe) => {
            match (known_libraries(recipe, &session.store)?, &recipe.offered_libraries) {
                (None, Some(told)) => {
                    is_ours = false;
                    Some(told.clone())
                }
                _ => libraries(recipe, session).await?.map(Arc::new),
            }
        }
    };
    let Some(libraries) = libraries else {
        unknown.push(format!("the base {}", image.base_name));
        return Ok(Native { unknown, ..Native::default() });
    };
    let around =
        Surroundings { machine, python: image.target.python, libc: image.target.libc, libraries: &libraries };
    let mut native = check(&files, &around);
    for missing in &mut native.missing {
        let codename = image.codename.as_deref().unwrap_or_default();
        missing.package = package(&missing.library, codename).map(ToOwned::to_owned);
    }
    native.takes_packages = image.takes_packages;
    native.unread = unread;
    // What only a cache says is not kept as if this machine had found it out.
    if unknown.is_empty() && is_ours {
        session.store.remember(&key, &native)?;
    }
    native.unknown = unknown;
    Ok(native)
}

/// The native files of a wheel, and whether this machine found them out; `None` where it is not here and the network may
/// not be used.
async fn facts(
    wheel: &ChosenWheel,
    layout: &Layout,
    hits: &CacheHits,
    fetches: &Fetches,
    session: &Arc<Session>,
) -> Result<Option<(NativeFiles, bool)>, Error> {
    let wanted = &wheel.wanted;
    let key = native_files_key(wanted.digest, layout)?;
    if let Some(known) = session.store.recall(&key)? {
        return Ok(Some((known, true)));
    }
    if let Some(told) = hits.wheels.get(&wanted.digest).and_then(|told| told.native.clone()) {
        return Ok(Some((told, false)));
    }
    if session.machine.is_offline && !session.store.contains(&wanted.digest, wanted.size) {
        return Ok(None);
    }
    fetches.fetch(wheel, session).await?;
    let (wheel, layout, store) = (wheel.clone(), layout.clone(), session.store.clone());
    let job = move || {
        let scratch = store.scratch()?;
        let installed =
            InstalledWheel::new(&open(&wheel, &layout, &store)?, &layout, &ConflictLosers::new())?;
        let found = native_files(&installed, scratch.path())?;
        store.remember(&key, &found)?;
        Ok(found)
    };
    Ok(Some((session.compute(job).await?, true)))
}

impl Native {
    /// The error that this is, if it is one: modules that can never be imported, and with `strict` those that need a
    /// library which nobody has.
    pub fn refuse(&self, strict: bool) -> Result<(), Error> {
        if let Some(foreign) = self.foreign.first() {
            return Err(Error::ForeignModule { module: foreign.clone() });
        }
        if let Some(too_new) = self.too_new.iter().find(|one| one.is_imported) {
            return Err(Error::TooNew { file: too_new.clone() });
        }
        let missing: Vec<MissingLibrary> =
            self.missing.iter().filter(|one| !one.imports.is_empty()).cloned().collect();
        match strict && !missing.is_empty() {
            true => Err(Error::MissingLibraries { remedy: remedy(&missing, self.takes_packages), missing }),
            false => Ok(()),
        }
    }

    /// What somebody should know although it stops nothing: imports that will fail, and what to add.
    pub fn warnings(&self) -> Vec<String> {
        let (imports, others): (Vec<_>, Vec<_>) =
            self.missing.iter().partition(|one| !one.imports.is_empty());
        let mut lines: Vec<String> = imports.iter().take(MOST).map(|one| one.to_string()).collect();
        if imports.len() > MOST {
            lines.push(format!("and {} more libraries are missing", imports.len() - MOST));
        }
        lines.extend(remedy(imports.iter().copied(), self.takes_packages));
        for one in self.too_new.iter().filter(|one| !one.is_imported) {
            lines.push(format!("{one}; no module needs it to be imported"));
        }
        if !others.is_empty() {
            let names: Vec<&str> = others.iter().take(MOST).map(|one| one.library.as_str()).collect();
            let rest = others.len().saturating_sub(MOST);
            let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            lines.push(format!("programs and plug-ins in wheels, which may never be used, want libraries that nobody has: {}{rest}", names.join(", ")));
        }
        lines
    }
}

/// What to do so that libraries are there: a setting, where the base is assembled from packages.
fn remedy<'a>(missing: impl IntoIterator<Item = &'a MissingLibrary>, takes_packages: bool) -> Option<String> {
    let mut names: Vec<&str> = missing.into_iter().filter_map(|one| one.package.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    Some(match takes_packages {
        true => format!("Debian has them: add system-packages = [\"{}\"]", names.join("\", \"")),
        false => format!("Debian has them: the base image needs the packages {}", names.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;

    use super::*;

    #[test]
    fn the_remedy_is_one_that_the_base_allows() {
        let missing = |library: &str, package: Option<&str>| MissingLibrary {
            library: library.into(),
            package: package.map(ToOwned::to_owned),
            imports: vec!["cv2".into()],
            needed_by: "/v/cv2.abi3.so".into(),
            wheel: "opencv_python-4.10-cp37-abi3-manylinux_2_17_x86_64.whl".into(),
            files: 1,
        };
        let libraries = vec![
            missing("libGL.so.1", Some("libgl1")),
            missing("libEGL.so.1", Some("libegl1")),
            missing("libGLX.so.0", Some("libgl1")),
            missing("libown.so", None),
        ];
        let mut native = Native { missing: libraries, takes_packages: true, ..Native::default() };
        let setting = r#"Debian has them: add system-packages = ["libegl1", "libgl1"]"#;
        assert_eq!(native.warnings().last().unwrap(), setting);
        assert!(native.refuse(false).is_ok());
        assert_eq!(
            native.refuse(true).unwrap_err().hint().unwrap(),
            format!("{setting}; or leave out --strict-native")
        );
        native.takes_packages = false;
        assert_eq!(
            native.warnings().last().unwrap(),
            "Debian has them: the base image needs the packages libegl1, libgl1"
        );
    }
}
