use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use wainwright_oci::ImagePath;
use wainwright_python::{PythonVersion, WheelFilename};
use wainwright_wheel::{Error, Layout, Warning, Wheel};

use crate::failure;

/// What `wain check` found out about a file.
pub(crate) struct Verdict {
    /// A line for standard output.
    pub(crate) line: String,
    /// What there is to tell about it.
    pub(crate) details: Vec<String>,
    /// As of the program: 0 accepted, 1 refused, 3 not readable.
    pub(crate) code: u8,
}

/// Applies every rule for wheels to a file, the way a build does, and reads all of it.
pub(crate) fn check(path: &Path) -> Verdict {
    let shown = failure::clean(&path.display().to_string());
    let (word, details, code) = match judge(path) {
        Ok(warnings) => {
            let note = |warning| format!("note: {shown}: {}", failure::clean(&format!("{warning}")));
            ("ok".to_owned(), warnings.iter().map(note).collect(), 0)
        }
        Err(Refusal::Name(error)) => {
            let hint =
                "a wheel is called `name-version-python-abi-platform.whl`; give it the name it had".into();
            ("refused".to_owned(), vec![failure::tell(&error, Some(hint))], 1)
        }
        Err(Refusal::Wheel(error)) => {
            let word = error.rule().map_or("unread".to_owned(), |rule| format!("refused {rule}"));
            let code = if error.is_outside() { 3 } else { 1 };
            (word, vec![failure::tell(&error, error.hint())], code)
        }
    };
    Verdict { line: format!("{word:<18} {shown}"), details, code }
}

enum Refusal {
    Name(wainwright_python::Error),
    Wheel(Error),
}

fn judge(path: &Path) -> Result<Vec<Warning>, Refusal> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let filename: WheelFilename = name.parse().map_err(Refusal::Name)?;
    let unread = |source| Refusal::Wheel(Error::Read { wheel: path.display().to_string(), source });
    // Opening a pipe would wait for somebody to write to it.
    if !path.metadata().map_err(unread)?.is_file() {
        return Err(unread(io::Error::from(io::ErrorKind::InvalidInput)));
    }
    let file = File::open(path).map_err(unread)?;
    let wheel = Wheel::open(Arc::new(file), &filename).map_err(Refusal::Wheel)?;
    // No rule depends on the version of Python, but its name is part of paths.
    let prefix = ImagePath::new("app/.venv").map_err(|error| unread(io::Error::other(error)))?;
    let layout = Layout::venv(prefix, PythonVersion::new(3, 13));
    wheel.install(&layout).map_err(Refusal::Wheel)?;
    wheel.empty_directories(&layout).map_err(Refusal::Wheel)?;
    wheel.check().map_err(Refusal::Wheel)?;
    Ok(wheel.warnings().to_vec())
}
