use wainwright_fault::Classify;
use wainwright_project::Timing;

use crate::{Error, Files, Release};

/// A release of five components, a cache and a database.
pub(crate) fn sample() -> Release {
    Release::read(include_bytes!("../../../fixtures/releases/support.json")).unwrap()
}

/// A web application with a database and a cache, as its settings describe them.
pub(crate) fn shop() -> Release {
    Release::read(include_bytes!("../../../fixtures/releases/shop.json")).unwrap()
}

/// An application that only works through a queue: nobody asks it, and it keeps files.
pub(crate) fn worker() -> Release {
    let mut release = shop();
    release.services.truncate(1);
    let mut component = release.components.remove(0);
    component.name = "worker".into();
    component.service = "worker".into();
    (component.port, component.published, component.ports) = (None, None, Vec::new());
    (component.health, component.http, component.timing) = (None, None, Timing::default());
    component.needs = vec![release.services[0].name.clone()];
    component.image.repository = None;
    (component.image.tag, component.image.loaded) = (Some("worker:latest".into()), true);
    release.components.push(component);
    release
}

/// Files as one text.
pub(crate) fn shown(files: &Files) -> String {
    files
        .iter()
        .map(|file| format!("==> {}\n{}\n", file.path, String::from_utf8_lossy(&file.bytes)))
        .collect()
}

/// An error as a person sees it.
pub(crate) fn told(error: &Error) -> String {
    let hint = error.hint().map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
    format!("{error}{hint}")
}
