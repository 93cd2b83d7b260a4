use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wainwright_python::PythonVersion;

use crate::packages::{Alpine, DebianPackage};
use crate::tree::{Kind, Tree};

/// Names of interpreters that are looked at.
const MOST_NAMES: usize = 1000;

/// A CPython of the base image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    /// The program itself, all links followed: `/usr/local/bin/python3.11`.
    pub path: String,
    /// Its version; the patch level where the image tells.
    pub version: PythonVersion,
    /// All paths that lead to it, sorted: `/usr/local/bin/python`, `/usr/local/bin/python3` ... and `path` itself.
    pub names: Vec<String>,
}

/// Finds every `python`, `python3` and `python3.X` that leads to a CPython.
///
/// Other implementations, free-threaded builds and scripts that only look like an interpreter are left out.
pub(crate) fn find(tree: &Tree, debian: &[DebianPackage], alpine: &Alpine) -> Vec<Interpreter> {
    let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let is_candidate = |path: &[u8], kind: &Kind| {
        matches!(kind, Kind::File(_) | Kind::Symlink(_))
            && is_name(path.rsplit(|b| *b == b'/').next().unwrap_or(path))
    };
    for (path, _) in tree.iter().filter(|(path, kind)| is_candidate(path, kind)).take(MOST_NAMES) {
        let Some(target) = tree.resolve(path) else { continue };
        let is_program = tree.file(&target).is_some_and(|facts| facts.is_elf && facts.is_executable);
        if let (true, Ok(path), Ok(target)) =
            (is_program, std::str::from_utf8(path), String::from_utf8(target))
        {
            names.entry(target).or_default().push(format!("/{path}"));
        }
    }
    let interpreter = |(target, names): (String, Vec<String>)| {
        let version = version(tree, &target, debian, alpine)?;
        Some(Interpreter { path: format!("/{target}"), version, names })
    };
    names.into_iter().filter_map(interpreter).collect()
}

/// `python`, `python3` or `python3.11`.
pub(crate) fn is_name(name: &[u8]) -> bool {
    match name.strip_prefix(b"python") {
        Some(b"" | b"3") => true,
        Some(rest) => minor(rest).is_some(),
        None => false,
    }
}

/// `11` of `3.11`.
fn minor(version: &[u8]) -> Option<u8> {
    let digits = version.strip_prefix(b"3.")?;
    let is_number = !digits.is_empty() && digits.len() <= 3 && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| is_number)?.parse().ok()
}

fn version(tree: &Tree, program: &str, debian: &[DebianPackage], alpine: &Alpine) -> Option<PythonVersion> {
    let (folder, name) = program.rsplit_once('/').unwrap_or(("", program));
    let prefix = folder.rsplit_once('/').map_or("", |(prefix, _)| prefix);
    let minor = match name.strip_prefix("python")? {
        // The name does not say; the standard library beside it does.
        "" | "3" => library_minor(tree, prefix)?,
        rest => minor(rest.as_bytes())?,
    };
    let version = PythonVersion::new(3, minor);
    let patch = patch_of_header(tree, prefix, version).or_else(|| {
        // Only what the package manager installed has the version it says.
        if matches!(prefix, "usr" | "") { patch_of_package(debian, alpine, version) } else { None }
    });
    Some(PythonVersion { patch, ..version })
}

/// The one `lib/python3.X` of a prefix that holds a standard library.
fn library_minor(tree: &Tree, prefix: &str) -> Option<u8> {
    let holds_library = |minor: &u8| {
        ["lib", "lib64"]
            .iter()
            .any(|lib| tree.resolve(format!("{prefix}/{lib}/python3.{minor}/os.py").as_bytes()).is_some())
    };
    let mut found = (0..100).filter(holds_library);
    let minor = found.next()?;
    found.next().is_none().then_some(minor)
}

/// From `#define PY_MICRO_VERSION 2` of `patchlevel.h`.
fn patch_of_header(tree: &Tree, prefix: &str, version: PythonVersion) -> Option<u8> {
    let path = format!("{prefix}/include/python{}/patchlevel.h", version.short());
    let header = tree.text(path.as_bytes())?;
    let number = |name: &str| {
        header.lines().find_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["#define", found, value, ..] if found == name => value.parse::<u8>().ok(),
            _ => None,
        })
    };
    let is_same = number("PY_MAJOR_VERSION") == Some(3) && number("PY_MINOR_VERSION") == Some(version.minor);
    number("PY_MICRO_VERSION").filter(|_| is_same)
}

/// From the version of the package that brings the interpreter: `3.11.2-6+deb12u6`.
fn patch_of_package(debian: &[DebianPackage], alpine: &Alpine, version: PythonVersion) -> Option<u8> {
    let short = version.short();
    let of_debian =
        |name: String| debian.iter().find(|package| package.name == name).map(|found| &found.version);
    let found = of_debian(format!("python{short}-minimal"))
        .or_else(|| of_debian(format!("python{short}")))
        .or_else(|| alpine.get("python3"))
        .or_else(|| alpine.get(&format!("python-{short}")))
        .or_else(|| alpine.get(&format!("python-{short}-base")))?;
    let upstream = found.split_once(':').map_or(found.as_str(), |(_, rest)| rest);
    let rest = upstream.strip_prefix(&short)?.strip_prefix('.')?;
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Fills in the patch level that official images state in their config as `PYTHON_VERSION`.
pub(crate) fn fill_patch(pythons: &mut [Interpreter], stated: Option<&str>) {
    let Some(stated) = stated.and_then(|text| text.parse::<PythonVersion>().ok()) else { return };
    for python in pythons {
        let is_same = (python.version.major, python.version.minor) == (stated.major, stated.minor);
        if is_same && python.version.patch.is_none() && !python.path.starts_with("/usr/bin/") {
            python.version.patch = stated.patch;
        }
    }
}
