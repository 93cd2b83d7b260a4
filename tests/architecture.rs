//! The floors of the building, and what may not be done below the top.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::modules::Modules;

/// Every crate with its floor: it may use crates of lower floors only, never its neighbours.
const FLOORS: &[(&str, i8)] = &[
    ("cli", 5),
    ("audit", 4),
    ("engine", 3),
    ("layer", 2),
    ("pypi", 2),
    ("debian", 2),
    ("registry", 2),
    ("resolve", 2),
    ("backend", 2),
    ("image", 2),
    ("base", 2),
    ("emit", 2),
    ("project", 1),
    ("lock", 1),
    ("wheel", 1),
    ("blob", 1),
    ("store", 1),
    ("http", 1),
    ("woodwork", 1),
    ("elf", 0),
    ("oci", 0),
    ("python", 0),
    ("fault", -1),
];

/// Where bytes move between the network and files.
const ASYNC: &[&str] =
    &["cli", "engine", "http", "pypi", "debian", "image", "registry", "resolve", "backend"];
/// Where files become other files.
const PARALLEL: &[&str] = &["audit", "engine", "blob", "layer"];

/// The rooms of `engine`: each may use only rooms to its left.
const ROOMS: &[&str] = &["model", "session", "expand", "resolve", "plan", "execute", "deliver"];

/// Crates whose modules use each other in no circle.
const ACYCLIC: &[&str] = &["cli", "audit", "engine", "backend", "base", "blob", "elf"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn manifest(name: &str) -> Table {
    let path = match name {
        "cli" => root().join("Cargo.toml"),
        name => root().join("crates").join(name).join("Cargo.toml"),
    };
    fs::read_to_string(&path).unwrap().parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in a table of dependencies.
fn dependencies(manifest: &Table, table: &str) -> BTreeSet<String> {
    manifest.get(table).and_then(Value::as_table).into_iter().flat_map(Table::keys).cloned().collect()
}

fn floor(name: &str) -> Option<i8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

#[test]
fn every_crate_has_a_floor() {
    let mut folders: BTreeSet<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.remove("testing");
    assert_eq!(folders, FLOORS.iter().map(|(name, _)| (*name).to_owned()).collect());
    let members = |key: &str| -> BTreeSet<String> {
        let workspace = manifest("cli");
        let list = workspace["workspace"][key].as_array().unwrap().clone();
        list.iter().map(|member| member.as_str().unwrap().to_owned()).collect()
    };
    let mut default = members("default-members");
    // Without the program itself `cargo test` would leave out these tests.
    assert!(default.remove("."));
    assert_eq!(default, members("members"));
}

#[test]
fn crates_use_lower_floors_only() {
    for (name, floor_of_user) in FLOORS {
        let manifest = manifest(name);
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for dependency in dependencies(&manifest, table) {
                let Some(used) = dependency.strip_prefix("wainwright-") else { continue };
                if used == "testing" {
                    assert_eq!(table, "dev-dependencies", "`{name}` uses `testing` in its program");
                    continue;
                }
                let floor_of_used = floor(used).unwrap_or_else(|| panic!("`{used}` has no floor"));
                assert!(
                    floor_of_used < *floor_of_user,
                    "`{name}` (floor {floor_of_user}) uses `{used}` (floor {floor_of_used})"
                );
            }
        }
    }
}

/// The folder of a crate's `lib.rs` or `main.rs`.
fn source(name: &str) -> PathBuf {
    let folder = root().join("crates").join(name);
    if name == "cli" { folder } else { folder.join("src") }
}

#[test]
fn modules_use_each_other_in_no_circle() {
    for name in ACYCLIC {
        let cycles = Modules::read(&source(name)).cycles_in_words();
        assert!(cycles.is_empty(), "crate `{name}`: {cycles}");
    }
}

#[test]
fn rooms_of_the_engine_use_rooms_to_their_left_only() {
    let engine = Modules::read(&source("engine"));
    let room = |module: &str| {
        let name = module.split("::").next().unwrap_or_default();
        ROOMS.iter().position(|room| *room == name)
    };
    let mut offenders = Vec::new();
    for one in engine.uses() {
        let (Some(user), Some(used)) = (room(one.user), room(one.used)) else {
            offenders.push(format!("`{}` or `{}` is in no room", one.user, one.used));
            continue;
        };
        if used > user {
            offenders.push(format!("`{}` uses `{}` to its right: {}", one.user, one.used, one.path));
        }
    }
    assert_eq!(offenders, [] as [&str; 0]);
}

#[test]
fn tokio_and_rayon_stay_where_they_belong() {
    for (name, _) in FLOORS {
        let used = dependencies(&manifest(name), "dependencies");
        assert!(!used.contains("tokio") || ASYNC.contains(name), "`{name}` uses tokio");
        assert!(!used.contains("rayon") || PARALLEL.contains(name), "`{name}` uses rayon");
    }
}

#[test]
fn versions_stand_in_one_place() {
    for (name, _) in FLOORS.iter().chain(&[("testing", 0)]) {
        let manifest = manifest(name);
        for table in ["dependencies", "dev-dependencies"] {
            for (dependency, how) in manifest.get(table).and_then(Value::as_table).into_iter().flatten() {
                let is_shared = how.get("workspace").and_then(Value::as_bool) == Some(true);
                assert!(is_shared, "`{name}` names a version of `{dependency}`");
            }
        }
    }
}

/// Packages whose library has another name.
const LIBRARY_NAMES: &[(&str, &str)] = &[("md-5", "md5"), ("rustls-webpki", "webpki")];

/// What `cargo machete` looks for, in a blink and without compiling the 70 crates it needs.
#[test]
fn every_dependency_is_named_in_sources() {
    let mut unused = Vec::new();
    let mut shared = dependencies(manifest("cli")["workspace"].as_table().unwrap(), "dependencies");
    for (name, _) in FLOORS.iter().chain(&[("testing", 0), ("../tests/mutations", 0)]) {
        let manifest = manifest(name);
        let program = match *name {
            "cli" => sources(&root().join("crates/cli")),
            name => sources(&root().join("crates").join(name).join("src")),
        };
        let program: Vec<String> = program.into_iter().map(|(_, text)| text).collect();
        let tests: Vec<String> = test_folders(name).iter().flat_map(|folder| rust_files(folder)).collect();
        for (table, texts) in [("dependencies", &program), ("dev-dependencies", &tests)] {
            for package in dependencies(&manifest, table) {
                let library = LIBRARY_NAMES.iter().find(|(known, _)| *known == package);
                let library =
                    library.map_or_else(|| package.replace('-', "_"), |(_, name)| (*name).to_owned());
                if !texts.iter().any(|text| names(text, &library)) {
                    unused.push(format!("{name}: {table}: {package}"));
                }
                shared.remove(&package);
            }
        }
    }
    assert_eq!(unused, [""; 0], "no source names these");
    assert_eq!(shared, BTreeSet::new(), "no crate uses these of the workspace");
}

/// Where code for tests and benches of a crate is.
fn test_folders(name: &str) -> Vec<PathBuf> {
    match name {
        "cli" => ["crates/cli", "tests", "benches"].map(|folder| root().join(folder)).into(),
        name => vec![root().join("crates").join(name), root().join("benches")],
    }
}

fn rust_files(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            texts.push(fs::read_to_string(&path).unwrap());
        }
    }
    texts
}

