//! Images go from repository to repository with all that belongs to them, and tags move alone.

use std::process::Command;

use wainwright_oci::Digest;
use wainwright_testing::{Access, RegistryServer, With as _, Workshop, run};

use crate::workshop;

/// A registry with `team/api:1` for two platforms, and its digest.
fn pushed() -> Option<(RegistryServer, Workshop, String)> {
    let server = RegistryServer::start(Access::Open)?;
    let shop = workshop();
    let name = format!("{}/team/api:1", server.address());
    let digest =
        run(&mut shop.build_for("linux/amd64,linux/arm64").with(&["--tag", &name, "--push"])).digest();
    // From here on nothing is known here of what was built.
    std::fs::remove_dir_all(shop.path("store")).unwrap();
    Some((server, shop, digest))
}

fn digest_of(reference: &str) -> String {
    let words = ["inspect", "--raw", "--tls-verify=false", &format!("docker://{reference}")];
    Digest::of(run(Command::new("skopeo").args(words)).ok().stdout).to_string()
}

#[test]
fn within_a_registry_nothing_is_fetched() {
    let Some((server, shop, digest)) = pushed() else { return };
    let (from, to) =
        (format!("{}/team/api:1", server.address()), format!("{}/other/api:2", server.address()));
    let ran = run(&mut shop.wain(&["copy", &from, &to, "--progress", "plain"]));
    assert!(ran.stderr.contains(": 0 B written"), "{}", ran.stderr);
    assert_eq!(ran.digest(), digest);
    assert_eq!(digest_of(&to), digest);
    let size: u64 = walk(&shop.path("store"));
    assert!(size < 100_000, "{size} bytes came into the cache");
}

fn walk(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(
            |entry| if entry.path().is_dir() { walk(&entry.path()) } else { entry.metadata().unwrap().len() },
        )
        .sum()
}

#[test]
fn between_registries_only_what_is_lacking_passes() {
    let Some((server, shop, digest)) = pushed() else { return };
    let Some(other) = RegistryServer::start(Access::Open) else { return };
    let (from, to) = (format!("{}/team/api:1", server.address()), format!("{}/api:1", other.address()));
    let pinned = format!("{}/api@{digest}", other.address());
    assert_eq!(run(&mut shop.wain(&["copy", &from, &to])).digest(), digest);
    assert_eq!(digest_of(&to), digest);
    let again = run(&mut shop.wain(&["copy", &from, &to, &pinned])).ok();
    assert!(again.stderr.contains("is up to date"), "{}", again.stderr);
    // On another machine, too: the target says that it has everything.
    std::fs::remove_dir_all(shop.path("store")).unwrap();
    let elsewhere = format!("{}/api:2", other.address());
    let ran = run(&mut shop.wain(&["copy", &from, &elsewhere])).ok();
    assert!(!ran.stderr.contains("fetched"), "{}", ran.stderr);
    let wrong = format!("{}/api@{}", other.address(), Digest::of("other"));
    let ran = run(&mut shop.wain(&["copy", &from, &wrong]));
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("the image has the digest"), "{}", ran.stderr);
}

#[test]
fn tags_move_alone() {
    let Some((server, shop, digest)) = pushed() else { return };
    let name = |tag: &str| format!("{}/team/api:{tag}", server.address());
    assert_eq!(run(&mut shop.wain(&["tag", &name("1"), "stable", "latest"])).digest(), digest);
    for tag in ["stable", "latest"] {
        assert_eq!(digest_of(&name(tag)), digest);
    }
    let pinned = format!("{}/team/api@{digest}", server.address());
    let again = run(&mut shop.wain(&["tag", &pinned, "stable"])).ok();
    assert!(again.stderr.contains("is up to date"), "{}", again.stderr);
    let absent = run(&mut shop.wain(&["tag", &name("9"), "stable"]));
    assert_eq!(absent.code, 3);
    assert!(absent.stderr.contains("does not exist"), "{}", absent.stderr);
}
