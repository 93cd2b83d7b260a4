//! With `--bytecode unchecked-hash` an image brings its modules compiled, in layers of their own, the same everywhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wainwright_testing::{Dockerd, Ran, With as _, need, run, unpack, wait_until};

use crate::{real, workshop};

const ON: [&str; 2] = ["--bytecode", "unchecked-hash"];

/// The layers of an image of a layout, by its name.
fn layers(layout: &Path, name: &str) -> Vec<String> {
    let read = |digest: &Value| -> Value {
        let hex = digest.as_str().unwrap().trim_start_matches("sha256:");
        serde_json::from_slice(&fs::read(layout.join("blobs/sha256").join(hex)).unwrap()).unwrap()
    };
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let all = index["manifests"].as_array().unwrap();
    let is_named = |one: &&Value| one["annotations"]["org.opencontainers.image.ref.name"] == name;
    let manifest = read(&all.iter().find(is_named).unwrap_or_else(|| panic!("{name} in {index}"))["digest"]);
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

/// Every module of wheels with the bytecode it has or has not.
fn modules(root: &Path) -> (usize, usize) {
    let (mut sources, mut compiled) = (0, 0);
    let mut folders = vec![root.join("app/.venv/lib/python3.13/site-packages")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                folders.push(path);
            } else if let Some(stem) = name.strip_suffix(".py") {
                sources += 1;
                let bytecode = path.parent().unwrap().join(format!("__pycache__/{stem}.cpython-313.pyc"));
                let Ok(bytes) = fs::read(bytecode) else { continue };
                assert_eq!(bytes[4..8], [1, 0, 0, 0], "taken without a look at the source");
                compiled += 1;
            }
        }
    }
    (sources, compiled)
}

/// Imports every module that has bytecode, and says which was compiled all the same.
const CHECK: &str = "
import sys, importlib.machinery as m
compiled = []
original = m.SourceFileLoader.source_to_code
m.SourceFileLoader.source_to_code = lambda self, data, path, **more: (compiled.append(path), original(self, data, path, **more))[1]
import jinja2.environment, markupsafe
site = [path for path in compiled if 'site-packages' in path]
print(site, jinja2.environment.__cached__, len(sys.modules) > 50)
";

#[test]
fn modules_of_wheels_are_compiled_in_layers_of_their_own() {
    let (Some(umoci), Some(hello)) = (need("umoci"), real::hello()) else { return };
    let folder = real::folder("bytecode");
    let layout = folder.join("image");
    let output = format!("layout:{}", layout.display());
    let build = |words: &[&str]| hello.build_again(&[&ON, words].concat());
    build(&["--output", &output]).ok();
    let again = build(&["--output", &output, "--offline", "--locked"]).ok();
    assert!(again.stderr.contains("nothing changed"), "{}", again.stderr);
    for name in ["1-linux-amd64", "1-linux-arm64"] {
        let (without, with) = (layers(&hello.layout, name), layers(&layout, name));
        let with_set: BTreeSet<&String> = with.iter().collect();
        assert!(without.iter().all(|layer| with_set.contains(layer)), "{name}: {without:?} {with:?}");
        assert!(with.len() > without.len());
        let root = unpack(&umoci, &layout, name, &folder.join(name));
        let (sources, compiled) = modules(&root);
        assert!(sources > 20, "{sources}");
        assert_eq!(compiled, sources, "{name}: sources for both come from one interpreter");
    }
    // Made anew, with one interpreter at a time, from another folder.
    let image = format!("{output}:1");
    let verified = hello.verify_image(&image, &[&ON[..], &["--jobs", "1"]].concat()).ok();
    assert!(verified.stdout.contains("made by wain: bytecode of wheels"), "{}", verified.stdout);
    let other = hello.verify_image(&image, &[]);
    assert_eq!(other.code, 1, "an image with bytecode is another one: {}", other.stdout);

    let Some(docker) = Dockerd::start() else { return };
    let archive = folder.join("image.tar");
    let host = wainwright_oci::Platform::host().to_string();
    build(&["--platform", &host, "--output", &format!("archive:{}", archive.display())]).ok();
    run(docker.docker().args(["load", "--quiet", "--input"]).arg(&archive)).ok();
    let words = ["run", "--rm", "--read-only", "--network=none", "--entrypoint", "/app/.venv/bin/python"];
    let ran: Ran = run(docker.docker().args(words).args(["wain/sample:1", "-c", CHECK])).ok();
    assert_eq!(
        ran.stdout,
        "[] /app/.venv/lib/python3.13/site-packages/jinja2/__pycache__/environment.cpython-313.pyc True\n"
    );
}

