use std::borrow::Cow;
use std::collections::BTreeSet;

use wainwright_oci::ImagePath;
use wainwright_python::{PackageName, PythonVersion, Slim};

use crate::error::{Error, Fault};
use crate::rules::E_NAME;

/// Where wheels are installed: a virtual environment in an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The environment: `app/.venv`.
    pub prefix: ImagePath,
    /// The interpreter's version; names `lib/python3.11`.
    pub python: PythonVersion,
    /// The absolute path written into scripts: `/app/.venv/bin/python`.
    pub interpreter: String,
    /// The name written into INSTALLER.
    pub installer: String,
    /// The kinds of files that are left out, and have no row in RECORD either.
    pub slim: BTreeSet<Slim>,
}

impl Layout {
    /// An environment whose scripts start its own `bin/python`, installed by `wain`.
    pub fn venv(prefix: ImagePath, python: PythonVersion) -> Self {
        let interpreter = format!("/{prefix}/bin/python");
        Self { prefix, python, interpreter, installer: "wain".into(), slim: BTreeSet::new() }
    }

    /// Refuses what would break the first line of scripts or the INSTALLER file.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refuse = |reason: &str| Err(Error::Layout { reason: reason.into() });
        if !self.interpreter.starts_with('/') || self.interpreter.chars().any(char::is_control) {
            return refuse("the interpreter is not an absolute path of printable characters");
        }
        if self.installer.is_empty() || self.installer.chars().any(char::is_control) {
            return refuse("the name of the installer is not one line of text");
        }
        if std::str::from_utf8(self.prefix.as_bytes()).is_err() {
            return refuse("the prefix is not UTF-8, and RECORD is");
        }
        Ok(())
    }

    /// The directories that the files of a package go to.
    pub(crate) fn directories(&self, name: &PackageName) -> Result<Directories<'_>, Fault> {
        let python = self.python.short();
        let below = |path: &str| self.prefix.join(path).map_err(|error| refuse(path, error));
        Ok(Directories {
            site: below(&format!("lib/python{python}/site-packages"))?,
            scripts: below("bin")?,
            data: &self.prefix,
            headers: below(&format!("include/site/python{python}/{name}"))?,
        })
    }
}

/// Where each part of a wheel goes; found out once for all its files.
#[derive(Debug)]
pub(crate) struct Directories<'a> {
    pub(crate) site: ImagePath,
    scripts: ImagePath,
    data: &'a ImagePath,
    headers: ImagePath,
}

impl Directories<'_> {
    /// The place of a file in the image.
    pub(crate) fn path(&self, place: &Place<'_>) -> Result<ImagePath, Fault> {
        let directory = match place {
            Place::Site(_) => &self.site,
            Place::Script(_) => &self.scripts,
            Place::Data(_) => self.data,
            Place::Headers(_) => &self.headers,
        };
        match place.rest() {
            "" => Ok(directory.clone()),
            rest => directory.join(rest).map_err(|error| refuse(rest, error)),
        }
    }
}

/// The path may be long, and the member is named already.
fn refuse(name: &str, error: wainwright_oci::Error) -> Fault {
    let reason = match error {
        wainwright_oci::Error::Path { reason, .. } => format!("as it would be installed, {reason}"),
        other => other.to_string(),
    };
    Fault::member(E_NAME, name, reason)
}

