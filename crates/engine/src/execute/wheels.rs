use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde::de::IgnoredAny;
use tokio::sync::OnceCell;
use wainwright_layer::{ConflictLosers, InstalledWheel, NativeFiles, may_be_native};
use wainwright_oci::Digest;
use wainwright_store::Store;
use wainwright_wheel::{Layout, Wheel};

use crate::model::findings::native_files_key;
use crate::model::wheel::{WheelFiles, facts_key};
use crate::resolve::fits;
use crate::{ChosenWheel, Error, Event, Session};

/// Fetches of one build: layers of several platforms may want the same wheel.
#[derive(Default)]
pub(crate) struct Fetches(Mutex<HashMap<Digest, Arc<OnceCell<()>>>>);

impl Fetches {
    /// Sees to it that a wheel is in the store, whole.
    pub(crate) async fn fetch(&self, wheel: &ChosenWheel, session: &Arc<Session>) -> Result<(), Error> {
        let cell = {
            let mut cells = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            cells.entry(wheel.wanted.digest).or_default().clone()
        };
        cell.get_or_try_init(|| fetch(wheel, session)).await?;
        Ok(())
    }
}

async fn fetch(wheel: &ChosenWheel, session: &Arc<Session>) -> Result<(), Error> {
    let wanted = &wheel.wanted;
    let name = wanted.filename.to_string();
    if session.store.contains(&wanted.digest, wanted.size) {
        let (store, digest) = (session.store.clone(), wanted.digest);
        if session.compute(move || Ok(store.verify(&digest)?)).await? {
            return Ok(());
        }
        session.report(Event::Warned {
            message: format!("`{name}` was damaged in the cache; it is fetched again"),
        });
    }
    if wheel.made.is_some() {
        // It is made of its source again: nobody else has it.
        return Err(wainwright_store::Error::Missing { digest: wanted.digest }.into());
    }
    session.report(Event::FetchStarted { name: name.clone(), size: wheel.size });
    let progress = |bytes| session.report(Event::FetchProgressed { name: name.clone(), bytes });
    let fetched = session.index().await?.fetch(&session.store, wanted, &progress).await?;
    for warning in fetched.warnings {
        session.report(Event::Warned { message: warning.to_string() });
    }
    session.report(Event::FetchFinished { name: name.clone(), bytes: fetched.moved });
    Ok(())
}

/// Opens a wheel of the store.
pub fn open(wheel: &ChosenWheel, layout: &Layout, store: &Store) -> Result<Wheel, Error> {
    let wanted = &wheel.wanted;
    let missing = wainwright_store::Error::Missing { digest: wanted.digest };
    let file = store.open_blob(&wanted.digest)?.ok_or(missing)?;
    let opened = Wheel::open(Arc::new(file), &wanted.filename).map_err(wainwright_layer::Error::Wheel)?;
    check_python(&opened, layout)?;
    Ok(opened)
}

/// Installs wheels of the store, but for the files they lose, and remembers what can be told of them on the way: nobody has
/// to open them again for that.
pub(crate) fn install_all(
    wheels: &[ChosenWheel],
    layout: &Layout,
    lost: &ConflictLosers,
    store: &Store,
) -> Result<Vec<InstalledWheel>, Error> {
    let install = |chosen: &ChosenWheel| {
        let wheel = open(chosen, layout, store)?;
        let installed = InstalledWheel::new(&wheel, layout, lost)?;
        if lost.contains_key(&wheel.metadata().name) {
            return Ok(installed);
        }
        let notes = notes(&wheel, layout)?;
        // What follows needs memory as well.
        drop(wheel);
        let key = facts_key(chosen.wanted.digest, layout)?;
        if store.recall::<IgnoredAny>(&key)?.is_none() {
            store.remember(&key, &WheelFiles::new(installed.files(), notes))?;
        }
        // To look into files takes longer, and the layer may be on its way meanwhile.
        if !installed.files().iter().any(may_be_native) {
            store.remember(&native_files_key(chosen.wanted.digest, layout)?, &NativeFiles::default())?;
        }
        Ok(installed)
    };
    wheels.iter().map(install).collect()
}

/// Says which wheel a damaged entry of a layer comes from, and which rule it breaks: a layer knows paths only.
pub(crate) fn blame(wheels: &[ChosenWheel], layout: &Layout, store: &Store, error: Error) -> Error {
    if !matches!(error, Error::Blob { source: wainwright_blob::Error::Member { .. }, .. }) {
        return error;
    }
    let refused = wheels.iter().find_map(|wheel| open(wheel, layout, store).ok()?.check().err());
    refused.map_or(error, |refused| wainwright_layer::Error::Wheel(refused).into())
}

