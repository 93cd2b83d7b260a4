//! What the parts of an image cost, and images that cost too much.

use std::fs;

use serde_json::Value;
use wainwright_testing::{With as _, run};

use crate::workshop;

#[test]
fn every_byte_of_an_image_is_accounted_for() {
    let shop = workshop();
    shop.write("project/one.bin", [7; 5000]);
    shop.write("project/two.bin", [7; 5000]);
    run(&mut shop.build().with(&["--output", "layout:out"])).ok();
    let analyzed = run(&mut shop.wain(&["analyze", "out", "--json", "--html", "out.html"])).ok();
    let images: Value = serde_json::from_str(&analyzed.stdout).unwrap();
    let image = &images[0];
    let sum = |list: &str, key: &str| -> u64 {
        image[list].as_array().unwrap().iter().map(|row| row[key].as_u64().unwrap()).sum()
    };
    let total = image["total"]["unpacked"].as_u64().unwrap();
    for list in ["layers", "packages", "types"] {
        assert_eq!(sum(list, "unpacked"), total, "{list}");
    }
    assert_eq!(sum("files", "size") + sum("layers", "hidden"), total);
    let names: Vec<&str> =
        image["packages"].as_array().unwrap().iter().filter_map(|row| row["name"].as_str()).collect();
    assert!(names.contains(&"greet 1.0") && names.contains(&"fast 1.0"), "{names:?}");
    assert_eq!(image["duplicates"][0]["size"], 5000);
    assert_eq!(image["duplicates"][0]["places"].as_array().unwrap().len(), 2);
    let page = fs::read_to_string(shop.path("out.html")).unwrap();
    assert!(page.contains("greet 1.0"));
    for outside in ["http:", "https:", "src=", "<link", "@import", "fetch("] {
        assert!(!page.contains(outside), "{outside}");
    }
    let text = run(&mut shop.wain(&["analyze", "out"])).ok().stdout;
    assert!(text.contains("greet 1.0") && text.contains("2 times /app/one.bin"), "{text}");
}

#[test]
fn a_name_cannot_end_the_script_of_the_page() {
    let shop = workshop();
    shop.write("project/<script>.txt", "x");
    run(&mut shop.build().with(&["--output", "layout:out"])).ok();
    run(&mut shop.wain(&["analyze", "out", "--html", "out.html"])).ok();
    let page = fs::read_to_string(shop.path("out.html")).unwrap();
    assert!(page.contains("\\u003cscript>.txt"), "the name is there, and harmless");
}

#[test]
fn an_image_that_is_too_large_goes_nowhere() {
    let shop = workshop();
    let refused = run(&mut shop.build().with(&["--output", "layout:out", "--size-limit", "10kB"]));
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("may have 10.0 kB") && refused.stderr.contains("fast 1.0 to greet 1.0"),
        "{}",
        refused.stderr
    );
    assert!(!shop.path("out").exists());
    run(&mut shop.build().with(&["--output", "layout:out", "--size-limit", "1MB"])).ok();
}
