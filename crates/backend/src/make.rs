use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wainwright_http::Secret;
use wainwright_python::{PackageName, Version, WheelFilename};

use crate::compilers::stand_in;
use crate::programs::ask;
use crate::run::{Ran, Step};
use crate::{BuildSystem, Clean, Error, Interpreter, system};

/// Asks a backend what else it needs (PEP 517, `get_requires_for_build_wheel`).
const ASK: &str = "\
import importlib, json, os, sys
backend, paths, out = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
sys.path[:0] = [os.path.abspath(path) for path in paths]
module, _, attributes = backend.partition(':')
found = importlib.import_module(module)
for name in filter(None, attributes.split('.')):
    found = getattr(found, name)
hook = getattr(found, 'get_requires_for_build_wheel', None)
needs = list(hook(None) or []) if hook else []
with open(out, 'x') as file:
    json.dump([str(need) for need in needs], file)
";
/// The longest answer to that.
const LONGEST: u64 = 1 << 20;

/// Who installs build requirements and calls the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tool {
    /// uv.
    Uv {
        /// The program.
        program: PathBuf,
        /// `0.13.9`
        version: String,
    },
    /// The pip of the interpreter.
    Pip {
        /// `24.0`
        version: String,
    },
}

impl Tool {
    /// Its name and version.
    pub fn name(&self) -> String {
        match self {
            Self::Uv { version, .. } => format!("uv {version}"),
            Self::Pip { version } => format!("pip {version}"),
        }
    }

    /// The pip that an interpreter has.
    pub async fn pip(python: &Interpreter, vars: &BTreeMap<String, String>) -> Option<Self> {
        let output = ask(&python.program, &["-I", "-m", "pip", "--version"], vars).await.ok()?;
        // `pip 24.0 from ...`; from 22.3 on it installs for another interpreter.
        let said = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
        let version = said.strip_prefix("pip ")?.split_whitespace().next()?.to_owned();
        let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
        let number = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        (number >= (22, 3)).then_some(Self::Pip { version })
    }
}

/// A wheel to make.
pub struct Job<'a> {
    /// The package.
    pub name: &'a PackageName,
    /// Its version, where the lockfile tells: the wheel must have it.
    pub version: Option<&'a Version>,
    /// Its source, which the backend may change.
    pub source: &'a Path,
    /// An empty folder for everything else, on a file system that may hold programs. Compilers write another name for the
    /// folder that it lies in, with the source beside it.
    pub scratch: &'a Path,
    /// The Python that builds.
    pub python: &'a Interpreter,
    /// Who calls the backend.
    pub tool: &'a Tool,
    /// The environment in which build requirements are installed: with indexes and passwords. The backend never sees it.
    pub vars: &'a BTreeMap<String, String>,
    /// Whether no index is asked for them.
    pub no_index: bool,
    /// Whether the network is forbidden.
    pub is_offline: bool,
    /// What must not be repeated when something fails.
    pub secrets: &'a [Secret],
    /// The times of what is made, in seconds since 1970.
    pub epoch: u64,
    /// How long each step may take.
    pub limit: Duration,
}

/// A wheel that a backend made. Nothing of it was checked yet but its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Where it lies.
    pub path: PathBuf,
    /// Its name.
    pub filename: WheelFilename,
    /// Who made it: `hatchling.build`.
    pub backend: String,
    /// What was installed for that, as `name version`, sorted.
    pub with: Vec<String>,
}

/// Has the backend of a source make a wheel.
///
/// Code of the source runs only in environments that no step with passwords uses afterwards: a backend that wants more than
/// pyproject.toml says gets a new one.
pub async fn build(job: &Job<'_>) -> Result<Built, Error> {
    let system = BuildSystem::read(job.source, &job.what())?;
    let mut requires = system.requires.clone();
    let mut environment = job.environment("environment", &requires, &system).await?;
    let more = job.more_requirements(&system, &environment).await?;
    if !more.is_empty() {
        requires.extend(more);
        environment = job.environment("environment-2", &requires, &system).await?;
    }
    let with = installed(&environment);
    stand_in(&job.compilers(), job.scratch.parent().unwrap_or(job.scratch), job.vars).await?;
    let out = job.folder("wheels")?;
    job.make(&system, &environment, &out).await?;
    let (path, filename) = job.only_wheel(&out, &system)?;
    Ok(Built { path, filename, backend: system.backend, with })
}

