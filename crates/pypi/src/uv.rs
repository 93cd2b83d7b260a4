use std::path::{Path, PathBuf};

use serde::Deserialize;
use wainwright_http::{Auth, Secret};

use crate::flag::read_flag;
use crate::ini::is_absent;
use crate::layer::Layer;
use crate::places::Places;
use crate::{Error, FindLinks, IndexUrl};

/// What uv would use: variables before files, lists joined, the strongest first.
pub(crate) fn read(places: &Places<'_>) -> Result<Layer, Error> {
    let mut layer = from_vars(places)?;
    for (path, settings) in files(places)? {
        layer.append(settings.into_layer(&path)?);
    }
    let indexes = layer.default.iter_mut().chain(&mut layer.extra).chain(&mut layer.explicit);
    for index in indexes {
        add_credentials(index, "UV_INDEX", places);
    }
    Ok(layer)
}

fn from_vars(places: &Places<'_>) -> Result<Layer, Error> {
    let base = places.project_root;
    let mut layer = Layer::default();
    for name in ["UV_DEFAULT_INDEX", "UV_INDEX_URL"] {
        if let Some(value) = places.var(name).filter(|_| layer.default.is_none()) {
            layer.default = Some(IndexUrl::read_named(value, base, name)?);
        }
    }
    for name in ["UV_INDEX", "UV_EXTRA_INDEX_URL"] {
        for url in places.var(name).unwrap_or_default().split_whitespace() {
            layer.extra.push(IndexUrl::read_named(url, base, name)?);
        }
    }
    for link in places.var("UV_FIND_LINKS").unwrap_or_default().split(',') {
        if !link.trim().is_empty() {
            layer.find_links.push(FindLinks::read(link.trim(), base, "UV_FIND_LINKS")?);
        }
    }
    if let Some(value) = places.var("UV_NO_INDEX") {
        layer.no_index = Some(read_flag(value, "UV_NO_INDEX")?);
    }
    layer.exclude_newer = places.var("UV_EXCLUDE_NEWER").map(str::to_owned);
    Ok(layer)
}

/// `UV_INDEX_<NAME>_USERNAME` and `_PASSWORD`, for the prefix `UV_INDEX`: the name in upper case, `_` for everything that is no letter
/// or digit.
pub(crate) fn add_credentials(index: &mut IndexUrl, prefix: &str, places: &Places<'_>) {
    let Some(name) = &index.name else { return };
    let letter =
        |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    let name: String = name.chars().map(letter).collect();
    let user = places.var(&format!("{prefix}_{name}_USERNAME"));
    let password = places.var(&format!("{prefix}_{name}_PASSWORD"));
    if user.is_some() || password.is_some() {
        index.auth = Some(Auth::basic(user.unwrap_or_default(), &Secret::new(password.unwrap_or_default())));
    }
}

