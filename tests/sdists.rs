//! Sources become wheels here: where that runs code only when it is allowed, once, and with nothing of ours in sight.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use wainwright_oci::Digest;
use wainwright_testing::{
    Act, Proxy, Ran, Reply, With as _, Workshop, is_running, need, run, skip, wait_until,
};

use crate::WAIN;
use crate::unlocked::path_with_uv;

/// A build backend in the source itself, which needs nothing from an index. It notes that it ran, and puts what it saw of
/// its environment into the wheel.
const BACKEND: &str = r#"
import base64, hashlib, json, os, sys, time, zipfile
NAME, VERSION, TAG, NOTE = "@NAME@", "@VERSION@", "@TAG@", "@NOTE@"
with open(NOTE, "a") as note:
    note.write(NAME + "\n")
def build_wheel(directory, config_settings=None, metadata_directory=None):
    @EXTRA@
    wheel = f"{NAME}-{VERSION}-{TAG}.whl"
    info = f"{NAME}-{VERSION}.dist-info/"
    seen = {name: os.environ[name] for name in sorted(os.environ) if name not in ("HOME", "PATH", "TMPDIR", "VIRTUAL_ENV", "UV_INTERNAL__BUILD_DIR")}
    names = sorted(os.environ)
    files = {
        f"{NAME}/__init__.py": f"names = {json.dumps(names)}\nseen = {json.dumps(seen)}\numask = {os.umask(0o22)}\n",
        info + "METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n",
        info + "WHEEL": f"Wheel-Version: 1.0\nGenerator: own\nRoot-Is-Purelib: true\nTag: {TAG}\n",
    }
    rows = []
    with zipfile.ZipFile(os.path.join(directory, wheel), "w", zipfile.ZIP_DEFLATED) as out:
        for path, text in files.items():
            out.writestr(zipfile.ZipInfo(path, time.localtime()[:6]), text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{path},sha256={digest},{len(text)}")
        out.writestr(info + "RECORD", "\n".join(rows + [info + "RECORD,,\n"]))
    return wheel
"#;

/// Source with that backend.
struct Source<'a> {
    name: &'a str,
    tag: &'a str,
    /// A line of the backend.
    extra: &'a str,
}

const PURE: &str = "py3-none-any";

impl Source<'_> {
    /// Writes it into a folder of the workshop.
    fn write(&self, shop: &Workshop, folder: &str) {
        let Self { name, tag, extra } = self;
        let note = shop.path("note").display().to_string();
        let backend = BACKEND.replace("@NAME@", name).replace("@VERSION@", "1.0").replace("@TAG@", tag);
        shop.write(
            &format!("{folder}/backend.py"),
            backend.replace("@NOTE@", &note).replace("@EXTRA@", extra),
        );
        let text = format!(
            "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n\
             [project]\nname = \"{name}\"\nversion = \"1.0\"\n"
        );
        shop.write(&format!("{folder}/pyproject.toml"), text);
        shop.write(
            &format!("{folder}/PKG-INFO"),
            format!("Metadata-Version: 2.2\nName: {name}\nVersion: 1.0\n"),
        );
    }

    /// Packs it as a source distribution, and locks that; returns its digest.
    fn lock(&self, shop: &Workshop) -> Digest {
        let stem = format!("{}-1.0", self.name);
        self.write(shop, &format!("src/{stem}"));
        let archive = shop.path(&format!("sdists/{stem}.tar.gz"));
        fs::create_dir_all(archive.parent().unwrap()).unwrap();
        run(Command::new("tar").arg("czf").arg(&archive).arg("-C").arg(shop.path("src")).arg(&stem)).ok();
        let digest = Digest::of(fs::read(&archive).unwrap());
        let before = fs::read_to_string(shop.path("project/pylock.toml"))
            .unwrap_or_else(|_| "lock-version = \"1.0\"\ncreated-by = \"testing\"\n".into());
        let package = format!(
            "\n[[packages]]\nname = \"{}\"\nversion = \"1.0\"\n[packages.sdist]\nname = \"{stem}.tar.gz\"\n\
             path = \"../sdists/{stem}.tar.gz\"\nhashes = {{ sha256 = \"{}\" }}\n",
            self.name,
            digest.hex()
        );
        shop.write("project/pylock.toml", before + &package);
        digest
    }
}

