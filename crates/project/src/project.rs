use std::path::{Path, PathBuf};

use wainwright_python::{PackageName, PythonVersion};

use crate::document::{Source, Table};
use crate::metadata::PythonProject;
use crate::read::read_text;
use crate::{Error, Settings};

/// A project folder and what its files say.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder.
    pub root: PathBuf,
    /// Name of the project: from the settings, else from `[project]`.
    pub name: Option<PackageName>,
    /// `[project]` of `pyproject.toml` and what belongs to it; absent for a folder with only requirements.
    pub python_project: Option<PythonProject>,
    /// What `.python-version` asks for.
    pub python_version_file: Option<PythonVersion>,
    /// What the user decided about the image.
    pub settings: Settings,
    /// What is odd but no reason to stop, as sentences.
    pub warnings: Vec<String>,
}

/// Reads the project in a folder.
///
/// Fails when a file is not what it must be; a folder without any of the files is a project that says nothing.
pub fn load(root: &Path) -> Result<Project, Error> {
    match std::fs::metadata(root) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(Error::NotAFolder { path: root.to_owned() }),
        Err(source) => return Err(Error::read(root, source)),
    }
    let mut warnings = Vec::new();
    let pyproject = Source::read(root, "pyproject.toml")?;
    let pyproject_entries = pyproject.as_ref().map(Source::parse).transpose()?;
    let pyproject = pyproject.as_ref().zip(pyproject_entries.as_ref());
    let pyproject = pyproject.map(|(source, entries)| Table { source, entries });

    let settings = read_settings(root, pyproject)?;
    let python_project = match pyproject {
        Some(pyproject) => PythonProject::read(root, &pyproject, &mut warnings)?,
        None => None,
    };
    let name = settings.name.clone().or_else(|| Some(python_project.as_ref()?.name.clone()));
    let python_version_file = read_python_version(root, &mut warnings)?;
    Ok(Project { root: root.to_owned(), name, python_project, python_version_file, settings, warnings })
}

/// The settings stand in one of two files, never in both.
fn read_settings(root: &Path, pyproject: Option<Table<'_>>) -> Result<Settings, Error> {
    let in_pyproject = match pyproject.and_then(|table| table.look(&["tool", "wainwright"])) {
        Some(item) => Some(item.table()?),
        None => None,
    };
    let Some(source) = Source::read(root, "wainwright.toml")? else {
        return in_pyproject.map_or(Ok(Settings::default()), |table| Settings::read(&table));
    };
    let entries = source.parse()?;
    let own = Table { source: &source, entries: &entries };
    if own.look(&["tool", "wainwright"]).is_some() {
        let span = own.items().get("tool").map_or(0..0, |(span, _)| span.clone());
        let remedy = "settings in wainwright.toml are at the top level, without [tool.wainwright]";
        return Err(source.refuse(span, "unknown key `tool`".into(), Some(remedy.into())));
    }
    match in_pyproject {
        Some(other) if !other.entries.is_empty() && !entries.is_empty() => Err(Error::TwoSettings),
        Some(other) if entries.is_empty() => Settings::read(&other),
        _ => Settings::read(&own),
    }
}

/// The first line of `.python-version` that is not a comment. The file belongs to other tools, which also accept names
/// that mean nothing here: those are a warning.
fn read_python_version(root: &Path, warnings: &mut Vec<String>) -> Result<Option<PythonVersion>, Error> {
    let Some(text) = read_text(root, ".python-version", 64 * 1024)? else { return Ok(None) };
    let Some(line) = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))
    else {
        return Ok(None);
    };
    let version = ["cpython@", "cpython-", "python-"].iter().find_map(|prefix| line.strip_prefix(prefix));
    match version.unwrap_or(line).parse() {
        Ok(version) => Ok(Some(version)),
        Err(error) => {
            warnings.push(format!("`.python-version` is not used: {error}"));
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn project(files: &[(&str, &str)]) -> Result<Project, Error> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(root.path().join(name), text).unwrap();
        }
        load(root.path())
    }

    #[test]
    fn empty_folder_has_no_settings() {
        let project = project(&[("requirements.txt", "flask\n")]).unwrap();
        assert!(project.python_project.is_none());
        assert_eq!((project.name, project.settings), (None, Settings::default()));
    }

    #[test]
    fn settings_in_two_places_are_rejected() {
        let own = ("wainwright.toml", "ports = [80]");
        let tool = ("pyproject.toml", "[tool.wainwright]\nports = [81]");
        assert_eq!(project(&[own]).unwrap().settings.ports[0].number, 80);
        assert_eq!(project(&[tool]).unwrap().settings.ports[0].number, 81);
        assert_eq!(project(&[tool, ("wainwright.toml", "")]).unwrap().settings.ports[0].number, 81);
        assert_snapshot!(
            project(&[own, tool]).unwrap_err(),
            @"settings are in both `wainwright.toml` and `pyproject.toml` (under [tool.wainwright])"
        );
    }

    #[test]
    fn the_name_may_be_set() {
        let pyproject = ("pyproject.toml", "[project]\nname = \"a\"\n");
        assert_eq!(project(&[pyproject]).unwrap().name.unwrap().as_str(), "a");
        let named = [pyproject, ("wainwright.toml", "name = \"b\"")];
        assert_eq!(project(&named).unwrap().name.unwrap().as_str(), "b");
    }

    #[test]
    fn python_version_files_of_other_tools() {
        let read = |text: &str| {
            let project = project(&[(".python-version", text)]).unwrap();
            (project.python_version_file.map(|version| version.to_string()), project.warnings.len())
        };
        assert_eq!(read("# mine\n\n3.12\n3.11\n"), (Some("3.12".into()), 0));
        assert_eq!(read("cpython-3.12.4"), (Some("3.12.4".into()), 0));
        assert_eq!(read(""), (None, 0));
        assert_eq!(read("my-env"), (None, 1));
    }

    #[test]
    fn special_files_do_not_block() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(load(&root.path().join("absent")), Err(Error::Read { .. })));
        std::fs::write(root.path().join("file"), "").unwrap();
        assert!(matches!(load(&root.path().join("file")), Err(Error::NotAFolder { .. })));
        let pipe = root.path().join("pyproject.toml");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_snapshot!(load(root.path()).unwrap_err(), @"`pyproject.toml` is not a regular file");
        std::fs::remove_file(&pipe).unwrap();
        std::fs::write(&pipe, b"a = '\xff'").unwrap();
        assert_snapshot!(load(root.path()).unwrap_err(), @"`pyproject.toml` is not UTF-8 text (at byte 5)");
    }
}
