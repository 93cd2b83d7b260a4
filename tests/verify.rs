//! `wain verify` takes nothing but what the project builds, and names what somebody changed.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use wainwright_oci::{Digest, canonical_json};
use wainwright_testing::{ImageEditor, Member, Ran, Tree, With as _, Workshop, need, run};

use crate::{real, workshop};

const PACKAGES: &str = "app/.venv/lib/python3.13/site-packages";

/// A workshop with the image of its project in `out`.
fn built() -> Workshop {
    let shop = workshop();
    run(&mut shop.build().with(&["--output", "layout:out", "--output", "archive:out.tar"])).digest();
    shop
}

fn command(shop: &Workshop, image: &str) -> Command {
    let project = shop.path("project").display().to_string();
    shop.wain(&["verify", image, &project, "--base", "layout:base", "--no-index", "--progress", "quiet"])
}

fn verify(shop: &Workshop, image: &str) -> Ran {
    run(&mut command(shop, image).with(&["--platform", "linux/amd64"]))
}

/// Changes the image and gives what is said of it, without digests and without the table at its end.
fn forged(shop: &Workshop, change: impl FnOnce(&mut ImageEditor)) -> String {
    let forged = shop.path("forged");
    let _ = fs::remove_dir_all(&forged);
    let mut editor = ImageEditor::open(&shop.path("out"));
    change(&mut editor);
    editor.write(&forged);
    let ran = verify(shop, "forged");
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{}", ran.stdout);
    let text: Vec<String> =
        ran.stdout.lines().take_while(|line| !line.trim_start().starts_with("files ")).map(short).collect();
    text.join("\n")
}

/// A line whose digests are cut short.
fn short(line: &str) -> String {
    line.split_inclusive(' ')
        .map(|word| match word.find("sha256:") {
            Some(at) => format!("{}sha256:... ", &word[..at]),
            None => word.to_owned(),
        })
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// The layers of the image: the base, the environment, the wheels, the project.
const WHEELS: usize = 2;
const PROJECT: usize = 3;

fn member<'a>(members: &'a mut [Member], path: &str) -> &'a mut Member {
    members.iter_mut().find(|member| member.path == path).unwrap_or_else(|| panic!("there is no {path}"))
}

#[test]
fn what_the_project_builds_is_the_same() {
    let shop = built();
    let before = Tree::read(&shop.path("project"));
    for image in
        ["layout:out", "archive:out.tar:demo", "out", "out.tar"].map(|image| image.trim_end_matches(":demo"))
    {
        let ran = verify(&shop, image).ok();
        assert!(ran.stdout.contains("is equal to the build of this project"), "{}", ran.stdout);
    }
    let ran = verify(&shop, "out").ok();
    let table: Vec<&str> = ran.stdout.lines().skip(2).collect();
    insta::assert_snapshot!(table.join("\n"));
    assert_eq!(before.differences(&Tree::read(&shop.path("project"))), [] as [&str; 0]);
}

#[test]
fn every_file_has_an_origin() {
    let shop = built();
    let ran = run(&mut command(&shop, "out").with(&["--platform", "linux/amd64", "--files"])).ok();
    let files: Vec<&str> = ran.stdout.lines().filter(|line| line.contains(" <- ")).collect();
    let files: Vec<String> = files.into_iter().map(short).collect();
    insta::assert_snapshot!(files.join("\n"));
}

#[test]
fn an_added_file_is_named() {
    let shop = built();
    insta::assert_snapshot!(forged(&shop, |image| {
        image.edit(PROJECT, |members| members.push(Member::file("app/backdoor.py", "import os\n")));
    }));
}

#[test]
fn a_changed_byte_is_named() {
    let shop = built();
    insta::assert_snapshot!(forged(&shop, |image| {
        image.edit(WHEELS, |members| {
            member(members, &format!("{PACKAGES}/greet/__init__.py")).content[0] ^= 1;
        });
    }));
}

#[test]
fn a_mode_an_owner_and_a_target_are_named() {
    let shop = built();
    insta::assert_snapshot!(forged(&shop, |image| {
        image.edit(1, |members| member(members, "app/.venv/bin/python").link = Some("/tmp/python".into()));
        image.edit(PROJECT, |members| {
            member(members, "app/main.py").header.set_mode(0o4755);
            member(members, "app/data/words.txt").header.set_uid(1000);
        });
    }));
}

#[test]
fn a_whiteout_is_named() {
    let shop = built();
    insta::assert_snapshot!(forged(&shop, |image| {
        image.edit(PROJECT, |members| members.push(Member::file("etc/.wh.passwd", "")));
    }));
}

