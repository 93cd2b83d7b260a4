//! The tables in `tests/trust`, in their short forms. Each is a script that anybody can run on any build of ours.

use std::path::Path;
use std::process::Command;

use wainwright_testing::{need, run, skip};

use crate::{WAIN, real};

/// Runs a table; every row of it must be green.
fn check(script: &str, words: &[&str]) {
    let Some(python) = need("python3") else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trust").join(script);
    run(Command::new(python).arg(script).args(words).env("WAIN", WAIN)).ok();
}

#[test]
fn odd_wheels_get_their_verdict() {
    check("wheels.py", &["zip_bad", "zip_trailing", "rec_un", "path_dotdot", "ok_zip64", "dup_"]);
}

#[test]
fn markers_and_tags_mean_what_packaging_says() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("target"));
    if !target.join("test-tools/bin/python").is_file() {
        return skip(
            "there is no `packaging` in target/test-tools; `sh tests/run.sh` installs what tests need",
        );
    }
    check("markers.py", &["--short"]);
}

#[test]
fn what_is_emitted_is_taken_by_those_it_is_for() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("target"));
    if !target.join("test-tools/bin/kubernetes-validate").is_file() {
        return skip("target/test-tools is not whole; `sh tests/run.sh` installs what tests need");
    }
    check("emit.py", &["--short"]);
}

#[test]
fn workflows_of_every_shape_become_what_compose_kubectl_and_helm_take() {
    let (Some(python), Some(_)) = (need("python3"), need("docker-registry")) else { return };
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("target"));
    if !target.join("test-tools/bin/kubernetes-validate").is_file() {
        return skip("target/test-tools is not whole; `sh tests/run.sh` installs what tests need");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trust/workflows.py");
    let mut table = Command::new(python);
    let ran = run(table.arg(script).arg("--short").env("WAIN", WAIN));
    // The network is not ours to test.
    match ran.code {
        3 => skip(&format!("the packages are out of reach: {}", ran.stderr)),
        _ => drop(ran.ok()),
    }
}

#[test]
fn a_cache_that_is_damaged_or_shared() {
    check("cache.py", &["--short"]);
}

#[test]
fn killed_interrupted_and_several_at_once() {
    check("faults.py", &["--short", "kill", "signals", "together"]);
}

#[test]
fn full_disks_failing_calls_and_limits() {
    check("faults.py", &["--short", "disk", "calls", "limits"]);
}

#[test]
fn odd_surroundings_and_odd_projects() {
    check("faults.py", &["--short", "surroundings", "tree"]);
}

#[test]
fn one_digest_whatever_surrounds_the_build() {
    check("reproducibility.py", &[]);
}

#[test]
fn no_privilege_is_needed() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can take everything away from a process");
    }
    let Some(_) = need("bwrap") else { return };
    // The packages of the base are there once a sample was built.
    let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store").display().to_string();
    match real::requirements() {
        Some(_) => check("unprivileged.py", &["--short", "--debian", "--packages", &packages]),
        None => check("unprivileged.py", &["--short"]),
    }
}

#[test]
fn every_format_of_layers_and_every_reader() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can start the daemons that read layers");
    }
    check("formats.py", &[]);
}
