//! Caches that lie, and are checked; and registries that give other bytes than those that were asked for.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use serde_json::{Value, json};
use wainwright_testing::{Access, Act, Kind, Proxy, RegistryServer, Reply, run};

use super::{Cache, Index, build, machine, wheels};

/// How a registry spoils a layer, given another one besides.
type Harm = fn(&[u8], &[u8]) -> Vec<u8>;

/// What somebody who may push says of the first layer, given the entries of the first and of the second, and what is said
/// of it when every layer is checked. Nothing is, where the lie is not about the layer.
struct Lie {
    what: &'static str,
    said: Option<&'static str>,
    tell: fn(&Cache<'_>, &mut Value, &Value),
}

const LIES: &[Lie] = &[
    Lie {
        what: "the layer of another wheel",
        said: Some("and the diff ID is sha256:"),
        tell: |_, this, that| {
            this["descriptor"] = that["descriptor"].clone();
            this["diffId"] = that["diffId"].clone();
        },
    },
    Lie {
        what: "the diff ID of another layer",
        said: Some("and the diff ID is sha256:"),
        tell: |_, this, that| this["diffId"] = that["diffId"].clone(),
    },
    Lie {
        what: "the same tar, compressed otherwise",
        said: Some("and the digest is sha256:"),
        tell: |cache, this, _| {
            let digest = this["descriptor"]["digest"].as_str().unwrap();
            let layer = cache.get(&format!("blobs/{digest}")).2;
            let mut tar = Vec::new();
            MultiGzDecoder::new(&layer[..]).read_to_end(&mut tar).unwrap();
            let mut other = GzEncoder::new(Vec::new(), Compression::none());
            other.write_all(&tar).unwrap();
            let other = other.finish().unwrap();
            this["descriptor"]["digest"] = json!(cache.put_blob(&other));
            this["descriptor"]["size"] = json!(other.len());
        },
    },
    Lie {
        what: "another size",
        said: Some("another size, media type or annotations"),
        tell: |_, this, _| {
            let size = this["descriptor"]["size"].as_u64().unwrap();
            this["descriptor"]["size"] = json!(size + 1);
        },
    },
    Lie {
        what: "facts about other wheels",
        said: None,
        tell: |_, this, that| this["facts"] = that["facts"].clone(),
    },
];

#[test]
fn every_lie_about_a_layer_is_found_when_all_are_checked() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let wheels = wheels(5);
    let index = Index::start(&wheels);
    let address = server.address();
    let at = |name: &str| format!("{address}/team/{name}");
    let one = machine(&index, &wheels);
    let plain = build(&one, &["--tag", &at("api:1"), "--push"]).digest();
    for (number, Lie { what, said, tell }) in LIES.iter().enumerate() {
        let repository = format!("team/cache{number}");
        let name = format!("{address}/{repository}");
        build(&one, &["--cache-to", &name]).ok();
        let cache = Cache { server: &address, repository: &repository };
        let (mut entries, mut manifest) = (cache.entries(), cache.manifest());
        let mut pair: Vec<Value> = entries["layers"].as_object().unwrap().values().take(2).cloned().collect();
        let (before, that) = (pair[0].clone(), pair.pop().unwrap());
        tell(&cache, &mut pair[0], &that);
        assert_ne!(before, pair[0], "{what}");
        let key = entries["layers"].as_object().unwrap().keys().next().unwrap().clone();
        // The manifest has to name what entries name.
        for named in manifest["layers"].as_array_mut().unwrap() {
            if named["digest"] == before["descriptor"]["digest"] {
                named["digest"] = pair[0]["descriptor"]["digest"].clone();
                named["size"] = pair[0]["descriptor"]["size"].clone();
            }
        }
        entries["layers"][key] = pair.remove(0);
        cache.put_manifest(&manifest);
        cache.put_entries(entries.to_string().as_bytes());

        let tag = at(&format!("checked:{number}"));
        let words = ["--tag", &tag, "--push", "--cache-from", &name, "--cache-verify", "all"];
        let two = machine(&index, &wheels);
        let built = build(&two, &words);
        let there = run(&mut two.wain(&["inspect", &tag])).code == 0;
        match said {
            Some(said) => {
                assert_eq!((built.code, there), (1, false), "{what}: {}", built.stderr);
                let wrong = format!("the cache {name}:wain-cache is wrong about the layer `");
                for part in [&*wrong, said, "hint: "] {
                    assert!(built.stderr.contains(part), "{what}: {}", built.stderr);
                }
            }
            None => assert_eq!((built.digest(), there), (plain.clone(), true), "{what}"),
        }
        // The machine that was lied to is none the worse for it.
        assert_eq!(build(&two, &["--tag", &tag, "--push"]).digest(), plain, "{what}");
    }
}

#[test]
fn other_bytes_than_those_of_the_digest_are_no_layer() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let wheels = wheels(5);
    let index = Index::start(&wheels);
    let address = server.address();
    let one = machine(&index, &wheels);
    let to = format!("{address}/team/cache");
    let plain =
        build(&one, &["--tag", &format!("{address}/team/api:1"), "--push", "--cache-to", &to]).digest();
    let cache = Cache { server: &address, repository: "team/cache" };
    let entries = cache.entries();
    let layers: Vec<(String, Vec<u8>)> = entries["layers"]
        .as_object()
        .unwrap()
        .values()
        .map(|entry| {
            let digest = entry["descriptor"]["digest"].as_str().unwrap().to_owned();
            let bytes = cache.get(&format!("blobs/{digest}")).2;
            (digest, bytes)
        })
        .collect();
    let ways: [(&str, Harm); 4] = [
        ("another layer", |_, other| other.to_vec()),
        ("a byte changed", |layer, _| {
            let mut bad = layer.to_vec();
            bad[layer.len() / 2] ^= 1;
            bad
        }),
        ("a byte more", |layer, _| [layer, b"!"].concat()),
        ("half of it", |layer, _| layer[..layer.len() / 2].to_vec()),
    ];
    for (what, harm) in ways {
        let answers: Vec<(String, Vec<u8>)> = layers
            .iter()
            .enumerate()
            .map(|(at, (digest, layer))| (digest.clone(), harm(layer, &layers[(at + 1) % layers.len()].1)))
            .collect();
        let proxy = Proxy::start(Some(&address), None, move |asked| {
            let found = answers.iter().find(|(digest, _)| asked.target.ends_with(&**digest));
            match (asked.kind, found) {
                (Kind::GetBlob, Some((_, bytes))) => Act::Answer(Reply::status(200).body(bytes.clone())),
                _ => Act::Pass,
            }
        });
        let from = format!("{}/team/cache", proxy.address());
        for check in ["none", "sample", "all"] {
            let two = machine(&index, &wheels);
            let words =
                ["--tag", "x:1", "--output", "layout:out", "--cache-from", &from, "--cache-verify", check];
            let built = build(&two, &words).ok();
            let told = built.stderr.clone();
            assert_eq!(built.digest(), plain, "{what}, {check}: {told}");
            assert_eq!(told.contains("does not give the layer"), check != "all", "{what}, {check}: {told}");
        }
    }
}
