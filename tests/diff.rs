//! `wain diff` says in what two images differ, down to the first byte.

use std::process::Command;

use serde_json::{Value, json};
use wainwright_testing::{Forger, Member, With as _, Workshop, need, run, wheel};

use crate::workshop;

/// A workshop with the image of its project in `one`.
fn built() -> Workshop {
    let shop = workshop();
    run(&mut shop.build().with(&["--output", "layout:one", "--output", "archive:one.tar"])).digest();
    shop
}

/// What is said of two images that differ, digests cut short.
fn diff(shop: &Workshop, before: &str, after: &str) -> String {
    let ran = run(&mut shop.wain(&["diff", before, after]));
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{}", ran.stdout);
    cut(&ran.stdout)
}

/// Digests are sixty-four digits that say nothing to a reader.
fn cut(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "sha256:..." + part.get(64..).unwrap_or_default())
}

fn member<'a>(members: &'a mut [Member], path: &str) -> &'a mut Member {
    members.iter_mut().find(|member| member.path == path).unwrap_or_else(|| panic!("there is no {path}"))
}

#[test]
fn an_image_is_the_same_wherever_it_is() {
    let shop = built();
    for (before, after) in [("one", "one"), ("layout:one:latest", "archive:one.tar")] {
        let ran = run(&mut shop.wain(&["diff", before, after])).ok();
        assert!(ran.stdout.ends_with("no difference\n"), "{}", ran.stdout);
    }
    let ran = run(&mut shop.wain(&["diff", "one", "one.tar", "--json"])).ok();
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&found["isSame"], &found["platforms"][0]["files"]), (&json!(true), &json!([])));
}

#[test]
fn two_builds_differ_in_what_was_changed() {
    let shop = built();
    shop.write("project/main.py", "import greet\n\ngreet.main(1)\n");
    shop.write("project/new.txt", "new\n");
    std::fs::remove_file(shop.path("project/data/words.txt")).unwrap();
    shop.write("project/wainwright.toml", "env = { LOG = \"info\" }\nannotations = { a = \"b\" }\n");
    shop.lock(&[wheel("more").file("more.py", "")]);
    run(&mut shop.build().with(&["--output", "layout:two"])).digest();
    insta::assert_snapshot!(diff(&shop, "one", "two"));
}

#[test]
fn everything_about_a_file_is_compared() {
    let shop = built();
    let mut image = Forger::open(&shop.path("one"));
    image.edit(3, |members| {
        member(members, "app/main.py").header.set_mode(0o755);
        member(members, "app/data/words.txt").header.set_uid(1000);
        member(members, "app/pylock.toml").header.set_mtime(7);
        members.push(Member::file("etc/.wh.passwd", ""));
    });
    image.edit(1, |members| {
        member(members, "app/.venv/bin/python").link = Some("/usr/bin/python3".into());
        *member(members, "app/.venv/lib64") = Member::file("app/.venv/lib64", "no link");
    });
    image.write(&shop.path("two"));
    insta::assert_snapshot!(diff(&shop, "one", "two"));
}

#[test]
fn another_compression_is_told_apart_from_another_content() {
    let shop = built();
    let mut image = Forger::open(&shop.path("one"));
    image.edit(2, |_| {});
    image.write(&shop.path("two"));
    insta::assert_snapshot!(diff(&shop, "one", "two"));
}

#[test]
fn layers_that_come_and_go_are_told() {
    let shop = built();
    let mut image = Forger::open(&shop.path("one"));
    image.push(&[
        Member::file("var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n"),
        Member::file("opt/x-1.dist-info/METADATA", ""),
    ]);
    image.write(&shop.path("two"));
    insta::assert_snapshot!(diff(&shop, "one", "two"));
    insta::assert_snapshot!(diff(&shop, "two", "one"));
}

#[test]
fn platforms_are_compared_one_by_one() {
    let shop = built();
    run(&mut shop.build_for("linux/amd64,linux/arm64").with(&["--output", "layout:both"])).digest();
    insta::assert_snapshot!(diff(&shop, "one", "both"));
    run(&mut shop.wain(&["diff", "one", "both", "--platform", "linux/amd64"])).ok();
    let ran = run(&mut shop.wain(&["diff", "one", "both", "--platform", "linux/arm64"]));
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("holds no image for linux/arm64; it holds linux/amd64"), "{}", ran.stderr);
}

#[test]
fn what_skopeo_copied_is_the_same() {
    let Some(skopeo) = need("skopeo") else { return };
    let shop = built();
    let copy = |to: &str, words: &[&str]| {
        let mut skopeo = Command::new(&skopeo);
        skopeo.current_dir(shop.folder()).args(["--insecure-policy", "copy", "--quiet"]);
        run(skopeo.args(words).args(["oci:one:latest", to])).ok();
    };
    copy("oci:two:latest", &["--preserve-digests"]);
    run(&mut shop.wain(&["diff", "one", "two"])).ok();
    copy("oci:three:latest", &["--dest-compress", "--dest-compress-format", "zstd"]);
    let found = diff(&shop, "one", "three");
    assert!(found.contains("layer 3: the same tar, compressed in another way"), "{found}");
    assert!(found.contains("0 files changed, 0 added, 0 removed"), "{found}");
    // Docker's form has a manifest of its own, and tars that are not compressed.
    copy("docker-archive:four.tar:demo:1", &[]);
    let found = diff(&shop, "one", "four.tar");
    assert!(found.contains("0 files changed, 0 added, 0 removed"), "{found}");
}