#[test]
fn what_cannot_be_compiled_for_is_told() {
    let shop = workshop();
    let build = |words: &[&str]| {
        let words = [&["--output", "layout:out"], &ON[..], words].concat();
        run(&mut shop.wain(&["build", "project", "--base", "layout:base"]).with(&words))
    };
    let told = |ran: Ran| {
        assert_eq!(ran.code, 1, "{}", ran.stderr);
        let start = ran.stderr.find("error:").unwrap_or_default();
        ran.stderr[start..].to_owned()
    };
    let host = wainwright_oci::Platform::host().to_string();
    let other = if host == "linux/amd64" { "linux/arm64" } else { "linux/amd64" };
    // The Python of the base for tests is none.
    let refused = told(build(&["--platform", &host]));
    assert!(refused.contains("does not run on this machine: it is not an ELF file"), "{refused}");
    assert!(refused.contains("hint: build with `--bytecode none`"), "{refused}");
    // Without a PATH no other is found.
    let refused = told(build(&["--platform", other]));
    assert!(
        refused.contains(&format!("bytecode for {other} needs a Python 3.13 that runs on {host}")),
        "{refused}"
    );
    assert!(refused.contains("or build with `--bytecode none`"), "{refused}");
    let refused = told(build(&["--platform", &host, "--max-layers", "3"]));
    assert!(refused.contains("bytecode needs a layer of its own, and 3 layers leave none"), "{refused}");
    assert!(!shop.path("out").exists());
    run(&mut shop.wain(&[
        "build",
        "project",
        "--base",
        "layout:base",
        "--bytecode",
        "none",
        "--output",
        "layout:out",
    ]))
    .ok();
}

#[test]
fn no_interpreter_outlives_a_build_that_is_killed() {
    let (Some(_), Some(hello)) = (need("ps"), real::hello()) else { return };
    let folder = real::folder("bytecode-killed");
    // Another time stamp makes every layer anew, so that there is something to compile.
    let mut wain = hello.command(
        "build",
        &[],
        &[&ON[..], &["--platform", &wainwright_oci::Platform::host().to_string()]].concat(),
    );
    wain.env("SOURCE_DATE_EPOCH", "400000000").env("TMPDIR", &folder);
    wain.args(["--output", &format!("layout:{}", folder.join("image").display())]);
    let mut child =
        wain.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let children = |id: u32| -> Vec<String> {
        let list = Command::new("ps").args(["-o", "pid=,args=", "--ppid", &id.to_string()]).output().unwrap();
        String::from_utf8_lossy(&list.stdout).lines().map(|line| line.trim().to_owned()).collect()
    };
    let found = loop {
        let found: Vec<String> =
            children(child.id()).into_iter().filter(|line| line.contains("list-0")).collect();
        if !found.is_empty() || child.try_wait().unwrap().is_some() {
            break found;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    };
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!found.is_empty(), "nothing was compiled");
    for line in found {
        let id = line.split_whitespace().next().unwrap().to_owned();
        let is_gone = wait_until(|| {
            let state = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            state.is_empty()
                || state.contains(") Z ")
                || !fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default().contains("list-")
        });
        assert!(is_gone, "{line}");
    }
}