/// The settings files, the strongest first: the project's, its workspace's, the user's, the system's; `UV_CONFIG_FILE`
/// replaces them all.
fn files(places: &Places<'_>) -> Result<Vec<(PathBuf, UvSettings)>, Error> {
    let mut found = Vec::new();
    if let Some(file) = places.var("UV_CONFIG_FILE") {
        let path = places.project_root.join(file);
        let text =
            std::fs::read_to_string(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        let settings = parse(&text, &path)?;
        return Ok(vec![(path, settings)]);
    }
    if places.var("UV_NO_CONFIG").is_some_and(|value| read_flag(value, "UV_NO_CONFIG").unwrap_or(false)) {
        return Ok(found);
    }
    found.extend(of_folder(places.project_root)?);
    let root = places.project_root;
    let root = root.canonicalize().or_else(|_| std::path::absolute(root)).unwrap_or_default();
    if found.iter().all(|(_, settings)| settings.workspace.is_none()) {
        // Above the project, the nearest settings count where it has none, and those of its workspace in any case. What is
        // wrong up there is somebody else's business.
        for folder in root.ancestors().skip(1) {
            let Ok(Some((path, settings))) = of_folder(folder) else { continue };
            let is_workspace = settings.workspace.is_some();
            if found.is_empty() || is_workspace {
                found.push((path, settings));
            }
            if is_workspace {
                break;
            }
        }
    }
    let of_user = places.config_home().map(|folder| folder.join("uv/uv.toml"));
    for path in of_user.into_iter().chain([places.etc.join("uv/uv.toml")]) {
        if let Some(settings) = read_file(&path)? {
            found.push((path, settings));
        }
    }
    Ok(found)
}

/// The settings of one folder: a `uv.toml` hides the `[tool.uv]` beside it, but says nothing of workspaces.
fn of_folder(folder: &Path) -> Result<Option<(PathBuf, UvSettings)>, Error> {
    let path = folder.join("pyproject.toml");
    let of_project = || Ok::<_, Error>(read_file::<Pyproject>(&path)?.and_then(|file| file.tool?.uv));
    let own = folder.join("uv.toml");
    if let Some(settings) = read_file::<UvSettings>(&own)? {
        let workspace = of_project().ok().flatten().and_then(|settings| settings.workspace);
        return Ok(Some((own, UvSettings { workspace, ..settings })));
    }
    Ok(of_project()?.map(|settings| (path, settings)))
}

/// The settings that are about indexes; what else stands in the file is not ours to judge.
#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct UvSettings {
    index: Vec<UvIndex>,
    index_url: Option<String>,
    extra_index_url: Vec<String>,
    find_links: Vec<String>,
    no_index: Option<bool>,
    exclude_newer: Option<toml::Value>,
    workspace: Option<toml::Value>,
}

#[derive(Deserialize)]
struct UvIndex {
    name: Option<String>,
    url: String,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    explicit: bool,
    #[serde(default)]
    format: Option<String>,
}

#[derive(Deserialize)]
struct Pyproject {
    tool: Option<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    uv: Option<UvSettings>,
}

impl UvSettings {
    fn into_layer(self, path: &Path) -> Result<Layer, Error> {
        let base = path.parent().unwrap_or(path);
        let place = |key: &str| format!("`{}`, {key}", path.display());
        let exclude_newer = self.exclude_newer.and_then(|value| match value {
            toml::Value::String(text) => Some(text),
            toml::Value::Datetime(time) => Some(time.to_string()),
            _ => None,
        });
        let mut layer = Layer { no_index: self.no_index, exclude_newer, ..Layer::default() };
        for index in self.index {
            let place = place("[[index]]");
            if index.format.as_deref() == Some("flat") {
                layer.find_links.push(FindLinks::read(&index.url, base, &place)?);
                continue;
            }
            let read = IndexUrl { name: index.name, ..IndexUrl::read(&index.url, base, &place)? };
            match (index.explicit, index.default) {
                (true, _) => layer.explicit.push(read),
                (false, true) => layer.default = layer.default.or(Some(read)),
                (false, false) => layer.extra.push(read),
            }
        }
        if let Some(url) = self.index_url.filter(|_| layer.default.is_none()) {
            layer.default = Some(IndexUrl::read(&url, base, &place("index-url"))?);
        }
        for url in self.extra_index_url {
            layer.extra.push(IndexUrl::read(&url, base, &place("extra-index-url"))?);
        }
        for link in self.find_links {
            layer.find_links.push(FindLinks::read(&link, base, &place("find-links"))?);
        }
        Ok(layer)
    }
}

/// Settings files above a project may be anybody's: no pipe is waited for, and none is read that is larger than this.
const MOST: u64 = 32 << 20;

fn read_file<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<Option<T>, Error> {
    let read = || {
        let found = std::fs::metadata(path)?;
        let reason = match found.is_file() {
            true if found.len() <= MOST => return std::fs::read_to_string(path),
            true => "it is over 32 MiB",
            false => "it is not a regular file",
        };
        Err(std::io::Error::other(reason))
    };
    match read() {
        Ok(text) => parse(&text, path).map(Some),
        Err(error) if is_absent(&error) => Ok(None),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}

fn parse<T: for<'a> Deserialize<'a>>(text: &str, path: &Path) -> Result<T, Error> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
        // The message of the error, without the excerpt: the line may hold a password.
        Error::Syntax { path: path.to_owned(), line, reason: error.message().to_owned() }
    })
}
