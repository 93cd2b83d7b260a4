//! What is wrong is told so that a newcomer can act on it, with the documented exit code, and nothing is left half-written.

use std::fs;
use std::process::Command;

use wainwright_oci::Digest;
use wainwright_testing::{Tree, With as _, Workshop, run, wheel};

use crate::{WAIN, workshop};

/// Runs a build that must fail with this exit code, and gives what it said.
fn refuse(shop: &Workshop, build: &mut Command, code: i32) -> String {
    build.args(["--output", "layout:out", "--output", "archive:out.tar"]);
    refuse_as_it_is(shop, build, code)
}

/// Like [`refuse`], with the outputs that the command has.
fn refuse_as_it_is(shop: &Workshop, build: &mut Command, code: i32) -> String {
    build.args(["--progress", "quiet", "--metadata-file", "report.json"]);
    let before = visible(shop);
    let ran = run(build);
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{}", ran.stderr);
    assert_eq!(before.differences(&visible(shop)), [] as [&str; 0]);
    check_store(shop);
    ran.stderr.replace(&shop.folder().display().to_string(), "/work")
}

/// Everything in the folder but the store.
fn visible(shop: &Workshop) -> Tree {
    let mut tree = Tree::read(shop.folder());
    tree.0.retain(|path, _| path != "store" && !path.starts_with("store/"));
    tree
}

/// The store holds whole blobs only, under their own digests, and no drafts.
fn check_store(shop: &Workshop) {
    let store = shop.path("store/v1");
    if !store.exists() {
        return;
    }
    for (path, line) in Tree::read(&store).0 {
        assert!(!path.starts_with("tmp/"), "{path} was left behind");
        if path.starts_with("blobs/") && line.starts_with("file") {
            let name = path.rsplit('/').next().unwrap();
            assert_eq!(Digest::of(fs::read(store.join(&path)).unwrap()).hex(), name);
        }
    }
}

