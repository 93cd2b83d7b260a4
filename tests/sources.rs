//! Where wheels and bases lie on disk does not matter, and no path of this machine reaches an image.

use std::collections::BTreeMap;
use std::fs;

use wainwright_oci::Digest;
use wainwright_testing::{With as _, run};

use crate::workshop;

#[test]
fn a_project_is_named_by_a_relative_path() {
    let shop = workshop();
    let mut build = shop.wain(&["build", "project", "--platform", "linux/amd64", "--base", "layout:base"]);
    assert_eq!(run(&mut build).digest(), run(&mut shop.build()).digest());
    let mut inside = shop.wain(&["build", "--platform", "linux/amd64", "--base", "layout:../base"]);
    inside.current_dir(shop.path("project"));
    assert_eq!(run(&mut inside).digest(), run(&mut shop.build()).digest());
}

#[test]
fn a_folder_of_wheels_serves_a_lockfile_with_hashes_only() {
    let shop = workshop();
    // As `uv pip compile --generate-hashes` writes it: every file of a package, whatever it fits.
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    for entry in fs::read_dir(shop.path("wheels")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().split('-').next().unwrap().to_owned();
        let hash = format!(" --hash={}", Digest::of(fs::read(entry.path()).unwrap()));
        lines.entry(name).or_default().push_str(&hash);
    }
    let text: String = lines.iter().map(|(name, hashes)| format!("{name}==1.0{hashes}\n")).collect();
    fs::remove_file(shop.path("project/pylock.toml")).unwrap();
    shop.write("project/requirements.txt", text);
    let absolute = shop.path("wheels").display().to_string();
    for wheels in ["wheels", &absolute] {
        let _ = fs::remove_dir_all(shop.path("store"));
        run(&mut shop.build().with(&["--find-links", wheels])).ok();
    }
}

#[test]
fn the_folder_of_a_nameless_base_is_not_told() {
    let built = || {
        let shop = workshop();
        let index = fs::read_to_string(shop.path("base/index.json")).unwrap();
        let name = r#""annotations":{"org.opencontainers.image.ref.name":"python"},"#;
        assert!(index.contains(name), "{index}");
        shop.write("base/index.json", index.replace(name, ""));
        let base = format!("layout:{}", shop.path("base").display());
        let project = shop.path("project").display().to_string();
        run(&mut shop.wain(&["build", &project, "--platform", "linux/amd64", "--base", &base])).digest()
    };
    assert_eq!(built(), built());
}
