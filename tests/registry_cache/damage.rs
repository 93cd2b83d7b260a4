//! Caches that somebody broke, and registries that fail.

use serde_json::json;
use wainwright_oci::Digest;
use wainwright_testing::{Access, Act, Kind, Proxy, RegistryServer, Reply, noise, run};

use super::{Cache, Index, MANIFEST, build, machine, wheels};

/// A change of a cache by somebody who may push to it, and what is said about it.
struct Damage {
    what: &'static str,
    said: &'static str,
    harm: fn(&Cache<'_>),
}

const DAMAGES: &[Damage] = &[
    Damage {
        what: "entries that are no JSON",
        said: "no JSON",
        harm: |cache| cache.put_entries(b"<html>Please log in</html>"),
    },
    Damage {
        what: "entries of another format",
        said: "its format is 77",
        harm: |cache| {
            let mut entries = cache.entries();
            entries["format"] = json!(77);
            cache.put_entries(entries.to_string().as_bytes());
        },
    },
    Damage {
        what: "a negative size",
        said: "do not read",
        harm: |cache| cache.change_layers(|entry| entry["descriptor"]["size"] = json!(-1)),
    },
    Damage {
        what: "a digest that is none",
        said: "do not read",
        harm: |cache| {
            let entries = cache.entries().to_string().replace("\"sha256:", "\"sha256:../../");
            cache.put_entries(entries.as_bytes());
        },
    },
    Damage {
        what: "an entry whose layer the manifest does not name",
        said: "does not name",
        harm: |cache| {
            cache.change_layers(|entry| entry["descriptor"]["digest"] = json!(Digest::of("elsewhere")));
        },
    },
    Damage {
        what: "a layer that is a web page",
        said: "no layer of ours",
        harm: |cache| cache.change_layers(|entry| entry["descriptor"]["mediaType"] = json!("text/html")),
    },
    Damage {
        what: "entries that claim to be huge",
        said: "16 MiB are read",
        harm: |cache| {
            let mut manifest = cache.manifest();
            manifest["layers"][0]["size"] = json!(1u64 << 50);
            cache.put_manifest(&manifest);
        },
    },
    Damage {
        what: "a manifest without entries",
        said: "names no entries",
        harm: |cache| {
            let mut manifest = cache.manifest();
            manifest["layers"].as_array_mut().unwrap().remove(0);
            cache.put_manifest(&manifest);
        },
    },
    Damage {
        what: "a cache of tomorrow",
        said: "cache.v9+json",
        harm: |cache| {
            let mut manifest = cache.manifest();
            manifest["artifactType"] = json!("application/vnd.wainwright.cache.v9+json");
            cache.put_manifest(&manifest);
        },
    },
    Damage {
        what: "facts that are noise",
        said: "is no help",
        harm: |cache| {
            let (mut entries, mut manifest) = (cache.entries(), cache.manifest());
            let noise = noise(1, 5000);
            let facts = json!({
                "mediaType": "application/vnd.wainwright.cache.facts.v1+gzip",
                "digest": cache.put_blob(&noise), "size": noise.len(),
            });
            entries["findings"] = json!({});
            for entry in entries["layers"].as_object_mut().unwrap().values_mut() {
                entry["facts"] = facts.clone();
            }
            let entries = entries.to_string();
            manifest["layers"][0]["digest"] = json!(cache.put_blob(entries.as_bytes()));
            manifest["layers"][0]["size"] = json!(entries.len());
            manifest["layers"].as_array_mut().unwrap().push(facts);
            cache.put_manifest(&manifest);
        },
    },
];

#[test]
fn a_broken_cache_costs_a_warning() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let wheels = wheels(4);
    let index = Index::start(&wheels);
    let address = server.address();
    let at = |name: &str| format!("{address}/team/{name}");
    let one = machine(&index, &wheels);
    let plain = build(&one, &["--tag", &at("api:1"), "--push"]).digest();
    for (number, Damage { what, said, harm }) in DAMAGES.iter().enumerate() {
        let repository = format!("team/cache{number}");
        build(&one, &["--cache-to", &format!("{address}/{repository}")]).ok();
        harm(&Cache { server: &address, repository: &repository });
        let two = machine(&index, &wheels);
        let cache = format!("{address}/{repository}");
        let words = ["--tag", &at("api:2"), "--push", "--cache-from", &cache, "--cache-verify", "none"];
        let built = build(&two, &words).ok();
        assert!(
            built.stderr.contains("warning: ") && built.stderr.contains(said),
            "{what}: {}",
            built.stderr
        );
        assert_eq!(built.digest(), plain, "{what}");
        // And it can be written again.
        let mended = build(&two, &["--cache-to", &cache]).ok();
        let three = machine(&index, &wheels);
        let before = index.given().len();
        let built = build(&three, &words).ok();
        let said = format!("{what}: {}{}", mended.stderr, built.stderr);
        assert!(!built.stderr.contains("warning: "), "{said}");
        assert_eq!((built.digest(), index.given().len()), (plain.clone(), before), "{said}");
    }
}

