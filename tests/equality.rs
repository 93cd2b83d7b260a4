//! What we install is what uv installs from the same wheels, file by file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wainwright_oci::Digest;
use wainwright_testing::{Tree, need, run, skip, unpack};

use crate::real;

/// What differs by design: the end of a path, and why.
const ALLOWED: &[(&str, &str)] = &[
    (".dist-info/INSTALLER", "it names the installer"),
    (
        ".dist-info/REQUESTED",
        "uv takes every package for one that somebody asked for; a lockfile does not say",
    ),
    (".dist-info/direct_url.json", "nothing is installed from a path"),
    (".dist-info/uv_cache.json", "uv's own notes, with times in them"),
];

fn is_allowed(path: &str) -> bool {
    // uv also keeps a lock of its own at the top.
    path == ".lock" || ALLOWED.iter().any(|(end, _)| path.ends_with(end))
}

/// uv, as `tests/run.sh` installs it.
fn uv() -> Option<PathBuf> {
    let uv = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("test-tools/bin/uv");
    if !uv.is_file() {
        skip("there is no uv here; `sh tests/run.sh` installs what tests need");
        return None;
    }
    Some(uv)
}

#[test]
fn our_tree_is_the_tree_of_uv() {
    let (Some(umoci), Some(uv), Some(sample)) = (need("umoci"), uv(), real::wheels()) else { return };
    let folder = real::folder("equality");
    let ours = unpack(&umoci, &sample.layout, "1", &folder.join("bundle")).join("app/.venv");

    let theirs = folder.join("app/.venv");
    // Other permissions than usual would show in what uv writes.
    let uv = || {
        let mut command = Command::new("sh");
        command.args(["-c", "umask 022 && exec \"$0\" \"$@\""]).arg(&uv);
        command.env("UV_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("uv-cache"));
        command
    };
    run(uv().args(["venv", "--quiet", "--no-python-downloads", "--python", "3.11"]).arg(&theirs)).ok();
    let empty = Tree::read(&theirs);
    let mut install = uv();
    install.args(["pip", "install", "--quiet", "--no-deps", "--require-hashes", "--link-mode", "copy"]);
    install.arg("--python").arg(theirs.join("bin/python"));
    run(install.arg("--requirement").arg(sample.project.join("requirements.txt"))).ok();

    let (expected, found) = (installed(&theirs, &empty), installed(&ours, &Tree::default()));
    assert!(expected.len() > 2000, "{} files are too few", expected.len());
    let differences: Vec<String> = Tree(expected)
        .differences(&Tree(found))
        .into_iter()
        // What only belongs to an environment, wheels or not.
        .filter(|line| {
            !["+ bin/python", "+ pyvenv.cfg: ", "+ lib64: "].iter().any(|own| line.starts_with(own))
        })
        .filter(|line| !line.contains(": folder ") || line.starts_with("- "))
        .collect();
    assert_eq!(differences, [] as [&str; 0], "- uv's, + ours");
}

/// The files of an environment but for those it had when it was new, and for those that may differ. Scripts are read as if
/// the environment were in /app. Rows of RECORD are listed one by one.
fn installed(environment: &Path, new: &Tree) -> BTreeMap<String, String> {
    let mut tree = Tree::read(environment).0;
    tree.retain(|path, line| new.0.get(path) != Some(line) && !is_allowed(path));
    let here = environment.display().to_string();
    let mut scripts = BTreeMap::new();
    for (path, line) in
        tree.iter_mut().filter(|(path, line)| path.starts_with("bin/") && line.starts_with("file "))
    {
        if let Ok(text) = String::from_utf8(fs::read(environment.join(path)).unwrap()) {
            let text = text.replace(&here, "/app/.venv");
            let mode = line.split(' ').nth(1).unwrap();
            *line = format!("file {mode} {}", Digest::of(&text));
            scripts.insert(format!("../../../{path}"), text.len());
        }
    }
    let records: Vec<String> =
        tree.keys().filter(|path| path.ends_with(".dist-info/RECORD")).cloned().collect();
    for path in records {
        tree.remove(&path);
        for row in fs::read_to_string(environment.join(&path)).unwrap().lines() {
            let (name, facts) = row.split_once(',').unwrap();
            // The hash of a script follows from its text, which is compared by itself.
            let facts = scripts.get(name).map_or_else(|| facts.to_owned(), |size| format!("{size} bytes"));
            if !is_allowed(name) {
                tree.insert(format!("{path}: {name}"), facts);
            }
        }
    }
    tree
}
