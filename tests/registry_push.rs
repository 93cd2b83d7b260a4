//! What is pushed is pulled by everybody, with the digest that was built; what others pushed is pulled by us.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use wainwright_oci::Digest;
use wainwright_testing::{Access, Dockerd, RegistryServer, Tree, With as _, Workshop, need, run, unpack};

use crate::workshop;

const BOTH: &str = "linux/amd64,linux/arm64";

/// A workshop with the layout `out`, and the digest of what is in it.
fn built(platforms: &str) -> (Workshop, String) {
    let shop = workshop();
    let digest =
        run(&mut shop.build_for(platforms).with(&["--tag", "demo/api:1", "-o", "layout:out"])).digest();
    (shop, digest)
}

/// The digest that a reference has for skopeo.
fn digest_of(reference: &str) -> String {
    let words = ["inspect", "--raw", "--tls-verify=false", &format!("docker://{reference}")];
    Digest::of(run(Command::new("skopeo").args(words)).ok().stdout).to_string()
}

fn skopeo(folder: &Path, words: &[&str]) {
    let mut command = Command::new("skopeo");
    command.current_dir(folder).args(["--insecure-policy", "copy", "--quiet"]).args(words);
    run(&mut command).ok();
}

#[test]
fn what_was_built_last_is_pushed() {
    let (Some(server), Some(_)) = (RegistryServer::start(Access::Open), need("skopeo")) else { return };
    let name = |tag: &str| format!("{}/team/api:{tag}", server.address());
    for platforms in ["linux/amd64", BOTH] {
        let (shop, digest) = built(platforms);
        let words = ["push", "last:project", &name("1"), &name("latest")];
        assert_eq!(run(&mut shop.wain(&words)).digest(), digest, "{platforms}");
        for tag in ["1", "latest"] {
            assert_eq!(digest_of(&name(tag)), digest, "{tag} for {platforms}");
        }
        let again = run(&mut shop.wain(&words)).ok();
        assert!(again.stderr.contains("is up to date"), "{}", again.stderr);
        // Another folder has no last build.
        let none = run(&mut shop.wain(&["push", "last", &name("2")]));
        assert_eq!(none.code, 1, "{}", none.stderr);
        assert!(none.stderr.contains("build it with `wain build`"), "{}", none.stderr);
    }
}

#[test]
fn layouts_and_archives_are_pushed_as_they_are() {
    let (Some(server), Some(umoci)) = (RegistryServer::start(Access::Open), need("umoci")) else { return };
    let Some(_) = need("skopeo") else { return };
    let (shop, digest) = built(BOTH);
    run(&mut shop.build_for(BOTH).with(&["--tag", "demo/api:1", "-o", "archive:out.tar"])).ok();
    let source = |name: &str| format!("{}/team/{name}:1", server.address());
    for (from, name) in [("layout:out:1", "layout"), ("archive:out.tar", "archive")] {
        assert_eq!(run(&mut shop.wain(&["push", from, &source(name)])).digest(), digest);
        assert_eq!(digest_of(&source(name)), digest);
    }
    // skopeo brings it into a layout, and umoci unpacks what the build put into its own.
    skopeo(
        shop.folder(),
        &["--src-tls-verify=false", &format!("docker://{}", source("layout")), "oci:back:1"],
    );
    let ours = unpack(&umoci, &shop.path("out"), "1-linux-amd64", &shop.path("ours"));
    let back = unpack(&umoci, &shop.path("back"), "1", &shop.path("theirs"));
    assert_eq!(Tree::read(&ours).differences(&Tree::read(&back)), [] as [&str; 0]);
}

#[test]
fn docker_and_podman_run_their_pulls_on_it() {
    let (Some(server), Some(podman)) = (RegistryServer::start(Access::Open), need("podman")) else { return };
    let (shop, digest) = built(BOTH);
    let name = format!("{}/team/api:1", server.address());
    assert_eq!(run(&mut shop.wain(&["push", "layout:out:1", &name])).digest(), digest);
    let state = shop.path("podman").display().to_string();
    let podman =
        || Command::new(&podman).with(&["--root", &state, "--runroot", &state, "--storage-driver", "vfs"]);
    run(podman().args(["pull", "--quiet", "--tls-verify=false", &name])).ok();
    let digests = run(podman().args(["inspect", "--format", "{{.RepoDigests}}", &name])).ok().stdout;
    assert!(digests.contains(&digest), "{digests}");

    let Some(docker) = Dockerd::start() else { return };
    run(docker.docker().args(["pull", "--quiet", &name])).ok();
    let digests = run(docker.docker().args(["inspect", "--format", "{{.RepoDigests}}", &name])).ok().stdout;
    assert!(digests.contains(&digest), "{digests}");
}

