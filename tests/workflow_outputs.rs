//! The images of a workflow share layers, and what they share is written, sent and kept once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use serde_json::Value;
use wainwright_testing::{Access, RegistryServer, With as _, Workshop, run};

use crate::workshop;

const WORKFLOW: &str = "\
door = input api {
    to: helper
}

helper = agent llm {
    model: model
    tools: [words]
}

model = llm openai {
    api_key: $OPENAI_API_KEY
}

words = api functions {
    path: \"words.py\"
}
";
const SERVICES: [&str; 4] = ["door", "helper", "model", "words"];

/// A workshop whose project is a workflow of four components, all with the same wheels.
fn office() -> Workshop {
    let shop = workshop();
    shop.write("project/main.ww", WORKFLOW);
    shop.write("project/words.py", "def count(text: str) -> int:\n    return len(text.split())\n");
    shop
}

fn build(shop: &Workshop, words: &[&str]) -> Command {
    let file = shop.path("project/main.ww").display().to_string();
    let all = ["build", "-c", &file, "--platform", "linux/amd64", "--base", "layout:base", "--no-index"];
    shop.wain(&all).with(words)
}

/// The layers of a component's image in `out`, lowest first.
fn layers(shop: &Workshop, service: &str) -> Vec<String> {
    let read =
        |path: String| -> Value { serde_json::from_slice(&fs::read(shop.path(&path)).unwrap()).unwrap() };
    let index = read(format!("out/{service}/index.json"));
    let digest = index["manifests"][0]["digest"].as_str().unwrap().replace("sha256:", "");
    let manifest = read(format!("out/{service}/blobs/sha256/{digest}"));
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer["digest"].as_str().unwrap().replace("sha256:", "")).collect()
}

#[test]
fn layouts_have_shared_layers_as_links() {
    let shop = office();
    let first = run(&mut build(&shop, &["-o", "layout:out"])).ok();
    let all: Vec<Vec<String>> = SERVICES.iter().map(|service| layers(&shop, service)).collect();
    // All but the topmost, which is what a component is.
    let shared: BTreeSet<&String> = all[0].split_last().unwrap().1.iter().collect();
    assert!(shared.len() > 3, "{all:?}");
    let mut inodes: BTreeMap<&String, BTreeSet<u64>> = BTreeMap::new();
    for (service, layers) in SERVICES.iter().zip(&all) {
        assert_eq!(layers.split_last().unwrap().1, all[0].split_last().unwrap().1, "{service}");
        for layer in &shared {
            let path = shop.path(&format!("out/{service}/blobs/sha256/{layer}"));
            inodes.entry(layer).or_default().insert(fs::metadata(path).unwrap().ino());
        }
    }
    assert!(inodes.values().all(|inodes| inodes.len() == 1), "{inodes:?}");
    // Removing one takes nothing from the others.
    fs::remove_dir_all(shop.path("out/door")).unwrap();
    let again = run(&mut build(&shop, &["-o", "layout:out"])).ok();
    assert_eq!((again.stdout, layers(&shop, "door")), (first.stdout, all[0].clone()));
    let last = run(&mut build(&shop, &["-o", "layout:out"])).ok();
    assert!(last.stderr.contains("nothing changed"), "{}", last.stderr);
}

#[test]
fn one_damaged_layout_does_not_damage_others() {
    let shop = office();
    run(&mut build(&shop, &["-o", "layout:out"])).ok();
    let layer = layers(&shop, "door").swap_remove(1);
    let path = |service: &str| shop.path(&format!("out/{service}/blobs/sha256/{layer}"));
    let good = fs::read(path("door")).unwrap();
    // In its place, as no tool for images does it: under all its names.
    fs::write(path("door"), "something else").unwrap();
    assert_ne!(fs::read(path("words")).unwrap(), good);
    run(&mut build(&shop, &["-o", "layout:out"])).ok();
    assert!(SERVICES.iter().all(|service| fs::read(path(service)).unwrap() == good));
}

#[test]
fn repositories_of_a_registry_share_layers() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let shop = office();
    run(&mut build(&shop, &["-o", "layout:out"])).ok();
    let registry = format!("{}/team", server.address());
    let push = || run(&mut build(&shop, &["--registry", &registry])).ok();
    push();
    let requests = server.requests();
    let sent = |layer: &String| {
        requests.iter().filter(|one| one.starts_with("PUT") && one.contains(layer.as_str())).count()
    };
    let all: BTreeSet<String> = SERVICES.iter().flat_map(|service| layers(&shop, service)).collect();
    let twice: Vec<&String> = all.iter().filter(|layer| sent(layer) != 1).collect();
    assert!(twice.is_empty(), "{twice:?} in {requests:#?}");
    // What nobody changed costs a question for each image.
    push();
    let again = server.requests().split_off(requests.len());
    assert_eq!(again.len(), SERVICES.len(), "{again:#?}");
    // On another machine, which remembers nothing, nothing is sent either.
    fs::remove_dir_all(shop.path("store")).unwrap();
    push();
    let again = server.requests().split_off(requests.len() + again.len());
    assert!(!again.iter().any(|one| one.starts_with("PUT")), "{again:#?}");
}

#[test]
fn what_a_registry_lost_is_sent_again() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let shop = office();
    let registry = format!("{}/team", server.address());
    let push = || run(&mut build(&shop, &["--registry", &registry])).ok();
    let first = push();
    fs::remove_dir_all(server.data().join("docker/registry/v2/repositories/team")).unwrap();
    fs::remove_dir_all(server.data().join("docker/registry/v2/blobs")).unwrap();
    assert_eq!(push().stdout, first.stdout);
    let found = push();
    assert!(found.stderr.contains("nothing changed"), "{}", found.stderr);
}
