//! The same inputs give these very bytes, in this version and the next. A digest that changes here is a decision: every
//! user's image changes with it. Raise the number of the format that changed, and say why in the changelog.

use std::fs;

use serde_json::Value;
use wainwright_testing::run;

use crate::workshop;

#[test]
fn the_bytes_of_an_image_are_known() {
    let shop = workshop();
    let mut build = shop.build();
    build.args(["--tag", "demo/golden:1", "--output", "layout:out", "--metadata-file", "report.json"]);
    let digest = run(&mut build).digest();
    let report: Value = serde_json::from_slice(&fs::read(shop.path("report.json")).unwrap()).unwrap();
    let image = &report["platforms"]["linux/amd64"];
    let rows: Vec<String> = image["layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| {
            let text = |key: &str| layer[key].as_str().unwrap().to_owned();
            format!("{} {} {} {}", text("name"), layer["size"], text("digest"), text("diffId"))
        })
        .collect();
    insta::assert_snapshot!(rows.join("\n"), @"");
    insta::assert_snapshot!(image["config"].as_str().unwrap(), @"");
    insta::assert_snapshot!(digest, @"");
}