#[test]
fn a_wrong_hash_in_the_lockfile() {
    let shop = workshop();
    let path = shop.path("project/pylock.toml");
    let lock = fs::read_to_string(&path).unwrap();
    let (before, hash) = lock.split_once("sha256 = \"").unwrap();
    fs::write(&path, format!("{before}sha256 = \"{}{}", "0".repeat(64), &hash[64..])).unwrap();
    insta::assert_snapshot!(refuse(&shop, &mut shop.build().pinned(&shop), 1), @"
    error: `greet-1.0-py3-none-any.whl` does not match the lockfile: expected sha256:0000000000000000000000000000000000000000000000000000000000000000, but `file:///work/project/../wheels/greet-1.0-py3-none-any.whl` has sha256:d8c0dbae87772cc95349a49c1f939b33fbedb018a4c6dcaa8ea53c04f8458b0a
      hint: the index may have replaced the file, or a proxy answers instead; run `uv lock` (or the command of your tool) again and review the change
    ");
}

#[test]
fn no_wheel_for_the_platform() {
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "");
    shop.lock(&[wheel("fast").tag("cp313-cp313-manylinux_2_17_x86_64").file("fast.so", "x")]);
    let mut build = shop.build_for("linux/arm64").pinned(&shop);
    insta::assert_snapshot!(refuse(&shop, &mut build, 1), @"
    error: no wheel fits aarch64 (glibc 2.41, CPython 3.13) for 1 package
      fast 1.0: the lockfile offers cp313-cp313-manylinux_2_17_x86_64
      hint: a wheel tagged cp313-cp313-manylinux_2_41_aarch64 or cp313-cp313-manylinux_2_40_aarch64 or cp313-cp313-manylinux_2_39_aarch64 would fit; lock a version that has one, or choose another --base, --python or --platform
    ");
}

#[test]
fn hostile_wheels() {
    let check = |wheel| {
        let shop = Workshop::empty(WAIN);
        shop.write("project/main.py", "");
        shop.lock(&[wheel]);
        refuse(&shop, &mut shop.build().pinned(&shop), 1)
    };
    insta::assert_snapshot!(check(wheel("evil").file("../../../../etc/cron.d/evil", "x")), @"
    error: wheel `evil-1.0-py3-none-any.whl` is refused (E-PATH): `../../../../etc/cron.d/evil`: its name contains `..`
      hint: `..`, a drive letter, a backslash or a leading `/` can point outside the directory. Do not install it by other means before someone has inspected it: no build tool writes this by accident. See `wain explain E-PATH`.
    ");
    insta::assert_snapshot!(check(wheel("evil").file("/etc/cron.d/evil", "x")), @"
    error: wheel `evil-1.0-py3-none-any.whl` is refused (E-PATH): `/etc/cron.d/evil`: its name is absolute
      hint: `..`, a drive letter, a backslash or a leading `/` can point outside the directory. Do not install it by other means before someone has inspected it: no build tool writes this by accident. See `wain explain E-PATH`.
    ");
    insta::assert_snapshot!(check(wheel("evil").file("evil/.wh.passwd", "x")), @"
    error: wheel `evil-1.0-py3-none-any.whl` is refused (E-WHITEOUT): `evil/.wh.passwd`: in an image this name deletes other files
      hint: In an image layer such a file deletes its sibling, or its whole directory. Rename the file if it is yours; before you install such a wheel by other means, ask the project about it. See `wain explain E-WHITEOUT`.
    ");
    insta::assert_snapshot!(check(wheel("evil").program("evil-1.0.data/scripts/python", "x")), @"
    error: wheel `evil-1.0-py3-none-any.whl` is refused (E-SCRIPT): `evil-1.0.data/scripts/python`: a script called `python` would replace the interpreter
      hint: A script called `python` would run instead of Python; odd names break shells. Do not install it by other means before someone has inspected it: no build tool writes this by accident. See `wain explain E-SCRIPT`.
    ");
    insta::assert_snapshot!(
        check(wheel("evil").metadata("entry_points.txt", "[console_scripts]\npython3 = evil:main\n")), @"
    error: wheel `evil-1.0-py3-none-any.whl` is refused (E-SCRIPT): `evil-1.0.dist-info/entry_points.txt`: line 2: a script called `python3` would replace the interpreter
      hint: A script called `python` would run instead of Python; odd names break shells. Do not install it by other means before someone has inspected it: no build tool writes this by accident. See `wain explain E-SCRIPT`.
    "
    );
    insta::assert_snapshot!(check(wheel("evil").file("evil/a.py", "1").file("evil/a.py", "2")), @"
    error: wheel `evil-1.0-py3-none-any.whl` is refused (E-DUP): `evil/a.py`: this path appears twice
      hint: Some readers keep the first file and others the last, so they would install different programs. Do not install it by other means before someone has inspected it: no build tool writes this by accident. See `wain explain E-DUP`.
    ");
}

#[test]
fn two_wheels_with_one_path() {
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "");
    shop.lock(&[wheel("one").file("same/__init__.py", "1")]);
    shop.lock(&[wheel("two").file("same/__init__.py", "2")]);
    insta::assert_snapshot!(refuse(&shop, &mut shop.build().pinned(&shop), 1), @"
    error: E-CLASH: `/app/.venv/lib/python3.13/site-packages/same/__init__.py` differs between `one-1.0-py3-none-any.whl` and `two-1.0-py3-none-any.whl`
      hint: remove one of the packages, or choose the package that wins with --allow-clash PACKAGE (`wain explain E-CLASH`)
    ");
}

#[test]
fn a_base_with_an_environment() {
    let shop = workshop();
    run(shop.build().args(["--output", "layout:first"])).ok();
    let mut build =
        shop.wain(&["build", "project", "--platform", "linux/amd64", "--base", "layout:first", "--no-index"]);
    fs::remove_file(shop.path("project/wain.lock")).unwrap();
    insta::assert_snapshot!(refuse(&shop, &mut build, 1), @"
    error: E-BASE: the base layout:first has an environment at /app/.venv already
      hint: its files would be replaced or show through; build on the base of that image instead (`wain explain E-BASE`)
    ");
}

#[test]
fn an_unknown_key() {
    let shop = workshop();
    let mut build = shop.build().pinned(&shop);
    shop.write("project/wainwright.toml", "python = \"3.13\"\nprots = [8000]\n");
    insta::assert_snapshot!(refuse(&shop, &mut build, 1), @"
    error: wainwright.toml:2:1: unknown key `prots`
      |
    2 | prots = [8000]
      | ^^^^^
      hint: did you mean `ports`?
    ");
}

#[test]
fn a_signature_by_an_unknown_key() {
    let shop = workshop();
    let release = include_str!("../fixtures/debian/unknown-key.InRelease");
    for suite in ["trixie", "trixie-updates", "trixie-security"] {
        shop.write(&format!("debian/dists/{suite}/InRelease"), release);
    }
    let mirror = format!("file://{}", shop.path("debian").display());
    let mut build = shop.wain(&["build", "project", "--mirror", &mirror]);
    insta::assert_snapshot!(refuse(&shop, &mut build, 1), @"
    error: `file:///work/debian/dists/trixie/InRelease` has no good signature: the key 03C847FE89FFBDFC2873789E0271162E568DAD47 is not in the keyring
      hint: for your own archive, add its keyring; for Debian's archive, use another mirror and do not trust this one
    ");
}

#[test]
fn no_network_when_it_is_needed() {
    let shop = workshop();
    let mut build = shop.wain(&["build", "project", "--offline"]);
    build.args(["--mirror", "https://debian.example/debian"]);
    insta::assert_snapshot!(refuse(&shop, &mut build, 3), @"
    error: cannot read the Debian archive
      cause: cannot fetch `https://debian.example/debian/dists/trixie/InRelease`: --offline is set
      hint: run once without `--offline` to fetch it
    ");
    let mut build = shop.wain(&["build", "project"]);
    build.args(["--mirror", "http://127.0.0.1:9/debian"]);
    insta::assert_snapshot!(refuse(&shop, &mut build, 3), @"
    error: cannot read the Debian archive
      cause: no complete response from `http://127.0.0.1:9/debian/dists/trixie/InRelease` (5 tries): Connection refused (os error 111)
      hint: check the network; behind a proxy, set HTTPS_PROXY, and NO_PROXY for internal servers
    ");
}

#[test]
fn no_lockfile_and_nothing_to_lock() {
    let shop = Workshop::empty(WAIN);
    let mut build = shop.build().pinned(&shop);
    insta::assert_snapshot!(refuse(&shop, &mut build, 1), @"
    error: `/work/project` holds no Python project
      hint: give the folder with pyproject.toml or requirements.txt
    ");
    shop.write("project/Pipfile", "[packages]\nfoo = \"*\"\n");
    let mut build = shop.build().pinned(&shop);
    insta::assert_snapshot!(refuse(&shop, &mut build, 1), @"
    error: `/work/project` has no lockfile
      hint: lock it with your tool (`uv lock`, `poetry lock`, `pdm lock`, `pipenv lock`)
    ");
    fs::remove_file(shop.path("project/Pipfile")).unwrap();
    let project = "[project]\nname = \"shop\"\nversion = \"1\"\ndependencies = [\"greet\"]\n";
    shop.write("project/pyproject.toml", project);
    shop.write("project/main.py", "");
    let mut build = shop.build().with(&["--locked"]);
    insta::assert_snapshot!(refuse(&shop, &mut build, 1), @"
    error: pyproject.toml is not locked, and --locked forbids to resolve it
      hint: run `wain lock` and commit what it writes
    ");
    // What somebody began to lock is a lockfile, and has to be one for all packages.
    let hash = Digest::of("x").hex();
    shop.write("project/requirements.txt", format!("fast==1.0 --hash=sha256:{hash}\ngreet>=1\n"));
    insta::assert_snapshot!(refuse(&shop, &mut shop.build(), 1), @"
    error: /work/project/requirements.txt:2: `greet` is not pinned to one version
      hint: pin every package: `uv pip compile --generate-hashes requirements.in -o requirements.txt`
    ");
    shop.write("project/requirements.txt", format!("fast==1.0 --hash=sha256:{hash}\ngreet==1.0\n"));
    insta::assert_snapshot!(refuse(&shop, &mut shop.build(), 1), @"
    error: /work/project/requirements.txt:2: `greet` has no hash
      hint: lock with sha256 hashes: `uv pip compile --generate-hashes`, or `uv export` in a uv project
    ");
}

#[test]
fn a_stale_lockfile() {
    let shop = Workshop::empty(WAIN);
    let project = include_str!("../fixtures/projects/hello/pyproject.toml");
    shop.write("project/pyproject.toml", project.replace("jinja2>=3.1", "jinja2>=3.1\", \"rich"));
    shop.write("project/uv.lock", include_str!("../fixtures/projects/hello/uv.lock"));
    shop.write("project/src/hello/__init__.py", "");
    insta::assert_snapshot!(refuse(&shop, &mut shop.build().pinned(&shop), 1), @"
    error: `/work/project/uv.lock` does not match `pyproject.toml`: `rich` is missing from it
      hint: run `uv lock`
    ");
}

#[test]
fn no_base_and_no_pin() {
    let shop = workshop();
    let mut build = shop.build().with(&["--locked"]);
    insta::assert_snapshot!(refuse(&shop, &mut build, 1), @"
    error: `wain.lock` does not pin layout:base as it is now, and --locked forbids to change it
      hint: run `wain lock` and commit the result
    ");
    fs::remove_dir_all(shop.path("base")).unwrap();
    insta::assert_snapshot!(refuse(&shop, &mut shop.build(), 1), @"
    error: cannot read `base`
      cause: No such file or directory (os error 2)
      hint: check that the path is correct and readable
    ");
}

#[test]
fn a_place_that_cannot_be_written() {
    let shop = workshop();
    shop.write("file", "");
    let mut build = shop.build().pinned(&shop).with(&["--output", "layout:file/image"]);
    insta::assert_snapshot!(refuse(&shop, &mut build, 3), @"
    error: cannot write to `file/image`
      cause: Not a directory (os error 20)
      hint: check the path and the permissions of its folder, or use another output
    ");
}

#[test]
fn no_daemon() {
    let shop = workshop();
    let mut build = shop.build().pinned(&shop).with(&["--load"]);
    build.env("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    insta::assert_snapshot!(refuse_as_it_is(&shop, &mut build, 3), @"
    error: no complete response from the Docker daemon at `/nonexistent/docker.sock`: the socket does not exist
      hint: check that it is running, or write an archive with `--output archive:FILE` and load it with `docker load -i FILE`
    ");
}

/// Pins the base first, so that a failed build has nothing to write.
trait Pinned {
    fn pinned(self, shop: &Workshop) -> Self;
}

impl Pinned for Command {
    fn pinned(self, shop: &Workshop) -> Self {
        let project = shop.path("project").display().to_string();
        let platforms: Vec<&str> = self.get_args().filter_map(|word| word.to_str()).collect();
        let at = platforms.iter().position(|word| *word == "--platform").unwrap();
        let mut lock = shop.wain(&["lock", &project, "--base", "layout:base"]);
        run(lock.args(&platforms[at..at + 2])).ok();
        self
    }
}
