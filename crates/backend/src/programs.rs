use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::process::Command;

/// The folders of the `PATH`. Relative ones would be other folders wherever something is run.
pub(crate) fn folders(vars: &BTreeMap<String, String>) -> impl Iterator<Item = PathBuf> {
    let path = vars.get("PATH").map(String::as_str).unwrap_or_default();
    std::env::split_paths(path).filter(|folder| folder.is_absolute())
}

/// The programs of a name, in the order of the `PATH`.
pub(crate) fn named(name: &str, vars: &BTreeMap<String, String>) -> impl Iterator<Item = PathBuf> {
    folders(vars).map(move |folder| folder.join(name)).filter(|program| program.is_file())
}

/// Runs a program that answers a question, in an environment of these variables alone; it ends with whoever waits for it.
pub(crate) async fn ask(
    program: &Path,
    words: &[impl AsRef<OsStr>],
    vars: &BTreeMap<String, String>,
) -> io::Result<Output> {
    let mut command = Command::new(program);
    command.args(words).current_dir("/").env_clear().envs(vars);
    command.stdin(Stdio::null()).kill_on_drop(true).output().await
}
