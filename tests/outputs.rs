//! Every output is taken by the tools people have: skopeo, umoci, podman and docker.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wainwright_oci::Digest;
use wainwright_testing::{Dockerd, Tree, With as _, Workshop, need, run, unpack};

use crate::workshop;

const BOTH: &str = "linux/amd64,linux/arm64";

/// A workshop with the outputs `out` and `out.tar`, and the digest of what is in them.
fn built(platforms: &str) -> (Workshop, String) {
    let shop = workshop();
    let outputs = ["--tag", "demo/api:1", "--output", "layout:out", "--output", "archive:out.tar"];
    let digest = run(&mut shop.build_for(platforms).with(&outputs)).digest();
    (shop, digest)
}

fn skopeo_digest(skopeo: &Path, shop: &Workshop, image: &str) -> String {
    let mut inspect = Command::new(skopeo);
    inspect.current_dir(shop.folder()).args(["inspect", "--raw", image]);
    // The digest of the very bytes that a registry would serve.
    Digest::of(run(&mut inspect).ok().stdout).to_string()
}

#[test]
fn skopeo_reads_and_copies_everything() {
    let Some(skopeo) = need("skopeo") else { return };
    for platforms in ["linux/amd64", BOTH] {
        let (shop, digest) = built(platforms);
        for source in ["oci:out:1", "oci-archive:out.tar"] {
            assert_eq!(skopeo_digest(&skopeo, &shop, source), digest, "{source} for {platforms}");
            let copy = format!("oci:copy-{}:1", source.len());
            let words = ["copy", "--quiet", "--all", "--preserve-digests", source, &copy];
            run(Command::new(&skopeo).arg("--insecure-policy").current_dir(shop.folder()).args(words)).ok();
            assert_eq!(skopeo_digest(&skopeo, &shop, &copy), digest, "{source} for {platforms}");
        }
        // Docker's form holds one image, for this machine.
        let words = ["copy", "--quiet", "docker-archive:out.tar", "dir:docker"];
        run(Command::new(&skopeo).arg("--insecure-policy").current_dir(shop.folder()).args(words)).ok();
    }
}

