use std::collections::BTreeMap;

use wainwright_oci::annotation;
use wainwright_project::{License, Project, Start};

use crate::Config;
use crate::model::base::ResolvedBase;

/// What the config of an image says: the settings, over what the base asks for.
pub(crate) fn config(project: &Project, start: &Start, base: &ResolvedBase) -> Config {
    let settings = &project.settings;
    let mut env: BTreeMap<String, String> = [("PYTHONUNBUFFERED".to_owned(), "1".to_owned())].into();
    if !base.sets_language {
        env.insert("LANG".into(), "C.UTF-8".into());
    }
    env.extend(settings.env.clone());
    Config {
        entrypoint: start.entrypoint.clone(),
        cmd: start.cmd.clone(),
        env,
        path: vec!["/app/.venv/bin".into()],
        user: settings.user.map_or_else(|| base.user.clone(), |user| user.to_string()),
        working_dir: settings.workdir.clone().unwrap_or_else(|| "/app".into()),
        ports: settings.ports.iter().map(ToString::to_string).collect(),
        volumes: settings.volumes.clone(),
        labels: settings.labels.clone(),
        stop_signal: settings.stop_signal.clone(),
    }
}

/// What the project says of itself, under the names of OCI image-spec, "Pre-Defined Annotation Keys".
pub(crate) fn annotations(project: &Project) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    let mut set = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            annotations.insert(key.to_owned(), value);
        }
    };
    if let Some(python) = &project.python_project {
        set(annotation::TITLE, Some(python.written_name.clone()));
        set(annotation::VERSION, python.version.as_ref().map(ToString::to_string));
        set(annotation::DESCRIPTION, python.description.clone());
        if let Some(License::Expression(license)) = &python.license {
            set(annotation::LICENSES, Some(license.clone()));
        }
        let authors =
            python.authors.iter().filter_map(|author| author.name.clone().or_else(|| author.email.clone()));
        set(annotation::AUTHORS, Some(authors.collect::<Vec<_>>().join(", ")));
        let url = |names: &[&str]| {
            let wanted = |label: &&String| names.contains(&label.to_lowercase().as_str());
            python.urls.keys().find(wanted).and_then(|label| python.urls.get(label)).cloned()
        };
        set(annotation::URL, url(&["homepage", "home page", "home"]));
        set(annotation::SOURCE, url(&["source", "source code", "repository", "github"]));
        set(annotation::DOCUMENTATION, url(&["documentation", "docs"]));
    }
    annotations.extend(project.settings.annotations.clone());
    annotations
}