#[test]
fn what_docker_saved_is_pushed_and_pulled_by_docker() {
    let (Some(server), Some(docker)) = (RegistryServer::start(Access::Open), Dockerd::start()) else {
        return;
    };
    let shop = workshop();
    let mut load = shop.build().with(&["--tag", "demo/api:1", "--load"]);
    run(load.env("DOCKER_HOST", docker.host())).ok();
    let save = ["save", "demo/api:1", "--output", "saved.tar"];
    run(docker.docker().current_dir(shop.folder()).args(save)).ok();
    let id = ["inspect", "--format", "{{.Id}}", "demo/api:1"];
    let id = run(docker.docker().args(id)).ok().stdout;

    let name = format!("{}/team/saved:1", server.address());
    run(&mut shop.wain(&["push", "archive:saved.tar", &name])).ok();
    run(docker.docker().args(["image", "rm", "--force", "demo/api:1"])).ok();
    run(docker.docker().args(["pull", "--quiet", &name])).ok();
    assert_eq!(run(docker.docker().args(["inspect", "--format", "{{.Id}}", &name])).ok().stdout, id);

    // docker pushes it in its own format; we pull that byte for byte, and docker takes it back from us.
    let pushed = format!("{}/team/docker:1", server.address());
    run(docker.docker().args(["tag", &name, &pushed])).ok();
    run(docker.docker().args(["push", "--quiet", &pushed])).ok();
    let digest = run(&mut shop.wain(&["pull", &pushed, "-o", "layout:pulled"])).digest();
    assert_eq!(digest, digest_of(&pushed));
    let manifest = fs::read(shop.path("pulled/blobs").join(digest.replace(':', "/"))).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["mediaType"], "application/vnd.docker.distribution.manifest.v2+json");
    run(docker.docker().args(["image", "rm", "--force", &pushed, &name])).ok();
    let mut pull = shop.wain(&["pull", &pushed, "-o", "docker"]);
    run(pull.env("DOCKER_HOST", docker.host())).ok();
    assert_eq!(run(docker.docker().args(["inspect", "--format", "{{.Id}}", &pushed])).ok().stdout, id);
}

#[test]
fn a_file_that_is_not_what_its_name_says_is_named() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let (shop, _) = built("linux/amd64");
    let layers = fs::read_dir(shop.path("out/blobs/sha256")).unwrap();
    let largest = layers.map(|entry| entry.unwrap().path()).max_by_key(|path| path.metadata().unwrap().len());
    let largest = largest.unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    bytes[100] ^= 1;
    fs::write(&largest, bytes).unwrap();
    let name = format!("{}/team/api:1", server.address());
    let ran = run(&mut shop.wain(&["push", "layout:out:1", &name]));
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    let file = largest.file_name().unwrap().to_string_lossy();
    assert!(ran.stderr.contains(&format!("instead of sha256:{file}")), "{}", ran.stderr);
    assert_eq!(run(&mut shop.wain(&["pull", &name, "-o", "layout:x"])).code, 3, "the tag must not be there");
}

#[test]
fn wrong_words_are_told_before_anything_is_sent() {
    let shop = workshop();
    for (words, expected) in [
        (&["push", "ghcr.io/a/b:1", "ghcr.io/a/c:1"][..], "wain copy"),
        (&["push", ".wain/image", "ghcr.io/a/c:1"], "layout:DIR"),
        (&["pull", "ghcr.io/a/b:1", "-o", "registry"], "wain copy"),
        (&["pull", "ghcr.io/a/b:1"], "--output"),
        (&["tag", "ghcr.io/a/b:1", "ghcr.io/a/b:2"], "the repository is that of the image"),
    ] {
        let ran = run(&mut shop.wain(words));
        assert_eq!(ran.code, 2, "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{words:?}: {}", ran.stderr);
    }
    for words in [
        &["pull", "127.0.0.1:1/a/b:1", "-o", "layout:x", "--offline"][..],
        &["copy", "127.0.0.1:1/a/b:1", "127.0.0.1:1/a/c:1", "--offline"],
        &["tag", "127.0.0.1:1/a/b:1", "2", "--offline"],
    ] {
        let ran = run(&mut shop.wain(words));
        assert_eq!(ran.code, 3, "{words:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("--offline"), "{words:?}: {}", ran.stderr);
    }
}