#[test]
fn umoci_unpacks_what_was_put_in() {
    let Some(umoci) = need("umoci") else { return };
    let (shop, _) = built("linux/amd64");
    let root = unpack(&umoci, &shop.path("out"), "1", &shop.path("bundle"));
    let tree = Tree::read(&root);
    let ours: Vec<String> = tree
        .0
        .iter()
        .filter(|(path, line)| path.starts_with("app") && !line.starts_with("folder"))
        .map(|(path, line)| format!("{path}: {}", line.split(" sha256:").next().unwrap()))
        .collect();
    insta::assert_snapshot!(ours.join("\n"), @"
    app/.venv/bin/greet: file 0755
    app/.venv/bin/greet.sh: file 0755
    app/.venv/bin/python: link to /usr/bin/python3.13
    app/.venv/bin/python3: link to python
    app/.venv/bin/python3.13: link to python
    app/.venv/lib/python3.13/site-packages/fast-1.0.dist-info/INSTALLER: file 0644
    app/.venv/lib/python3.13/site-packages/fast-1.0.dist-info/METADATA: file 0644
    app/.venv/lib/python3.13/site-packages/fast-1.0.dist-info/RECORD: file 0644
    app/.venv/lib/python3.13/site-packages/fast-1.0.dist-info/WHEEL: file 0644
    app/.venv/lib/python3.13/site-packages/fast/__init__.py: file 0644
    app/.venv/lib/python3.13/site-packages/fast/_fast.so: file 0755
    app/.venv/lib/python3.13/site-packages/greet-1.0.dist-info/INSTALLER: file 0644
    app/.venv/lib/python3.13/site-packages/greet-1.0.dist-info/METADATA: file 0644
    app/.venv/lib/python3.13/site-packages/greet-1.0.dist-info/RECORD: file 0644
    app/.venv/lib/python3.13/site-packages/greet-1.0.dist-info/WHEEL: file 0644
    app/.venv/lib/python3.13/site-packages/greet-1.0.dist-info/entry_points.txt: file 0644
    app/.venv/lib/python3.13/site-packages/greet/__init__.py: file 0644
    app/.venv/lib/python3.13/site-packages/greet/data.bin: file 0644
    app/.venv/lib/python3.13/site-packages/greet/empty.py: file 0644
    app/.venv/lib64: link to lib
    app/.venv/pyvenv.cfg: file 0644
    app/.venv/share/greet/words.txt: file 0644
    app/data/words.txt: file 0644
    app/main.py: file 0644
    app/pylock.toml: file 0644
    ");
    let folders: Vec<&String> = tree
        .0
        .iter()
        .filter(|(path, line)| {
            path.starts_with("app") && *line != "folder 0755" && line.starts_with("folder")
        })
        .map(|(path, _)| path)
        .collect();
    assert_eq!(folders, [] as [&str; 0], "folders that not everybody may enter");
}

#[test]
fn umoci_unpacks_each_platform() {
    let Some(umoci) = need("umoci") else { return };
    let (shop, _) = built(BOTH);
    for (platform, machine) in [("1-linux-amd64", "x86_64"), ("1-linux-arm64", "aarch64")] {
        let root = unpack(&umoci, &shop.path("out"), platform, &shop.path(platform));
        let library = root.join("app/.venv/lib/python3.13/site-packages/fast/_fast.so");
        assert_eq!(fs::read_to_string(library).unwrap(), format!("\x7fELF for {machine}"));
    }
}

#[test]
fn podman_loads_archives() {
    let Some(podman) = need("podman") else { return };
    for platforms in ["linux/amd64", BOTH] {
        let (shop, _) = built(platforms);
        let state = shop.path("podman").display().to_string();
        let podman = || {
            let mut command = Command::new(&podman);
            command.current_dir(shop.folder());
            command.args(["--root", &state, "--runroot", &state, "--storage-driver", "vfs"]);
            command
        };
        run(podman().args(["load", "--quiet", "--input", "out.tar"])).ok();
        let names = run(podman().args(["images", "--format", "{{.Repository}}:{{.Tag}}"])).ok().stdout;
        assert_eq!(names, "docker.io/demo/api:1\n");
        let user = [
            "inspect",
            "--format",
            "{{.Config.User}} {{.Config.WorkingDir}} {{.Architecture}}",
            "demo/api:1",
        ];
        assert_eq!(run(podman().args(user)).ok().stdout, "65532:65532 /app amd64\n");
    }
}

#[test]
fn docker_loads_archives_and_takes_images_from_us() {
    let Some(docker) = Dockerd::start() else { return };
    let id = ["inspect", "--format", "{{.Id}} {{.RepoTags}} {{.Config.User}}", "demo/api:1"];
    for platforms in ["linux/amd64", BOTH] {
        let (shop, _) = built(platforms);
        run(docker.docker().current_dir(shop.folder()).args(["load", "--quiet", "--input", "out.tar"])).ok();
        let loaded = run(docker.docker().args(id)).ok().stdout;
        let expected = format!("{} [demo/api:1] 65532:65532\n", config(&shop.path("out")));
        assert_eq!(loaded, expected, "docker load of {platforms}");
        run(docker.docker().args(["image", "rm", "demo/api:1"])).ok();

        let mut load = shop.build_for(platforms).with(&["--tag", "demo/api:1", "--load"]);
        load.env("DOCKER_HOST", docker.host());
        run(&mut load).ok();
        assert_eq!(run(docker.docker().args(id)).ok().stdout, expected, "--load of {platforms}");
        let again = run(&mut load).ok();
        assert!(again.stderr.contains("nothing changed"), "{}", again.stderr);
        run(docker.docker().args(["image", "rm", "demo/api:1"])).ok();
    }
}

#[test]
fn every_compression_is_taken_by_those_who_read_it() {
    let (Some(skopeo), Some(docker)) = (need("skopeo"), Dockerd::start()) else { return };
    let shop = workshop();
    let mut configs = Vec::new();
    for (compression, kind) in
        [("splice", "tar+gzip"), ("gzip:9", "tar+gzip"), ("zstd", "tar+zstd"), ("none", "tar")]
    {
        let words = ["--tag", "demo/api:1", "--compression", compression, "--output", "layout:out"];
        run(&mut shop.build().with(&words).with(&["--output", "archive:out.tar"])).ok();
        configs.push(config(&shop.path("out")));
        let manifest =
            run(Command::new(&skopeo).current_dir(shop.folder()).args(["inspect", "--raw", "oci:out:1"]));
        let manifest: Value = serde_json::from_str(&manifest.ok().stdout).unwrap();
        for layer in &manifest["layers"].as_array().unwrap()[1..] {
            let expected = format!("application/vnd.oci.image.layer.v1.{kind}");
            assert_eq!(layer["mediaType"], expected, "{compression}");
        }
        // Docker's form names layers by their diff IDs: it unpacks them and checks.
        let words = ["copy", "--quiet", "docker-archive:out.tar", "dir:docker"];
        run(Command::new(&skopeo).arg("--insecure-policy").current_dir(shop.folder()).args(words)).ok();

        let mut load = shop.build().with(&["--tag", "demo/api:1", "--compression", compression, "--load"]);
        let ran = run(load.env("DOCKER_HOST", docker.host()));
        let api = run(docker.docker().args(["version", "--format", "{{.Server.APIVersion}}"])).ok().stdout;
        if compression == "zstd" && api.trim_end() < "1.42" {
            assert_eq!(ran.code, 1, "{}", ran.stderr);
            assert!(ran.stderr.contains("layers compressed with zstd require 23 or newer"), "{}", ran.stderr);
        } else {
            ran.ok();
            run(docker.docker().args(["image", "rm", "demo/api:1"])).ok();
        }
    }
    // The config names the tars inside, which are the same.
    configs.dedup();
    assert_eq!(configs.len(), 1, "{configs:?}");
}

#[test]
fn compressions_that_do_not_exist_are_wrong_usage() {
    let shop = workshop();
    for (compression, limits) in [("gzip:10", "from 1 to 9"), ("zstd:20", "from 1 to 19"), ("xz", "`gzip`")] {
        let ran = run(&mut shop.build().with(&["--compression", compression]));
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(limits), "{}", ran.stderr);
    }
}

