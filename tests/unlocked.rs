//! A project without a lockfile is resolved once, for all platforms, and is locked from then on.

use std::fs;
use std::path::Path;
use std::process::Command;

use wainwright_oci::Digest;
use wainwright_testing::{Act, Proxy, Ran, Reply, Wheel, With as _, Workshop, need, run, skip, wheel};

use crate::WAIN;

/// The `PATH` of these tests, with uv on it; `None` where there is no uv, and then the test is skipped.
pub(crate) fn path_with_uv() -> Option<String> {
    let installed = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("test-tools").join("bin");
    let path = std::env::var("PATH").unwrap_or_default();
    match installed.join("uv").is_file() {
        true => Some(format!("{}:{path}", installed.display())),
        false => need("uv").map(|_| path),
    }
}

/// A project with some code, and two versions of `greet`, of which the first needs `fast`.
fn shop() -> Workshop {
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "import greet\n");
    add(&shop, "wheels", &wheel("greet").needs("fast"));
    for machine in ["x86_64", "aarch64"] {
        add(&shop, "wheels", &wheel("fast").tag(&format!("cp313-cp313-manylinux_2_17_{machine}")));
    }
    shop.write(
        "project/requirements.txt",
        "-c limits.txt\ngreet >= 1 # the words\nwinning; sys_platform == 'win32'\n",
    );
    shop.write("project/limits.txt", "greet < 2\n");
    add(&shop, "wheels", &wheel("winning"));
    shop
}

fn add(shop: &Workshop, folder: &str, wheel: &Wheel) {
    shop.write(&format!("{folder}/{}", wheel.filename()), wheel.bytes());
}

/// With uv, and with no index but a folder of wheels.
fn local(shop: &Workshop, mut command: Command, path: &str) -> Command {
    command.env("PATH", path).arg("--no-index").arg("--find-links").arg(shop.path("wheels"));
    command
}

fn build(shop: &Workshop, path: &str, words: &[&str]) -> Ran {
    let project = shop.path("project").display().to_string();
    let command =
        shop.wain(&["build", &project, "--platform", "linux/amd64,linux/arm64", "--base", "layout:base"]);
    run(&mut local(shop, command, path).with(words))
}

fn lock(shop: &Workshop, path: &str, words: &[&str]) -> Ran {
    let project = shop.path("project").display().to_string();
    let command =
        shop.wain(&["lock", &project, "--platform", "linux/amd64,linux/arm64", "--base", "layout:base"]);
    run(&mut local(shop, command, path).with(words))
}

fn pylock(shop: &Workshop) -> String {
    fs::read_to_string(shop.path("project/pylock.toml")).unwrap()
}

/// The names and versions in the lockfile.
fn locked(shop: &Workshop) -> Vec<String> {
    let document: toml::Table = pylock(shop).parse().unwrap();
    let packages = document["packages"].as_array().unwrap().iter();
    packages
        .map(|one| format!("{} {}", one["name"].as_str().unwrap(), one["version"].as_str().unwrap()))
        .collect()
}

#[test]
fn requirements_are_resolved_once_and_locked_from_then_on() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    let refused = build(&shop, &path, &["--locked"]);
    assert_eq!(refused.code, 1);
    insta::assert_snapshot!(refused.stderr, @"
    error: requirements.txt is not locked, and --locked forbids to resolve it
      hint: run `wain lock` and commit what it writes
    ");
    assert!(!shop.path("project/pylock.toml").exists());

    let first = build(&shop, &path, &[]).ok();
    assert!(first.stderr.contains("requirements.txt is not locked: resolving with uv"), "{}", first.stderr);
    assert!(first.stderr.contains("pylock.toml"), "{}", first.stderr);
    assert_eq!(locked(&shop), ["fast 1.0", "greet 1.0", "winning 1.0"]);
    let text = pylock(&shop);
    assert!(text.contains("path = \"../wheels/fast-1.0-cp313-cp313-manylinux_2_17_aarch64.whl\""), "{text}");
    assert!(!text.contains(&shop.folder().display().to_string()), "{text}");

    // The second build asks no resolver, and makes the same image.
    let second = build(&shop, "/nonexistent", &["--locked"]).ok();
    assert_eq!(first.digest(), second.digest());
    assert_eq!(text, pylock(&shop));
}

