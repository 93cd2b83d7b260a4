use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;

/// Finds a program; without it the test is skipped, see [`skip`].
pub fn need(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|path| path.is_file());
    if found.is_none() {
        skip(&format!("there is no {program} here; `sh tests/run.sh` installs what tests need"));
    }
    found
}

/// Says that a test cannot be run here. Fails it in continuous integration: there nothing may be missing.
pub fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{why}");
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Printing macros would be held back until the test fails.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {test}: {why}");
}

/// Unpacks an image of an OCI layout with umoci and gives its root file system.
pub fn unpack(umoci: &Path, layout: &Path, tag: &str, into: &Path) -> PathBuf {
    let image = format!("{}:{tag}", layout.display());
    run(Command::new(umoci).args(["unpack", "--rootless", "--image", &image]).arg(into)).ok();
    into.join("rootfs")
}