/// A project that starts, and the path on which uv, Python and git are.
fn shop() -> Option<(Workshop, String)> {
    need("python3")?;
    need("git")?;
    let path = path_with_uv()?;
    let shop = Workshop::empty(WAIN);
    shop.write("project/main.py", "import foo\n");
    Some((shop, path))
}

fn sdist(name: &str) -> Source<'_> {
    Source { name, tag: PURE, extra: "pass" }
}

fn wain(shop: &Workshop, path: &str, command: &str, words: &[&str]) -> Ran {
    let project = shop.path("project").display().to_string();
    let mut command = shop.wain(&[command, &project, "--base", "layout:base", "--no-index"]).with(words);
    if !words.contains(&"--platform") {
        command.args(["--platform", "linux/amd64"]);
    }
    run(command
        .env("PATH", path)
        .env("CANARY", "CANARY-7")
        .env("UV_INDEX_URL", "http://ann:CANARY-7@127.0.0.1:9/"))
}

fn build(shop: &Workshop, path: &str, words: &[&str]) -> Ran {
    wain(shop, path, "build", words)
}

/// What is said when it ends.
fn error(ran: &Ran) -> &str {
    ran.stderr.find("error:").map_or(&ran.stderr, |at| &ran.stderr[at..])
}

/// Which backends ran, each once for a call.
fn ran(shop: &Workshop) -> Vec<String> {
    let note = fs::read_to_string(shop.path("note")).unwrap_or_default();
    let mut ran: Vec<String> = note.lines().map(str::to_owned).collect();
    ran.sort();
    ran.dedup();
    let _ = fs::remove_file(shop.path("note"));
    ran
}

/// A file of the image that was built last.
fn file(shop: &Workshop, name: &str) -> Option<String> {
    let mut found = None;
    for entry in fs::read_dir(shop.path("project/.wain/image/blobs/sha256")).unwrap() {
        let path = entry.unwrap().path();
        let out = Command::new("tar").arg("xzOf").arg(&path).arg(name).output().unwrap();
        if out.status.success() {
            found = Some(String::from_utf8(out.stdout).unwrap());
        }
    }
    found
}

