use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::flag::read_flag;
use crate::ini::Ini;
use crate::layer::Layer;
use crate::places::Places;
use crate::{Error, FindLinks, IndexUrl};

/// What pip would use: each setting from the first place that has it, variables before files.
pub(crate) fn read(places: &Places<'_>) -> Result<Layer, Error> {
    let mut layer = from_vars(places)?;
    for path in files(places) {
        if let Some(ini) = Ini::read(&path)? {
            layer.fill_from(from_file(&ini, &path, places)?);
        }
    }
    Ok(layer)
}

/// The configuration files, the strongest first (pip, "Configuration files").
fn files(places: &Places<'_>) -> Vec<PathBuf> {
    let chosen = places.var("PIP_CONFIG_FILE");
    // pip's own way to say "no files at all".
    if chosen == Some("/dev/null") {
        return Vec::new();
    }
    let mut files: Vec<PathBuf> = chosen.map(|file| places.project_root.join(file)).into_iter().collect();
    files.extend(places.var("VIRTUAL_ENV").map(|folder| Path::new(folder).join("pip.conf")));
    files.extend(places.config_home().map(|folder| folder.join("pip/pip.conf")));
    files.extend(places.home.map(|folder| folder.join(".pip/pip.conf")));
    files.push(places.etc.join("pip.conf"));
    files.push(places.etc.join("xdg/pip/pip.conf"));
    files
}

fn from_vars(places: &Places<'_>) -> Result<Layer, Error> {
    let values = [
        ("index-url", "PIP_INDEX_URL"),
        ("extra-index-url", "PIP_EXTRA_INDEX_URL"),
        ("find-links", "PIP_FIND_LINKS"),
        ("no-index", "PIP_NO_INDEX"),
        ("uploaded-prior-to", "PIP_UPLOADED_PRIOR_TO"),
        ("cert", "PIP_CERT"),
    ];
    let values =
        values.iter().filter_map(|(key, name)| Some((*key, (places.var(name)?, (*name).to_owned()))));
    from_values(&values.collect(), places.project_root)
}

fn from_file(ini: &Ini, path: &Path, places: &Places<'_>) -> Result<Layer, Error> {
    let mut values = BTreeMap::new();
    for key in ["index-url", "extra-index-url", "find-links", "no-index", "uploaded-prior-to", "cert"] {
        // The section of a command is stronger than the one for all.
        for section in ["install", "global"] {
            if let Some(value) = ini.get(section, key).filter(|value| !value.is_empty()) {
                let place = format!("`{}`, [{section}] {key}", path.display());
                values.entry(key).or_insert((value, place));
            }
        }
    }
    from_values(&values, places.project_root)
}

fn from_values(values: &BTreeMap<&str, (&str, String)>, base: &Path) -> Result<Layer, Error> {
    let mut layer = Layer::default();
    if let Some((value, place)) = values.get("index-url") {
        layer.default = Some(IndexUrl::read(value, base, place)?);
    }
    if let Some((value, place)) = values.get("extra-index-url") {
        for url in value.split_whitespace() {
            layer.extra.push(IndexUrl::read(url, base, place)?);
        }
    }
    if let Some((value, place)) = values.get("find-links") {
        for link in value.split_whitespace() {
            layer.find_links.push(FindLinks::read(link, base, place)?);
        }
    }
    if let Some((value, place)) = values.get("no-index") {
        layer.no_index = Some(read_flag(value, place)?);
    }
    // A day is its first moment for pip, and its last for uv, whose words are passed on.
    layer.exclude_newer = values.get("uploaded-prior-to").map(|(value, _)| match is_day(value) {
        true => format!("{value}T00:00:00"),
        false => (*value).to_owned(),
    });
    layer.ca_file = values.get("cert").map(|(value, _)| base.join(value));
    Ok(layer)
}

/// `2026-01-31`
fn is_day(text: &str) -> bool {
    text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}
