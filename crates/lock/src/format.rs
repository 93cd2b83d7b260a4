use std::path::{Path, PathBuf};

use crate::content::Content;
use crate::text::Text;
use crate::{Error, Lock, LockFormat, pdm, pipfile, poetry, pylock, requirements, uv};

/// What there is to know about a kind of lockfile.
struct Format {
    format: LockFormat,
    /// The name it is looked for.
    file_name: &'static str,
    /// Whether a file of this name is one.
    is_name: fn(&str) -> bool,
    read: fn(Text) -> Result<Box<dyn Content>, Error>,
}

/// All kinds; the first that exists in a folder is taken.
const FORMATS: &[Format] = &[
    Format {
        format: LockFormat::UvLock,
        file_name: "uv.lock",
        is_name: |name| name == "uv.lock",
        read: uv::read,
    },
    Format {
        format: LockFormat::PoetryLock,
        file_name: "poetry.lock",
        is_name: |name| name == "poetry.lock",
        read: poetry::read,
    },
    Format {
        format: LockFormat::PdmLock,
        file_name: "pdm.lock",
        is_name: |name| name == "pdm.lock",
        read: pdm::read,
    },
    Format {
        format: LockFormat::Pylock,
        file_name: "pylock.toml",
        is_name: |name| name == "pylock.toml" || name.starts_with("pylock.") && name.ends_with(".toml"),
        read: pylock::read,
    },
    Format {
        format: LockFormat::PipfileLock,
        file_name: "Pipfile.lock",
        is_name: |name| name == "Pipfile.lock",
        read: pipfile::read,
    },
    Format {
        format: LockFormat::Requirements,
        file_name: "requirements.txt",
        is_name: |name| name.ends_with(".txt"),
        read: requirements::read,
    },
];

/// The lockfile of a project folder: of several the most exact one, in the order of [`LockFormat`].
pub fn find(dir: &Path) -> Option<(LockFormat, PathBuf)> {
    find_all(dir).into_iter().next()
}

/// Every lockfile of a project folder; the first is the one that counts.
pub fn find_all(dir: &Path) -> Vec<(LockFormat, PathBuf)> {
    let named = FORMATS.iter().map(|format| (format.format, dir.join(format.file_name)));
    named.filter(|(_, path)| path.is_file()).collect()
}

/// The lockfile of the uv workspace that a member belongs to: `uv.lock` in the nearest folder above it whose
/// `pyproject.toml` has `[tool.uv.workspace]`, as uv looks for it.
///
/// Whether the member is locked there, reading it tells.
pub fn find_workspace(member: &Path) -> Option<PathBuf> {
    let is_workspace = |folder: &Path| {
        let text = Text::read(&folder.join("pyproject.toml"), None).ok()?;
        let document: toml::Table = text.toml().ok()?;
        document.get("tool")?.get("uv")?.get("workspace").map(|_| ())
    };
    let root = member.ancestors().skip(1).find(|folder| is_workspace(folder).is_some())?;
    Some(root.join("uv.lock")).filter(|lock| lock.is_file())
}

/// Reads a lockfile, and the files it includes; its name tells the format.
pub fn read(path: &Path) -> Result<Lock, Error> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let format = FORMATS
        .iter()
        .find(|format| (format.is_name)(name))
        .ok_or_else(|| Error::UnknownFormat { file: path.into() })?;
    let content = (format.read)(Text::read(path, None)?)?;
    Ok(Lock { file: path.into(), format: format.format, content })
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;

    use super::*;

    #[test]
    fn the_most_exact_lockfile_is_found_first() {
        let dir = tempfile::tempdir().unwrap();
        let found = || find(dir.path()).map(|(format, _)| format);
        assert_eq!(found(), None);
        for (name, format) in [
            ("requirements.txt", LockFormat::Requirements),
            ("Pipfile.lock", LockFormat::PipfileLock),
            ("pylock.toml", LockFormat::Pylock),
            ("pdm.lock", LockFormat::PdmLock),
            ("poetry.lock", LockFormat::PoetryLock),
            ("uv.lock", LockFormat::UvLock),
        ] {
            std::fs::write(dir.path().join(name), "").unwrap();
            assert_eq!(found(), Some(format));
        }
    }

    #[test]
    fn a_member_finds_the_lock_of_its_workspace() {
        let dir = tempfile::tempdir().unwrap();
        let member = dir.path().join("packages/api");
        std::fs::create_dir_all(&member).unwrap();
        std::fs::write(dir.path().join("uv.lock"), "").unwrap();
        assert_eq!(find_workspace(&member), None, "a lock alone is of another project");
        std::fs::write(dir.path().join("pyproject.toml"), "[tool.uv.workspace]\nmembers = []").unwrap();
        assert_eq!(find_workspace(&member), Some(dir.path().join("uv.lock")));
        assert_eq!(find_workspace(dir.path()), None);
    }

    #[test]
    fn the_name_tells_the_format() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conda.lock");
        let error = read(&path).unwrap_err();
        assert!(matches!(error, Error::UnknownFormat { .. }), "{error}");
        let error = read(&dir.path().join("uv.lock")).unwrap_err();
        assert!(matches!(error, Error::Missing { .. }) && !error.is_outside(), "{error}");
    }
}
