//! What a user is told when an image, a registry or a name is not as it should be; and that nothing else happened.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use wainwright_oci::{Digest, media_type};
use wainwright_testing::{Access, Act, Kind, Proxy, RegistryServer, Reply, Workshop, noise, run};

use crate::disk::{Disk, check_told};
use crate::workshop;

/// A registry of a few documents that anybody may read: `name:1` is the manifest.
struct DocumentRegistry {
    files: BTreeMap<String, (String, Vec<u8>)>,
    layers: Vec<Value>,
    diff_ids: Vec<Digest>,
}

impl DocumentRegistry {
    fn new() -> Self {
        Self { files: BTreeMap::new(), layers: Vec::new(), diff_ids: Vec::new() }
    }

    fn put(&mut self, kind: &str, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = Digest::of(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        self.files.insert(format!("/v2/name/{kind}/{digest}"), (media_type.to_owned(), bytes));
        descriptor
    }

    /// A layer without compression, and what the config says it is.
    fn layer(mut self, media_type: &str, bytes: Vec<u8>, diff_id: Digest) -> Self {
        let layer = self.put("blobs", media_type, bytes);
        self.layers.push(layer);
        self.diff_ids.push(diff_id);
        self
    }

    fn start(self) -> Proxy {
        self.change(|_| ())
    }

    /// Starts it with another manifest than is right.
    fn change(mut self, change: impl FnOnce(&mut Value)) -> Proxy {
        let rootfs = json!({"type": "layers", "diff_ids": self.diff_ids});
        let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs});
        let config = self.put("blobs", media_type::CONFIG, config.to_string().into_bytes());
        let mut manifest = json!({"schemaVersion": 2, "mediaType": media_type::MANIFEST, "config": config, "layers": self.layers});
        change(&mut manifest);
        let manifest = manifest.to_string().into_bytes();
        self.files.insert("/v2/name/manifests/1".into(), (media_type::MANIFEST.into(), manifest));
        Proxy::start(None, None, move |asked| match self.files.get(&asked.target) {
            Some((kind, bytes)) => {
                Act::Answer(Reply::status(200).header("content-type", kind).body(bytes.clone()))
            }
            None => Act::Answer(Reply::status(404)),
        })
    }
}

/// A tar with nothing in it.
fn tar() -> Vec<u8> {
    vec![0; 1024]
}

/// Runs a command that has to fail, and gives what it said.
#[track_caller]
fn fails(shop: &Workshop, words: &[&str], code: i32) -> String {
    let ran = run(&mut shop.wain(words));
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{words:?}: {}", ran.stderr);
    ran.stderr
}

#[test]
fn a_wait_is_told_after_ten_seconds() {
    let shelf = DocumentRegistry::new().layer(media_type::LAYER_TAR, tar(), Digest::of(tar())).start();
    let slow = Proxy::start(Some(&shelf.address()), None, |asked| match asked.number {
        1 => Act::Hang(Duration::from_secs(600)),
        _ => Act::Pass,
    });
    let shop = workshop();
    let mut command = shop.wain(&["inspect", &format!("{}/name:1", slow.address())]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    // The first line is enough; the registry never answers.
    let line = said.next();
    child.kill().unwrap();
    child.wait().unwrap();
    let wanted = format!(" s for {}", slow.address());
    assert!(
        line.as_ref().is_some_and(|line| line.contains("waiting 1") && line.contains(&wanted)),
        "{line:?}"
    );
}

#[test]
fn tags_that_moved_are_told_from_those_that_did_not() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let shop = workshop();
    let name = format!("{}/team/api:1", server.address());
    run(&mut shop.build()).ok();
    run(&mut shop.wain(&["push", "last:project", &name])).ok();
    let strict = Proxy::start(Some(&server.address()), None, |asked| {
        match asked.kind == Kind::PutManifest && asked.target.ends_with("/B") {
            true => Act::Answer(Reply::refusal(403, "DENIED", "the tag is immutable")),
            false => Act::Pass,
        }
    });
    let name = format!("{}/team/api:1", strict.address());
    let said = fails(&shop, &["tag", &name, "A", "B", "C"], 3);
    assert!(said.contains("the tag is immutable") && said.contains("(moved: A; not moved: B, C)"), "{said}");
    let said = fails(&shop, &["tag", &name, "B", "C"], 3);
    assert!(said.contains(": none; those that do not: B, C"), "{said}");
}

