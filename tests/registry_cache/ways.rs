//! The ways that a layer of a cache takes, and what lies across them.

use std::collections::BTreeSet;

use serde_json::Value;
use wainwright_testing::{Access, Act, Kind, Proxy, RegistryServer, With as _, Workshop, noise, run, wheel};

use super::{Cache, Index, ask, build, build_with, machine, wheels};

#[test]
fn layers_come_by_whatever_way_there_is() {
    let (Some(server), Some(other)) =
        (RegistryServer::start(Access::Open), RegistryServer::start(Access::Open))
    else {
        return;
    };
    let wheels = wheels(12);
    let index = Index::start(&wheels);
    let at = |name: &str| format!("{}/team/{name}", server.address());
    let one = machine(&index, &wheels);
    let words = ["--tag", &at("api:1"), "--push", "--cache-to", &at("cache")];
    let plain = build(&one, &words).digest();
    let fetched = index.given().len();
    // A registry that would rather have the bytes than mount.
    let stubborn = Proxy::start(Some(&server.address()), None, |asked| match asked.kind {
        Kind::PostUpload if asked.target.contains("mount=") => {
            Act::Answer(wainwright_testing::Reply::refusal(404, "BLOB_UNKNOWN", "no mounts here"))
        }
        _ => Act::Pass,
    });
    let shy = Proxy::start(Some(&server.address()), None, |asked| match asked.kind {
        Kind::HeadBlob => Act::Answer(wainwright_testing::Reply::status(405)),
        _ => Act::Pass,
    });
    let near = at("cache");
    let through = format!("{}/team/cache", stubborn.address());
    for (what, tag, cache) in [
        ("the same registry", at("two:1"), &near),
        ("the repository of the cache", at("cache:image"), &near),
        ("another registry", format!("{}/team/two:1", other.address()), &near),
        ("a registry that does not mount", format!("{}/team/three:1", stubborn.address()), &through),
    ] {
        let two = machine(&index, &wheels);
        let words = ["--tag", &tag, "--push", "--cache-from", cache, "--cache-verify", "none"];
        let built = build(&two, &words).ok();
        assert!(!built.stderr.contains("warning"), "{what}: {}", built.stderr);
        assert_eq!(built.digest(), plain, "{what}");
        assert_eq!(index.given().len(), fetched, "{what}");
        let pulled = run(&mut two.wain(&["pull", &tag, "--output", "layout:pulled"]));
        assert_eq!(pulled.digest(), plain, "{what}");
    }
    // Who cannot say whether a blob is there is not believed.
    let two = machine(&index, &wheels);
    let cache = format!("{}/team/cache", shy.address());
    assert_eq!(build(&two, &["--cache-from", &cache, "--cache-verify", "none"]).digest(), plain);
    assert_eq!(index.given().len(), fetched + 12);
}

#[test]
fn every_format_and_every_platform_has_its_layers() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let at = |name: &str| format!("{}/team/{name}", server.address());
    for (number, format) in
        [&["--lazy", "estargz"][..], &["--compression", "zstd:3"], &["--compression", "none"], &[]]
            .iter()
            .enumerate()
    {
        let (one, two) = (Workshop::new(crate::WAIN), Workshop::new(crate::WAIN));
        let both = |shop: &Workshop| shop.build_for("linux/amd64,linux/arm64").with(format);
        let name = at(&format!("api:{number}"));
        let words = ["--tag", &name, "--push", "--cache-to", &at("cache")];
        let plain = run(&mut both(&one).with(&words)).digest();
        // Without a single wheel on this machine.
        std::fs::remove_dir_all(two.path("wheels")).unwrap();
        let from = ["--tag", &at("two:1"), "--push", "--cache-from", &at("cache"), "--cache-verify", "none"];
        assert_eq!(run(&mut both(&two).with(&from)).digest(), plain, "{format:?}");
        let layout = ["--output", "layout:out", "--cache-from", &at("cache"), "--cache-verify", "none"];
        assert_eq!(run(&mut both(&two).with(&layout)).digest(), plain, "{format:?}");
    }
    // All of them stand in one cache.
    let cache = Cache { server: &server.address(), repository: "team/cache" };
    assert!(cache.entries()["layers"].as_object().unwrap().len() >= 8);
}

#[test]
fn the_settings_name_a_cache() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let wheels = wheels(3);
    let index = Index::start(&wheels);
    let cache = format!("{}/team/cache", server.address());
    let shop = |text: &str| {
        let shop = machine(&index, &wheels);
        shop.write("project/wainwright.toml", text);
        shop
    };
    let settings = format!("cache-from = [\"{cache}\"]\n");
    build(&shop(&settings), &["--cache-to", &cache]).ok();
    let fetched = index.given().len();
    let two = shop(&settings);
    build(&two, &["--cache-verify", "none", "--output", "layout:out", "--tag", "x:1"]).ok();
    assert_eq!(index.given().len(), fetched);
    // `wain verify` does not care.
    let verify = ["verify", "layout:out:1", "project", "--base", "layout:base", "--no-index"];
    run(&mut two.wain(&verify)).ok();
    assert_eq!(index.given().len(), fetched + 3);
    // All of it is checked: that is what is made, and said.
    let all = build(&shop(&settings), &["--cache-verify", "all"]).ok();
    assert!(all.stderr.contains("made here to check a cache: 1 of the 1 layers"), "{}", all.stderr);
    for (text, said) in
        [("cache-from = \"x\"", "wainwright.toml"), ("cache-from = [\"registry.example/UP\"]", "cache-from")]
    {
        let refused = build(&shop(text), &[]);
        assert_eq!(refused.code, 1, "{}", refused.stderr);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
}