#[test]
fn a_missing_file_is_named() {
    let shop = built();
    insta::assert_snapshot!(forged(&shop, |image| {
        image.edit(PROJECT, |members| members.retain(|member| member.path != "app/main.py"));
    }));
}

#[test]
fn an_extra_layer_and_a_missing_one_are_named() {
    let shop = built();
    insta::assert_snapshot!(
        forged(&shop, |image| image.push(&[Member::file("app/main.py", "print('mine')\n")]))
    );
    insta::assert_snapshot!(forged(&shop, ImageEditor::pop));
}

#[test]
fn a_changed_base_is_named() {
    let shop = built();
    insta::assert_snapshot!(forged(&shop, |image| {
        image.edit(0, |members| member(members, "etc/passwd").content.extend(b"evil:x:0:0::/:/bin/sh\n"));
    }));
}

#[test]
fn changes_of_the_config_are_named() {
    let shop = built();
    insta::assert_snapshot!(forged(&shop, |image| {
        image.config["config"]["Entrypoint"] = json!(["/bin/sh", "-c", "evil"]);
        let env = image.config["config"]["Env"].as_array_mut().unwrap();
        env.push(json!("LD_PRELOAD=/tmp/x.so"));
        image.config["config"]["User"] = json!("0");
        let history = image.config["history"].as_array_mut().unwrap();
        history.last_mut().unwrap()["created_by"] = json!("wain: project other");
    }));
}

#[test]
fn changes_of_the_manifest_are_named() {
    let shop = built();
    insta::assert_snapshot!(forged(&shop, |image| {
        image.manifest["annotations"]["org.opencontainers.image.title"] = json!("other");
        image.manifest["subject"] = json!({ "digest": "sha256:0" });
    }));
}

#[test]
fn a_file_that_hides_another_for_a_moment_is_found() {
    let shop = built();
    // The last word is the right one; the first is in the image all the same.
    insta::assert_snapshot!(forged(&shop, |image| {
        image.edit(PROJECT, |members| members.insert(0, Member::file("app/main.py", "secret\n")));
    }));
}

#[test]
fn other_bytes_with_the_same_files_are_told_apart() {
    let shop = built();
    // The same tar without compression.
    insta::assert_snapshot!(forged(&shop, |image| image.edit(PROJECT, |_| {})));
    insta::assert_snapshot!(forged(&shop, |image| {
        image.edit(PROJECT, |members| members.iter_mut().for_each(|member| member.header.set_mtime(7)));
    }));
    // All in one layer.
    insta::assert_snapshot!(forged(&shop, |image| {
        let mut all = Vec::new();
        image.edit(PROJECT, |members| all.append(members));
        image.pop();
        image.edit(WHEELS, |members| members.append(&mut all));
    }));
}

