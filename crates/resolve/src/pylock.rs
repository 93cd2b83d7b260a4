use std::fmt::Write as _;
use std::fs::File;
use std::path::{Component, Path, PathBuf};

use toml::{Table, Value};
use url::Url;
use wainwright_oci::Digest;
use wainwright_python::PythonVersion;

use crate::requirements::read;
use crate::{Error, Question, Recorded};

/// Keys of a package in the order in which PEP 751 lists them; others follow by name.
const ORDER: [&str; 10] = [
    "name",
    "version",
    "marker",
    "requires-python",
    "index",
    "vcs",
    "directory",
    "archive",
    "sdist",
    "wheels",
];

/// uv's answer, as a lockfile.
pub struct Resolution {
    /// The text of `pylock.toml`, for the folder of the project; the same whichever uv wrote it.
    pub text: String,
    /// The same for any other folder of this machine, to be read and thrown away: its paths are absolute.
    pub text_for_anywhere: String,
    /// What uv says about it, without passwords: a package that was yanked, say.
    pub warnings: Vec<String>,
}

impl Resolution {
    pub(crate) fn read(answer: &Path, question: &Question<'_>, warnings: Vec<String>) -> Result<Self, Error> {
        let document: Table = toml::from_str(&read(answer)?)
            .map_err(|error| Error::Answer { reason: error.message().to_owned() })?;
        let root = std::path::absolute(question.root)
            .map_err(|source| Error::Read { path: question.root.into(), source })?;
        let folder = answer.parent().unwrap_or(Path::new("/")).to_owned();
        let of_project = Places { answer: folder.clone(), root: Some(root) };
        let anywhere = Places { answer: folder, root: None };
        Ok(Self {
            text: write(document.clone(), question, &of_project)?,
            text_for_anywhere: write(document, question, &anywhere)?,
            warnings,
        })
    }
}

/// The lockfile, in an order of its own.
fn write(mut document: Table, question: &Question<'_>, places: &Places) -> Result<String, Error> {
    let refuse = |reason: String| Error::Answer { reason };
    let packages = match document.remove("packages") {
        Some(Value::Array(packages)) => packages,
        None => Vec::new(),
        Some(_) => return Err(refuse("`packages` is not an array".into())),
    };
    let recorded = Recorded {
        from: question.inputs.kind.file_name().into(),
        inputs: question.inputs.digest,
        python: PythonVersion::new(question.python.major, question.python.minor),
        extras: question.inputs.extras.clone(),
        groups: question.inputs.groups.clone(),
        exclude_newer: question.exclude_newer.map(str::to_owned),
    };
    let mut text = format!(
        "# Resolved by `wain lock` from {}; change that file, not this one.\n",
        question.inputs.kind.file_name()
    );
    document.insert("created-by".into(), "wainwright".into());
    for key in ["lock-version", "environments", "requires-python", "created-by"] {
        if let Some(value) = document.get(key) {
            let _ = writeln!(text, "{key} = {value}");
        }
    }
    for package in packages {
        let Value::Table(mut package) = package else {
            return Err(refuse("a package is not a table".into()));
        };
        for (key, value) in &mut package {
            match value {
                Value::String(index) if key == "index" => *index = without_credentials(index),
                value => places.settle(value)?,
            }
        }
        text.push_str("\n[[packages]]\n");
        write_package(&package, &mut text);
    }
    let recorded = toml::to_string(&recorded).map_err(|error| refuse(error.to_string()))?;
    let _ = write!(text, "\n[tool.wainwright]\n{recorded}");
    Ok(text)
}

fn write_package(package: &Table, text: &mut String) {
    let others = package.keys().map(String::as_str).filter(|key| !ORDER.contains(key));
    for key in ORDER.into_iter().chain(others) {
        match package.get(key) {
            Some(Value::Array(items)) if key == "wheels" => {
                text.push_str("wheels = [\n");
                for item in items {
                    let _ = writeln!(text, "    {item},");
                }
                text.push_str("]\n");
            }
            Some(value) => {
                let _ = writeln!(text, "{key} = {value}");
            }
            None => {}
        }
    }
}

/// From where to where paths lead.
struct Places {
    answer: PathBuf,
    /// The folder that paths are relative to; `None` where they are absolute.
    root: Option<PathBuf>,
}

impl Places {
    /// Takes what is of this machine, and what is secret, out of a value of a package.
    fn settle(&self, value: &mut Value) -> Result<(), Error> {
        match value {
            Value::Array(items) => items.iter_mut().try_for_each(|item| self.settle(item)),
            Value::Table(table) => self.settle_file(table),
            _ => Ok(()),
        }
    }

