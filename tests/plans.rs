//! `wain plan` tells what a build would do, and does nothing.

use serde_json::Value;
use wainwright_testing::{Tree, Workshop, run};

use crate::workshop;

/// Runs `wain plan` with these words and gives what it printed.
fn plan(shop: &Workshop, words: &[&str]) -> String {
    let project = shop.path("project").display().to_string();
    let mut plan = shop.wain(&["plan", &project, "--base", "layout:base", "--platform", "linux/amd64"]);
    let mut before = Tree::read(shop.folder());
    let ran = run(plan.args(["--output", "layout:out"]).args(words)).ok();
    let mut after = Tree::read(shop.folder());
    for tree in [&mut before, &mut after] {
        tree.0.retain(|path, _| path != "store" && !path.starts_with("store/"));
    }
    assert_eq!(before.differences(&after), [] as [&str; 0]);
    ran.stdout
}

#[test]
fn a_plan_says_what_and_why() {
    let shop = workshop();
    insta::assert_snapshot!(plan(&shop, &[]), @"
    linux/amd64 on python (Python 3.13, glibc 2.41)
      reuse     5.6 kB  base layer  (unchanged)
      build      ~98 B  environment for Python 3.13  (links to /usr/bin/python3.13; not cached)
      build    ~8.4 kB  2 packages, fast 1.0 to greet 1.0  (small packages share a layer; not cached)
      build     ~863 B  project app  (4 files and folders; not cached)
    2 files to fetch (8.4 kB)
    compression: splice
    to layout:out as docker.io/library/project:latest
    ");
    run(&mut shop.build()).ok();
    insta::assert_snapshot!(plan(&shop, &[]), @"
    linux/amd64 on python (Python 3.13, glibc 2.41)
      reuse     5.6 kB  base layer  (unchanged)
      reuse      481 B  environment for Python 3.13  (links to /usr/bin/python3.13)
      reuse     7.6 kB  2 packages, fast 1.0 to greet 1.0  (small packages share a layer)
      reuse      594 B  project app  (4 files and folders)
    nothing to fetch
    compression: splice
    to layout:out as docker.io/library/project:latest
    ");
    shop.write("project/main.py", "# changed\n");
    insta::assert_snapshot!(plan(&shop, &[]), @"
    linux/amd64 on python (Python 3.13, glibc 2.41)
      reuse     5.6 kB  base layer  (unchanged)
      reuse      481 B  environment for Python 3.13  (links to /usr/bin/python3.13)
      reuse     7.6 kB  2 packages, fast 1.0 to greet 1.0  (small packages share a layer)
      build     ~846 B  project app  (4 files and folders; not cached)
    nothing to fetch
    compression: splice
    to layout:out as docker.io/library/project:latest
    ");
}

#[test]
fn a_plan_is_data() {
    let shop = workshop();
    let json = plan(&shop, &["--json"]);
    assert_eq!(json, plan(&shop, &["--json"]));
    let value: Value = serde_json::from_str(&json).unwrap();
    let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    insta::assert_snapshot!(format!("{keys:?}"), @r#"["compression", "images", "lazy", "outputs", "tags", "version"]"#);
}
