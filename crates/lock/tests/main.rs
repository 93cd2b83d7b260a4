//! What lockfiles say, and what is refused.

mod errors;
mod fixtures;
mod hostile;
mod markers;
mod stale;

use std::path::{Path, PathBuf};

use wainwright_lock::{Error, Lock, LockedPackage, Selection};
use wainwright_python::{Libc, Target};

/// A file below `fixtures/locks`.
fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/locks").join(path)
}

fn target(python: &str, architecture: &str) -> Target {
    Target {
        python: python.parse().unwrap(),
        architecture: architecture.into(),
        variant: None,
        libc: Libc::Glibc(2, 36),
    }
}

/// Reads `text` as a lockfile of this name in an empty folder.
fn read(name: &str, text: &str) -> Result<Lock, Error> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(name), text).unwrap();
    wainwright_lock::read(&dir.path().join(name))
}

/// The packages of `text` for Python 3.11.2 on amd64.
fn packages(name: &str, text: &str) -> Result<Vec<LockedPackage>, Error> {
    read(name, text)?.packages(&Selection::default(), &target("3.11.2", "amd64"))
}

/// `name==version`, line by line.
fn list(packages: &[LockedPackage]) -> Vec<String> {
    let version =
        |package: &LockedPackage| package.version.as_ref().map(ToString::to_string).unwrap_or_default();
    packages.iter().map(|package| format!("{}=={}", package.name, version(package))).collect()
}
