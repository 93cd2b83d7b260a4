//! What is told when something is taken away: the lockfile, the network, the password of the index, the wheels of a platform.

use std::fs;

use wainwright_testing::{Access, PackageServer, Ran, Wheel, Workshop, run, wheel};

use crate::WAIN;
use crate::indexes::pypiserver;
use crate::unlocked::path_with_uv;

/// A project that was locked from a private index, and the index.
struct Kept {
    shop: Workshop,
    server: PackageServer,
    path: String,
}

fn wheels() -> Vec<Wheel> {
    let machines = ["x86_64", "aarch64"].map(|machine| format!("cp313-cp313-manylinux_2_17_{machine}"));
    let fast = machines.iter().map(|tag| wheel("fast").tag(tag));
    fast.chain([wheel("greet").needs("fast")]).collect()
}

impl Kept {
    fn new() -> Option<Self> {
        let (program, path) = (pypiserver()?, path_with_uv()?);
        let server = PackageServer::start(&program, Access::Password, &wheels());
        let shop = Workshop::empty(WAIN);
        shop.write("project/main.py", "import greet\n");
        shop.write("project/requirements.txt", "greet\n");
        let kept = Self { shop, server, path };
        kept.wain("lock", "ann:CANARY-7@", &[]).ok();
        Some(kept)
    }

    /// A command about the project, with this before the host of the index.
    fn wain(&self, command: &str, credentials: &str, words: &[&str]) -> Ran {
        let project = self.shop.path("project").display().to_string();
        let mut command = self.shop.wain(&[command, &project, "--base", "layout:base"]);
        if !words.contains(&"--platform") {
            command.args(["--platform", "linux/amd64,linux/arm64"]);
        }
        command.args(words).env("PATH", &self.path);
        command.env("PIP_INDEX_URL", format!("http://{credentials}{}/simple/", self.server.address()));
        run(&mut command)
    }

    /// The error of a build that has to fail, without what differs from run to run.
    fn refused(&self, credentials: &str, words: &[&str], code: i32) -> String {
        let ran = self.wain("build", credentials, &[words, &["--progress", "quiet"]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{}", ran.stderr);
        assert!(!ran.stderr.contains("CANARY"), "{}", ran.stderr);
        let said = ran.stderr.replace(self.server.address(), "index.example");
        said.replace(&self.shop.folder().display().to_string(), "/work")
    }

    fn built(&self, words: &[&str]) -> String {
        self.wain("build", "ann:CANARY-7@", words).digest()
    }
}

#[test]
fn the_lockfile_is_removed() {
    let Some(kept) = Kept::new() else { return };
    let lock = kept.shop.path("project/pylock.toml");
    let (before, built) = (fs::read_to_string(&lock).unwrap(), kept.built(&["--locked"]));
    fs::remove_file(&lock).unwrap();
    insta::assert_snapshot!(kept.refused("ann:CANARY-7@", &["--locked"], 1), @"
    error: requirements.txt is not locked, and --locked forbids to resolve it
      hint: run `wain lock` and commit what it writes
    ");
    // What was found once is found again.
    assert_eq!(kept.built(&[]), built);
    assert_eq!(fs::read_to_string(&lock).unwrap(), before);
}

#[test]
fn the_network_is_removed() {
    let Some(kept) = Kept::new() else { return };
    insta::assert_snapshot!(kept.refused("ann:CANARY-7@", &["--offline"], 3), @"
    error: cannot fetch `fast-1.0-cp313-cp313-manylinux_2_17_x86_64.whl` from the package index `http://index.example/simple/`
      cause: cannot fetch `http://index.example/packages/fast-1.0-cp313-cp313-manylinux_2_17_x86_64.whl`: --offline is set
      hint: run once without `--offline` to fetch it
    ");
    let built = kept.built(&[]);
    assert_eq!(kept.built(&["--offline"]), built);
    // Nor is a password needed for what is there.
    assert_eq!(kept.wain("build", "", &["--offline"]).digest(), built);
}

#[test]
fn the_password_of_the_index_is_removed() {
    let Some(kept) = Kept::new() else { return };
    insta::assert_snapshot!(kept.refused("", &[], 3), @"
    error: cannot fetch `fast-1.0-cp313-cp313-manylinux_2_17_x86_64.whl` from the package index `http://index.example/simple/`
      cause: `http://index.example/packages/fast-1.0-cp313-cp313-manylinux_2_17_x86_64.whl` returned 401 Unauthorized
      hint: the index requires credentials or rejects these: set them in its URL (`https://user:password@host/simple/` as --index-url, UV_INDEX or PIP_INDEX_URL), in ~/.netrc, or in UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD
    ");
    let wrong = kept.refused("ann:CANARY-8@", &[], 3);
    assert!(wrong.contains("403 Forbidden") && wrong.contains("rejects these"), "{wrong}");
    fs::remove_file(kept.shop.path("project/pylock.toml")).unwrap();
    insta::assert_snapshot!(kept.refused("", &[], 3), @"
    error: uv failed to query a package index:
        error: No solution found when resolving dependencies
          cause: Because greet was not found in the package registry and you require greet, we can conclude that your requirements are unsatisfiable.
        
        hint: An index URL (http://index.example/simple/) could not be queried due to a lack of valid authentication credentials (401 Unauthorized)
      hint: set credentials in the URL of the index, in ~/.netrc, or in UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD; other indexes are not tried, because anyone could publish a package of that name there
    ");
    // A lockfile that names hashes alone has the index asked.
    let hash = wainwright_oci::Digest::of(wheel("greet").needs("fast").bytes()).hex();
    kept.shop.write("project/requirements.txt", format!("greet==1.0 --hash=sha256:{hash}\n"));
    insta::assert_snapshot!(kept.refused("", &[], 3), @"
    error: cannot look up `greet` on the package index `http://index.example/simple/`
      cause: `http://index.example/simple/greet/` returned 401 Unauthorized
      hint: the index requires credentials: set them in its URL, in ~/.netrc, or in UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD; other indexes are not tried, because anyone could publish a package of that name there
    ");
}

#[test]
fn the_wheels_of_a_platform_are_removed() {
    let Some(kept) = Kept::new() else { return };
    let lock = kept.shop.path("project/pylock.toml");
    let text = fs::read_to_string(&lock).unwrap();
    let without: String =
        text.lines().filter(|line| !line.contains("aarch64")).map(|line| format!("{line}\n")).collect();
    assert_ne!(without, text);
    fs::write(&lock, without).unwrap();
    insta::assert_snapshot!(kept.refused("ann:CANARY-7@", &[], 1), @"
    error: no wheel fits aarch64 (glibc 2.41, CPython 3.13) for 1 package
      fast 1.0: the lockfile offers cp313-cp313-manylinux_2_17_x86_64
      hint: a wheel tagged cp313-cp313-manylinux_2_41_aarch64 or cp313-cp313-manylinux_2_40_aarch64 or cp313-cp313-manylinux_2_39_aarch64 would fit; lock a version that has one, or choose another --base, --python or --platform
    ");
    // The other platform has all it needs.
    kept.built(&["--platform", "linux/amd64"]);
}
