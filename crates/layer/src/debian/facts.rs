//! What a runtime offers to those who install into it and describe it.

use wainwright_oci::ImagePath;
use wainwright_python::{Libc, PythonVersion};

use super::architecture::Architecture;
use super::notes::{self, Note};
use super::package::Package;
use super::tree::Tree;
use super::{DebFile, Error, RuntimeOptions};

/// What a runtime offers, and what had to be left out.
#[derive(Clone, Debug)]
pub struct Facts {
    /// As Debian names it: `amd64`, `armhf`.
    pub architecture: String,
    /// `usr/bin/python3.11`.
    pub interpreter: ImagePath,
    /// With its patch level.
    pub python: PythonVersion,
    /// The C library.
    pub libc: Libc,
    /// All packages, sorted by name.
    pub packages: Vec<InstalledPackage>,
    /// What somebody should know.
    pub notes: Vec<Note>,
}

/// A package in the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstalledPackage {
    /// `libc6`
    pub name: String,
    /// `2.36-9+deb12u14`
    pub version: String,
    /// `amd64` or `all`.
    pub architecture: String,
    /// `glibc`
    pub source: String,
}

/// Reads them off the packages and the finished root; refuses a root without the interpreter or the C library.
pub(super) fn gather(
    debs: &[DebFile],
    packages: &[Package],
    tree: &Tree,
    options: &RuntimeOptions,
    architecture: &Architecture,
) -> Result<Facts, Error> {
    let python = options.python.short();
    let missing = || Error::NoInterpreter { python: python.clone() };
    let path = format!("usr/bin/python{python}");
    let (interpreter, _) = tree.file(path.as_bytes()).ok_or_else(missing)?;
    let interpreter = ImagePath::new(interpreter).map_err(|_| missing())?;
    let version =
        |name: &str| packages.iter().find(|package| package.name == name).map(|found| &found.version);
    let upstream = version(&format!("python{python}-minimal")).and_then(|version| numbers(version));
    let libc = version("libc6").and_then(|version| numbers(version)).and_then(|numbers| match numbers[..] {
        [major, minor, ..] => Some(Libc::Glibc(major, minor)),
        _ => None,
    });
    let patch =
        upstream.as_ref().and_then(|numbers| numbers.get(2)).and_then(|patch| u8::try_from(*patch).ok());
    let mut installed: Vec<InstalledPackage> = debs
        .iter()
        .map(|deb| InstalledPackage {
            name: deb.name.clone(),
            version: deb.version.clone(),
            architecture: deb.architecture.clone(),
            source: deb.source.clone(),
        })
        .collect();
    installed.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Facts {
        architecture: architecture.name.to_owned(),
        interpreter,
        python: PythonVersion { patch, ..PythonVersion::new(options.python.major, options.python.minor) },
        libc: libc.ok_or_else(|| Error::Architecture { reason: "`libc6` is not among them".into() })?,
        packages: installed,
        notes: notes::gather(packages),
    })
}

/// The numbers at the start of a Debian version: `1:3.11.2-6+deb12u9` gives 3, 11, 2.
fn numbers(version: &str) -> Option<Vec<u16>> {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let end =
        upstream.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(upstream.len());
    upstream[..end].trim_end_matches('.').split('.').map(|number| number.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstream_versions_are_read_from_debian_versions() {
        assert_eq!(numbers("1:3.11.2-6+deb12u9"), Some(vec![3, 11, 2]));
        assert_eq!(numbers("2.41-12"), Some(vec![2, 41]));
        assert_eq!(numbers("3.14~rc1-1"), Some(vec![3, 14]));
        assert_eq!(numbers("git20"), None);
    }
}
