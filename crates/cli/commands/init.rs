use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};

use crate::console::exit::{OUTSIDE, WRONG};
use crate::console::{line, print, tell};

const EXAMPLES: &str = "\
Examples:
  wain init --template agent demo      a workflow in a new folder
  wain init                            settings, where there is a project in Python";

/// Write a small project that works: a workflow, or settings for a project in Python
///
/// Prints the files it wrote. Nothing that is there is written over.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Init {
    /// The folder; made where it is not there
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    folder: PathBuf,

    /// What to write [default: plain where there is a project in Python, else agent]
    #[arg(long, value_enum, value_name = "NAME")]
    template: Option<Template>,
}

/// What `wain init` writes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    /// A workflow: an entry, an agent, its model, and functions it may call
    Agent,
    /// wainwright.toml, for a project in Python
    Plain,
}

macro_rules! files {
    ($folder:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("templates/", $folder, "/", $path)))),+]
    };
}

/// A workflow that runs: the files of it.
const AGENT: &[(&str, &str)] = files!("agent": "functions.py", "hooks/watch.py", "main.ww", "pipes/tidy.py");
/// The settings of a plain Python project.
const PLAIN: &[(&str, &str)] = &[("wainwright.toml", include_str!("templates/plain.toml"))];

/// Files that show a folder to be a project in Python.
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
        let error = io::Error::other(format!("`{}` is there already; nothing was written", path.display()));
        line(&tell(&error, Some("give another folder: `wain init DIR`".into())));
        return WRONG;
    }
    if template == Template::Plain && !is_project {
        let hint = "make one with `uv init`, or give `--template agent`";
        let error = io::Error::other(format!("`{}` has no project in Python", folder.display()));
        line(&tell(&error, Some(hint.into())));
        return WRONG;
    }
    if let Err((path, source)) = write(folder, files) {
        let error = io::Error::other(format!("`{}` cannot be written: {source}", path.display()));
        line(&tell(&error, Some("what was written before it was removed again".into())));
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

/// Writes all files, or leaves none.
fn write(folder: &Path, files: &[(&str, &str)]) -> Result<(), (PathBuf, io::Error)> {
    let mut written: Vec<PathBuf> = Vec::new();
    let all = files.iter().try_for_each(|(name, text)| {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|source| (parent.to_owned(), source))?;
        // Somebody may have written it meanwhile.
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let mut file = file.map_err(|source| (path.clone(), source))?;
        written.push(path.clone());
        file.write_all(text.as_bytes()).map_err(|source| (path, source))
    });
    if all.is_err() {
        for path in written {
            let _ = fs::remove_file(&path);
            // Folders of others are not empty, and stay.
            let _ = path.parent().map(fs::remove_dir);
        }
    }
    all
}

/// What to do with it, for a person.
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