impl Job<'_> {
    /// Where programs stand that are found before those of the `PATH`.
    fn compilers(&self) -> PathBuf {
        self.scratch.join("bin")
    }

    fn what(&self) -> String {
        match self.version {
            Some(version) => format!("{} {version}", self.name),
            None => self.name.to_string(),
        }
    }

    fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.scratch.join(name);
        fs::create_dir(&path).map_err(|source| Error::Write { path: path.clone(), source })?;
        Ok(path)
    }

    async fn step(
        &self,
        words: Vec<OsString>,
        folder: &Path,
        vars: &BTreeMap<String, String>,
        backend: &str,
    ) -> Result<Ran, Error> {
        let (python, limit, scratch) = (self.python.program.as_path(), self.limit, self.scratch);
        let ran = Step { python, words, folder, vars, limit, scratch }.run().await?;
        match ran.code {
            Some(_) => Ok(ran),
            None => Err(Error::TooLong {
                what: self.what(),
                backend: backend.to_owned(),
                limit,
                said: ran.said(self.secrets),
            }),
        }
    }

    /// A new environment with requirements installed, all of them as wheels.
    async fn environment(
        &self,
        name: &str,
        requires: &[String],
        system: &BuildSystem,
    ) -> Result<PathBuf, Error> {
        let environment = self.scratch.join(name);
        let python = environment.join("bin/python");
        let list = self.scratch.join(format!("{name}.txt"));
        let text: String = requires.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&list, text).map_err(|source| Error::Write { path: list.clone(), source })?;
        let host = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let mut create: Vec<OsString>;
        let mut install: Vec<OsString>;
        match self.tool {
            Tool::Uv { program, .. } => {
                create = vec![program.into()];
                create.extend(host(&[
                    "venv",
                    "--quiet",
                    "--no-project",
                    "--no-python-downloads",
                    "--python",
                ]));
                create.extend([OsString::from(&self.python.program), environment.clone().into()]);
                install = vec![program.into()];
                // What lies in the cache of uv is copied: code of strangers must not write there.
                install.extend(host(&[
                    "pip",
                    "install",
                    "--quiet",
                    "--color",
                    "never",
                    "--no-build",
                    "--link-mode",
                    "copy",
                ]));
                install.extend(host(&["--no-python-downloads", "--python"]));
                install.push(python.into());
                if self.no_index {
                    install.push("--no-index".into());
                }
            }
            Tool::Pip { .. } => {
                create = vec![self.python.program.clone().into()];
                create.extend(host(&["-I", "-m", "venv", "--without-pip"]));
                create.push(environment.clone().into());
                install = vec![self.python.program.clone().into()];
                install.extend(host(&["-m", "pip", "--python"]));
                install.push(python.into());
                install.extend(host(&["install", "--quiet", "--no-input", "--only-binary", ":all:"]));
                install.extend(host(&["--disable-pip-version-check", "--no-color"]));
                if self.no_index || self.is_offline {
                    install.push("--no-index".into());
                }
            }
        }
        install.extend([OsString::from("-r"), list.into()]);
        let steps = if requires.is_empty() { vec![create] } else { vec![create, install] };
        for words in steps {
            let ran = self.step(words, self.scratch, self.vars, &system.backend).await?;
            if !ran.is_good() {
                let said = ran.said(self.secrets);
                let is_network =
                    ["error sending request", "Failed to fetch", "dns error", "Connection", "timed out"]
                        .iter()
                        .any(|words| said.contains(words));
                return Err(Error::Requirements {
                    what: self.what(),
                    requires: requires.to_vec(),
                    is_network: is_network && !self.is_offline,
                    is_offline: self.is_offline,
                    said,
                });
            }
        }
        Ok(environment)
    }

    /// The environment of the backend: nothing of ours but the `PATH`.
    fn clean(&self, environment: &Path) -> Result<BTreeMap<String, String>, Error> {
        let home = self.scratch.join("home");
        fs::create_dir_all(&home).map_err(|source| Error::Write { path: home.clone(), source })?;
        let path = self.vars.get("PATH").map(String::as_str).unwrap_or_default();
        let path = &format!("{}:{path}", self.compilers().display());
        Ok(Clean { path, home: &home, environment, epoch: self.epoch, version: self.version }.variables())
    }

    /// What the backend needs beyond pyproject.toml.
    async fn more_requirements(
        &self,
        system: &BuildSystem,
        environment: &Path,
    ) -> Result<Vec<String>, Error> {
        let answer = self.scratch.join("requires.json");
        let paths = serde_json::Value::from(system.path.clone()).to_string();
        let mut words = vec![environment.join("bin/python").into()];
        words.extend(["-c", ASK, &system.backend, &paths].map(OsString::from));
        words.push(answer.clone().into());
        let ran = self.step(words, self.source, &self.clean(environment)?, &system.backend).await?;
        if !ran.is_good() {
            return Err(self.failed(system, &ran));
        }
        let refuse = |found: &str| self.other(system, format!("{found} instead of a list of requirements"));
        let is_short = answer.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() <= LONGEST);
        let text = is_short.then(|| fs::read_to_string(&answer).ok()).flatten();
        let more: Vec<String> =
            text.and_then(|text| serde_json::from_str(&text).ok()).ok_or_else(|| refuse("something else"))?;
        system::check(&more, &self.what())?;
        Ok(more)
    }

    async fn make(&self, system: &BuildSystem, environment: &Path, out: &Path) -> Result<(), Error> {
        let python = environment.join("bin/python");
        let mut words: Vec<OsString>;
        match self.tool {
            Tool::Uv { program, .. } => {
                words = vec![program.into()];
                words.extend(
                    ["build", "--wheel", "--no-build-isolation", "--no-config", "--offline"]
                        .map(OsString::from),
                );
                words.extend(
                    ["--no-cache", "--color", "never", "--no-python-downloads", "--out-dir"]
                        .map(OsString::from),
                );
                words.extend([out.into(), "--python".into(), python.into()]);
            }
            Tool::Pip { .. } => {
                words = vec![self.python.program.clone().into()];
                words.extend(["-m", "pip", "--python"].map(OsString::from));
                words.push(python.into());
                words
                    .extend(["wheel", "--no-deps", "--no-build-isolation", "--no-index"].map(OsString::from));
                words.extend(
                    ["--no-cache-dir", "--no-input", "--no-color", "--wheel-dir"].map(OsString::from),
                );
                words.push(out.into());
                words.push("--disable-pip-version-check".into());
            }
        }
        words.push(self.source.into());
        let ran = self.step(words, self.scratch, &self.clean(environment)?, &system.backend).await?;
        match ran.is_good() {
            true => Ok(()),
            false => Err(self.failed(system, &ran)),
        }
    }

    fn failed(&self, system: &BuildSystem, ran: &Ran) -> Error {
        let (what, backend) = (self.what(), system.backend.clone());
        Error::Failed { what, backend, said: ran.said(self.secrets) }
    }

    fn other(&self, system: &BuildSystem, found: String) -> Error {
        Error::Other { what: self.what(), backend: system.backend.clone(), found }
    }

    /// The one wheel that was made, which must be of the package.
    fn only_wheel(&self, out: &Path, system: &BuildSystem) -> Result<(PathBuf, WheelFilename), Error> {
        let read = |source| Error::Read { path: out.to_owned(), source };
        let mut wheels: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(out).map_err(read)? {
            let entry = entry.map_err(read)?;
            let is_file = entry.file_type().map_err(read)?.is_file();
            let path = entry.path();
            if is_file && path.extension().is_some_and(|end| end == "whl") {
                wheels.push(path);
            }
        }
        let [path] = &wheels[..] else {
            return Err(self.other(system, format!("{} wheels", wheels.len())));
        };
        let text = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let shown = || format!("`{}`", text.escape_debug());
        let filename: WheelFilename = text.parse().map_err(|_| self.other(system, shown()))?;
        let is_meant =
            filename.name == *self.name && self.version.is_none_or(|version| *version == filename.version);
        match is_meant {
            true => Ok((path.clone(), filename)),
            false => Err(self.other(system, shown())),
        }
    }
}

/// What is installed in an environment, as `name version`.
fn installed(environment: &Path) -> Vec<String> {
    let mut found = BTreeSet::new();
    for python in fs::read_dir(environment.join("lib")).into_iter().flatten().flatten() {
        for entry in fs::read_dir(python.path().join("site-packages")).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some((name, version)) =
                name.strip_suffix(".dist-info").and_then(|stem| stem.split_once('-'))
            {
                found.insert(format!("{} {version}", name.replace('_', "-").to_lowercase()));
            }
        }
    }
    found.into_iter().collect()
}
