//! An image runs: as nobody in particular, on a root file system that cannot be written, without a network.

use wainwright_testing::{Dockerd, Ran, run};

use crate::real;

/// Checks from within what an installation promises.
const CHECK: &str = r#"
import base64, hashlib, importlib.metadata, os, ssl, sqlite3, sys, zoneinfo

assert (os.getuid(), os.getgid()) == (65532, 65532), os.getuid()
assert os.getcwd() == "/app" and sys.prefix == "/app/.venv" != sys.base_prefix
assert len(ssl.create_default_context().get_ca_certs()) > 50
assert zoneinfo.ZoneInfo("Europe/Vienna").key and sqlite3.connect(":memory:")
try:
    open("/app/written", "w")
    raise SystemExit("the root file system can be written")
except OSError:
    pass
count = 0
for distribution in importlib.metadata.distributions():
    for file in distribution.files:
        if file.hash is None:
            assert file.name == "RECORD", file
            continue
        digest = hashlib.new(file.hash.mode, file.read_binary()).digest()
        assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == file.hash.value, file
        count += 1
assert count > 10, count
print("all is well")
"#;

fn docker_run(docker: &Dockerd, words: &[&str]) -> Ran {
    run(docker.docker().args(["run", "--rm", "--read-only", "--network=none"]).args(words))
}

#[test]
fn samples_say_what_they_have_to_say() {
    let Some(docker) = Dockerd::start() else { return };
    let load = |sample: &real::Sample| {
        let archive = sample.layout.with_extension("tar");
        sample.build_again(&["--output", &format!("archive:{}", archive.display())]).ok();
        run(docker.docker().args(["load", "--quiet", "--input"]).arg(&archive)).ok();
    };
    let python = ["--entrypoint", "/app/.venv/bin/python", "wain/sample:1", "-c"];
    let check = || {
        let ran = docker_run(&docker, &[&python[..], &[CHECK]].concat()).ok();
        assert_eq!(ran.stdout, "all is well\n");
    };

    if let Some(hello) = real::hello() {
        load(hello);
        assert_eq!(docker_run(&docker, &["wain/sample:1"]).ok().stdout, "Hello, world!\n");
        assert_eq!(docker_run(&docker, &["wain/sample:1", "Ada"]).ok().stdout, "Hello, Ada!\n");
        check();
    }
    if let Some(requirements) = real::requirements() {
        load(requirements);
        assert_eq!(docker_run(&docker, &["wain/sample:1"]).ok().stdout, "packaging &lt;26&gt;\n");
        check();
    }
    if let Some(wheels) = real::wheels() {
        load(wheels);
        let ran = docker_run(&docker, &["wain/sample:1"]).ok();
        assert_eq!(ran.stdout, "6 frames, ruff is there\n");
        check();
    }
}

#[test]
fn nothing_changed_means_nothing_is_done() {
    let Some(hello) = real::hello() else { return };
    let output = format!("layout:{}", hello.layout.display());
    let again = hello.build_again(&["--output", &output, "--offline", "--locked"]).ok();
    assert!(again.stderr.contains("nothing changed"), "{}", again.stderr);
}
