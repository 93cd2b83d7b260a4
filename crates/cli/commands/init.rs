use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use crate::console::exit::{OUTSIDE, WRONG};
use crate::console::{describe, line, print};

const EXAMPLES: &str = "\
Examples:
  wain init --template agent demo      create a workflow in a new folder
  wain init                            create wainwright.toml in a Python project";

/// Create a project: an example workflow, or settings for an existing Python project
///
/// Prints the created files. Existing files are not overwritten.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Init {
    /// Project folder; created if missing
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    folder: PathBuf,

    /// Template [default: plain in a Python project, else agent]
    #[arg(long, value_enum, value_name = "NAME")]
    template: Option<Template>,
}

/// A template of `wain init`.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    /// A workflow with an entry, an agent, its model, and functions as tools
    Agent,
    /// wainwright.toml, for a Python project
    Plain,
}

macro_rules! files {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("templates/", $folder, "/", $path)))),+]
    };
}

/// The files of an example workflow.
const AGENT: &[(&str, &str)] = files!("agent": "functions.py", "hooks/watch.py", "main.ww", "pipes/tidy.py");
/// The settings of a Python project.
const PLAIN: &[(&str, &str)] = &[("wainwright.toml", include_str!("templates/plain.toml"))];

/// Files that mark a Python project.
const OF_PROJECTS: [&str; 4] = ["pyproject.toml", "requirements.txt", "setup.py", "Pipfile"];

/// `wain init`
pub(crate) fn init(arguments: &Init) -> u8 {
    let folder = &arguments.folder;
    let is_project = OF_PROJECTS.iter().any(|name| folder.join(name).exists());
    let template = arguments.template.unwrap_or(if is_project { Template::Plain } else { Template::Agent });
    let files = match template {
        Template::Agent => AGENT,
        Template::Plain => PLAIN,
    };
    if let Some(path) =
        files.iter().map(|(name, _)| folder.join(name)).find(|path| path.symlink_metadata().is_ok())
    {
        let error = io::Error::other(format!("`{}` exists; nothing was written", path.display()));
        line(&describe(&error, Some("use another folder: `wain init DIR`".into())));
        return WRONG;
    }
    if template == Template::Plain && !is_project {
        let hint = "create one with `uv init`, or use `--template agent`";
        let error = io::Error::other(format!("`{}` has no Python project", folder.display()));
        line(&describe(&error, Some(hint.into())));
        return WRONG;
    }
    if let Err((path, source)) = write(folder, files) {
        let error = io::Error::other(format!("cannot write `{}`: {source}", path.display()));
        line(&describe(&error, Some("check the permissions and the free space; no file was created".into())));
        return OUTSIDE;
    }
    let mut text: String =
        files.iter().map(|(name, _)| format!("{}\n", folder.join(name).display())).collect();
    line(&next(template, folder));
    if folder == Path::new(".") {
        text = text.replace("./", "");
    }
    print(&text)
}

/// Writes all files or none.
fn write(folder: &Path, files: &[(&str, &str)]) -> Result<(), (PathBuf, io::Error)> {
    let mut written: Vec<PathBuf> = Vec::new();
    let all = files.iter().try_for_each(|(name, text)| {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|source| (parent.to_owned(), source))?;
        // Fails if another process created the file in the meantime.
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = file.map_err(|source| (path.clone(), source))?;
        written.push(path.clone());
        file.write_all(text.as_bytes()).map_err(|source| (path, source))
    });
    if all.is_err() {
        for path in written {
            let _ = fs::remove_file(&path);
            // Fails for folders with other files, which stay.
            let _ = path.parent().map(fs::remove_dir);
        }
    }
    all
}

/// The next commands for the user.
fn next(template: Template, folder: &Path) -> String {
    let enter = match folder == Path::new(".") {
        true => String::new(),
        false => format!("cd {} && ", folder.display()),
    };
    match template {
        Template::Agent => format!(
            "next: export OPENAI_API_KEY=... && {enter}wain build --deploy local -d\n\
             then: curl --json '{{\"input\": \"what time is it?\"}}' http://127.0.0.1:8000/input"
        ),
        Template::Plain => format!("next: {enter}wain build"),
    }
}