/// Which of the directories of an environment a member goes to, and the path below it
/// (binary distribution format, "The .data directory").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// `purelib` and `platlib`: one directory in every environment we make.
    Site(&'a str),
    /// `bin`.
    Script(&'a str),
    /// The environment itself.
    Data(&'a str),
    /// `include/site/python3.11/<name>`.
    Headers(&'a str),
}

impl<'a> Place<'a> {
    /// Decides by the name of a member; `None` for an unknown part of the `.data` directory.
    pub(crate) fn of(name: &'a str, data_directory: Option<&str>) -> Option<Self> {
        let below = data_directory.and_then(|directory| match name.strip_prefix(directory)? {
            "" => Some(""),
            rest => rest.strip_prefix('/'),
        });
        let Some(below) = below else { return Some(Self::Site(name)) };
        let (scheme, rest) = below.split_once('/').unwrap_or((below, ""));
        match scheme {
            "purelib" | "platlib" => Some(Self::Site(rest)),
            "scripts" => Some(Self::Script(rest)),
            "data" => Some(Self::Data(rest)),
            "headers" => Some(Self::Headers(rest)),
            _ => None,
        }
    }

    /// The path below the folder of packages of whatever Python, if it ends up there: also through `data`.
    pub(crate) fn site(&self) -> Option<&'a str> {
        match self {
            Self::Site(rest) => Some(rest),
            Self::Script(_) | Self::Headers(_) => None,
            Self::Data(rest) => {
                let below = rest.strip_prefix("lib/").or_else(|| rest.strip_prefix("lib64/"))?;
                let (python, rest) = below.split_once('/')?;
                python.strip_prefix("python").and_then(|_| rest.strip_prefix("site-packages/"))
            }
        }
    }

    /// The path below the directory; empty for the directory itself.
    pub(crate) fn rest(&self) -> &'a str {
        match self {
            Self::Site(rest) | Self::Script(rest) | Self::Data(rest) | Self::Headers(rest) => rest,
        }
    }
}

/// How to get from the directory `from` to `to`: `../../../bin/x`.
pub(crate) fn relative<'a>(from: &ImagePath, to: &'a ImagePath) -> Cow<'a, str> {
    let below = to.as_bytes().strip_prefix(from.as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
    if let Some(below) = below {
        return String::from_utf8_lossy(below);
    }
    let from: Vec<&[u8]> = from.as_bytes().split(|byte| *byte == b'/').collect();
    let to: Vec<&[u8]> = to.as_bytes().split(|byte| *byte == b'/').collect();
    let shared = from.iter().zip(&to).take_while(|(from, to)| from == to).count();
    let up = from.iter().skip(shared).map(|_| "..".to_owned());
    let down = to.iter().skip(shared).map(|part| String::from_utf8_lossy(part).into_owned());
    up.chain(down).collect::<Vec<_>>().join("/").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_has_its_directory() {
        let layout = Layout::venv(ImagePath::new("app/.venv").unwrap(), PythonVersion::new(3, 11));
        let directories = layout.directories(&"greenlet".parse().unwrap()).unwrap();
        let path = |member| {
            let place = Place::of(member, Some("g-1.data"))?;
            directories.path(&place).ok().map(|path| path.to_string())
        };
        for (member, expected) in [
            ("g/a.py", "app/.venv/lib/python3.11/site-packages/g/a.py"),
            ("g-1.data.txt", "app/.venv/lib/python3.11/site-packages/g-1.data.txt"),
            ("g-1.data/platlib/g/a.so", "app/.venv/lib/python3.11/site-packages/g/a.so"),
            ("g-1.data/scripts/g", "app/.venv/bin/g"),
            ("g-1.data/data/share/g.1", "app/.venv/share/g.1"),
            ("g-1.data/headers/g.h", "app/.venv/include/site/python3.11/greenlet/g.h"),
        ] {
            assert_eq!(path(member).as_deref(), Some(expected));
        }
        assert_eq!(path("g-1.data/evil/x"), None);
        assert_eq!(path("g-1.data/loose"), None);
    }

    #[test]
    fn data_directory_can_install_into_packages() {
        let site = |member| Place::of(member, Some("g-1.data")).and_then(|place| place.site());
        assert_eq!(site("g/a.py"), Some("g/a.py"));
        assert_eq!(site("g-1.data/data/lib/python3.11/site-packages/a.pth"), Some("a.pth"));
        assert_eq!(site("g-1.data/data/lib64/python3.13t/site-packages/a.pth"), Some("a.pth"));
        assert_eq!(site("g-1.data/data/lib/a.pth"), None);
        assert_eq!(site("g-1.data/scripts/a"), None);
    }

    #[test]
    fn relative_paths_climb_as_far_as_needed() {
        let check = |from: &str, to: &str, expected: &str| {
            assert_eq!(relative(&ImagePath::new(from).unwrap(), &ImagePath::new(to).unwrap()), expected);
        };
        check("v/lib/python3.11/site-packages", "v/bin/x", "../../../bin/x");
        check("v/lib/python3.11/site-packages", "v/lib/python3.11/site-packages/a/b", "a/b");
        check("v/lib/python3.11/site-packages", "v/lib/python3.11/x", "../x");
    }
}
