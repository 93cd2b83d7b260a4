//! What an image is can be seen without fetching it, and what a registry can do by asking it.

use serde_json::Value;
use wainwright_oci::Digest;
use wainwright_testing::{Access, RegistryServer, With as _, run};

use crate::workshop;

#[test]
fn an_image_is_the_same_wherever_it_is() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let shop = workshop();
    let name = format!("{}/team/api:1", server.address());
    let words = ["--tag", &name, "--push", "-o", "layout:out", "-o", "archive:out.tar"];
    let digest = run(&mut shop.build_for("linux/amd64,linux/arm64").with(&words)).digest();
    let inspect =
        |image: &str, words: &[&str]| run(&mut shop.wain(&["inspect", image]).with(words)).ok().stdout;

    let expected: Value = serde_json::from_str(&inspect(&name, &["--json"])).unwrap();
    assert_eq!(expected["digest"], digest);
    let platforms: Vec<&Value> =
        expected["manifests"].as_array().unwrap().iter().map(|it| &it["platform"]["architecture"]).collect();
    assert_eq!(platforms, ["amd64", "arm64"]);
    assert_eq!(expected["manifests"][0]["config"]["config"]["User"], "65532:65532");
    for image in ["layout:out:1", "archive:out.tar", "last:project"] {
        let mut found: Value = serde_json::from_str(&inspect(image, &["--json"])).unwrap();
        found["name"] = expected["name"].clone();
        assert_eq!(found, expected, "{image}");
        assert_eq!(Digest::of(inspect(image, &["--raw"])).to_string(), digest, "{image}");
    }
    for (at, platform) in ["linux/amd64", "linux/arm64"].into_iter().enumerate() {
        let manifest = &expected["manifests"][at];
        let raw = inspect(&name, &["--raw", "--platform", platform]);
        assert_eq!(manifest["digest"], Digest::of(raw).to_string());
        let config = inspect(&name, &["--config", "--platform", platform]);
        assert_eq!(manifest["configDescriptor"]["digest"], Digest::of(config).to_string());
        let text = inspect(&name, &["--layers", "--platform", platform]);
        for layer in manifest["layers"].as_array().unwrap() {
            assert!(text.contains(layer["digest"].as_str().unwrap()), "{text}");
        }
        assert!(text.contains("entrypoint") && text.contains(platform), "{text}");
    }
    let none = run(&mut shop.wain(&["inspect", &name, "--config", "--platform", "linux/s390x"]));
    assert_eq!(none.code, 1);
    assert!(none.stderr.contains("linux/amd64, linux/arm64"), "{}", none.stderr);
    let absent = run(&mut shop.wain(&["inspect", &format!("{}/team/none:1", server.address())]));
    assert_eq!(absent.code, 3);
}

#[test]
fn a_registry_is_probed_and_left_as_it_was() {
    let Some(server) = RegistryServer::start(Access::Password) else { return };
    let shop = workshop();
    let host = server.address().replace(['.', ':'], "_");
    let repository = format!("{}/team/scratch", server.address());
    let probe = |words: &[&str]| {
        let mut command = shop.wain(&["registry", "probe", &repository]).with(words);
        command.env(format!("WAIN_REGISTRY_USER_{host}"), "ann");
        command.env(format!("WAIN_REGISTRY_PASSWORD_{host}"), "CANARY-password");
        run(&mut command)
    };
    let careful = probe(&["--read-only"]).ok();
    assert!(!careful.stderr.contains("writing"), "{}", careful.stderr);
    assert!(
        careful.stdout.contains("authentication") && !careful.stdout.contains("upload"),
        "{}",
        careful.stdout
    );

    let ran = probe(&["--other", "team/other", "--json"]).ok();
    assert!(ran.stderr.contains("writing some small blobs"), "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let findings: Vec<String> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{}: {}", it["feature"].as_str().unwrap(), it["can"]))
        .collect();
    insta::assert_snapshot!(findings.join("\n"), @"
    api: true
    encryption: false
    authentication: true
    monolithic upload: true
    single POST: false
    delete of upload sessions: true
    chunked upload: true
    mount: true
    OCI manifest: true
    Docker manifest: true
    zstd layers: true
    OCI index: true
    manifest of 4 MiB: true
    referrers: false
    delete of manifests: true
    delete of blobs: true
    ");
    assert_eq!(found["left"].as_array().unwrap().len(), 0, "{found:#}");
    // Nothing that was written can be had any more, so that a second probe finds the same.
    let again: Value =
        serde_json::from_str(&probe(&["--other", "team/other", "--json"]).ok().stdout).unwrap();
    assert_eq!(again, found);

    let denied = run(&mut shop.wain(&["registry", "probe", &repository]));
    assert_eq!(denied.code, 3, "{}", denied.stderr);
    let wrong = run(&mut shop.wain(&["registry", "probe", &format!("{repository}:1")]));
    assert_eq!(wrong.code, 2, "{}", wrong.stderr);
}
