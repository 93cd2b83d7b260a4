//! A base from a registry, and images pushed beside it: how little is asked, and what is pinned.

use std::fs;
use std::process::Command;

use wainwright_testing::{Access, RegistryServer, Workshop, need, run};

use crate::{WAIN, workshop};

/// A workshop whose base is in a registry as `base/python:3.13`.
fn with_base(server: &RegistryServer) -> (Workshop, String) {
    let shop = workshop();
    let base = format!("{}/base/python:3.13", server.address());
    push_base(&shop, &base);
    (shop, base)
}

fn push_base(shop: &Workshop, name: &str) {
    let words =
        ["--insecure-policy", "copy", "--quiet", "--all", "--dest-tls-verify=false", "oci:base:python"];
    run(Command::new("skopeo").current_dir(shop.folder()).args(words).arg(format!("docker://{name}"))).ok();
}

/// What a command asked of the registry, as `METHOD kind`.
fn asked<T>(server: &RegistryServer, command: impl FnOnce() -> T) -> (Vec<String>, T) {
    let before = server.requests().len();
    let made = command();
    let kind = |request: &String| {
        let (method, path) = request.split_once(' ').unwrap();
        let kind = ["manifests", "blobs/uploads", "blobs"].into_iter().find(|kind| path.contains(kind));
        format!("{method} {}", kind.unwrap_or(path))
    };
    let mut requests: Vec<String> = server.requests().iter().skip(before).map(kind).collect();
    requests.sort();
    (requests, made)
}

#[test]
fn little_is_asked_to_push_what_hardly_changed() {
    let (Some(server), Some(_)) = (RegistryServer::start(Access::Open), need("skopeo")) else { return };
    let (shop, base) = with_base(&server);
    let tag = |tag: &str| format!("{}/team/api:{tag}", server.address());
    let (one, latest) = (tag("1"), tag("latest"));
    let find_links = shop.path("wheels").display().to_string();
    let words = [
        "build",
        "project",
        "--platform",
        "linux/amd64",
        "--base",
        &base,
        "--find-links",
        &find_links,
        "--no-index",
        "--push",
        "--tag",
        &one,
        "--tag",
        &latest,
    ];
    let first = run(&mut shop.wain(&words)).digest();
    let lock = fs::read_to_string(shop.path("project/wain.lock")).unwrap();
    assert!(lock.contains("base/python:3.13") && lock.contains("sha256:"), "{lock}");

    let (requests, again) = asked(&server, || run(&mut shop.wain(&words)).digest());
    assert_eq!(again, first);
    assert_eq!(requests, ["HEAD manifests"]);

    // Later each tag is asked for, and what somebody else has moved is put back.
    let Some(_) = need("faketime") else { return };
    let preloaded = run(Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"])).ok().stdout;
    let mut later = shop.wain(&words);
    later.env("LD_PRELOAD", preloaded.trim()).env("FAKETIME", "+2m");
    push_base(&shop, &one);
    let (requests, later) = asked(&server, || run(&mut later).digest());
    assert_eq!(later, first);
    assert!(requests.iter().filter(|request| *request == "PUT manifests").count() >= 1, "{requests:?}");
    let stands = |tag: &str| run(&mut shop.wain(&["inspect", tag, "--json"])).ok().stdout;
    assert!(stands(&one).contains(&first), "{}", stands(&one));

    let main = fs::read_to_string(shop.path("project/main.py")).unwrap_or_default();
    shop.write("project/main.py", main + "# one more line\n");
    let (requests, changed) = asked(&server, || run(&mut shop.wain(&words)).digest());
    assert_ne!(changed, first);
    // A layer and a config; then the manifest under each tag, and a look at what each stands for.
    let uploads = ["POST blobs/uploads", "POST blobs/uploads", "PUT blobs/uploads", "PUT blobs/uploads"];
    let expected: Vec<&str> =
        ["HEAD manifests"; 3].into_iter().chain(uploads).chain(["PUT manifests"; 2]).collect();
    let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
    expected.sort();
    assert_eq!(requests, expected);
}

#[test]
fn a_base_stays_what_it_was_until_its_pin_is_moved() {
    let (Some(server), Some(_)) = (RegistryServer::start(Access::Open), need("skopeo")) else { return };
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "print('hello')\n");
    shop.write("project/pyproject.toml", "[project]\nname = \"shop\"\nversion = \"1\"\n");
    let base = format!("{}/base/python:3", server.address());
    push_base(&shop, &base);
    let project = ["project", "--platform", "linux/amd64", "--base", &base];
    let wain = |words: &[&str]| run(&mut shop.wain(&[words, &project].concat())).ok();
    let first = wain(&["build", "--output", "layout:out"]).stdout;
    let plan = wain(&["plan"]);
    assert!(!plan.stderr.contains("another image"), "{}", plan.stderr);

    wainwright_testing::write_base(&shop.path("base"), "python", "3.12", &["amd64", "arm64"]);
    push_base(&shop, &base);
    let plan = wain(&["plan"]);
    assert!(plan.stderr.contains("another image for linux/amd64 by now"), "{}", plan.stderr);
    assert_eq!(wain(&["build", "--output", "layout:out"]).stdout, first);
    let offline = wain(&["plan", "--offline"]);
    assert!(!offline.stderr.contains("another image"), "{}", offline.stderr);

    let lock = ["lock", "project", "--upgrade", "--platform", "linux/amd64", "--base", &base];
    run(&mut shop.wain(&lock)).ok();
    let plan = wain(&["plan"]);
    assert!(!plan.stderr.contains("another image"), "{}", plan.stderr);
    assert_ne!(wain(&["build", "--output", "layout:out"]).stdout, first);
}

#[test]
fn a_mirror_of_the_project_is_asked_first() {
    let (Some(mirror), Some(_)) = (RegistryServer::start(Access::Open), need("skopeo")) else { return };
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "print('hello')\n");
    shop.write("project/pyproject.toml", "[project]\nname = \"shop\"\nversion = \"1\"\n");
    push_base(&shop, &format!("{}/base/python:3", mirror.address()));
    // Nobody listens at port 9.
    let build = |shop: &Workshop| {
        let base = "127.0.0.1:9/base/python:3";
        run(&mut shop.wain(&[
            "build",
            "project",
            "--platform",
            "linux/amd64",
            "--base",
            base,
            "-o",
            "layout:out",
            "-v",
        ]))
    };
    shop.write(
        "project/wainwright.toml",
        format!("[registries.\"127.0.0.1:9\"]\nmirrors = [\"{}\"]\n", mirror.address()),
    );
    let built = build(&shop).ok();
    // What is asked of whom is told.
    assert!(
        built.stderr.contains(&format!("http://{}/v2/base/python/manifests/3", mirror.address())),
        "{}",
        built.stderr
    );
    // It is the base of the registry that is pinned, not of the mirror.
    let lock = fs::read_to_string(shop.path("project/wain.lock")).unwrap();
    assert!(lock.contains("127.0.0.1:9/base/python:3") && !lock.contains(&mirror.address()), "{lock}");
}