#[test]
fn the_setting_yields_to_the_argument() {
    let shop = workshop();
    shop.write("project/wainwright.toml", "compression = \"zstd:1\"\n");
    let compression = |words: &[&str]| {
        let plan = ["plan", "project", "--base", "layout:base", "--json"];
        let json = run(&mut shop.wain(&plan).with(words)).ok().stdout;
        serde_json::from_str::<Value>(&json).unwrap()["compression"].as_str().unwrap().to_owned()
    };
    assert_eq!(compression(&[]), "zstd:1");
    assert_eq!(compression(&["--compression", "gzip"]), "gzip:6");
}

/// The digest of the config for amd64, which Docker calls the image.
fn config(layout: &Path) -> String {
    let read = |digest: &str| -> Value {
        let path = layout.join("blobs").join(digest.replace(':', "/"));
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    };
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let mut manifest = read(index["manifests"][0]["digest"].as_str().unwrap());
    if let Some(manifests) = manifest["manifests"].as_array().cloned() {
        let is_ours = |manifest: &&Value| manifest["platform"]["architecture"] == "amd64";
        manifest = read(manifests.iter().find(is_ours).unwrap()["digest"].as_str().unwrap());
    }
    manifest["config"]["digest"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_there_already_is_not_written_again() {
    let (shop, digest) = built(BOTH);
    let before = Tree::read(&shop.path("out"));
    let outputs = ["--tag", "demo/api:1", "--output", "layout:out", "--output", "archive:out.tar"];
    let again = run(&mut shop.build_for(BOTH).with(&outputs)).ok();
    assert_eq!(again.stdout.trim_end(), digest);
    assert!(again.stderr.contains("nothing changed"), "{}", again.stderr);
    assert_eq!(before.differences(&Tree::read(&shop.path("out"))), [] as [&str; 0]);
    // What the layout holds besides stays.
    let other = ["--tag", "demo/other:2", "--output", "layout:out"];
    run(&mut shop.build().with(&other)).ok();
    let names = fs::read_to_string(shop.path("out/index.json")).unwrap();
    assert!(names.contains("demo/api:1") && names.contains("demo/other:2"), "{names}");
}
