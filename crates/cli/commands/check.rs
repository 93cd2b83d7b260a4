use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueHint};
use serde_json::{Value, json};
use wainwright_fault::Classify;
use wainwright_oci::ImagePath;
use wainwright_python::{PythonVersion, WheelFilename};
use wainwright_wheel::{Error, Layout, Wheel};

use crate::console::{clean, describe, line, print};

/// Validate wheels
///
/// Applies the rules of a build to each file and prints one line per file: `ok`, or `refused` with the rule. The reason and
/// a hint are written to standard error. Needs neither a project nor the network.
#[derive(Args)]
#[command(after_help = "Example: wain check dist/*.whl")]
pub(crate) struct Check {
    /// Wheel files
    #[arg(required = true, value_name = "WHEEL", value_hint = ValueHint::FilePath)]
    wheels: Vec<PathBuf>,

    /// Print one JSON object per wheel: verdict with rule and message, or with warnings and files
    #[arg(long)]
    json: bool,
}

/// `wain check`
pub(crate) fn check(arguments: &Check) -> u8 {
    let mut worst = 0;
    for path in &arguments.wheels {
        let verdict = verdict(path);
        let text = if arguments.json { verdict.json.to_string() } else { verdict.line };
        if !arguments.json {
            verdict.details.iter().for_each(|text| line(text));
        }
        let printed = print(&format!("{text}\n"));
        if printed != 0 {
            return printed;
        }
        worst = worst.max(verdict.code);
    }
    worst
}

/// The result of `wain check` for a file.
struct Verdict {
    /// One line of text.
    line: String,
    /// Reasons, hints and warnings.
    details: Vec<String>,
    /// All of it as JSON.
    json: Value,
    /// Exit code: 0 accepted, 1 refused, 3 not readable.
    code: u8,
}

/// Applies all rules for wheels to a file, like a build, and reads the whole file.
fn verdict(path: &Path) -> Verdict {
    let shown = clean(&path.display().to_string());
    let (word, rule, details, code) = match judge(path) {
        Ok(wheel) => return accepted(&shown, &wheel),
        Err(Refusal::Name(error)) => {
            let hint = "use the original name of the wheel, NAME-VERSION-PYTHON-ABI-PLATFORM.whl".into();
            ("refused", None, describe(&error, Some(hint)), 1)
        }
        Err(Refusal::Wheel(error)) => {
            let (word, code) = if error.is_outside() { ("unread", 3) } else { ("refused", 1) };
            (word, error.rule(), describe(&error, error.hint()), code)
        }
    };
    let line = format!("{:<18} {shown}", [word, rule.unwrap_or_default()].join(" "));
    let json = json!({ "file": shown, "verdict": word, "rule": rule, "message": details });
    Verdict { line, details: vec![details], json, code }
}

fn accepted(shown: &str, wheel: &Wheel) -> Verdict {
    let note = |warning| format!("note: {shown}: {}", clean(&format!("{warning}")));
    let warnings: Vec<Value> = wheel
        .warnings()
        .iter()
        .map(|warning| json!({ "rule": warning.rule, "member": warning.member, "text": warning.text }))
        .collect();
    let files: Vec<Value> = wheel
        .archived_files()
        .map(|file| json!({ "name": file.name, "size": file.size, "crc32": file.crc32 }))
        .collect();
    Verdict {
        line: format!("{:<18} {shown}", "ok"),
        details: wheel.warnings().iter().map(note).collect(),
        json: json!({ "file": shown, "verdict": "ok", "warnings": warnings, "files": files }),
        code: 0,
    }
}

enum Refusal {
    Name(wainwright_python::Error),
    Wheel(Error),
}

fn judge(path: &Path) -> Result<Wheel, Refusal> {
    let unread = |source| Refusal::Wheel(Error::Read { wheel: path.display().to_string(), source });
    let found = path.metadata().map_err(unread)?;
    if found.is_dir() {
        return Err(unread(io::ErrorKind::IsADirectory.into()));
    }
    // Opening a pipe blocks until another process writes to it.
    if !found.is_file() {
        return Err(unread(io::Error::other("not a regular file")));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let filename: WheelFilename = name.parse().map_err(Refusal::Name)?;
    let file = File::open(path).map_err(unread)?;
    let wheel = Wheel::open(Arc::new(file), &filename).map_err(Refusal::Wheel)?;
    // No rule depends on the version of Python, but its name is part of paths.
    let prefix = ImagePath::new("app/.venv").map_err(|error| unread(io::Error::other(error)))?;
    let layout = Layout::venv(prefix, PythonVersion::new(3, 13));
    wheel.install(&layout).map_err(Refusal::Wheel)?;
    wheel.empty_directories(&layout).map_err(Refusal::Wheel)?;
    wheel.check().map_err(Refusal::Wheel)?;
    Ok(wheel)
}