#[test]
fn every_compression_can_be_verified() {
    let shop = workshop();
    for compression in ["gzip:1", "zstd:3", "none"] {
        let words = ["--compression", compression, "--output", "layout:out"];
        run(&mut shop.build().with(&words)).digest();
        let words = ["--platform", "linux/amd64", "--compression", compression];
        run(&mut command(&shop, "out").with(&words)).ok();
        let ran = verify(&shop, "out");
        assert_eq!(ran.code, 1);
        assert!(
            ran.stdout.contains("has the same files as the build of this project, but other bytes"),
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn what_docker_saves_is_known_by_its_config() {
    let Some(skopeo) = need("skopeo") else { return };
    let shop = built();
    let mut copy = Command::new(&skopeo);
    copy.current_dir(shop.folder()).args(["--insecure-policy", "copy", "--quiet"]);
    run(copy.args(["oci:out:latest", "docker-archive:saved.tar:demo:1"])).ok();
    let config =
        ImageEditor::open(&shop.path("out")).manifest["config"]["digest"].as_str().unwrap().to_owned();
    let ran = verify(&shop, "saved.tar").ok();
    assert!(
        ran.stdout.contains(&format!("is equal to the build of this project\ndigest    {config}")),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("layer 4 (project app) has the same tar"), "{}", ran.stdout);
    shop.write("project/main.py", "print('new')\n");
    assert_eq!(verify(&shop, "saved.tar").code, 1);
}

#[test]
fn a_cache_that_lies_is_not_believed() {
    let shop = built();
    // Whoever can write to the cache can have a build take other layers; a verification makes them anew.
    let mut image = ImageEditor::open(&shop.path("out"));
    image.edit(PROJECT, |members| member(members, "app/main.py").content.extend(b"evil()\n"));
    image.write(&shop.path("forged"));
    let layer = |layout: &str| -> Value {
        let image = ImageEditor::open(&shop.path(layout));
        json!({ "descriptor": image.manifest["layers"][PROJECT], "diffId": image.config["rootfs"]["diff_ids"][PROJECT] })
    };
    let (good, evil) = (layer("out"), layer("forged"));
    let digest = |layer: &Value| {
        layer["descriptor"]["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned()
    };
    let name = digest(&evil);
    let blobs = found(&shop, &digest(&good)).parent().unwrap().parent().unwrap().to_owned();
    fs::create_dir_all(blobs.join(&name[..2])).unwrap();
    fs::copy(shop.path("forged/blobs/sha256").join(&name), blobs.join(&name[..2]).join(&name)).unwrap();
    let mut memos = files(&shop.path("store")).into_iter().filter(|path| {
        let is_of_layer = path.components().any(|part| part.as_os_str() == "layer");
        is_of_layer && fs::read_to_string(path).is_ok_and(|text| text.contains(&digest(&good)))
    });
    let memo = memos.next_back().expect("no memo names the layer");
    let key = Digest::from_hex(memo.file_name().unwrap().to_str().unwrap()).unwrap();
    let value = canonical_json(&evil);
    let checksum = Digest::of([b"layer\0", &key.as_bytes()[..], &value].concat()).hex();
    fs::write(&memo, [checksum.as_bytes(), b"\n", &value].concat()).unwrap();
    run(&mut shop.build().with(&["--output", "layout:evil"])).digest();
    let ran = verify(&shop, "evil");
    assert_eq!(ran.code, 1, "the build took the good layer after all: {}", ran.stdout);
    assert!(ran.stdout.contains("differs: app/main.py in layer 4 (project app)"), "{}", ran.stdout);
}

/// The file of that name in the cache.
fn found(shop: &Workshop, name: &str) -> std::path::PathBuf {
    files(&shop.path("store")).into_iter().find(|path| path.ends_with(name)).expect("it is not in the cache")
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_damaged_layer_is_named() {
    let shop = built();
    let manifest = ImageEditor::open(&shop.path("out")).manifest;
    let digest = manifest["layers"][WHEELS]["digest"].as_str().unwrap().trim_start_matches("sha256:");
    let blob = shop.path("out/blobs/sha256").join(digest);
    flip(&blob, 100);
    let ran = verify(&shop, "out");
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("layer 3 (2 packages, fast 1.0 to greet 1.0) is damaged"), "{}", ran.stdout);
    assert!(ran.stdout.contains("has the digest"), "{}", ran.stdout);
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_project_that_changed_is_told() {
    let shop = built();
    shop.write("project/main.py", "print('new')\n");
    let ran = verify(&shop, "out");
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("differs: app/main.py in layer 4 (project app)"), "{}", ran.stdout);
}

#[test]
fn an_index_is_compared_with_all_its_platforms() {
    let shop = workshop();
    run(&mut shop.build_for("linux/amd64,linux/arm64").with(&["--output", "layout:out"])).digest();
    let json = |words: &[&str]| -> (i32, Value) {
        let ran = run(&mut command(&shop, "out").with(&["--json"]).with(words));
        (ran.code, serde_json::from_str(&ran.stdout).unwrap())
    };
    let (code, found) = json(&[]);
    assert_eq!((code, &found["verdict"]), (0, &json!("same")));
    assert_eq!(found["expected"], found["found"]);
    let platforms: Vec<String> = found["platforms"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["platform"]["architecture"].to_string())
        .collect();
    assert_eq!(platforms, [r#""amd64""#, r#""arm64""#]);

    let (code, found) = json(&["--platform", "linux/arm64"]);
    assert_eq!((code, found["platforms"].as_array().unwrap().len()), (0, 1));
    assert_eq!(found["notCompared"], json!([{"os": "linux", "architecture": "amd64"}]));

    run(&mut shop.build().with(&["--output", "layout:one"])).digest();
    let ran = run(&mut command(&shop, "one").with(&["--platform", "linux/amd64,linux/arm64"]));
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("problem   it has no image for linux/arm64"), "{}", ran.stdout);
}

#[test]
fn an_image_that_is_not_there_is_wrong_usage() {
    let shop = workshop();
    let ran = verify(&shop, "nowhere");
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("no such folder or file"), "{}", ran.stderr);
}

#[test]
fn every_file_of_real_packages_has_an_origin() {
    let Some(sample) = real::wheels() else { return };
    let ran = sample.verify(&["--json"]).ok();
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let platform = &found["platforms"][0];
    let files = |origin: &str| -> u64 {
        let origins = platform["origins"].as_array().unwrap().iter();
        origins.filter(|row| row["origin"] == origin).map(|row| row["files"].as_u64().unwrap()).sum()
    };
    assert!(files("debian packages") > 1000 && files("wheels") > 100 && files("project") == 3, "{platform}");
    assert_eq!((&platform["unexplained"], &platform["missing"]), (&json!([]), &json!([])));
}