#[test]
fn a_plan_writes_nothing() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    let project = shop.path("project").display().to_string();
    let command = shop.wain(&["plan", &project, "--platform", "linux/amd64", "--base", "layout:base"]);
    let plan = run(&mut local(&shop, command, &path)).ok();
    assert!(plan.stdout.contains("greet"), "{}", plan.stdout);
    assert!(!shop.path("project/pylock.toml").exists());
}

#[test]
fn a_checkout_that_nobody_may_write_to_is_built_all_the_same() {
    let (Some(path), Some(bwrap)) = (path_with_uv(), need("bwrap")) else { return };
    let shop = shop();
    let project = shop.path("project").display().to_string();
    let sealed = |words: &[&str]| {
        let mut command = shop.wain(&[]);
        let wain = std::mem::replace(&mut command, Command::new(&bwrap));
        command.args(["--dev-bind", "/", "/", "--ro-bind", &project, &project]).arg(wain.get_program());
        command.args(words).args([&project, "--platform", "linux/amd64", "--base", "layout:base"]);
        command.current_dir(shop.folder()).env_clear();
        command.envs(wain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        run(&mut local(&shop, command, &path))
    };
    let built = sealed(&["build", "--output", "layout:out"]).ok();
    let warning = "requirements.txt is not locked, and the next build may get other versions";
    assert!(built.stderr.contains(warning), "{}", built.stderr);
    assert!(!shop.path("project/pylock.toml").exists());
    assert_eq!(sealed(&["lock"]).code, 3);
    assert_eq!(built.digest(), sealed(&["build", "--output", "layout:out"]).digest());
}

#[test]
fn a_lockfile_that_no_longer_fits_is_told_and_made_anew() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    lock(&shop, &path, &[]).ok();
    assert!(lock(&shop, &path, &[]).ok().stderr.contains("up to date"));

    // A comment changes nothing, a limit does; what is locked and still fits is kept.
    add(&shop, "wheels", &wheel("greet").version("2.0"));
    shop.write("project/limits.txt", "greet<2 # for now\n");
    build(&shop, "/nonexistent", &["--locked"]).ok();
    shop.write("project/limits.txt", "greet < 3\n");
    let refused = build(&shop, &path, &["--locked"]);
    assert_eq!(refused.code, 1);
    insta::assert_snapshot!(refused.stderr, @"
    error: pylock.toml was made from another requirements.txt, and --locked forbids to resolve it
      hint: run `wain lock` and commit what it writes
    ");
    let again = build(&shop, &path, &[]).ok();
    assert!(again.stderr.contains("pylock.toml was made from another requirements.txt"), "{}", again.stderr);
    assert_eq!(locked(&shop), ["fast 1.0", "greet 1.0", "winning 1.0"]);

    lock(&shop, &path, &["--upgrade-package", "fast"]).ok();
    assert_eq!(locked(&shop), ["fast 1.0", "greet 1.0", "winning 1.0"]);
    lock(&shop, &path, &["-P", "greet"]).ok();
    assert_eq!(locked(&shop), ["greet 2.0", "winning 1.0"]);
    add(&shop, "wheels", &wheel("greet").version("2.1"));
    lock(&shop, &path, &["--upgrade"]).ok();
    assert_eq!(locked(&shop), ["greet 2.1", "winning 1.0"]);
}

#[test]
fn a_lockfile_of_another_tool_is_left_alone() {
    let shop = Workshop::new(WAIN);
    shop.write("project/requirements.txt", "greet\nelse>=1\n");
    let before = pylock(&shop);
    lock(&shop, "/nonexistent", &["--upgrade"]).ok();
    assert_eq!(before, pylock(&shop));
    let refused = lock(&shop, "/nonexistent", &["-P", "greet"]);
    assert_eq!(refused.code, 1);
    let said = refused.stderr.replace(&shop.folder().display().to_string(), "/work");
    insta::assert_snapshot!(said, @"
    error: `/work/project/pylock.toml` was not made by `wain lock`
      hint: upgrade with the tool that made it, for example `uv lock --upgrade`
    ");
}

#[test]
fn a_project_is_resolved_with_the_extras_that_are_asked_for() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    fs::remove_file(shop.path("project/requirements.txt")).unwrap();
    let project = "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.12\"\ndependencies = [\"winning\"]\n\
                   [project.optional-dependencies]\nwords = [\"greet\"]\n[dependency-groups]\nquick = [\"fast\"]\n";
    shop.write("project/pyproject.toml", project);
    build(&shop, &path, &[]).ok();
    assert_eq!(locked(&shop), ["winning 1.0"]);
    build(&shop, "/nonexistent", &["--locked"]).ok();
    assert_eq!(build(&shop, &path, &["--locked", "--extra", "words"]).code, 1);
    build(&shop, &path, &["--extra", "words"]).ok();
    assert_eq!(locked(&shop), ["fast 1.0", "greet 1.0", "winning 1.0"]);
    build(&shop, "/nonexistent", &["--locked", "--extra", "words"]).ok();
    build(&shop, &path, &["--all-groups"]).ok();
    assert_eq!(locked(&shop), ["fast 1.0", "winning 1.0"]);
}

#[test]
fn what_has_no_answer_is_told_in_the_words_of_uv() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    shop.write("project/limits.txt", "greet > 5\n");
    let refused = build(&shop, &path, &[]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("error: uv failed to resolve `requirements.txt`:"), "{}", refused.stderr);
    assert!(refused.stderr.contains("greet"), "{}", refused.stderr);
    assert!(!shop.path("project/pylock.toml").exists());
}

