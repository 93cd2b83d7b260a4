//! The version, for people and for programs.

use std::process::Command;

use serde_json::{Value, json};
use wainwright_testing::run;

use crate::WAIN;

fn version(words: &[&str]) -> String {
    run(Command::new(WAIN).args(words).env_clear()).ok().stdout
}

#[test]
fn version_command_prints_the_same_line_as_the_flag() {
    assert_eq!(version(&["version"]), version(&["--version"]));
    assert_eq!(version(&["version"]), concat!("wain ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn version_json_has_platform_formats_and_schemas() {
    let found: Value = serde_json::from_str(&version(&["version", "--json"])).unwrap();
    assert_eq!(found["version"], env!("CARGO_PKG_VERSION"));
    let platform = found["platform"].as_str().unwrap();
    assert!(platform.starts_with("linux/"), "{platform}");
    // A number changes with the bytes of layers, as the golden digests do.
    assert_eq!(found["formats"], json!({ "layer": 2, "bytecode": 2, "debian": 1 }));
    assert_eq!(found["schemas"], json!({ "wain.lock": [1], "release.json": [1] }));
}