#[test]
fn a_registry_that_has_a_layer_and_does_not_give_it() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let wheels = wheels(3);
    let index = Index::start(&wheels);
    let at = |name: &str| format!("{}/team/{name}", server.address());
    let one = machine(&index, &wheels);
    let plain = build(&one, &["--tag", &at("api:1"), "--push", "--cache-to", &at("cache")]).digest();
    let cache = Cache { server: &server.address(), repository: "team/cache" };
    let layers = cache.entries()["layers"].to_string();
    // Only the layers themselves cannot be had; and nothing is mounted.
    let proxy = Proxy::start(Some(&server.address()), None, move |asked| match asked.kind {
        Kind::GetBlob if layers.contains(asked.target.rsplit('/').next().unwrap()) => {
            Act::Answer(Reply::refusal(404, "BLOB_UNKNOWN", "gone"))
        }
        Kind::PostUpload if asked.target.contains("mount=") => {
            Act::Answer(Reply::refusal(404, "BLOB_UNKNOWN", "no mounts here"))
        }
        _ => Act::Pass,
    });
    let near = format!("{}/team", proxy.address());
    let cache = format!("{near}/cache");
    let two = machine(&index, &wheels);
    let words = ["--cache-from", &cache, "--cache-verify", "none"];
    let made = build(&two, &words).ok();
    assert!(made.stderr.contains("does not give the layer"), "{}", made.stderr);
    assert_eq!(made.digest(), plain);
    let three = machine(&index, &wheels);
    let tag = format!("{near}/api:2");
    let gone = build(&three, &[&words[..], &["--tag", &tag, "--push"]].concat());
    assert_eq!(gone.code, 3, "{}", gone.stderr);
    assert!(gone.stderr.contains("hint: build without --cache-from"), "{}", gone.stderr);
}

#[test]
fn what_is_no_cache_is_not_used_and_not_overwritten() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let wheels = wheels(3);
    let index = Index::start(&wheels);
    let at = |name: &str| format!("{}/team/{name}", server.address());
    let one = machine(&index, &wheels);
    let plain = build(&one, &["--tag", &at("api:1"), "--push"]).digest();
    let two = machine(&index, &wheels);
    let words = ["--cache-from", &at("api:1"), "--cache-from", &at("none"), "--cache-to", &at("api:1")];
    let built = build(&two, &words);
    assert_eq!(built.code, 1, "{}", built.stderr);
    for said in [
        "api:1 is not used: that is something else than a cache",
        "none:wain-cache is not used: there is none",
        "is built and delivered, but the cache",
        "is left as it is",
    ] {
        assert!(built.stderr.contains(said), "{said}: {}", built.stderr);
    }
    assert_eq!(built.stdout.trim(), plain, "the image stands");
    let kept = run(&mut one.wain(&["inspect", &at("api:1"), "--json"])).ok().stdout;
    assert!(kept.contains(&plain), "{kept}");
    let same = build(&two, &["--tag", &at("api:1"), "--push", "--cache-to", &at("api:1")]);
    assert_eq!(same.code, 2, "{}", same.stderr);
    let offline = build(&two, &["--offline", "--cache-from", &at("cache")]).ok();
    assert!(!offline.stderr.contains("warning"), "{}", offline.stderr);
    assert_eq!(build(&two, &["--offline", "--cache-to", &at("cache")]).code, 2);
}

#[test]
fn a_registry_that_fails_costs_a_warning_and_no_secret() {
    let (Some(server), Some(strict)) =
        (RegistryServer::start(Access::Open), RegistryServer::start(Access::Password))
    else {
        return;
    };
    let wheels = wheels(3);
    let index = Index::start(&wheels);
    let at = |name: &str| format!("{}/team/{name}", server.address());
    let plain = build(&machine(&index, &wheels), &["--tag", &at("api:1"), "--push"]).digest();
    let page = Proxy::start(None, None, |_| {
        Act::Answer(Reply::status(200).header("content-type", "text/html").body("<html>CANARY</html>"))
    });
    let denied = Proxy::start(None, None, |_| Act::Answer(Reply::refusal(403, "DENIED", "no")));
    let huge = Proxy::start(None, None, |asked| match asked.kind {
        Kind::GetManifest | Kind::HeadManifest => {
            Act::Answer(Reply::status(200).header("content-type", MANIFEST).body("[1]").endless())
        }
        _ => Act::Answer(Reply::status(200)),
    });
    for (what, address) in [
        ("a web page", page.address()),
        ("403", denied.address()),
        ("a manifest without end", huge.address()),
        ("401", strict.address()),
    ] {
        let shop = machine(&index, &wheels);
        // The password of one registry is for no other.
        let login = format!(r#"{{"auths":{{"{}":{{"auth":"YW5uOkNBTkFSWQ=="}}}}}}"#, server.address());
        shop.write("home/.docker/config.json", login);
        let cache = format!("{address}/team/cache");
        let built = build(&shop, &["--tag", &at("api:2"), "--push", "--cache-from", &cache]).ok();
        assert!(built.stderr.contains("wain-cache is not used: "), "{what}: {}", built.stderr);
        assert!(!built.stderr.contains("YW5u"), "{what}: {}", built.stderr);
        assert_eq!(built.digest(), plain, "{what}");
    }
    for proxy in [&page, &denied, &huge] {
        assert!(proxy.log().iter().all(|asked| !asked.headers.contains_key("authorization")));
    }
    // Who may not write is told so, and the image stands.
    let shop = machine(&index, &wheels);
    let cache = format!("{}/team/cache", strict.address());
    let built = build(&shop, &["--tag", &at("api:3"), "--push", "--cache-to", &cache]);
    assert_eq!((built.code, built.stdout.trim()), (3, &*plain), "{}", built.stderr);
    assert!(built.stderr.contains("is built and delivered"), "{}", built.stderr);
}
