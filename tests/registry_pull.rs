//! Images that others pushed arrive byte for byte, whatever format they have.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use wainwright_oci::{Digest, media_type};
use wainwright_testing::{Access, Asked, RegistryServer, With as _, Workshop, need, run};

use crate::workshop;

fn skopeo(shop: &Workshop, words: &[&str]) {
    let mut command = Command::new("skopeo");
    command.current_dir(shop.folder()).args(["--insecure-policy", "copy", "--quiet"]).args(words);
    run(&mut command).ok();
}

fn raw(reference: &str) -> String {
    let words = ["inspect", "--raw", "--tls-verify=false", &format!("docker://{reference}")];
    run(Command::new("skopeo").args(words)).ok().stdout
}

/// The blob of a layout as JSON.
fn document(layout: &Path, digest: &str) -> Value {
    let path = layout.join("blobs").join(digest.replace(':', "/"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn every_format_and_compression_is_pulled_as_it_is() {
    let (Some(server), Some(_)) = (RegistryServer::start(Access::Open), need("skopeo")) else { return };
    let shop = workshop();
    run(&mut shop.build().with(&["--tag", "demo/api:1", "-o", "layout:out"])).ok();
    for (number, how) in [
        &["--format", "v2s2"][..],
        &["--format", "oci", "--dest-compress-format", "zstd", "--dest-force-compress-format"],
        &["--format", "oci", "--dest-compress-format", "gzip"],
        &["--format", "oci"],
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("{}/team/api:{number}", server.address());
        let target = format!("docker://{name}");
        let mut words = vec!["--dest-tls-verify=false"];
        let known = run(Command::new("skopeo").args(["copy", "--help"])).ok().stdout;
        words.extend(how.iter().filter(|word| !word.starts_with("--dest-force") || known.contains(**word)));
        words.extend(["oci:out:1", &target]);
        skopeo(&shop, &words);
        let folder = format!("pulled-{number}");
        let digest = run(&mut shop.wain(&["pull", &name, "-o", &format!("layout:{folder}")])).digest();
        assert_eq!(digest, Digest::of(raw(&name)).to_string(), "{how:?}");
        // Everything that the manifest names came along, and skopeo agrees.
        let manifest = document(&shop.path(&folder), &digest);
        for blob in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
            let path =
                shop.path(&folder).join("blobs").join(blob["digest"].as_str().unwrap().replace(':', "/"));
            assert_eq!(Digest::of(fs::read(path).unwrap()).to_string(), blob["digest"].as_str().unwrap());
        }
        // skopeo finds nothing in a layout but OCI's own formats.
        if manifest["mediaType"] == media_type::MANIFEST {
            skopeo(&shop, &[&format!("oci:{folder}:{number}"), &format!("dir:dir-{number}")]);
        }
        let back = format!("{}/back/api:{number}", server.address());
        assert_eq!(
            run(&mut shop.wain(&["push", &format!("layout:{folder}:{number}"), &back])).digest(),
            digest
        );
        assert_eq!(raw(&back), raw(&name));
        let again = run(&mut shop.wain(&["pull", &name, "-o", &format!("layout:{folder}")])).ok();
        assert!(again.stderr.contains("is up to date"), "{}", again.stderr);
    }
}

#[test]
fn what_buildah_pushed_is_pulled() {
    let (Some(server), Some(buildah)) = (RegistryServer::start(Access::Open), need("buildah")) else {
        return;
    };
    let Some(_) = need("skopeo") else { return };
    let shop = workshop();
    let state = shop.path("buildah").display().to_string();
    let buildah = |words: &[&str]| {
        let mut command = Command::new(&buildah);
        command.current_dir(shop.folder());
        command.args(["--root", &state, "--runroot", &state, "--storage-driver", "vfs"]).args(words);
        run(&mut command).ok().stdout
    };
    for format in ["oci", "docker"] {
        let container = buildah(&["from", "scratch"]).trim_end().to_owned();
        buildah(&["add", &container, "project/main.py", "/main.py"]);
        buildah(&["commit", "--quiet", "--format", format, &container, &format!("made:{format}")]);
        let name = format!("{}/team/made:{format}", server.address());
        buildah(&["push", "--quiet", "--tls-verify=false", &format!("made:{format}"), &name]);
        let words = ["pull", &name, "-o", "layout:made", "-o", "archive:made.tar"];
        assert_eq!(run(&mut shop.wain(&words)).digest(), Digest::of(raw(&name)).to_string());
        skopeo(&shop, &["docker-archive:made.tar", &format!("dir:archive-{format}")]);
    }
}

#[test]
fn one_platform_is_picked_and_keeps_its_digest() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let shop = workshop();
    let name = format!("{}/team/api:1", server.address());
    let both = ["--tag", &name, "--push", "--metadata-file", "build.json"];
    let index = run(&mut shop.build_for("linux/amd64,linux/arm64").with(&both)).digest();
    let report: Value = serde_json::from_slice(&fs::read(shop.path("build.json")).unwrap()).unwrap();

    // In a machine that knows nothing yet.
    let pull = |words: &[&str]| {
        let _ = fs::remove_dir_all(shop.path("store"));
        run(&mut shop.wain(&["pull", &name]).with(words))
    };
    assert_eq!(pull(&["-o", "layout:all"]).digest(), index);
    let pinned = format!("{}/team/api@{index}", server.address());
    assert_eq!(run(&mut shop.wain(&["pull", &pinned, "-o", "layout:pinned"])).digest(), index);
    for platform in ["linux/amd64", "linux/arm64"] {
        let expected = &report["platforms"][platform]["digest"];
        let folder = format!("layout:{}", platform.replace('/', "-"));
        assert_eq!(json!(pull(&["--platform", platform, "-o", &folder]).digest()), *expected);
        // Only that image: the blobs of the other stay where they are.
        let layers = report["platforms"][platform]["layers"].as_array().unwrap().len();
        let blobs = fs::read_dir(shop.path(&folder[7..]).join("blobs/sha256")).unwrap().count();
        assert!(blobs <= layers + 4, "{blobs} blobs for {layers} layers");
    }
    let none = pull(&["--platform", "linux/s390x", "-o", "layout:none"]);
    assert_eq!(none.code, 1);
    assert!(none.stderr.contains("linux/amd64, linux/arm64"), "{}", none.stderr);
}

#[test]
fn an_index_that_lies_about_a_size_is_refused_at_once() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let shop = workshop();
    let name = format!("{}/team/api:1", server.address());
    let manifest = run(&mut shop.build().with(&["--tag", &name, "--push"])).digest();
    // Without a platform, so that the manifest has to be read.
    let entry = json!({"mediaType": media_type::MANIFEST, "digest": manifest, "size": 3});
    let index = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [entry]}).to_string();
    let put = Asked::new("PUT", "/v2/team/api/manifests/lie").header("content-type", media_type::INDEX);
    assert_eq!(put.send_to(&server.address(), index.as_bytes()).unwrap().status, 201);

    fs::remove_dir_all(shop.path("store")).unwrap();
    let before = server.requests().len();
    let lie = format!("{}/team/api:lie", server.address());
    let pulled = run(&mut shop.wain(&["pull", &lie, "--platform", "linux/amd64", "-o", "layout:lie"]));
    assert_eq!(pulled.code, 1);
    assert!(pulled.stderr.contains("instead of the 3 in its descriptor"), "{}", pulled.stderr);
    assert!(server.requests().len() <= before + 2, "{:?}", &server.requests()[before..]);
}