#[test]
fn without_a_network_nobody_is_sent_to_the_cache() {
    let shop = workshop();
    run(&mut shop.build()).ok();
    let name = "127.0.0.1:1/a/b:1";
    let layout = ["pull", name, "-o", "layout:x"];
    let base = shop.path("project").display().to_string();
    let build = ["build", &base, "--base", "layout:base", "--no-index", "--push", "--tag", name];
    for words in [
        &["push", "last:project", name][..],
        &["copy", name, "127.0.0.1:1/a/c:1"],
        &["tag", name, "2"],
        &["inspect", name],
        &["registry", "probe", "127.0.0.1:1/a/b"],
        &layout,
        &build,
    ] {
        let said = fails(&shop, &[words, &["--offline"]].concat(), 3);
        assert!(
            said.contains("127.0.0.1:1 has to be asked") && said.contains("offline"),
            "{words:?}: {said}"
        );
        assert!(said.contains("hint: run it without `--offline`"), "{words:?}: {said}");
        assert!(!said.contains("writing some small blobs"), "{words:?}: {said}");
    }
}

#[test]
fn a_broken_file_of_credentials_is_no_matter_where_nobody_asks() {
    let (Some(open), Some(closed)) =
        (RegistryServer::start(Access::Open), RegistryServer::start(Access::Password))
    else {
        return;
    };
    let shop = workshop();
    run(&mut shop.build()).ok();
    shop.write("home/.docker/config.json", "{\"auths\": CANARY");
    let name = format!("{}/team/api:1", open.address());
    run(&mut shop.wain(&["push", "last:project", &name])).ok();
    run(&mut shop.wain(&["pull", &name, "-o", "layout:pulled"])).ok();
    let name = format!("{}/team/api:1", closed.address());
    let said = fails(&shop, &["push", "last:project", &name], 1);
    assert!(said.contains("config.json`: it is not JSON (line 1") && !said.contains("CANARY"), "{said}");
}

#[test]
fn layers_that_unpack_to_something_else_are_loaded_by_nobody() {
    let shop = workshop();
    let other = Digest::of("other");
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut zipped, &tar()).unwrap();
    let zipped = zipped.finish().unwrap();
    let wrong = DocumentRegistry::new().layer(media_type::LAYER_GZIP, zipped.clone(), other).start();
    let name = format!("{}/name:1", wrong.address());
    for words in [
        &["-o", "archive:out"][..],
        &["-o", "layout:out", "-o", "archive:out.tar"],
        &["-o", "archive:out", "--platform", "linux/amd64"],
    ] {
        let said = fails(&shop, &[&["pull", &name][..], words].concat(), 1);
        assert!(said.contains(&format!("`{name}` for linux/amd64 is not pulled")), "{said}");
        assert!(said.contains("layer 1 unpacks to") && said.contains(&other.to_string()), "{said}");
        assert!(!shop.path("out").exists());
    }
    let right =
        DocumentRegistry::new().layer(media_type::LAYER_GZIP, zipped.clone(), Digest::of(tar())).start();
    run(&mut shop.wain(&["pull", &format!("{}/name:1", right.address()), "-o", "archive:right"])).ok();
    let cut = DocumentRegistry::new()
        .layer(media_type::LAYER_GZIP, zipped[..20].to_vec(), Digest::of(tar()))
        .start();
    let said = fails(&shop, &["pull", &format!("{}/name:1", cut.address()), "-o", "archive:cut"], 1);
    assert!(said.contains("cannot read layer 1, "), "{said}");
    // A layout is a copy of what the digests name; it is seen as a base, and by what unpacks it.
    run(&mut shop.wain(&["pull", &name, "-o", "layout:copy"])).ok();
    let said = fails(&shop, &["build", "project", "--base", "layout:copy", "-o", "layout:out"], 1);
    assert!(said.contains("layer 1 unpacks to"), "{said}");
}

#[test]
fn a_layer_of_an_unknown_type_passes_with_a_cache_and_without() {
    let shop = workshop();
    for kind in
        ["text/html", "application/x-unheard-of", "application/vnd.oci.image.layer.v1.tar+gzip+encrypted"]
    {
        let server = DocumentRegistry::new()
            .layer(kind, format!("<html>{kind}").into_bytes(), Digest::of("x"))
            .start();
        let name = format!("{}/name:1", server.address());
        let pull = || run(&mut shop.wain(&["pull", &name, "-o", "layout:out"])).digest();
        assert_eq!(pull(), pull(), "{kind}");
        let _ = fs::remove_dir_all(shop.path("store"));
        let _ = fs::remove_dir_all(shop.path("out"));
    }
}

#[test]
fn sizes_and_digests_that_are_none_are_told() {
    let shop = workshop();
    let shelf = || DocumentRegistry::new().layer(media_type::LAYER_TAR, tar(), Digest::of(tar()));
    let pull = |server: &Proxy, expected: &[&str]| {
        let said = fails(&shop, &["pull", &format!("{}/name:1", server.address()), "-o", "layout:out"], 1);
        expected.iter().for_each(|words| assert!(said.contains(words), "`{words}` is not in {said}"));
        assert!(!said.contains("retrying"), "{said}");
    };
    let larger = shelf().change(|manifest| manifest["layers"][0]["size"] = 1025.into());
    pull(&larger, &["has 1024 bytes instead of 1025"]);
    let smaller = shelf().change(|manifest| manifest["layers"][0]["size"] = 1023.into());
    pull(&smaller, &["has 1024 bytes instead of 1023"]);
    let endless = shelf().change(|manifest| manifest["layers"][0]["size"] = i64::MAX.into());
    pull(&endless, &["`layers[0].size` is 9223372036854775807; the limit is 1 TiB"]);
    let sha512 = format!("sha512:{}", "0".repeat(128));
    let foreign = shelf().change(|manifest| manifest["layers"][0]["digest"] = json!(sha512));
    pull(&foreign, &["/name:1", "sha512:000", "sha256"]);
    let name = format!("127.0.0.1:1/name@{sha512}");
    let said = fails(&shop, &["pull", &name, "-o", "layout:out"], 2);
    assert!(said.contains("the part after `@` is not a sha256 digest"), "{said}");
}

