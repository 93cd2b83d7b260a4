//! Bytecode of the standard library, made by the packages' own interpreter.
//!
//! A container whose files cannot be written compiles the modules it imports at every start: a quarter of a second of
//! processor time for a small web server. The bytecode is unchecked: the interpreter takes it without looking at the
//! source, which does not change in an image (PEP 552).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::groups::Group;
use super::member::MemberKind;
use super::tree::Tree;
use super::{Error, Facts, Runtime, RuntimeLayer};

const SCRIPT: &str = include_str!("compile.py");

/// Files are dealt to this many interpreters in turn. Fixed, because what an interpreter compiled before may show in
/// the bytecode (`marshal` writes a reference for a string it has seen elsewhere).
const INTERPRETERS: usize = 4;

/// Compiles the standard library of `target` with the interpreter of `host`, into the layer `python-bytecode`.
///
/// `host` is a runtime for this machine's processor, with the same version of Python; it may be `target` itself. Its
/// files are unpacked into `scratch`, an empty directory on a file system that may hold programs, which the caller
/// removes afterwards; its interpreter is started through its own loader, so nothing of this machine's Python, and no privilege, is needed. What it writes
/// does not depend on the processor, so the images of all processors can share the layer; `_sysconfigdata`, which
/// differs between them, is left out. Links are left out as well: `sitecustomize.py` is a user's to replace.
///
/// [`Error::CannotRun`] when this machine cannot run it; an image without this layer works, and starts slower.
pub fn compile_stdlib(target: &Runtime, host: &Runtime, scratch: &Path) -> Result<RuntimeLayer, Error> {
    check_versions(&target.facts, &host.facts)?;
    let root = scratch.join("root");
    let interpreter = unpack(host, &root)?;
    let sources = stdlib(target);
    let mut lists = Vec::new();
    for number in 0..INTERPRETERS {
        let share: Vec<_> = sources.iter().skip(number).step_by(INTERPRETERS).collect();
        lists.push(write_list(scratch, number, &share)?);
    }
    let outputs: Vec<Result<Vec<Option<Vec<u8>>>, Error>> = std::thread::scope(|scope| {
        let (interpreter, root) = (&interpreter, &root);
        let start = |list| {
            let thread = std::thread::Builder::new();
            (list, thread.spawn_scoped(scope, move || run(interpreter, root, list)).ok())
        };
        let running: Vec<_> = lists.iter().map(start).collect();
        running
            .into_iter()
            .map(|(list, thread)| match thread {
                Some(thread) => {
                    thread.join().unwrap_or_else(|_| Err(Error::Compile { reason: "a thread died".into() }))
                }
                // No memory for a thread: one after the other will do.
                None => run(interpreter, root, list),
            })
            .collect()
    });
    let outputs = outputs.into_iter().collect::<Result<Vec<_>, _>>()?;
    layer(target, &sources, outputs)
}

/// The same packages must give the same bytes on every machine, so both must hold one and the same Python.
fn check_versions(target: &Facts, host: &Facts) -> Result<(), Error> {
    let versions = |facts: &Facts| {
        let packages = facts.packages.iter().filter(|package| Group::of(&package.name) == Group::Python);
        packages.map(|package| (package.name.clone(), package.version.clone())).collect::<Vec<_>>()
    };
    if versions(target) == versions(host) {
        return Ok(());
    }
    let reason = format!(
        "its packages for {} are of another version than those for {}",
        host.architecture, target.architecture
    );
    Err(Error::CannotRun { reason })
}

/// A source file of the standard library: where it stands in the image, and its bytes.
type Source<'a> = (&'a [u8], &'a Arc<[u8]>);

fn stdlib(runtime: &Runtime) -> Vec<Source<'_>> {
    let directory = format!("usr/lib/python{}/", runtime.facts.python.short());
    let files = runtime.tree.iter().filter_map(|(path, node)| match &node.kind {
        MemberKind::File(bytes) if node.group == Some(Group::Python) => Some((path, bytes)),
        _ => None,
    });
    files
        .filter(|(path, _)| {
            let Some(below) = path.strip_prefix(directory.as_bytes()) else { return false };
            // config-3.11-x86_64-linux-gnu holds a script for building extensions.
            let is_of_one_processor = below.starts_with(b"_sysconfigdata") || below.starts_with(b"config-");
            let is_name = std::str::from_utf8(path).is_ok_and(|path| !path.chars().any(char::is_control));
            path.ends_with(b".py") && is_name && !is_of_one_processor
        })
        .collect()
}

