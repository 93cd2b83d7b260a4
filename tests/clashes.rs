//! Every path of an environment has one owner; where packages disagree about it, the user decides, and the report says so.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use wainwright_testing::{Ran, Wheel, With as _, Workshop, need, run, unpack, wheel};

use crate::WAIN;

const SITE: &str = "app/.venv/lib/python3.13/site-packages";

/// Two wheels that own a path with different contents, and another one with the same; they lie in two layers.
fn clashing() -> Workshop {
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "");
    let large: Vec<u8> =
        (0..100_000u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    shop.lock(&[wheel("one").file("one.py", "").file("tests/a.py", "1").file("tests/same.py", "")]);
    shop.lock(&[wheel("two").file("two.bin", large).file("tests/a.py", "2").file("tests/same.py", "")]);
    shop
}

fn build(shop: &Workshop, words: &[&str]) -> Ran {
    run(&mut shop.build().with(&["--output", "layout:out", "--metadata-file", "report.json"]).with(words))
}

fn report(shop: &Workshop) -> Value {
    let text = fs::read_to_string(shop.path("report.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["platforms"]["linux/amd64"]["sharedPaths"].clone()
}

/// The root file system of the image that was built last.
fn root(shop: &Workshop, name: &str) -> Option<PathBuf> {
    let umoci = need("umoci")?;
    Some(unpack(&umoci, &shop.path("out"), "latest", &shop.path(name)))
}

#[test]
fn the_package_named_keeps_its_file_and_the_other_one_has_no_row_for_it() {
    let shop = clashing();
    let first = build(&shop, &["--allow-clash", "two", "--tag", "x:latest"]);
    assert!(first.stderr.contains("is the file of `two`; installed without it: `one`"), "{}", first.stderr);
    let digest = first.digest();
    insta::assert_snapshot!(format!("{:#}", report(&shop)), @r#"
    [
      {
        "kept": "two",
        "lost": [
          "one"
        ],
        "owners": [
          "two-1.0-py3-none-any.whl",
          "one-1.0-py3-none-any.whl"
        ],
        "path": "/app/.venv/lib/python3.13/site-packages/tests/a.py"
      },
      {
        "kept": null,
        "lost": [],
        "owners": [
          "two-1.0-py3-none-any.whl",
          "one-1.0-py3-none-any.whl"
        ],
        "path": "/app/.venv/lib/python3.13/site-packages/tests/same.py"
      }
    ]
    "#);

    let Some(root) = root(&shop, "two") else { return };
    let read = |path: &str| fs::read_to_string(root.join(SITE).join(path)).unwrap();
    assert_eq!(read("tests/a.py"), "2");
    insta::assert_snapshot!(read("one-1.0.dist-info/RECORD"), @"
    one-1.0.dist-info/INSTALLER,sha256=wQDT2-s19crh4f3dkBwFAERG19Ufz5A-d-yKsb0xtXo,5
    one-1.0.dist-info/METADATA,sha256=fr7ysKaEzysBM2XdrqDrsM4IKrn5v6ux_YFGWWdb1K8,45
    one-1.0.dist-info/RECORD,,
    one-1.0.dist-info/WHEEL,sha256=Lxu65dhnCqB09Qme_Pv1lHR3F-QIvoqVo3YdagPzSKg,78
    one.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
    tests/same.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0
    ");
    assert!(read("two-1.0.dist-info/RECORD").contains("tests/a.py,sha256="));

    // Warm, and from nothing: the same image, and the same warning.
    let again = build(&shop, &["--allow-clash", "two", "--tag", "x:latest"]);
    assert!(again.stderr.contains("is the file of `two`"), "{}", again.stderr);
    assert_eq!(again.digest(), digest);
    assert_eq!(build(&shop, &["--allow-clash", "two", "--tag", "x:latest", "--no-cache"]).digest(), digest);
    // Every file of it is explained.
    let verify = ["verify", "layout:out:latest", "project", "--base", "layout:base", "--no-index"];
    let ran = run(&mut shop.wain(&verify).with(&["--platform", "linux/amd64", "--allow-clash", "two"]));
    let said = ran.ok().stdout;
    assert!(said.contains("is equal to the build of this project"), "{said}");
    // As a setting, and for this path alone.
    let rule = format!("/{SITE}/tests/a.py=two");
    assert_eq!(build(&shop, &["--allow-clash", &rule, "--tag", "x:latest"]).digest(), digest);
    shop.write("project/wainwright.toml", "allow-clash = [\"two\"]\n");
    let settings = build(&shop, &["--tag", "x:latest"]).digest();
    // The command line is asked first, and the other one is another image.
    assert_ne!(build(&shop, &["--allow-clash", "one", "--tag", "x:latest"]).digest(), settings);
}

#[test]
fn a_decision_about_nothing_changes_nothing() {
    let shop = crate::workshop();
    let plain = build(&shop, &[]).digest();
    let ran = build(&shop, &["--allow-clash", "greet"]);
    let said = "nothing clashes that --allow-clash greet would decide";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
    assert_eq!(ran.digest(), plain);
}

#[test]
fn nobody_takes_a_part_of_the_environment() {
    let check = |wheel: Wheel| {
        let shop = Workshop::empty(WAIN);
        shop.write("project/main.py", "");
        shop.lock(&[wheel]);
        let ran = build(&shop, &["--allow-clash", "evil"]);
        assert_eq!(ran.code, 1, "{}{}", ran.stdout, ran.stderr);
        assert!(!shop.path("out").exists());
        ran.stderr.lines().find(|line| line.starts_with("error: ")).unwrap_or(&ran.stderr).to_owned()
    };
    let data = |path: &str| wheel("evil").file(&format!("evil-1.0.data/data/{path}"), "x");
    insta::assert_snapshot!(check(data("bin/python")), @"error: wheel `evil-1.0-py3-none-any.whl` is refused (E-SCRIPT): `evil-1.0.data/data/bin/python`: a script called `python` would replace the interpreter");
    insta::assert_snapshot!(check(data("bin/python3.13/x")), @"error: E-BASE: `evil-1.0-py3-none-any.whl` would replace `/app/.venv/bin/python3.13` of the Python environment");
    insta::assert_snapshot!(check(data("pyvenv.cfg")), @"error: wheel `evil-1.0-py3-none-any.whl` is refused (E-SCRIPT): `evil-1.0.data/data/pyvenv.cfg`: it would replace the configuration of the environment");
    insta::assert_snapshot!(check(data("lib64")), @"error: wheel `evil-1.0-py3-none-any.whl` is refused (E-DATA): `evil-1.0.data/data/lib64`: it would replace a directory of the environment");
    insta::assert_snapshot!(check(data("bin")), @"error: wheel `evil-1.0-py3-none-any.whl` is refused (E-DATA): `evil-1.0.data/data/bin`: it would replace a directory of the environment");
    insta::assert_snapshot!(check(data("lib")), @"error: wheel `evil-1.0-py3-none-any.whl` is refused (E-DATA): `evil-1.0.data/data/lib`: it would replace a directory of the environment");
    insta::assert_snapshot!(check(data("../../etc/passwd")), @"error: wheel `evil-1.0-py3-none-any.whl` is refused (E-PATH): `evil-1.0.data/data/../../etc/passwd`: its name contains `..`");
    insta::assert_snapshot!(check(data("/etc/passwd")), @"error: wheel `evil-1.0-py3-none-any.whl` is refused (E-PATH): `evil-1.0.data/data//etc/passwd`: its name is not canonical");
}

#[test]
fn a_script_of_the_project_is_not_that_of_a_package() {
    let shop = Workshop::empty(WAIN);
    let script = "[project]\nname = \"demo\"\nversion = \"1\"\ndependencies = [\"tool\"]\n[project.scripts]\ntool = \"demo:main\"\n";
    shop.write("project/pyproject.toml", script);
    shop.write("project/demo.py", "def main(): pass\n");
    shop.lock(&[wheel("tool").program("tool-1.0.data/scripts/tool", "#!/bin/sh\n")]);
    let ran = build(&shop, &[]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let error: Vec<&str> = ran.stderr.lines().skip_while(|line| !line.starts_with("error: ")).collect();
    insta::assert_snapshot!(error.join("\n"), @"
    error: E-CLASH: `/app/.venv/bin/tool` differs between the project and `tool-1.0-py3-none-any.whl`
      hint: rename the script or module of the project, or remove the package (`wain explain E-CLASH`)
    ");
}

#[test]
fn files_of_the_project_stay_out_of_the_environment() {
    let shop = crate::workshop();
    let digest = build(&shop, &[]).digest();
    shop.write("project/.venv/lib/python3.13/site-packages/greet/__init__.py", "evil");
    shop.write("project/.venv/bin/greet", "evil");
    assert_eq!(build(&shop, &[]).digest(), digest, "a checkout with an environment gives another image");
    shop.write("project/wainwright.toml", "include = [\".venv/\"]\n");
    let ran = build(&shop, &[]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
}