    /// A file, a folder or a repository. What lies on this disk gets a path, and its hash where uv left that out.
    fn settle_file(&self, file: &mut Table) -> Result<(), Error> {
        let url = file.get("url").and_then(Value::as_str).and_then(|url| url.parse::<Url>().ok());
        let mut path = file.get("path").and_then(Value::as_str).map(|path| tidy(&self.answer.join(path)));
        if let Some(url) = url {
            if url.scheme() == "file" {
                path = url.to_file_path().ok().or(path);
                file.remove("url");
            } else {
                file.insert("url".into(), without_credentials(url.as_str()).into());
            }
        }
        let Some(path) = path else { return Ok(()) };
        let has_hash = file.get("hashes").and_then(Value::as_table).is_none_or(|hashes| !hashes.is_empty());
        if !has_hash {
            let digest = File::open(&path).and_then(Digest::of_reader);
            let digest = digest.map_err(|source| Error::Read { path: path.clone(), source })?;
            let hashes = Table::from_iter([("sha256".to_owned(), digest.hex().into())]);
            file.insert("hashes".into(), hashes.into());
        }
        let shown = match &self.root {
            Some(root) => relative(&path, root),
            None => path,
        };
        let shown = shown.to_str().ok_or_else(|| Error::Answer {
            reason: format!("the path `{}` is not UTF-8", shown.display()),
        })?;
        file.insert("path".into(), shown.into());
        Ok(())
    }
}

/// An address as it may stand in a file that is committed. The user of `ssh://git@host` is no secret.
fn without_credentials(address: &str) -> String {
    let Ok(mut url) = address.parse::<Url>() else { return address.to_owned() };
    let is_web = matches!(url.scheme(), "http" | "https");
    if url.password().is_none() && (url.username().is_empty() || !is_web) {
        return address.to_owned();
    }
    let _ = (url.set_username(""), url.set_password(None));
    url.into()
}

/// An absolute path without `.` and `..`.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(tidy.pop()),
            part => tidy.push(part),
        }
    }
    tidy
}

/// The way from a folder to a path; both absolute.
pub fn relative(path: &Path, folder: &Path) -> PathBuf {
    let (path, folder) = (tidy(path), tidy(folder));
    let shared = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| Component::ParentDir);
    let way: PathBuf = up.chain(path.components().skip(shared)).collect();
    if way.as_os_str().is_empty() { PathBuf::from(".") } else { way }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{FILE_NAME, Inputs, Upgrade};

    /// What we make of an answer; `scratch` is where uv wrote it.
    fn settled(answer: &str, choose: impl Fn(Resolution) -> String) -> String {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["project", "wheels", "scratch"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::fs::write(at("project/requirements.txt"), "greet\n").unwrap();
        std::fs::write(at("wheels/greet-1.0-py3-none-any.whl"), "bytes").unwrap();
        let answer = answer.replace("$HERE", &folder.path().display().to_string());
        std::fs::write(at("scratch/pylock.toml"), answer).unwrap();
        let vars = BTreeMap::new();
        let inputs = Inputs::of_requirements(&at("project"), &vars).unwrap().unwrap();
        let question = Question {
            root: &at("project"),
            inputs: &inputs,
            python: PythonVersion::new(3, 13),
            before: None,
            upgrade: &Upgrade::Nothing,
            no_index: false,
            exclude_newer: None,
            vars: &vars,
            passwords: &[],
            scratch: &at("scratch"),
        };
        let text = choose(Resolution::read(&at("scratch/pylock.toml"), &question, Vec::new()).unwrap());
        std::fs::write(at("project/pylock.toml"), &text).unwrap();
        let recorded = Recorded::read(&at("project/pylock.toml")).unwrap().unwrap();
        assert!(inputs.fits(&recorded));
        text.replace(&folder.path().display().to_string(), "$HERE")
    }

    const ANSWER: &str = r#"
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.13"

[[packages]]
name = "far"
version = "1.0"
index = "https://ann:CANARY@index.example/simple"
wheels = [{ url = "https://ann:CANARY@index.example/far-1.0-py3-none-any.whl", upload-time = 2026-11-01T11:20:05Z, hashes = { sha256 = "00" } }]

[[packages]]
name = "greet"
version = "1.0"
marker = "python_full_version >= '3.13'"
wheels = [{ url = "file://$HERE/wheels/greet-1.0-py3-none-any.whl", hashes = {} }]

[[packages]]
name = "near"
directory = { path = "../near" }
"#;

    #[test]
    fn uv_output_becomes_portable_lockfile() {
        insta::assert_snapshot!(settled(ANSWER, |made| made.text));
    }

    #[test]
    fn a_lockfile_that_is_thrown_away_has_absolute_paths() {
        let text = settled(ANSWER, |made| made.text_for_anywhere);
        assert!(text.contains(r#"path = "$HERE/wheels/greet-1.0-py3-none-any.whl""#), "{text}");
    }

    #[test]
    fn a_lockfile_of_somebody_else_has_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        for text in ["lock-version = '1.0'\n", "[tool.other]\na = 1\n"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(Recorded::read(&path).unwrap(), None);
        }
        std::fs::write(&path, "[tool.wainwright]\nfrom = 1\n").unwrap();
        assert!(Recorded::read(&path).is_err());
    }

    #[test]
    fn relative_paths_are_computed() {
        let check = |path: &str, folder: &str, expected: &str| {
            assert_eq!(relative(Path::new(path), Path::new(folder)), Path::new(expected));
        };
        check("/a/b/c", "/a/d", "../b/c");
        check("/a/./b/../c", "/a", "c");
        check("/a", "/a", ".");
    }
}
