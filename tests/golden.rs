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
    insta::assert_snapshot!(rows.join("\n"), @"
    base 5632 sha256:63743ede61befdf53b06e6e8081043ce18786f755ed514de7fc4ec16d86648d5 sha256:63743ede61befdf53b06e6e8081043ce18786f755ed514de7fc4ec16d86648d5
    environment for Python 3.13 481 sha256:161360489e18b6222bfd9dc7512d482c579a1eff10ff8b9872bc98272356439b sha256:bb99d3daab1aba5c5aa01ec89430c7d706516c693ed4eea96e3f703ccb6c58ba
    2 packages, fast 1.0 to greet 1.0 7567 sha256:2c563ec288b7a6f7b489ccb7efb395faf4609c8c6929d5c96185a425d4f0202f sha256:ef63aed3952e7f4c628558a3f62df1d5131f7db167a1c4eb5fda9c53766f4d22
    project app 594 sha256:5a6f8b1361343e3163b3ab27a26a145023c39802c35899b365a9eb8934bb18fa sha256:ff4f8703bc10edeb16b41c0a6462ded12fe365d162c31fe8b663e8f46596f0d8
    ");
    insta::assert_snapshot!(image["config"].as_str().unwrap(), @"sha256:b1b6981ba162f12de427cefa75a4322fe2d126711bebe6420cc4557f764783f5");
    insta::assert_snapshot!(digest, @"sha256:f3086d6a79dccb81912d01bcc60902dd998a5e419d3e697af40734f509863017");
}