/// Refuses a wheel that says it does not run on this Python; lockfiles made by hand can name one.
fn check_python(wheel: &Wheel, layout: &Layout) -> Result<(), Error> {
    let Some(requires) = &wheel.metadata().requires_python else { return Ok(()) };
    // Old wheels hold specifiers that are none by today's rules; installers ignore those.
    let Ok(specifiers) = requires.parse() else { return Ok(()) };
    if fits(&specifiers, layout.python) {
        return Ok(());
    }
    let wanted = format!("`{}` requires `{requires}`", wheel.filename());
    Err(Error::WrongPython { found: layout.python, wanted })
}

/// Finds out which files a wheel installs, and what is odd about it; remembers it.
pub(crate) fn find_out(wheel: &ChosenWheel, layout: &Layout, store: &Store) -> Result<WheelFiles, Error> {
    let opened = open(wheel, layout, store)?;
    let installed = InstalledWheel::new(&opened, layout, &ConflictLosers::new())?;
    let owned = WheelFiles::new(installed.files(), notes(&opened, layout)?);
    store.remember(&facts_key(wheel.wanted.digest, layout)?, &owned)?;
    Ok(owned)
}

/// What is odd about a wheel.
fn notes(wheel: &Wheel, layout: &Layout) -> Result<Vec<String>, Error> {
    let name = wheel.filename();
    let warnings = wheel.warnings().iter();
    let mut notes: Vec<String> =
        warnings.map(|warning| format!("{name}: {warning} (`wain explain {}`)", warning.rule)).collect();
    let left_out = wheel.left_out(layout).map_err(wainwright_layer::Error::Wheel)?;
    notes.extend(left_out.iter().map(|(kind, (files, bytes))| match files {
        1 => format!("{name}: {kind} are left out: 1 file of {bytes} bytes"),
        _ => format!("{name}: {kind} are left out: {files} files of {bytes} bytes together"),
    }));
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use wainwright_oci::ImagePath;
    use wainwright_pypi::{Location, Wanted};
    use wainwright_python::PythonVersion;
    use wainwright_testing::wheel;

    use super::*;
    use crate::model::wheel::recall;

    /// Installs a wheel and removes it: what is known of it then was found out in passing.
    fn install(
        wheel: wainwright_testing::Wheel,
        lost: &ConflictLosers,
    ) -> (Option<WheelFiles>, Option<NativeFiles>) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = store.put(&wheel.bytes()).unwrap();
        let location = Location::Path(store.path(&digest));
        let filename = wheel.filename().parse().unwrap();
        let chosen = ChosenWheel {
            name: wheel.name().parse().unwrap(),
            wanted: Wanted { filename, digest, size: None, location },
            size: None,
            made: None,
        };
        let layout = Layout::venv(ImagePath::new("v").unwrap(), PythonVersion::new(3, 13));
        install_all(&[chosen], &layout, lost, &store).unwrap();
        std::fs::remove_file(store.path(&digest)).unwrap();
        let native = store.recall(&native_files_key(digest, &layout).unwrap()).unwrap();
        (recall(digest, &layout, &store).unwrap(), native)
    }

    #[test]
    fn a_wheel_is_opened_once() {
        let (owned, native) = install(wheel("greet").file("greet/a.py", "1"), &ConflictLosers::new());
        let paths: Vec<String> = owned.unwrap().files().map(|(path, _)| path.to_owned()).collect();
        assert!(paths.iter().any(|path| path.ends_with("site-packages/greet/a.py")), "{paths:?}");
        assert_eq!(native, Some(NativeFiles::default()));
    }

    #[test]
    fn what_takes_long_is_left_to_whoever_wants_to_know() {
        let (owned, native) = install(wheel("greet").file("greet/a.so", "1"), &ConflictLosers::new());
        assert!(owned.is_some());
        assert_eq!(native, None);
    }

    #[test]
    fn a_wheel_without_all_its_files_says_nothing_about_them() {
        let lost =
            ConflictLosers::from([("greet".parse().unwrap(), [ImagePath::new("v/x").unwrap()].into())]);
        assert_eq!(install(wheel("greet").file("greet/a.py", "1"), &lost), (None, None));
    }
}