/// Writes a layout with an index of one image and an attestation of it, and gives the digest of the index.
fn attested(shop: &Workshop) -> String {
    run(&mut shop.build().with(&["--tag", "demo/api:1", "-o", "layout:attested"])).ok();
    let folder = shop.path("attested");
    let blob = |media_type: &str, text: String| {
        let digest = Digest::of(&text);
        fs::write(folder.join("blobs/sha256").join(digest.hex()), &text).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": text.len()})
    };
    let top: Value = serde_json::from_slice(&fs::read(folder.join("index.json")).unwrap()).unwrap();
    let mut image = top["manifests"][0].clone();
    image.as_object_mut().unwrap().remove("annotations");
    let config = blob(media_type::CONFIG, json!({"architecture": "unknown", "os": "unknown"}).to_string());
    let statement = blob("application/vnd.in-toto+json", json!({"predicateType": "x"}).to_string());
    let attestation = json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": [statement],
    });
    let mut attestation = blob(media_type::MANIFEST, attestation.to_string());
    attestation["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    attestation["annotations"] = json!({
        "vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": image["digest"],
    });
    let index =
        json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [image, attestation]});
    let mut index = blob(media_type::INDEX, index.to_string());
    let digest = index["digest"].as_str().unwrap().to_owned();
    index["annotations"] = json!({"org.opencontainers.image.ref.name": "1"});
    fs::write(folder.join("index.json"), json!({"schemaVersion": 2, "manifests": [index]}).to_string())
        .unwrap();
    digest
}

#[test]
fn attestations_go_every_way() {
    let (Some(one), Some(two)) = (RegistryServer::start(Access::Open), RegistryServer::start(Access::Open))
    else {
        return;
    };
    let shop = workshop();
    let digest = attested(&shop);
    let (first, second) = (format!("{}/team/api:1", one.address()), format!("{}/other/api:1", two.address()));
    assert_eq!(run(&mut shop.wain(&["push", "layout:attested:1", &first])).digest(), digest);
    assert_eq!(run(&mut shop.wain(&["copy", &first, &second])).digest(), digest);
    drop(one);
    let words = ["pull", &second, "-o", "layout:back", "-o", "archive:back.tar"];
    assert_eq!(run(&mut shop.wain(&words)).digest(), digest);
    let blobs = |folder: &str| fs::read_dir(shop.path(folder).join("blobs/sha256")).unwrap().count();
    assert_eq!(blobs("back"), blobs("attested"));
    // Nothing dangles in the archive either: it can be pushed again.
    let third = format!("{}/third/api:1", two.address());
    assert_eq!(run(&mut shop.wain(&["push", "archive:back.tar", &third])).digest(), digest);
}