#[test]
fn a_layer_that_the_registry_lost_is_made_again() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let wheels = wheels(8);
    let index = Index::start(&wheels);
    let address = server.address();
    let at = |name: &str| format!("{address}/team/{name}");
    let one = machine(&index, &wheels);
    let plain = build(&one, &["--tag", &at("api:1"), "--push", "--cache-to", &at("cache")]).digest();
    let cache = Cache { server: &address, repository: "team/cache" };
    let entries = cache.entries();
    let lost = entries["layers"].as_object().unwrap().values().next().unwrap();
    let lost = lost["descriptor"]["digest"].as_str().unwrap();
    let (status, head, _) = ask(&address, &format!("DELETE /v2/team/cache/blobs/{lost}"), b"");
    assert_eq!(status, 202, "{head}");

    let two = machine(&index, &wheels);
    let from = ["--cache-from", &at("cache"), "--cache-verify", "none"];
    assert_eq!(build_with(&two, &["--tag", &at("two:1"), "--push"], &from).digest(), plain);
    let fetched: BTreeSet<String> = index.given().split_off(8).into_iter().collect();
    assert!(!fetched.is_empty() && fetched.len() < 8, "{fetched:?}");

    // Another project writes the cache: it does not have the layer, so its entry goes.
    let others = [wheel("stranger").file("stranger.py", noise(5, 3000))];
    let strange = Index::start(&others);
    let three = machine(&strange, &others);
    let told = build(&three, &["--tag", &at("strange:1"), "--push", "--cache-to", &at("cache")]).ok();
    let now = cache.entries();
    assert!(!now.to_string().contains(lost), "{}", told.stderr);
    assert_eq!(count(&now), count(&entries), "one more and one less");

    // Who has it tells it again.
    build(&two, &["--tag", &at("two:2"), "--push", "--cache-to", &at("cache")]).ok();
    assert_eq!(count(&cache.entries()), count(&entries) + 1);
    let (four, before) = (machine(&index, &wheels), index.given().len());
    assert_eq!(build_with(&four, &["--tag", &at("four:1"), "--push"], &from).digest(), plain);
    assert_eq!(index.given().len(), before);
}

fn count(entries: &Value) -> usize {
    entries["layers"].as_object().unwrap().len()
}

#[test]
fn builds_that_write_at_once_leave_a_whole_cache() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let address = server.address();
    let at = |name: &str| format!("{address}/team/{name}");
    let sets: Vec<Vec<_>> = (0..6)
        .map(|number| {
            vec![wheel(&format!("only{number}")).file(&format!("only{number}.py"), noise(number, 9000))]
        })
        .collect();
    let index = Index::start(&sets.concat());
    std::thread::scope(|scope| {
        for (number, set) in sets.iter().enumerate() {
            let (index, at) = (&index, &at);
            scope.spawn(move || {
                let tag = at(&format!("api{number}:1"));
                build(&machine(index, set), &["--tag", &tag, "--push", "--cache-to", &at("cache")]).ok();
            });
        }
    });
    let before = index.given().len();
    let mut found = 0;
    for set in &sets {
        let shop = machine(&index, set);
        let from = ["--cache-from", &at("cache"), "--cache-verify", "none"];
        let built = build_with(&shop, &["--tag", &at("again:1"), "--push"], &from).ok();
        assert!(!built.stderr.contains("warning"), "{}", built.stderr);
        found += usize::from(built.stderr.contains("reused only"));
    }
    assert!(found >= 1, "the last one won");
    assert_eq!(index.given().len() - before, sets.len() - found);
}

#[test]
fn an_allowed_clash_is_settled_as_without_a_cache() {
    let Some(server) = RegistryServer::start(Access::Open) else { return };
    let at = |name: &str| format!("{}/team/{name}", server.address());
    let one = wheel("one").file("shared/x.py", "1").file("one.bin", noise(1, 5_000_000));
    let two = wheel("two").file("shared/x.py", "2").file("two.bin", noise(2, 5_000_000));
    let three = wheel("three").file("three.py", "3");
    let index = Index::start(&[one.clone(), two.clone(), three.clone()]);
    let allow = ["--allow-clash", "two"];
    let first = machine(&index, &[one.clone(), two.clone()]);
    let told = ["--tag", &at("api:1"), "--push", "--cache-to", &at("cache")];
    let plain = build_with(&first, &told, &allow).ok();
    assert!(plain.stderr.contains("is the file of `two`"), "{}", plain.stderr);
    let plain = plain.digest();
    let before = index.given().len();
    let from = ["--tag", &at("api:2"), "--push", "--cache-from", &at("cache"), "--cache-verify", "none"];
    let second = machine(&index, &[one.clone(), two.clone()]);
    let built = build_with(&second, &from, &allow).ok();
    assert!(built.stderr.contains("is the file of `two`"), "{}", built.stderr);
    assert_eq!((built.digest(), index.given().len()), (plain, before));
    // Without the permission it is the error that it always is.
    assert_eq!(build(&machine(&index, &[one.clone(), two.clone()]), &from).code, 1);
    // Another set is settled from the wheels themselves.
    let all = [one, two, three];
    let built = build_with(&machine(&index, &all), &from, &allow).digest();
    assert_eq!(built, build_with(&machine(&index, &all), &["--tag", "x:1"], &allow).digest());
}