/// Whether a word stands in code, comments apart.
fn names(text: &str, word: &str) -> bool {
    let is_part = |letter: char| letter == '_' || letter.is_alphanumeric();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).any(|code| {
        code.match_indices(word)
            .any(|(at, _)| !code[..at].ends_with(is_part) && !code[at + word.len()..].starts_with(is_part))
    })
}

/// What nobody below the binary does: the machine is told to them, and they tell by values and events.
const FORBIDDEN: &[&str] = &[
    "env::args",
    "env::current_dir",
    "env::home_dir",
    "env::set_var",
    "env::temp_dir",
    "env::var",
    "SystemTime::now",
    "Instant::now",
    "print!(",
    "println!(",
    "io::stdout",
    "io::stderr",
    "dbg!(",
];

/// A file, what it does all the same, and why that is no harm.
const ALLOWED: &[(&str, &str, &str)] =
    &[("http/src/clock.rs", "Instant::now", "measures how long to wait; no date can reach an image")];

#[test]
fn nobody_below_the_binary_looks_at_the_machine_or_prints() {
    let mut used = BTreeSet::new();
    let mut offenders = Vec::new();
    for (name, _) in FLOORS.iter().filter(|(name, _)| *name != "cli") {
        for (path, text) in sources(&root().join("crates").join(name).join("src")) {
            let path = path.strip_prefix(root().join("crates")).unwrap().display().to_string();
            for (number, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                for word in FORBIDDEN.iter().filter(|word| code.contains(**word)) {
                    match ALLOWED.iter().find(|(file, allowed, _)| *file == path && allowed == word) {
                        Some(entry) => {
                            used.insert(*entry);
                        }
                        None => offenders.push(format!("{path}:{}: {}", number + 1, line.trim())),
                    }
                }
            }
        }
    }
    assert_eq!(offenders, [] as [&str; 0]);
    assert_eq!(used, ALLOWED.iter().copied().collect(), "an exception that nobody needs");
}

/// The source files of a folder without what is compiled for tests only.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut of_tests = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let mut lines = text.lines().peekable();
                let mut kept = String::new();
                while let Some(line) = lines.next() {
                    let is_for_tests = line.starts_with("#[cfg(") && line.contains("test");
                    let module = lines.peek().and_then(|next| module_name(next));
                    match module.filter(|_| is_for_tests) {
                        // A module of its own file; its folder is named like it.
                        Some((name, true)) => {
                            of_tests.insert(name.to_owned());
                            lines.next();
                        }
                        // Tests stand at the end of a file.
                        Some((_, false)) => break,
                        None => kept = kept + line + "\n",
                    }
                }
                files.push((path, kept));
            }
        }
    }
    files.retain(|(path, _)| {
        let inside = path.strip_prefix(folder).unwrap().with_extension("");
        !inside.components().any(|part| of_tests.contains(&part.as_os_str().to_string_lossy().into_owned()))
    });
    assert!(!files.is_empty(), "{} has no sources", folder.display());
    files
}

/// The name in `mod name;` or `mod name {`, and whether it has a file of its own.
fn module_name(line: &str) -> Option<(&str, bool)> {
    let (_, name) = line.trim_start().split_once("mod ")?;
    match (name.strip_suffix(';'), name.strip_suffix(" {")) {
        (Some(name), _) => Some((name, true)),
        (_, Some(name)) => Some((name, false)),
        _ => None,
    }
}
