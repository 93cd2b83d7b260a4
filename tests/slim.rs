//! Kinds of files can be left out of packages: they have no row in RECORD, are told, and nothing else changes.

use std::fs;

use wainwright_testing::{With as _, Workshop, need, run, unpack, wheel};

use crate::WAIN;

const SITE: &str = "app/.venv/lib/python3.13/site-packages";

fn shop() -> Workshop {
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "");
    shop.lock(&[wheel("demo")
        .file("demo/__init__.py", "")
        .file("demo/__init__.pyi", "x: int")
        .file("demo/tests/__init__.py", "")
        .file("demo/tests/data.bin", [7; 5000])
        .file("demo/plugin/tests/hook.py", "")
        .file("demo/include/demo.h", "int x;")
        .file("demo-1.0.dist-info/entry_points.txt", "[demo.hooks]\nhook = demo.plugin.tests.hook:run\n")]);
    shop
}

#[test]
fn what_is_left_out_is_told_and_has_no_row() {
    let shop = shop();
    let whole = run(&mut shop.build().with(&["--output", "layout:whole"])).digest();
    let words = ["--slim=tests,type-stubs", "--output", "layout:out", "--tag", "x:latest"];
    let slim = run(&mut shop.build().with(&words));
    for line in
        ["tests are left out: 2 files of 5000 bytes together", "type-stubs are left out: 1 file of 6 bytes\n"]
    {
        assert!(slim.stderr.contains(line), "{}", slim.stderr);
    }
    assert_ne!(slim.digest(), whole);
    // Told again by a build that makes nothing.
    assert!(run(&mut shop.build().with(&words)).stderr.contains("tests are left out: 2 files"));
    let verify =
        ["verify", "layout:out", "project", "--base", "layout:base", "--no-index", "--slim=tests,type-stubs"];
    run(&mut shop.wain(&verify)).ok();

    let Some(umoci) = need("umoci") else { return };
    let root = unpack(&umoci, &shop.path("out"), "latest", &shop.path("root"));
    let has = |path: &str| root.join(SITE).join(path).exists();
    assert!(has("demo/__init__.py") && has("demo/include/demo.h"));
    assert!(has("demo/plugin/tests/hook.py"), "an entry point names it");
    assert!(!has("demo/tests") && !has("demo/__init__.pyi"));
    let record = fs::read_to_string(root.join(SITE).join("demo-1.0.dist-info/RECORD")).unwrap();
    assert!(record.contains("demo/plugin/tests/hook.py,sha256="), "{record}");
    assert!(!record.contains("demo/tests") && !record.contains(".pyi"), "{record}");
}

#[test]
fn settings_and_the_command_line_add_up() {
    let shop = shop();
    let all = run(&mut shop.build().with(&["--slim", "--output", "layout:out"])).digest();
    shop.write("project/wainwright.toml", "slim = [\"tests\", \"type-stubs\"]\n");
    let some = run(&mut shop.build().with(&["--output", "layout:out"])).digest();
    assert_ne!(some, all);
    let added = run(&mut shop.build().with(&[
        "--slim=headers,locales,docs,static-libraries,examples,pycache,sources",
        "--output",
        "layout:out",
    ]));
    assert_eq!(added.digest(), all);
    let plan = ["plan", "project", "--base", "layout:base", "--no-index", "--platform", "linux/amd64"];
    let plan = run(&mut shop.wain(&plan)).ok();
    assert!(plan.stdout.contains("omitted from packages: tests, type-stubs"), "{}", plan.stdout);
}

#[test]
fn a_kind_that_is_none_is_refused() {
    let shop = shop();
    let refused = run(&mut shop.build().with(&["--slim=test"]));
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("not one of docs, examples, headers, locales"), "{}", refused.stderr);
    shop.write("project/wainwright.toml", "slim = [\"tests\", \"tests\"]\n");
    let refused = run(&mut shop.build());
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("lists this twice"), "{}", refused.stderr);
}
