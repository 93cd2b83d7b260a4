//! Bytecode is the same whatever happened before and elsewhere, and Python takes it.

use std::collections::BTreeMap;
use std::process::Command;

use wainwright_fault::Classify;

use super::*;

/// A Python of this machine that is new enough, with its version.
fn python() -> Option<(Interpreter, PythonVersion, PathBuf)> {
    let script =
        "import sys; print(sys.executable, '%d.%d.%d' % sys.version_info[:3], __import__('os').__file__)";
    let found = ["python3", "/usr/bin/python3"].into_iter().find_map(|program| {
        let said = Command::new(program).args(["-c", script]).output().ok()?;
        let said = String::from_utf8(said.stdout).ok()?;
        let [program, version, os] = said.split_whitespace().collect::<Vec<_>>()[..] else { return None };
        let version: PythonVersion = version.parse().ok()?;
        let is_new = (version.major, version.minor) >= OLDEST;
        is_new.then(|| {
            (Interpreter::installed(program.into()), version, Path::new(os).parent().unwrap().to_owned())
        })
    });
    assert!(
        found.is_some() || std::env::var_os("CI").is_none_or(|ci| ci != "true"),
        "there is no Python 3.11 here"
    );
    found
}

fn layout(version: PythonVersion) -> Layout {
    Layout::venv(ImagePath::new("app/.venv").unwrap(), version)
}

fn entry(version: PythonVersion, path: &str, content: impl AsRef<[u8]>) -> Entry {
    let path = format!("app/.venv/lib/python{}/site-packages/{path}", version.short());
    Entry::bytes(ImagePath::new(path).unwrap(), content.as_ref())
}

/// The bytecode by path.
fn compiled(
    python: &(Interpreter, PythonVersion, PathBuf),
    entries: &[Entry],
    jobs: usize,
) -> BTreeMap<String, Vec<u8>> {
    let scratch = tempfile::tempdir().unwrap();
    let made =
        bytecode_entries(entries, &layout(python.1), &python.0, python.1, scratch.path(), jobs).unwrap();
    let file = |entry: &Entry| match &entry.kind {
        Kind::File(Content::Disk { path, .. }) => Some((entry.path.to_string(), fs::read(path).unwrap())),
        _ => None,
    };
    made.iter().filter_map(file).collect()
}

/// Real modules: part of the standard library.
fn modules(python: &(Interpreter, PythonVersion, PathBuf)) -> Vec<Entry> {
    let mut entries = Vec::new();
    for folder in ["", "json", "asyncio", "email", "concurrent/futures", "importlib"] {
        let mut files: Vec<PathBuf> =
            fs::read_dir(python.2.join(folder)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "py")).take(40) {
            let path = file.strip_prefix(&python.2).unwrap().to_str().unwrap();
            entries.push(entry(python.1, path, fs::read(file).unwrap()));
        }
    }
    entries
}

#[test]
fn bytecode_depends_on_its_source_alone() {
    let Some(python) = python() else { return };
    let entries = modules(&python);
    assert!(entries.len() > 80, "{}", entries.len());
    let together = compiled(&python, &entries, 1);
    assert_eq!(together.len(), entries.len());
    let backwards: Vec<Entry> = entries.iter().rev().cloned().collect();
    assert_eq!(compiled(&python, &backwards, 4), together, "another order, in four processes");
    for one in entries.iter().step_by(9) {
        let alone = compiled(&python, std::slice::from_ref(one), 1);
        let (path, bytes) = alone.first_key_value().unwrap();
        assert_eq!(together[path], *bytes, "{path} in a process of its own");
    }
}

#[test]
fn python_loads_generated_bytecode() {
    let Some(python) = python() else { return };
    let entries = modules(&python);
    let made = compiled(&python, &entries, 2);
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for (number, entry) in entries.iter().enumerate() {
        let Kind::File(Content::Bytes(source)) = &entry.kind else { continue };
        let name = entry.path.to_string();
        let (above, file) = name.rsplit_once('/').unwrap();
        let tag = format!("cpython-{}{}", python.1.major, python.1.minor);
        let bytecode = &made[&format!("{above}/__pycache__/{}.{tag}.pyc", file.trim_end_matches(".py"))];
        fs::write(folder.path().join(format!("{number}.py")), source).unwrap();
        fs::write(folder.path().join(format!("{number}.pyc")), bytecode).unwrap();
        fs::write(folder.path().join(format!("{number}.name")), format!("/{name}")).unwrap();
        count += 1;
    }
    let script = "import marshal, sys, importlib.util as u\n\
        for n in range(int(sys.argv[1])):\n    \
            source = open(f'{n}.py', 'rb').read(); data = open(f'{n}.pyc', 'rb').read(); name = open(f'{n}.name').read()\n    \
            assert data[:4] == u.MAGIC_NUMBER and data[4:8] == b'\\1\\0\\0\\0' and data[8:16] == u.source_hash(source), name\n    \
            code = compile(source, name, 'exec', dont_inherit=True, optimize=0)\n    \
            assert marshal.loads(data[16:]) == code and marshal.loads(data[16:]).co_filename == name, name\n\
        print('equal')\n";
    let mut command = python.0.command(script).unwrap();
    let ran = command.arg(count.to_string()).current_dir(folder.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "equal\n");
}

#[test]
fn sources_that_python_would_not_import_have_none() {
    let Some(python) = python() else { return };
    let version = python.1;
    let tag = format!("cpython-{}{}", version.major, version.minor);
    let entries = [
        entry(version, "good.py", "x = 1\n"),
        entry(version, "template.py", "{{ cookiecutter }} is no Python\n"),
        entry(version, "nul.py", b"x = 1\0"),
        entry(version, "deep.py", format!("x = {}1", "-".repeat(200_000))),
        entry(version, "deeper.py", format!("x = {}1{}", "[".repeat(50_000), "]".repeat(50_000))),
        entry(version, "latin.py", b"# coding: latin-1\nx = '\xe9'\n"),
        entry(version, "brings.py", "x = 1\n"),
        entry(version, &format!("__pycache__/brings.{tag}.pyc"), "its own"),
        entry(version, "data.txt", "x"),
        Entry::bytes(ImagePath::new("app/.venv/bin/script.py").unwrap(), &b"x = 1\n"[..]),
    ];
    let made = compiled(&python, &entries, 1);
    let names: Vec<&str> =
        made.keys().map(|path| path.rsplit('/').next().unwrap().split('.').next().unwrap()).collect();
    assert_eq!(names, ["good", "latin"]);
}

#[test]
fn invalid_interpreter_is_rejected() {
    let Some((interpreter, version, _)) = python() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let compile = |interpreter: &Interpreter, version: PythonVersion| {
        let entries = [entry(version, "a.py", "x = 1\n")];
        bytecode_entries(&entries, &layout(version), interpreter, version, scratch.path(), 1).unwrap_err()
    };
    let other = PythonVersion { patch: Some(99), ..version };
    let error = compile(&interpreter, other);
    let expected = format!(
        "the Python that compiles bytecode is cpython {version}, but the image has cpython {}",
        other.full()
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().contains("--bytecode none") && !error.is_outside());
    assert!(matches!(compile(&Interpreter::installed("/bin/true".into()), version), Error::CannotRun { .. }));
    assert!(matches!(compile(&Interpreter::installed("/nowhere".into()), version), Error::CannotRun { .. }));
}
