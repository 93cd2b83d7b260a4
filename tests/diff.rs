//! `wain diff` says in what two images differ, down to the first byte.

use std::process::Command;

use serde_json::{Value, json};
use wainwright_testing::{ImageEditor, Member, With as _, Workshop, need, run, wheel};

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
    let mut image = ImageEditor::open(&shop.path("one"));
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
    let mut image = ImageEditor::open(&shop.path("one"));
    image.edit(2, |_| {});
    image.write(&shop.path("two"));
    insta::assert_snapshot!(diff(&shop, "one", "two"));
}

#[test]
fn layers_that_come_and_go_are_told() {
    let shop = built();
    let mut image = ImageEditor::open(&shop.path("one"));
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
    assert!(
        ran.stderr.contains("contains no image for linux/arm64; it contains linux/amd64"),
        "{}",
        ran.stderr
    );
}

/// What is said of an image that cannot be compared.
fn refused(shop: &Workshop, before: &str, after: &str) -> String {
    let ran = run(&mut shop.wain(&["diff", before, after]));
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    cut(&ran.stderr)
}

/// Changes a byte in the middle of a blob of the layout `two`, a copy of `one`.
fn damage(shop: &Workshop, layer: usize) {
    run(&mut shop.build().with(&["--output", "layout:two", "--output", "archive:two.tar"])).digest();
    let manifest = ImageEditor::open(&shop.path("two")).manifest;
    let digest = manifest["layers"][layer]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    let blob = shop.path(&format!("two/blobs/sha256/{digest}"));
    let bytes = std::fs::read(&blob).unwrap();
    let mut archive = std::fs::read(shop.path("two.tar")).unwrap();
    let at = archive.windows(bytes.len()).position(|window| window == bytes).unwrap();
    archive[at + bytes.len() / 2] ^= 1;
    std::fs::write(&blob, &archive[at..at + bytes.len()]).unwrap();
    shop.write("two.tar", archive);
}

#[test]
fn a_name_is_no_proof_of_what_a_layer_holds() {
    let shop = built();
    damage(&shop, 2);
    for (before, after) in [("one", "two"), ("two", "one"), ("one.tar", "two.tar"), ("one", "two.tar")] {
        let said = refused(&shop, before, after);
        let image = if before == "two" { before } else { after };
        let kind = if image.ends_with(".tar") { "archive" } else { "layout" };
        let expected =
            format!("error: layer 3 of `{kind}:{image}` cannot be compared\n  cause: the layer 3 in");
        assert!(said.starts_with(&expected) && said.contains("hint: "), "{said}");
        assert!(said.contains("has the digest sha256:... instead of sha256:..."), "{said}");
    }
}

#[test]
fn a_config_that_promises_another_tar_is_named() {
    let shop = built();
    // An attacker who kept the layers and changed what the config says of them.
    let digest = |bytes: &[u8]| wainwright_oci::Digest::of(bytes);
    let mut image = ImageEditor::open(&shop.path("one"));
    image.config["rootfs"]["diff_ids"][3] = json!(digest(b"else"));
    let (config, mut manifest) = (image.config.to_string(), image.manifest.clone());
    image.write(&shop.path("two"));
    manifest["config"]["digest"] = json!(digest(config.as_bytes()));
    manifest["config"]["size"] = json!(config.len());
    let manifest = manifest.to_string();
    for document in [&config, &manifest] {
        shop.write(&format!("two/blobs/sha256/{}", digest(document.as_bytes()).hex()), document);
    }
    let mut index: Value =
        serde_json::from_slice(&std::fs::read(shop.path("two/index.json")).unwrap()).unwrap();
    index["manifests"][0]["digest"] = json!(digest(manifest.as_bytes()));
    index["manifests"][0]["size"] = json!(manifest.len());
    shop.write("two/index.json", index.to_string());
    for (before, after) in [("one", "two"), ("two", "one")] {
        let said = refused(&shop, before, after);
        let expected = "error: layer 4 of `layout:two` cannot be compared\n  cause: layer 4 unpacks to sha256:... instead of \
                        the sha256:... in its config";
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn what_stands_behind_a_layer_is_called_so() {
    let shop = built();
    run(&mut shop.build().with(&["--output", "layout:two"])).digest();
    let mut image = ImageEditor::open(&shop.path("one"));
    image.append(3, b"garbage");
    image.write(&shop.path("two"));
    let said = refused(&shop, "one", "two");
    assert!(said.contains("  cause: there are bytes after the gzip data"), "{said}");
}

#[test]
fn attestations_that_differ_are_named() {
    let shop = built();
    run(&mut shop.build_for("linux/amd64,linux/arm64").with(&["--output", "layout:both"])).digest();
    let edit = |name: &str, attestation: &str| {
        let read = |path: String| -> Value {
            serde_json::from_slice(&std::fs::read(shop.path(&path)).unwrap()).unwrap()
        };
        let mut root = read("both/index.json".into());
        let digest =
            |value: &Value| value["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
        let mut index = read(format!("both/blobs/sha256/{}", digest(&root["manifests"][0])));
        let mut other = index["manifests"][0].clone();
        other["digest"] = json!(wainwright_oci::Digest::of(attestation));
        other["size"] = json!(attestation.len());
        other["platform"] = json!({ "os": "unknown", "architecture": "unknown" });
        other["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
        index["manifests"].as_array_mut().unwrap().push(other);
        let text = index.to_string();
        root["manifests"] = json!([root["manifests"][0].clone()]);
        root["manifests"][0]["digest"] = json!(wainwright_oci::Digest::of(&text));
        root["manifests"][0]["size"] = json!(text.len());
        for blob in [attestation, &text] {
            shop.write(&format!("both/blobs/sha256/{}", wainwright_oci::Digest::of(blob).hex()), blob);
        }
        std::fs::copy(shop.path("both/index.json"), shop.path("index.json")).unwrap();
        shop.write("both/index.json", root.to_string());
        run(Command::new("cp").current_dir(shop.folder()).args(["-r", "both", name])).ok();
        std::fs::copy(shop.path("index.json"), shop.path("both/index.json")).unwrap();
    };
    edit("one-more", "{\"one\":1}");
    edit("other-more", "{\"two\":2}");
    let found = diff(&shop, "one-more", "other-more");
    assert!(found.contains("~ index: manifests[2].digest\n      - \"sha256:...\"\n"), "{found}");
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
    assert!(found.contains("layer 3: same tar, another compression"), "{found}");
    assert!(found.contains("0 files changed, 0 added, 0 removed"), "{found}");
    // Docker's form has a manifest of its own, and tars that are not compressed.
    copy("docker-archive:four.tar:demo:1", &[]);
    let found = diff(&shop, "one", "four.tar");
    assert!(found.contains("0 files changed, 0 added, 0 removed"), "{found}");
}
