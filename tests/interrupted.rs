//! A build that is killed leaves a usable store and whole outputs: the old image or the new one.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wainwright_oci::Digest;
use wainwright_testing::{Tree, With as _, Workshop, run};

use crate::workshop;

const OUTPUTS: &[&str] = &["--tag", "demo/api:1", "--output", "layout:out", "--output", "archive:out.tar"];

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Puts something into the project that takes a while, and is another each time.
fn change(shop: &Workshop, round: u32) {
    let line = format!("{round} times {round} is {}\n", round * round);
    shop.write("project/data/large.txt", line.repeat(100_000));
}

/// The digest of what a layout calls `1`, after reading every blob that it leads to.
fn read_layout(layout: &Path) -> String {
    fn read(layout: &Path, digest: &str) -> Vec<u8> {
        let bytes = fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
        assert_eq!(Digest::of(&bytes).to_string(), digest);
        bytes
    }
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    let digest = index["manifests"][0]["digest"].as_str().unwrap().to_owned();
    let manifest: Value = serde_json::from_slice(&read(layout, &digest)).unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter();
    for descriptor in layers.chain([&manifest["config"]]) {
        read(layout, descriptor["digest"].as_str().unwrap());
    }
    digest
}

#[test]
fn killed_at_any_moment() {
    let shop = workshop();
    change(&shop, 0);
    let mut old = run(&mut shop.build().with(OUTPUTS)).digest();
    let mut old_archive = fs::read(shop.path("out.tar")).unwrap();
    let mut killed = 0;
    for round in 1..=24 {
        change(&shop, round);
        let mut child = start(&mut shop.build().with(OUTPUTS));
        std::thread::sleep(Duration::from_millis(u64::from(round) * 3));
        killed += u32::from(matches!(child.try_wait(), Ok(None)));
        let _ = child.kill();
        child.wait().unwrap();

        let (found, archive) = (read_layout(&shop.path("out")), fs::read(shop.path("out.tar")).unwrap());
        let new = run(&mut shop.build().with(OUTPUTS)).digest();
        assert!(found == old || found == new, "round {round}: {found} is neither {old} nor {new}");
        let new_archive = fs::read(shop.path("out.tar")).unwrap();
        assert!(archive == old_archive || archive == new_archive, "round {round}: a torn archive");
        assert_eq!(read_layout(&shop.path("out")), new);
        (old, old_archive) = (new, new_archive);
    }
    assert!(killed > 5, "only {killed} builds were killed in time");
    // What they left is gone, and the digest is that of a build that was never disturbed.
    assert_eq!(fs::read_dir(shop.path("store/v1/tmp")).unwrap().count(), 0);
    let names: Vec<String> =
        Tree::read(shop.folder()).0.into_keys().filter(|path| !path.contains('/')).collect();
    assert_eq!(names, ["base", "home", "out", "out.tar", "project", "store", "wheels"]);
    fs::remove_dir_all(shop.path("store")).unwrap();
    assert_eq!(run(&mut shop.build().with(OUTPUTS)).digest(), old);
}

#[test]
fn a_signal_ends_a_build_with_the_code_that_shells_expect() {
    let shop = workshop();
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        // Nobody answers at this address, so that the build waits.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mirror = format!("http://{}/debian", listener.local_addr().unwrap());
        let mut child = start(&mut shop.wain(&["build", "project", "--mirror", &mirror]));
        let mut connection = listener.accept().unwrap().0;
        // It waits for an answer now.
        assert!(connection.read(&mut [0; 100]).unwrap() > 0);
        std::thread::sleep(Duration::from_millis(200));
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal:?}");
        assert_eq!(fs::read_dir(shop.path("store/v1/tmp")).unwrap().count(), 0);
    }
}

#[test]
fn what_builds_leave_in_a_project_is_no_part_of_it() {
    let shop = workshop();
    let expected = run(&mut shop.build()).digest();
    // Killed in the middle of an output, or at work at this moment.
    shop.write("project/.wain-a1B2c3", "half an archive");
    shop.write("project/data/.wain-d4E5f6/blobs/sha256/0", "half a layer");
    let report = shop.path("project/build.json").display().to_string();
    let store = shop.path("project/cache").display().to_string();
    for _ in 0..2 {
        let mut build = shop.build().with(&["--metadata-file", &report, "--cache-dir", &store]);
        assert_eq!(run(&mut build).digest(), expected);
    }
}
