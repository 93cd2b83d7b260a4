use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use wainwright_woodwork::{MOST_BYTES, Verdict};

use crate::args::{WwCheck, WwCommand};
use crate::commands::OUTSIDE;
use crate::failure::{clean, tell};
use crate::render::line;
use crate::report::things;
use crate::stdout::print;

/// `wain ww`
pub(crate) fn run(command: &WwCommand) -> u8 {
    match command {
        WwCommand::Check(arguments) => check(arguments),
    }
}

/// `wain ww check`
fn check(arguments: &WwCheck) -> u8 {
    let file = arguments.file.display().to_string();
    let text = match read(&arguments.file) {
        Ok(text) => text,
        Err(error) => return unreadable(&file, &error),
    };
    let verdict = wainwright_woodwork::check(&text, arguments.stage.into(), arguments.ww_compat.into());
    verdict.show(&file).iter().for_each(|problem| line(problem));
    let answer = match arguments.json {
        true => serde_json::to_string_pretty(&verdict).unwrap_or_default() + "\n",
        false => summary(&file, &verdict),
    };
    match print(&answer) {
        0 => u8::from(!verdict.problems.is_empty()),
        failed => failed,
    }
}

/// Tells why a file cannot be read, and gives the exit code.
pub(crate) fn unreadable(file: &str, error: &io::Error) -> u8 {
    let hint = "name a file that can be read; a workflow is usually called main.ww";
    let error = io::Error::other(format!("`{file}` cannot be read: {error}"));
    line(&tell(&error, Some(hint.into())));
    OUTSIDE
}

/// The bytes of a file, and no more than shows that it is too large.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let found = path.metadata()?;
    if found.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    // Opening a pipe would wait for somebody to write to it.
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut text = Vec::new();
    File::open(path)?.take(MOST_BYTES as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn summary(file: &str, verdict: &Verdict) -> String {
    let word = if verdict.problems.is_empty() { "ok" } else { "refused" };
    let mut parts = Vec::new();
    match verdict.problems.len() {
        0 => parts.push(things(verdict.component_count(), "component")),
        errors => parts.push(things(errors, "error")),
    }
    if !verdict.warnings.is_empty() {
        parts.push(things(verdict.warnings.len(), "warning"));
    }
    format!("{word:<18} {}: {}\n", clean(file), parts.join(", "))
}