/// What is needed to start the interpreter.
struct Interpreter {
    loader: PathBuf,
    libraries: Vec<PathBuf>,
    program: PathBuf,
}

/// Writes the interpreter, its loader, the libraries beside them and the standard library below `root`.
///
/// Links become the files they lead to: an absolute link would lead out of `root`.
fn unpack(host: &Runtime, root: &Path) -> Result<Interpreter, Error> {
    let cannot = |reason: &str| Error::CannotRun { reason: reason.to_owned() };
    let program = host.facts.interpreter.as_bytes();
    let (_, bytes) = host.tree.file(program).ok_or_else(|| cannot("it is missing"))?;
    let elf =
        wainwright_elf::read(bytes.as_ref()).ok().flatten().ok_or_else(|| cannot("it is not an ELF file"))?;
    let loader = elf.interpreter.ok_or_else(|| cannot("it names no loader"))?;
    let (loader, _) = host.tree.file(&loader).ok_or_else(|| cannot("its loader is missing"))?;

    let stdlib = format!("usr/lib/python{}/", host.facts.python.short());
    let mut library_directories: Vec<Vec<u8>> = Vec::new();
    for (path, node) in host.tree.iter() {
        if matches!(node.kind, MemberKind::Directory) {
            continue;
        }
        let (parent, name) = split(path);
        let is_library = (parent == b"usr/lib" || parent.starts_with(b"usr/lib/"))
            && parent.iter().filter(|byte| **byte == b'/').count() <= 2
            && name.windows(3).any(|part| part == b".so");
        let is_needed =
            path == program || path == loader || is_library || path.starts_with(stdlib.as_bytes());
        let Some((_, bytes)) = host.tree.file(path).filter(|_| is_needed) else { continue };
        if is_library && !library_directories.iter().any(|known| known == parent) {
            library_directories.push(parent.to_vec());
        }
        write(&root.join(to_path(path)), bytes, path == program || path == loader)?;
    }
    Ok(Interpreter {
        loader: root.join(to_path(&loader)),
        libraries: library_directories.iter().map(|directory| root.join(to_path(directory))).collect(),
        program: root.join(to_path(program)),
    })
}

/// Writes the sources of one interpreter, and the list that names them.
fn write_list(scratch: &Path, number: usize, share: &[&Source<'_>]) -> Result<Listing, Error> {
    let mut text = Vec::new();
    for (at, (path, bytes)) in share.iter().enumerate() {
        let place = PathBuf::from(format!("source-{number}-{at}"));
        write(&scratch.join("sources").join(&place), bytes, false)?;
        text.extend_from_slice(place.as_os_str().as_encoded_bytes());
        text.extend_from_slice(b"\0/");
        text.extend_from_slice(path);
        text.push(0);
    }
    let list = format!("list-{number}");
    let directory = scratch.join("sources");
    write(&directory.join(&list), &text, false)?;
    Ok(Listing { directory, name: list, count: share.len() })
}

/// A list of sources, named relative to its directory.
struct Listing {
    directory: PathBuf,
    name: String,
    count: usize,
}

fn run(interpreter: &Interpreter, root: &Path, list: &Listing) -> Result<Vec<Option<Vec<u8>>>, Error> {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let libraries: Vec<_> = interpreter.libraries.iter().map(|path| absolute(path)).collect();
    let libraries = std::env::join_paths(libraries)
        .map_err(|_| Error::CannotRun { reason: format!("`{}` holds a colon", root.display()) })?;
    let output = Command::new(absolute(&interpreter.loader))
        .arg("--library-path")
        .arg(libraries)
        .arg(absolute(&interpreter.program))
        // No user site, no site, no bytecode of its own. Not -I: it would ignore the fixed hash seed.
        .args(["-s", "-S", "-B", "-W", "ignore", "-c", SCRIPT, &list.name])
        .current_dir(&list.directory)
        .env_clear()
        .env("PYTHONHASHSEED", "0")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::CannotRun { reason: error.to_string() })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().last().unwrap_or("no output");
        let reason = format!("{}, {last}", output.status);
        // 127 is the loader's own answer, a signal the processor's; anything else comes from the script.
        let is_started = output.status.code().is_some_and(|code| code != 127);
        return Err(if is_started { Error::Compile { reason } } else { Error::CannotRun { reason } });
    }
    take_apart(&output.stdout, list.count)
        .ok_or_else(|| Error::Compile { reason: "its output was cut short".into() })
}

