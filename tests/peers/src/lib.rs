//! What known crates make of inputs that decide whether we can use them.
//!
//! ```text
//! cargo test --manifest-path tests/peers/Cargo.toml --target-dir target/peers
//! ```
//!
//! Each test is the reason for a row of "What we write ourselves, and why" in ARCHITECTURE.md. When one fails with a new
//! version of a crate, the reason is gone: look whether the crate can replace our part. Python is the judge where Python
//! made the format. These tests are not part of `tests/run.sh`: they say nothing about our program.

#![cfg(test)]

mod deb822;
mod headers;
mod html;
mod ini;
mod markers;
mod netrc;
mod tar;
mod yaml;
mod zip;

/// What Python prints.
fn python(program: &str, arguments: &[&std::ffi::OsStr]) -> String {
    let done = std::process::Command::new("python3").arg("-c").arg(program).args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}