#[test]
fn nothing_is_built_unless_it_is_allowed() {
    let Some((shop, path)) = shop() else { return };
    sdist("foo").lock(&shop);
    let refused = build(&shop, &path, &[]);
    assert_eq!(refused.code, 1);
    insta::assert_snapshot!(error(&refused), @"
    error: no wheel fits x86_64 (glibc 2.41, CPython 3.13) for 1 package
      foo 1.0: there is only the source distribution `foo-1.0.tar.gz`
      hint: `--build-sdists=foo` builds it here, which runs code of the package; or build one with `uv build --wheel` or `pip wheel foo==1.0` and lock it with --find-links (a wheel tagged cp313-cp313-manylinux_2_41_x86_64 or cp313-cp313-manylinux_2_40_x86_64 or cp313-cp313-manylinux_2_39_x86_64 would fit)
    ");
    assert_eq!(build(&shop, &path, &["--build-sdists=bar"]).code, 1);
    let digest = Digest::of(fs::read(shop.path("sdists/foo-1.0.tar.gz")).unwrap());
    let plan = wain(&shop, &path, "plan", &["--build-sdists"]).ok();
    let line = format!("foo 1.0  (`wain build` builds it here from sdist {digest}, which runs its code;");
    assert!(plan.stdout.contains(&line), "{}", plan.stdout);
    assert_eq!(ran(&shop), [""; 0]);
}

#[test]
fn a_source_distribution_is_built_once_and_sees_nothing_of_ours() {
    let Some((shop, path)) = shop() else { return };
    let digest = sdist("foo").lock(&shop);
    let first = build(&shop, &path, &["--build-sdists=foo"]);
    assert_eq!(ran(&shop), ["foo"]);
    assert!(first.stderr.contains(&format!("building foo 1.0 from sdist {digest}")), "{}", first.stderr);
    let first = first.digest();
    let module = file(&shop, "app/.venv/lib/python3.13/site-packages/foo/__init__.py").unwrap();
    assert!(!module.contains("CANARY") && !module.contains("UV_INDEX"), "{module}");
    let allowed = "HOME LANG LC_ALL LC_CTYPE PATH PDM_BUILD_SCM_VERSION PIP_CONFIG_FILE PIP_NO_INDEX POETRY_DYNAMIC_VERSIONING_BYPASS \
                   PYTHONHASHSEED PYTHONNOUSERSITE SETUPTOOLS_SCM_PRETEND_VERSION SOURCE_DATE_EPOCH TMPDIR TZ UV UV_NO_CACHE \
                   PYTHONIOENCODING UV_INTERNAL__BUILD_DIR \
                   UV_NO_CONFIG UV_OFFLINE VIRTUAL_ENV";
    let names = module.lines().next().unwrap().trim_start_matches("names = ");
    let names: Vec<String> = serde_json::from_str(names).unwrap();
    let odd: Vec<&String> = names.iter().filter(|name| !allowed.split(' ').any(|one| one == *name)).collect();
    assert!(odd.is_empty() && names.contains(&"SOURCE_DATE_EPOCH".to_owned()), "{odd:?}");
    assert!(module.contains("umask = 18"), "{module}");

    // The second build runs nothing: not even a Python is at hand.
    let second = build(&shop, "/nonexistent", &["--build-sdists=foo", "--locked", "--offline"]);
    assert_eq!((second.digest(), ran(&shop)), (first.clone(), vec![]));
    let plan = wain(&shop, "/nonexistent", "plan", &["--build-sdists=foo", "--json"]).ok();
    let plan: serde_json::Value = serde_json::from_str(&plan.stdout).unwrap();
    let made = &plan["images"][0]["layers"][1]["madeHere"][0];
    assert_eq!(made["from"], format!("sdist {digest}"), "{plan:#}");
    assert_eq!(made["by"]["backend"], "backend");

    // Another cache builds it again, to the same image, although the dates in its wheel are others.
    std::thread::sleep(Duration::from_secs(2));
    fs::rename(shop.path("store"), shop.path("other-store")).unwrap();
    assert_eq!(build(&shop, &path, &["--build-sdists", "--locked"]).digest(), first);
    assert_eq!(ran(&shop), ["foo"]);
    let words =
        ["verify", "project/.wain/image", "project", "--base", "layout:base", "--no-index", "--build-sdists"];
    run(shop.wain(&words).with(&["--platform", "linux/amd64"]).env("PATH", &path)).ok();
}

#[test]
fn other_bytes_than_those_of_wain_lock_are_told() {
    let Some((shop, path)) = shop() else { return };
    sdist("foo").lock(&shop);
    build(&shop, &path, &["--build-sdists"]).ok();
    let lock = fs::read_to_string(shop.path("project/wain.lock")).unwrap();
    let at = lock.find("digest = \"sha256:").and_then(|_| lock.rfind("digest = \"sha256:")).unwrap() + 17;
    let other = format!("{}{}{}", &lock[..at], "0".repeat(64), &lock[at + 64..]);
    assert!(other.contains("[[wheel]]"), "{other}");
    shop.write("project/wain.lock", &other);
    let told = build(&shop, &path, &["--build-sdists"]).ok();
    assert!(
        told.stderr.contains("warning: `foo-1.0-py3-none-any.whl` built here from sdist"),
        "{}",
        told.stderr
    );
    assert_eq!(fs::read_to_string(shop.path("project/wain.lock")).unwrap(), other);
    let refused = build(&shop, &path, &["--build-sdists", "--locked"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("made with the same tools"), "{}", refused.stderr);
}

#[test]
fn a_changed_source_distribution_is_refused_before_it_runs() {
    let Some((shop, path)) = shop() else { return };
    sdist("foo").lock(&shop);
    let lock = fs::read_to_string(shop.path("project/pylock.toml")).unwrap();
    Source { extra: "evil = True", ..sdist("foo") }.lock(&shop);
    shop.write("project/pylock.toml", lock);
    let refused = build(&shop, &path, &["--build-sdists"]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("foo-1.0.tar.gz"), "{}", refused.stderr);
    assert_eq!(ran(&shop), [""; 0]);
}

#[test]
fn a_backend_that_fails_or_lies_or_hangs_is_one_clear_error() {
    let Some((shop, path)) = shop() else { return };
    for (extra, tag, words, said) in [
        ("print('the last words'); sys.exit(3)", PURE, "", "the last words"),
        ("return 'nothing.whl'", PURE, "", "error:"),
        ("globals()['VERSION'] = '2.0'", PURE, "", "did not build foo 1.0, but `foo-2.0-py3-none-any.whl`"),
        (
            "import subprocess; subprocess.Popen(['sleep', '472.1']); time.sleep(471)",
            PURE,
            "--build-timeout=3s",
            "within 3 s",
        ),
        (
            "pass",
            "cp399-cp399-linux_x86_64",
            "",
            "`foo-1.0-cp399-cp399-linux_x86_64.whl`, which does not fit x86_64",
        ),
    ] {
        let _ = fs::remove_file(shop.path("project/pylock.toml"));
        Source { name: "foo", tag, extra }.lock(&shop);
        let mut all = vec!["--build-sdists"];
        all.extend(Some(words).filter(|word| !word.is_empty()));
        let refused = build(&shop, &path, &all);
        assert_eq!(refused.code, 1, "{extra}: {}", refused.stderr);
        assert!(refused.stderr.contains(said), "{extra}: {}", refused.stderr);
        assert!(wait_until(|| !is_running("sleep 472.1")), "{extra}: it still runs");
    }
    // The cache is as good as before.
    let _ = fs::remove_file(shop.path("project/pylock.toml"));
    sdist("foo").lock(&shop);
    build(&shop, &path, &["--build-sdists"]).ok();
}

#[test]
fn a_pure_wheel_serves_every_platform_and_another_only_its_own() {
    let Some((shop, path)) = shop() else { return };
    sdist("foo").lock(&shop);
    let both = ["--build-sdists", "--platform", "linux/amd64,linux/arm64"];
    build(&shop, &path, &both).ok();
    assert_eq!(ran(&shop), ["foo"]);
    let machine = std::env::consts::ARCH;
    let tag = format!("cp313-cp313-linux_{machine}");
    let _ = fs::remove_file(shop.path("project/pylock.toml"));
    Source { name: "foo", tag: &tag, extra: "pass" }.lock(&shop);
    let other = if machine == "x86_64" { "linux/arm64" } else { "linux/amd64" };
    let refused = build(&shop, &path, &["--build-sdists", "--platform", other]);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(refused.stderr.contains("which does not fit"), "{}", refused.stderr);
}

#[test]
fn a_killed_build_leaves_nothing_running() {
    let Some((shop, path)) = shop() else { return };
    Source { extra: "import subprocess; subprocess.call(['sleep', '472.2'])", ..sdist("foo") }.lock(&shop);
    let project = shop.path("project").display().to_string();
    for signal in ["KILL", "TERM"] {
        let mut command =
            shop.wain(&["build", &project, "--base", "layout:base", "--no-index", "--build-sdists"]);
        let mut child = command.env("PATH", &path).stderr(std::process::Stdio::null()).spawn().unwrap();
        assert!(wait_until(|| is_running("sleep 472.2")), "the backend did not start");
        run(Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string())).ok();
        child.wait().unwrap();
        assert!(wait_until(|| !is_running("sleep 472.2")), "{signal}: it still runs");
    }
    let _ = fs::remove_file(shop.path("project/pylock.toml"));
    sdist("foo").lock(&shop);
    build(&shop, &path, &["--build-sdists"]).ok();
}

/// An index with one source distribution.
fn index(shop: &Workshop, name: &str) -> Proxy {
    let file = format!("{name}-1.0.tar.gz");
    let bytes = fs::read(shop.path(&format!("sdists/{file}"))).unwrap();
    let page = format!("<a href='/f/{file}#sha256={}'>{file}</a>\n", Digest::of(&bytes).hex());
    let name = name.to_owned();
    Proxy::start(None, None, move |asked| {
        Act::Answer(match asked.target.trim_matches('/').rsplit('/').next() {
            Some(last) if last == file => Reply::status(200).body(bytes.clone()),
            Some(last) if last == name => {
                Reply::status(200).body(page.clone()).header("Content-Type", "text/html")
            }
            _ => Reply::status(404),
        })
    })
}

fn git(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(words);
    run(&mut command).ok().stdout.trim().to_owned()
}

/// A package without any code of its own for its build.
fn library(shop: &Workshop, folder: &str, name: &str, more: &str) {
    let text = format!(
        "[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n\
         [project]\nname = \"{name}\"\nversion = \"1.0\"\nrequires-python = \">=3.9\"\n{more}"
    );
    shop.write(&format!("{folder}/pyproject.toml"), text);
    shop.write(&format!("{folder}/src/{name}/__init__.py"), format!("name = '{name}'\ndef main(): pass\n"));
    shop.write(&format!("{folder}/src/{name}/words.txt"), "words\n");
}

#[test]
fn a_workspace_with_sources_of_every_kind_is_one_image() {
    let Some((shop, path)) = shop() else { return };
    // From an index, from git, from a folder beside the project, and a member that needs another member.
    sdist("foo").lock(&shop);
    fs::remove_file(shop.path("project/pylock.toml")).unwrap();
    let server = index(&shop, "foo");
    sdist("bar").write(&shop, "bar/python");
    git(&shop.path("bar"), &["init", "--quiet", "--initial-branch=main"]);
    git(&shop.path("bar"), &["add", "."]);
    git(&shop.path("bar"), &["commit", "--quiet", "-m", "one"]);
    let commit = git(&shop.path("bar"), &["rev-parse", "HEAD"]);
    library(&shop, "beside", "beside", "[project.scripts]\nbeside = \"beside:main\"\n");
    library(
        &shop,
        "project/packages/core",
        "core",
        "dependencies = [\"beside\"]\n[tool.uv.sources]\nbeside = { path = \"../../../beside\" }\n",
    );
    library(&shop, "project/packages/edit", "edit", "");
    shop.write(
        "project/pyproject.toml",
        format!(
            "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.9\"\n\
             dependencies = [\"foo\", \"bar\", \"core\", \"edit\"]\n\
             [tool.uv.workspace]\nmembers = [\"packages/core\"]\n[tool.uv.sources]\ncore = {{ workspace = true }}\n\
             edit = {{ path = \"packages/edit\", editable = true }}\n\
             bar = {{ git = \"file://{}\", subdirectory = \"python\", branch = \"main\" }}\n",
            shop.path("bar").display()
        ),
    );
    let mut lock = Command::new("uv");
    lock.arg("lock")
        .current_dir(shop.path("project"))
        .env("PATH", &path)
        .env("UV_CACHE_DIR", shop.path("uv"));
    lock.arg("--default-index").arg(format!("http://{}/simple/", server.address()));
    run(lock.env("NO_PROXY", "127.0.0.1")).ok();
    let _ = ran(&shop);

    let wain = |command: &str, words: &[&str]| {
        let project = shop.path("project").display().to_string();
        let base = ["--base", "layout:base", "--platform", "linux/amd64"];
        run(shop.wain(&[command, &project]).with(&base).with(words).env("PATH", &path))
    };
    let refused = wain("build", &["--build-sdists=foo"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains(&format!("bar 1.0: it comes from the git commit {commit}")),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("`--build-sdists=bar` builds it here"), "{}", refused.stderr);
    assert_eq!(ran(&shop), [""; 0]);

    let first = wain("build", &["--build-sdists"]).digest();
    assert_eq!(ran(&shop), ["bar", "foo"], "static folders need no backend");
    let site = "app/.venv/lib/python3.13/site-packages";
    for name in
        ["foo/__init__.py", "bar/__init__.py", "beside/words.txt", "core/__init__.py", "edit/words.txt"]
    {
        assert!(file(&shop, &format!("{site}/{name}")).is_some(), "{name}");
    }
    assert!(file(&shop, "app/.venv/bin/beside").unwrap().contains("from beside import main"));
    assert!(
        file(&shop, &format!("{site}/core-1.0.dist-info/RECORD")).unwrap().contains("core/words.txt,sha256=")
    );
    assert_eq!(file(&shop, "app/packages/core/pyproject.toml"), None, "it is installed, not copied");
    let plan = wain("plan", &["--build-sdists"]).ok().stdout;
    for line in [
        format!("bar 1.0  (built here from git commit {commit}, folder python by backend"),
        "foo 1.0  (built here from sdist sha256:".into(),
        "core 1.0  (the files of the folder `packages/core`, put together here)".into(),
        "edit 1.0  (the files of the folder `packages/edit`, put together here)".into(),
        "beside 1.0  (the files of the folder `../beside`, put together here)".into(),
    ] {
        assert!(plan.contains(&line), "{plan} lacks {line}");
    }
    assert_eq!(wain("build", &["--build-sdists", "--offline", "--locked"]).digest(), first);

    // A changed member is one changed layer.
    shop.write("project/packages/core/src/core/__init__.py", "name = 'changed'\n");
    let changed = wain("build", &["--build-sdists", "--offline", "--locked"]).ok();
    let made: Vec<&str> = changed.stderr.lines().filter(|line| line.starts_with("built ")).collect();
    assert!(made.len() == 1 && made[0].starts_with("built core 1.0"), "{made:?}");
    assert_eq!(ran(&shop), [""; 0]);
}

#[test]
fn a_folder_that_only_its_backend_understands_needs_permission() {
    let Some((shop, path)) = shop() else { return };
    sdist("foo").write(&shop, "lib");
    shop.write(
        "project/pylock.toml",
        "lock-version = \"1.0\"\ncreated-by = \"testing\"\n[[packages]]\nname = \"foo\"\ndirectory = { path = \"../lib\", editable = true }\n",
    );
    let refused = build(&shop, &path, &[]);
    assert_eq!(refused.code, 1);
    insta::assert_snapshot!(error(&refused), @"
    error: 1 package cannot be put together without running code
      foo: it comes from the folder `../lib`, and its content depends on its build backend `backend`
      hint: `--build-sdists=foo` builds it here, which runs code of the package
    ");
    build(&shop, &path, &["--build-sdists"]).ok();
    assert_eq!(ran(&shop), ["foo"]);
    build(&shop, &path, &["--build-sdists"]).ok();
    assert_eq!(ran(&shop), [""; 0]);
    shop.write("lib/foo.txt", "changed");
    build(&shop, &path, &["--build-sdists"]).ok();
    assert_eq!(ran(&shop), ["foo"]);
    std::os::unix::fs::symlink("/etc/passwd", shop.path("lib/evil")).unwrap();
    let refused = build(&shop, &path, &["--build-sdists"]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("evil"), "{}", refused.stderr);
}

#[test]
fn a_requirements_file_that_has_the_hash_of_the_source_only() {
    let Some((shop, path)) = shop() else { return };
    let digest = sdist("foo").lock(&shop);
    fs::remove_file(shop.path("project/pylock.toml")).unwrap();
    shop.write("project/requirements.txt", format!("foo==1.0 --hash={digest}\n"));
    let links = shop.path("sdists").display().to_string();
    let refused = build(&shop, &path, &["--find-links", &links]);
    assert!(refused.code == 1 && refused.stderr.contains("`--build-sdists=foo`"), "{}", refused.stderr);
    build(&shop, &path, &["--find-links", &links, "--build-sdists"]).ok();
    assert_eq!(ran(&shop), ["foo"]);
    shop.write("project/requirements.txt", format!("foo==1.0 --hash={}\n", Digest::of("other")));
    let refused = build(&shop, &path, &["--find-links", &links, "--build-sdists"]);
    assert_eq!((refused.code, ran(&shop)), (1, vec![]), "{}", refused.stderr);
}

#[test]
fn a_requirements_file_may_name_commits_and_folders() {
    let Some((shop, path)) = shop() else { return };
    let digest = sdist("foo").lock(&shop);
    fs::remove_file(shop.path("project/pylock.toml")).unwrap();
    sdist("bar").write(&shop, "bar/python");
    git(&shop.path("bar"), &["init", "--quiet", "--initial-branch=main"]);
    git(&shop.path("bar"), &["add", "."]);
    git(&shop.path("bar"), &["commit", "--quiet", "-m", "one"]);
    let commit = git(&shop.path("bar"), &["rev-parse", "HEAD"]);
    library(&shop, "project/packages/edit", "edit", "");
    let write = |revision: &str| {
        let text = format!(
            "foo==1.0 --hash={digest}\n-e ./packages/edit\n\
             bar @ git+file://{}@{revision}#subdirectory=python ; python_version >= '3'\n",
            shop.path("bar").display()
        );
        shop.write("project/requirements.txt", text);
    };
    write("main");
    let links = shop.path("sdists").display().to_string();
    let refused = build(&shop, &path, &["--find-links", &links, "--build-sdists"]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains("`bar` comes from a git repository without a full commit"),
        "{}",
        refused.stderr
    );
    write(&commit);
    let refused = build(&shop, &path, &["--find-links", &links]);
    assert_eq!(refused.code, 1);
    assert!(
        refused.stderr.contains(&format!("bar: it comes from the git commit {commit}")),
        "{}",
        refused.stderr
    );
    build(&shop, &path, &["--find-links", &links, "--build-sdists"]).ok();
    assert_eq!(ran(&shop), ["bar", "foo"]);
    for name in ["foo/__init__.py", "bar/__init__.py", "edit/words.txt"] {
        let site = "app/.venv/lib/python3.13/site-packages";
        assert!(file(&shop, &format!("{site}/{name}")).is_some(), "{name}");
    }
    assert_eq!(file(&shop, "app/packages/edit/pyproject.toml"), None, "it is installed, not copied");
}

#[test]
fn build_requirements_that_are_not_to_be_had_are_named() {
    let Some((shop, path)) = shop() else { return };
    for (requires, words, said) in [
        (
            "nobody-has-this",
            &["--build-sdists"][..],
            "cannot install the build requirements of foo 1.0 (nobody-has-this)",
        ),
        (
            "nobody-has-this",
            &["--build-sdists", "--offline"],
            "hint: build once with a network (the wheel is cached)",
        ),
        ("evil @ file:///tmp/evil", &["--build-sdists"], "it requires `evil` from a URL"),
    ] {
        let _ = fs::remove_file(shop.path("project/pylock.toml"));
        sdist("foo").write(&shop, "src/foo-1.0");
        let text = fs::read_to_string(shop.path("src/foo-1.0/pyproject.toml")).unwrap();
        let archive = shop.path("sdists/foo-1.0.tar.gz");
        shop.write(
            "src/foo-1.0/pyproject.toml",
            text.replace("requires = []", &format!("requires = [\"{requires}\"]")),
        );
        fs::create_dir_all(shop.path("sdists")).unwrap();
        run(Command::new("tar").arg("czf").arg(&archive).arg("-C").arg(shop.path("src")).arg("foo-1.0")).ok();
        let digest = Digest::of(fs::read(&archive).unwrap()).hex();
        shop.write(
            "project/pylock.toml",
            format!(
                "lock-version = \"1.0\"\ncreated-by = \"testing\"\n[[packages]]\nname = \"foo\"\nversion = \"1.0\"\n\
                 sdist = {{ path = \"../sdists/foo-1.0.tar.gz\", hashes = {{ sha256 = \"{digest}\" }} }}\n"
            ),
        );
        let refused = build(&shop, &path, words);
        assert_eq!(refused.code, 1, "{}", refused.stderr);
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        assert!(!refused.stderr.contains("CANARY"), "{}", refused.stderr);
    }
    assert_eq!(ran(&shop), [""; 0]);
}

#[test]
fn without_uv_the_pip_of_the_python_builds() {
    let Some((shop, path)) = shop() else { return };
    let find = ["-c", "import sys; print(sys.executable)"];
    let python = run(Command::new("python3").args(find).env("PATH", &path)).ok().stdout;
    let is_new = "import pip, sys; sys.exit(tuple(map(int, pip.__version__.split('.')[:2])) < (22, 3))";
    if run(Command::new(python.trim()).args(["-c", is_new])).code != 0 {
        return skip("this Python has no pip of 22.3 or newer");
    }
    // A link to the interpreter of an environment would not be in that environment.
    shop.write("bin/python3", format!("#!/bin/sh\nexec '{}' \"$@\"\n", python.trim()));
    fs::set_permissions(shop.path("bin/python3"), fs::Permissions::from_mode(0o755)).unwrap();
    sdist("foo").lock(&shop);
    let built = build(&shop, &shop.path("bin").display().to_string(), &["--build-sdists"]).ok();
    assert!(built.stderr.contains(" by backend (pip "), "{}", built.stderr);
    assert_eq!(ran(&shop), ["foo"]);
    // This wheel says what it saw of its environment, and uv sets other variables than pip: that is told.
    fs::remove_dir_all(shop.path("store")).unwrap();
    let again = build(&shop, &path, &["--build-sdists"]).ok();
    assert!(
        again.stderr.contains("made with pip") && again.stderr.contains("now with uv"),
        "{}",
        again.stderr
    );
}

#[test]
fn a_damaged_cache_builds_again() {
    let Some((shop, path)) = shop() else { return };
    sdist("foo").lock(&shop);
    let first = build(&shop, &path, &["--build-sdists"]).digest();
    assert_eq!(ran(&shop), ["foo"]);
    let mut folders = vec![shop.path("store/v1/blobs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut bytes = fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            let _ = fs::remove_file(&path);
            fs::write(&path, bytes).unwrap();
        }
    }
    assert_eq!(build(&shop, &path, &["--build-sdists", "--output", "layout:other"]).digest(), first);
    assert_eq!(ran(&shop), ["foo"]);
}