#[test]
fn layers_that_are_not_given_away_stay_where_they_are() {
    let shop = workshop();
    let kind = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let server = DocumentRegistry::new().layer(kind, tar(), Digest::of(tar())).start();
    let name = format!("{}/name:1", server.address());
    for (number, words) in [&[][..], &["--platform", "linux/amd64"]].into_iter().enumerate() {
        let _ = fs::remove_dir_all(shop.path("store"));
        let folder = format!("out-{number}");
        let mut pull =
            shop.wain(&["pull", &name, "-o", &format!("layout:{folder}"), "-o", "archive:out.tar"]);
        let pull = run(pull.args(words)).ok();
        assert!(pull.stderr.contains("is not carried along"), "{}", pull.stderr);
        assert!(!shop.path(&folder).join("blobs/sha256").join(Digest::of(tar()).hex()).exists());
    }
    assert_eq!(server.count(Kind::GetBlob), 2, "the config, twice");
}

#[test]
fn names_that_are_none_are_explained() {
    let shop = workshop();
    let long = format!("ghcr.io/a/b:{}", "x".repeat(129));
    for (image, expected) in [
        ("ghcr.io/Acme/api:1", "names are lower-case"),
        (&long, "at most 128 letters"),
        ("ghcr.io/a/b@sha512:00", "sha256"),
    ] {
        let inspected = fails(&shop, &["inspect", image], 2);
        assert!(inspected.contains(expected), "{inspected}");
        let built = fails(&shop, &["build", "project", "--base", image], 2);
        assert!(built.contains(expected), "{built}");
    }
}

#[test]
fn of_two_images_for_one_platform_the_digest_says_which() {
    let shop = workshop();
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let push = |number: &str| {
        shop.write("project/main.py", format!("print({number})\n"));
        run(&mut shop.build()).ok();
        run(&mut shop.wain(&["push", "last:project", &format!("{}/team/api:{number}", server.address())]))
            .digest()
    };
    let digests = [push("1"), push("2")];
    let manifests: Vec<Value> = digests
        .iter()
        .map(|digest| {
            let name = format!("{}/team/api@{digest}", server.address());
            let raw = run(&mut shop.wain(&["inspect", &name, "--raw"])).ok().stdout;
            json!({"mediaType": media_type::MANIFEST, "digest": digest, "size": raw.len(), "platform": {"os": "linux", "architecture": "amd64"}})
        })
        .collect();
    let index = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": manifests});
    let index = index.to_string();
    let twins = Proxy::start(Some(&server.address()), None, move |asked| {
        match asked.target == "/v2/team/api/manifests/twins" {
            true => {
                Act::Answer(Reply::status(200).header("content-type", media_type::INDEX).body(index.clone()))
            }
            false => Act::Pass,
        }
    });
    let name = format!("{}/team/api:twins", twins.address());
    let said = fails(&shop, &["pull", &name, "--platform", "linux/amd64", "-o", "layout:out"], 1);
    assert!(said.contains("several images for linux/amd64"), "{said}");
    assert!(said.contains("`@sha256:...` (layout, registry)"), "{said}");
    let pinned = format!("{}/team/api@{}", twins.address(), digests[1]);
    let pull = run(&mut shop.wain(&["pull", &pinned, "--platform", "linux/amd64", "-o", "layout:out"]));
    assert_eq!(pull.digest(), digests[1]);
}

#[test]
fn a_full_cache_is_told_with_what_is_needed_and_free() {
    let shop = workshop();
    let bytes = noise(5, 3 << 20);
    let server = DocumentRegistry::new().layer("application/x-noise", bytes, Digest::of("x")).start();
    let Some(disk) = Disk::mount(&shop.path("small"), c"size=1m,mode=755") else { return };
    let name = format!("{}/name:1", server.address());
    let words = ["pull", &name, "-o", "layout:out", "--cache-dir", "small"];
    let said = fails(&shop, &words, 3);
    check_told(&said, "small/v1/");
    assert!(said.contains("3145728 bytes to write"), "{said}");
    disk.resize(c"size=64m,mode=755");
    run(&mut shop.wain(&words)).ok();
}
