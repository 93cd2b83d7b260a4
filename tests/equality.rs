//! What we install is what uv and pip install from the same wheels, file by file.

use std::path::Path;
use std::process::Command;

use wainwright_oci::Platform;
use wainwright_testing::{need, run, skip};

use crate::WAIN;

/// A part of the whole table: headers, a program, a namespace, and wheels made at random. `python3 tests/trust/equality.py`
/// compares everything in `fixtures/equality`.
const PROJECTS: [&str; 4] = ["gevent", "ruff", "zope", "made-0"];

#[test]
fn our_tree_is_the_tree_of_uv_and_of_pip() {
    let (Some(_), Some(_), Some(python)) = (need("umoci"), need("unshare"), need("python3")) else { return };
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    if !target.join("test-tools/bin/uv").is_file() {
        return skip("there is no uv here; `sh tests/run.sh` installs what tests need");
    }
    if Platform::host() != Platform::linux("amd64") {
        return skip("the wheels of fixtures/equality are for x86-64");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trust/equality.py");
    let mut table = Command::new(python);
    table.arg(script).args(PROJECTS).env("WAIN", WAIN).env("CARGO_TARGET_DIR", target);
    table.env("WAIN_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("store"));
    for variable in ["SOURCE_DATE_EPOCH", "DOCKER_HOST"] {
        table.env_remove(variable);
    }
    let ran = run(&mut table);
    // The network is not ours to test.
    if ran.code == 3 {
        return skip(&format!("the wheels are out of reach: {}", ran.stderr));
    }
    let ran = ran.ok();
    assert!(ran.stdout.contains("4 rows, 0 failed"), "{}", ran.stdout);
}