fn take_apart(mut output: &[u8], count: usize) -> Option<Vec<Option<Vec<u8>>>> {
    let mut parts = Vec::new();
    for _ in 0..count {
        let (length, rest) = output.split_first_chunk::<8>()?;
        let (part, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        parts.push((!part.is_empty()).then(|| part.to_vec()));
        output = rest;
    }
    output.is_empty().then_some(parts)
}

/// Puts each piece of bytecode into the `__pycache__` beside its source.
fn layer(
    target: &Runtime,
    sources: &[Source<'_>],
    outputs: Vec<Vec<Option<Vec<u8>>>>,
) -> Result<RuntimeLayer, Error> {
    let python = target.facts.python;
    let mut tree = Tree::default();
    let mut outputs: Vec<_> = outputs.into_iter().map(Vec::into_iter).collect();
    for (at, (path, _)) in sources.iter().enumerate() {
        let Some(bytecode) = outputs[at % INTERPRETERS].next().flatten() else { continue };
        let (parent, name) = split(path);
        let name = name.strip_suffix(b".py").unwrap_or(name);
        let (parent, name) = (String::from_utf8_lossy(parent), String::from_utf8_lossy(name));
        let path = format!("{parent}/__pycache__/{name}.cpython-{}{}.pyc", python.major, python.minor);
        tree.put(&path, 0o644, MemberKind::File(bytecode.into()), Group::Python)?;
    }
    let mut entries = tree.layer(Group::Python)?;
    for entry in &mut entries {
        // A directory stands in several layers, and must be the same in each.
        if let Some(node) = target.tree.get(entry.path.as_bytes()) {
            entry.mode = node.mode;
        }
    }
    let packages = target.facts.packages.iter().map(|package| package.name.clone());
    Ok(RuntimeLayer {
        name: "python-bytecode".to_owned(),
        packages: packages.filter(|package| Group::of(package) == Group::Python).collect(),
        entries,
    })
}

fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

fn to_path(path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(path))
}

fn write(path: &Path, bytes: &[u8], is_program: bool) -> Result<(), Error> {
    use std::os::unix::fs::PermissionsExt;
    let attempt = || -> io::Result<()> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, bytes)?;
        if is_program {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
        }
        Ok(())
    };
    attempt().map_err(|source| Error::Scratch { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_comes_apart_into_its_pieces() {
        let piece = |bytes: &[u8]| [&(bytes.len() as u64).to_le_bytes()[..], bytes].concat();
        let output = [piece(b"one"), piece(b""), piece(b"three")].concat();
        let expected = vec![Some(b"one".to_vec()), None, Some(b"three".to_vec())];
        assert_eq!(take_apart(&output, 3), Some(expected));
        assert_eq!(take_apart(&output, 2), None, "there is more than was asked for");
        assert_eq!(take_apart(&output[..output.len() - 1], 3), None, "the last piece is cut");
        assert_eq!(take_apart(&u64::MAX.to_le_bytes(), 1), None);
    }

    #[test]
    fn only_the_same_python_may_compile() {
        let facts = |architecture: &str, version: &str| Facts {
            architecture: architecture.to_owned(),
            interpreter: wainwright_oci::ImagePath::new("usr/bin/python3.11").unwrap(),
            python: "3.11.2".parse().unwrap(),
            libc: wainwright_python::Libc::Glibc(2, 36),
            packages: vec![super::super::InstalledPackage {
                name: "python3.11-minimal".into(),
                version: version.into(),
                architecture: architecture.into(),
                source: "python3.11".into(),
            }],
            notes: Vec::new(),
        };
        check_versions(&facts("arm64", "3.11.2-6"), &facts("amd64", "3.11.2-6")).unwrap();
        let error = check_versions(&facts("arm64", "3.11.2-6"), &facts("amd64", "3.11.2-7")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the interpreter cannot run on this machine: its packages for amd64 are of another version than those for arm64"
        );
    }
}