#[test]
fn a_package_without_a_wheel_is_named() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    // uv looks into it no further than at its name.
    shop.write("wheels/bare-1.0.tar.gz", "");
    shop.write("project/requirements.txt", "bare\n");
    let refused = build(&shop, &path, &[]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("bare==1.0 has no usable wheels"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: build the missing wheel"), "{}", refused.stderr);
}

#[test]
fn without_a_network_it_is_said_what_to_do() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    let project = shop.path("project").display().to_string();
    let mut command =
        shop.wain(&["build", &project, "--platform", "linux/amd64", "--base", "layout:base", "--offline"]);
    let refused = run(command.env("PATH", &path));
    assert_eq!(refused.code, 1);
    insta::assert_snapshot!(refused.stderr, @"
    error: requirements.txt is not locked, and --offline forbids to resolve it
      hint: run `wain lock` with a network, or give --no-index and --find-links DIR
    ");
    // A folder of wheels is no network.
    build(&shop, &path, &["--offline"]).ok();
}

/// An index with these wheels, for one user.
fn index(wheels: &[Wheel]) -> Proxy {
    let files: Vec<(String, String, Vec<u8>)> =
        wheels.iter().map(|one| (one.name().to_owned(), one.filename(), one.bytes())).collect();
    Proxy::start(None, None, move |asked| {
        // ann:CANARY-7
        if asked.headers.get("authorization").map(String::as_str) != Some("Basic YW5uOkNBTkFSWS03") {
            return Act::Answer(Reply::status(401).header("WWW-Authenticate", "Basic realm=\"x\""));
        }
        if let Some((.., bytes)) = files.iter().find(|(_, file, _)| asked.target.ends_with(file.as_str())) {
            return Act::Answer(Reply::status(200).body(bytes.clone()));
        }
        let name = asked.target.trim_matches('/').rsplit('/').next().unwrap_or_default();
        let link = |(_, file, bytes): &(String, String, Vec<u8>)| {
            format!("<a href='/f/{file}#sha256={}'>{file}</a>\n", Digest::of(bytes).hex())
        };
        let links: String = files.iter().filter(|(known, ..)| known == name).map(link).collect();
        Act::Answer(match links.is_empty() {
            true => Reply::status(404),
            false => Reply::status(200).body(links).header("Content-Type", "text/html"),
        })
    })
}

#[test]
fn the_password_of_an_index_reaches_uv_and_nothing_else() {
    let Some(path) = path_with_uv() else { return };
    let shop = shop();
    let server = index(&[wheel("greet"), wheel("winning")]);
    let index = format!("http://ann:CANARY-7@{}/simple/", server.address());
    let project = shop.path("project").display().to_string();
    let command = |index: &str| {
        let mut command =
            shop.wain(&["build", &project, "--platform", "linux/amd64", "--base", "layout:base", "-vv"]);
        run(command.env("PATH", &path).env("PIP_INDEX_URL", index))
    };
    let built = command(&index).ok();
    assert_eq!(locked(&shop), ["greet 1.0", "winning 1.0"]);
    let url = format!("url = \"http://{}/f/greet-1.0-py3-none-any.whl\"", server.address());
    assert!(pylock(&shop).contains(&url), "{}", pylock(&shop));
    let has_canary = |text: &str| text.contains("CANARY-7");
    assert!(!has_canary(&pylock(&shop)) && !has_canary(&built.stderr) && !has_canary(&built.stdout));

    fs::remove_file(shop.path("project/pylock.toml")).unwrap();
    let refused = command(&index.replace("CANARY-7", "CANARY-7-wrong"));
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    assert!(refused.stderr.contains("a package index") && !has_canary(&refused.stderr), "{}", refused.stderr);
}

#[test]
fn where_there_is_no_uv_its_wheel_is_fetched_by_digest() {
    let shop = shop();
    // An index that has another file of the name: the digest is part of the program.
    let name = match std::env::consts::ARCH {
        "x86_64" => "uv-0.13.9-py3-none-musllinux_1_1_x86_64.whl",
        "aarch64" => {
            "uv-0.13.9-py3-none-manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64.whl"
        }
        other => return skip(&format!("no uv is fetched for {other}")),
    };
    shop.write(&format!("wheels/{name}"), wheel("uv").bytes());
    let refused = build(&shop, "/nonexistent", &[]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains(name), "{}", refused.stderr);
    assert!(!shop.path("project/pylock.toml").exists());
}

#[test]
fn the_wheel_of_uv_that_is_fetched_resolves() {
    let Some(python) = need("python3") else { return };
    let shop = shop();
    // The interpreter itself, without what else is on the PATH.
    let find = ["-c", "import sys; print(sys.executable)"];
    let python = run(Command::new(python).args(find)).ok().stdout;
    fs::create_dir(shop.path("bin")).unwrap();
    std::os::unix::fs::symlink(python.trim(), shop.path("bin/python3")).unwrap();
    shop.write("project/requirements.txt", "idna==3.10\n");
    let project = shop.path("project").display().to_string();
    let mut command = shop.wain(&["lock", &project, "--base", "layout:base"]);
    // The index of whoever runs the test, and what its fetches left.
    for (name, value) in
        std::env::vars().filter(|(name, _)| name.starts_with("PIP_") || name.starts_with("UV_"))
    {
        command.env(name, value);
    }
    command.env("WAIN_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("store"));
    let ran = run(command.env("PATH", shop.path("bin")));
    // The network is not ours to test.
    if ran.code == 3 {
        return skip(&format!("uv is out of reach: {}", ran.stderr));
    }
    assert!(ran.ok().stderr.contains("resolving with uv 0.13.9"));
    assert_eq!(locked(&shop), ["idna 3.10"]);
}
