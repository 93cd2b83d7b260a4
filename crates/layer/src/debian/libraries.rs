//! Where the loader looks for libraries, and the check that it will find all of them.

use wainwright_elf::{self as elf, Elf};

use super::architecture::Architecture;
use super::error::MissingLibrary;
use super::member::MemberKind;
use super::tree::Tree;
use super::{Error, Note, keep};

/// The directories of `/etc/ld.so.conf.d` and the built-in ones, absolute, in the loader's order, each once.
pub(super) fn directories(tree: &Tree, architecture: &Architecture) -> Vec<String> {
    let mut directories: Vec<String> = Vec::new();
    let mut real = Vec::new();
    let configured = tree.iter().filter_map(|(path, node)| {
        let is_list = keep::is_below(path, b"etc/ld.so.conf.d") && path.ends_with(b".conf");
        match &node.kind {
            MemberKind::File(bytes) if is_list => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    });
    let configured: Vec<String> = configured.collect();
    let lines = configured
        .iter()
        .flat_map(|text| text.lines())
        .map(|line| line.split('#').next().unwrap_or("").trim().trim_end_matches('/'));
    let built_in = architecture.library_directories();
    for directory in lines.chain(built_in.iter().map(String::as_str)).filter(|line| line.starts_with('/')) {
        // `/lib` and `/usr/lib` are one directory; the first name stays, as with ldconfig.
        let Ok(place) = tree.resolve(directory.as_bytes(), true) else { continue };
        if matches!(tree.get(&place).map(|node| &node.kind), Some(MemberKind::Directory))
            && !real.contains(&place)
        {
            real.push(place);
            directories.push(directory.to_owned());
        }
    }
    directories
}

/// Extension modules whose libraries a base may leave out, because nobody imports them: NIS, and Berkeley DB.
const DISPENSABLE: &[&str] = &["_dbm", "nis"];

/// Checks that every program and library of the runtime can be loaded: the mandatory end of a build that runs no
/// maintainer script.
///
/// Each `NEEDED` must be found in the file's own `RUNPATH` or in a directory of the loader, and each program
/// interpreter must exist; both for the same processor. A dispensable extension module that cannot be loaded is taken
/// out, and told about.
pub(super) fn check(
    tree: &mut Tree,
    architecture: &Architecture,
    directories: &[String],
) -> Result<Vec<Note>, Error> {
    let mut notes = Vec::new();
    let mut missing = find_missing(tree, architecture, directories)?;
    missing.sort();
    missing.retain(|one| {
        let Some(module) = dispensable_module(&one.needed_by) else { return true };
        tree.remove(one.needed_by.as_bytes());
        let note = Note::ModuleLeftOut { module: module.to_owned(), library: one.library.clone() };
        notes.push(note);
        false
    });
    if missing.is_empty() { Ok(notes) } else { Err(Error::MissingLibraries { missing }) }
}

fn dispensable_module(path: &str) -> Option<&'static str> {
    let (_, file) = path.strip_prefix("usr/lib/python3")?.split_once("/lib-dynload/")?;
    let module = file.split('.').next()?;
    DISPENSABLE.iter().copied().find(|known| *known == module)
}

/// What programs and libraries of packages need and nobody has; what the image below has counts by its name.
pub(super) fn find_missing(
    tree: &Tree,
    architecture: &Architecture,
    directories: &[String],
) -> Result<Vec<MissingLibrary>, Error> {
    let mut missing = Vec::new();
    for (path, node) in tree.iter() {
        let MemberKind::File(bytes) = &node.kind else { continue };
        let name = || path.escape_ascii().to_string();
        let Some(elf) = elf::read(bytes.as_ref()).map_err(|reason| Error::Elf { path: name(), reason })?
        else {
            continue;
        };
        if !fits(&elf, architecture) {
            return Err(Error::Elf { path: name(), reason: "it is for another processor than its package" });
        }
        let is_found = |library: &[u8]| {
            if library.contains(&b'/') {
                return is_library(tree, architecture, library);
            }
            let own = elf.run_path.iter().map(|directory| expand(directory, path, architecture));
            let all = own.chain(directories.iter().map(|directory| directory.clone().into_bytes()));
            all.into_iter()
                .any(|directory| is_library(tree, architecture, &[&directory, &b"/"[..], library].concat()))
        };
        let wanted = elf.interpreter.iter().chain(&elf.needed);
        missing.extend(wanted.filter(|library| !is_found(library)).map(|library| MissingLibrary {
            needed_by: name(),
            library: library.escape_ascii().to_string(),
        }));
    }
    Ok(missing)
}

fn fits(elf: &Elf, architecture: &Architecture) -> bool {
    elf.machine.number == architecture.machine && elf.machine.is_64 == architecture.is_64
}

fn is_library(tree: &Tree, architecture: &Architecture, path: &[u8]) -> bool {
    match tree.file(path) {
        Some((_, bytes)) => matches!(elf::read(bytes.as_ref()), Ok(Some(elf)) if fits(&elf, architecture)),
        None => tree.is_file(path),
    }
}

/// `$ORIGIN/../lib` of a file becomes a path from the root (ld.so(8), "Dynamic string tokens").
fn expand(directory: &[u8], file: &[u8], architecture: &Architecture) -> Vec<u8> {
    let end = file.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let origin = format!("/{}", file[..end].escape_ascii());
    let library = format!("lib/{}", architecture.triplet);
    let mut text = String::from_utf8_lossy(directory).into_owned();
    for (token, value) in [("ORIGIN", &origin), ("LIB", &library)] {
        text = text.replace(&format!("${{{token}}}"), value).replace(&format!("${token}"), value);
    }
    text.into_bytes()
}
