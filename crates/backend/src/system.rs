use std::path::{Component, Path};

use serde::Deserialize;
use wainwright_lock::Requirement;

use crate::Error;

/// The most bytes a pyproject.toml has.
const LARGEST: u64 = 8 << 20;

/// How a source is built: `[build-system]` of its pyproject.toml (PyPA, "pyproject.toml specification").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildSystem {
    /// What has to be installed first, as written.
    pub requires: Vec<String>,
    /// `module` or `module:object`.
    pub backend: String,
    /// Folders of the source that the backend is imported from, where it brings its own.
    pub path: Vec<String>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "build-system")]
    system: Option<Table>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Table {
    requires: Vec<String>,
    build_backend: Option<String>,
    #[serde(default)]
    backend_path: Vec<String>,
}

impl BuildSystem {
    /// Reads what a source says, or what holds for one that says nothing (PEP 517). `what` names it in errors.
    pub fn read(source: &Path, what: &str) -> Result<Self, Error> {
        let refuse = |reason: String| Error::System { what: what.to_owned(), reason };
        let path = source.join("pyproject.toml");
        let table = match path.symlink_metadata() {
            Ok(found) if !found.is_file() => {
                return Err(refuse("pyproject.toml is not a regular file".into()));
            }
            Ok(found) if found.len() > LARGEST => return Err(refuse("pyproject.toml is too large".into())),
            Ok(_) => {
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|source| Error::Read { path: path.clone(), source })?;
                let document: Document = toml::from_str(&text)
                    .map_err(|error| refuse(format!("pyproject.toml: {}", error.message())))?;
                document.system
            }
            Err(_) => None,
        };
        let table = match table {
            Some(table) => table,
            None if source.join("setup.py").is_file() || path.is_file() => {
                Table { requires: Vec::new(), build_backend: None, backend_path: Vec::new() }
            }
            None => return Err(refuse("it has neither pyproject.toml nor setup.py".into())),
        };
        let mut requires = table.requires;
        if table.build_backend.is_none() && requires.is_empty() {
            requires.push("setuptools >= 40.8.0".into());
        }
        let backend = table.build_backend.unwrap_or_else(|| "setuptools.build_meta:__legacy__".into());
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:".contains(&byte);
        if backend.is_empty() || !backend.bytes().all(is_word) {
            return Err(refuse(format!("`{}` is not a backend name", backend.escape_debug())));
        }
        let stays_inside = |path: &String| {
            Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        };
        if let Some(path) = table.backend_path.iter().find(|path| !stays_inside(path)) {
            return Err(refuse(format!("its backend-path `{}` points outside it", path.escape_debug())));
        }
        check(&requires, what)?;
        Ok(Self { requires, backend, path: table.backend_path })
    }
}

/// Refuses requirements that an installer would have to build itself: an address may be a source.
pub(crate) fn check(requires: &[String], what: &str) -> Result<(), Error> {
    let refuse = |reason: String| Error::System { what: what.to_owned(), reason };
    for line in requires {
        let read: Result<Requirement, _> = line.parse();
        match read {
            Err(error) => return Err(refuse(format!("a build requirement of it: {error}"))),
            Ok(requirement) if requirement.url.is_some() => {
                return Err(refuse(format!(
                    "it requires `{}` from a URL; build requirements must come from a package index",
                    requirement.name
                )));
            }
            Ok(_) if line.chars().any(char::is_control) => {
                return Err(refuse("a build requirement of it is not one line".into()));
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let system = BuildSystem::read(folder.path(), "foo 1.0").map_err(|error| error.to_string())?;
        Ok(format!("{} {:?} {:?}", system.backend, system.requires, system.path))
    }

    #[test]
    fn source_without_build_system_uses_setuptools() {
        let legacy = Ok("setuptools.build_meta:__legacy__ [\"setuptools >= 40.8.0\"] []".to_owned());
        assert_eq!(check(&[("setup.py", "")]), legacy);
        assert_eq!(check(&[("pyproject.toml", "[tool.black]\n")]), legacy);
        assert!(check(&[]).unwrap_err().contains("neither pyproject.toml nor setup.py"));
    }

    #[test]
    fn a_table_is_read_and_checked() {
        let read = |text: &str| check(&[("pyproject.toml", &format!("[build-system]\n{text}"))]);
        assert_eq!(
            read(
                "requires = [\"hatchling>=1\"]\nbuild-backend = \"hatchling.build\"\nbackend-path = [\"tools\"]"
            ),
            Ok("hatchling.build [\"hatchling>=1\"] [\"tools\"]".into())
        );
        for (text, reason) in [
            ("requires = [\"x @ file:///tmp/x\"]", "from a URL"),
            ("requires = [\"--index-url=http://x\"]", "a build requirement"),
            ("requires = []\nbuild-backend = \"os;evil\"", "not a backend name"),
            ("requires = []\nbackend-path = [\"../x\"]", "points outside it"),
            ("build-backend = 1", "pyproject.toml:"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }
}
