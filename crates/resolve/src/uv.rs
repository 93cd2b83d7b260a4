use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use wainwright_http::{Secret, without_secrets};

use crate::pylock::Resolution;
use crate::recorded::FILE_NAME;
use crate::{Error, Inputs, Question, Upgrade};

/// The oldest uv that writes `pylock.toml` for all platforms; newer ones are taken whatever their number.
pub const OLDEST: (u32, u32) = (0, 7);

/// uv, ready to be asked.
#[derive(Clone, Debug)]
pub struct Resolver {
    /// The program.
    pub program: PathBuf,
    /// `0.13.9`
    pub version: String,
}

impl Resolver {
    /// The first uv on `PATH` that answers in this folder; `Err` in the inner result is the version of one that is too old.
    pub async fn find(vars: &BTreeMap<String, String>, folder: &Path) -> Option<Result<Self, String>> {
        let mut old = None;
        for place in std::env::split_paths(vars.get("PATH")?) {
            let program = place.join("uv");
            if !place.is_absolute() || !program.is_file() {
                continue;
            }
            // What stands in for a program that is not installed (pyenv has such) fails here; it may do so in a folder with a
            // `.python-version`, and nowhere else.
            let Ok(output) = run(&program, &["--version".into()], folder, vars).await else {
                continue;
            };
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let Some(version) = output.status.success().then(|| version(&said)).flatten() else { continue };
            if is_new_enough(&version) {
                return Some(Ok(Self { program, version }));
            }
            old = old.or(Some(version));
        }
        old.map(Err)
    }

    /// Resolves for all platforms at once.
    pub async fn resolve(&self, question: &Question<'_>) -> Result<Resolution, Error> {
        let Question { root, inputs, .. } = *question;
        let output_file = question.scratch.join(FILE_NAME);
        if let Some(before) = question.before {
            let copied = std::fs::copy(before, &output_file);
            copied.map_err(|source| Error::Read { path: before.into(), source })?;
        }
        let words = words(question, &output_file);
        let output = run(&self.program, &words, root, question.vars)
            .await
            .map_err(|source| Error::Start { program: self.program.clone(), source })?;
        if !output.status.success() {
            return Err(failure(inputs, &output, question.passwords));
        }
        let said = said(&output, question.passwords);
        let warnings = said.lines().filter_map(|line| line.strip_prefix("warning: ")).map(str::to_owned);
        Resolution::read(&output_file, question, warnings.collect())
    }
}

/// The command line. It names no address: a command line is for all to see.
fn words(question: &Question<'_>, output: &Path) -> Vec<OsString> {
    let inputs = question.inputs;
    let mut words: Vec<OsString> = Vec::new();
    let mut add = |more: &[&str]| words.extend(more.iter().map(OsString::from));
    add(&["pip", "compile", inputs.kind.file_name(), "--universal", "--format", "pylock.toml"]);
    add(&["--generate-hashes", "--no-header", "--color", "never", "--python-version"]);
    add(&[&question.python.short()]);
    // uv would fetch an interpreter from elsewhere; any that is here will do.
    add(&["--no-python-downloads"]);
    // To know what a source distribution requires, uv may have to run its code.
    add(&["--no-build"]);
    if question.no_index {
        add(&["--no-index"]);
    }
    for extra in &inputs.extras {
        add(&["--extra", extra.as_str()]);
    }
    for group in &inputs.groups {
        add(&["--group", group.as_str()]);
    }
    match question.upgrade {
        Upgrade::Nothing => {}
        Upgrade::Packages(names) => {
            for name in names {
                add(&["--upgrade-package", name.as_str()]);
            }
        }
        Upgrade::Everything => add(&["--upgrade"]),
    }
    add(&["--output-file"]);
    words.push(output.into());
    words
}

async fn run(
    program: &Path,
    words: &[OsString],
    folder: &Path,
    vars: &BTreeMap<String, String>,
) -> std::io::Result<Output> {
    tokio::process::Command::new(program)
        .args(words)
        .current_dir(folder)
        .env_clear()
        .envs(vars)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
}

/// `uv 0.13.9 (x86_64-unknown-linux-musl)`
fn version(said: &str) -> Option<String> {
    let mut words = said.split_whitespace();
    let version = (words.next() == Some("uv")).then(|| words.next()).flatten()?;
    version.split('.').take(2).all(|part| part.parse::<u32>().is_ok()).then(|| version.to_owned())
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').filter_map(|part| part.parse::<u32>().ok());
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= OLDEST
}

/// What uv said, without passwords, and without what it says about the Python of this machine: nothing is run with it.
fn said(output: &Output, passwords: &[Secret]) -> String {
    let said = without_secrets(&String::from_utf8_lossy(&output.stderr), passwords);
    let lines = said.lines().filter(|line| !line.starts_with("warning: The requested Python version "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// By whose fault uv failed.
fn failure(inputs: &Inputs, output: &Output, passwords: &[Secret]) -> Error {
    let said = said(output, passwords);
    let lines: Vec<String> = said.lines().take(40).map(|line| format!("    {}", line.trim_end())).collect();
    let text = lines.join("\n");
    if said.contains("No interpreter found") {
        return Error::NoPython;
    }
    // What is not known for want of an answer is not unknown.
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| said.contains(phrase));
    let is_denied = has(&["authentication credentials", "401 Unauthorized", "403 Forbidden"]);
    if is_denied || has(&["error sending request", "Failed to fetch", "dns error"]) {
        return Error::Network { said: text, is_denied };
    }
    let needs_build = has(&["no usable wheels", "is disabled"]);
    Error::Unresolved { file: inputs.kind.file_name().into(), said: text, needs_build }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        for (said, expected) in [
            ("uv 0.13.9 (x86_64-unknown-linux-gnu)\n", Some(true)),
            ("uv 0.7.0", Some(true)),
            ("uv 1.0.0", Some(true)),
            ("uv 0.6.17", Some(false)),
            ("pyenv: uv: command not found", None),
            ("uv", None),
            ("", None),
        ] {
            assert_eq!(version(said).map(|found| is_new_enough(&found)), expected, "{said}");
        }
    }

    #[tokio::test]
    async fn first_working_uv_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let mut path = Vec::new();
        let mut find = async |name: &str, body: &str| {
            let program = folder.path().join(name).join("uv");
            std::fs::create_dir(program.parent().unwrap()).unwrap();
            std::fs::write(&program, format!("#!/bin/sh\n{body}\n")).unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
            path.push(program.parent().unwrap().display().to_string());
            let vars = [("PATH".to_owned(), path.join(":"))].into();
            Resolver::find(&vars, folder.path()).await.map(|found| found.map(|uv| uv.version))
        };
        assert_eq!(find("shim", "echo uv 9.9.9; exit 127").await, None);
        assert_eq!(find("pyenv", "test ! -d shim && echo uv 9.9.9").await, None);
        assert_eq!(find("old", "echo uv 0.5.0").await, Some(Err("0.5.0".into())));
        assert_eq!(find("good", "echo uv 0.8.1").await, Some(Ok("0.8.1".into())));
        assert_eq!(find("later", "echo uv 0.9.0").await, Some(Ok("0.8.1".into())));
    }
}
