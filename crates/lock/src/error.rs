use std::fmt;
use std::io;
use std::path::PathBuf;

use wainwright_oci::Digest;
use wainwright_python::{PackageName, VersionSpecifiers};

/// Where in a file something stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The line; the first is 1.
    pub line: usize,
    /// The character in the line, where it is known; the first is 1.
    pub column: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)?;
        self.column.map_or(Ok(()), |column| write!(f, ":{column}"))
    }
}

/// A text that does not follow the grammar of dependency specifiers.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not a {what}: {reason}")]
pub struct Invalid {
    what: &'static str,
    text: String,
    reason: String,
}

impl Invalid {
    pub(crate) fn new(what: &'static str, text: &str, reason: String) -> Self {
        let start: String = text.chars().take(200).collect();
        // Foreign letters are shown as they are, or the user would not know which one is meant.
        let text = redact(&start).chars().filter(|c| !c.is_control()).collect();
        Self { what, text, reason }
    }

    /// What is wrong, without the text.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }
}

/// `https://user:password@host` without user and password.
pub(crate) fn redact(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let host_end = rest.find(|c: char| c == '/' || c.is_whitespace()).unwrap_or(rest.len());
    let rest = match rest[..host_end].rfind('@') {
        Some(at) => format!("***{}", &rest[at..]),
        None => rest.to_owned(),
    };
    format!("{scheme}://{rest}")
}

/// Why a lockfile cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk failed, or the file may not be read.
    #[error("`{}` cannot be read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that should be there is not.
    #[error("`{}` does not exist{}", file.display(), wanted_by.as_ref().map(|place| format!(" ({place} wants it)")).unwrap_or_default())]
    Missing {
        /// The file.
        file: PathBuf,
        /// The line that includes it, if one does.
        wanted_by: Option<Place>,
    },
    /// Not one of the lockfiles we read.
    #[error("`{}` is not a lockfile Wainwright knows", file.display())]
    UnknownFormat {
        /// The file.
        file: PathBuf,
    },
    /// More than a lockfile can need.
    #[error("`{}` is too large: {reason}", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The limit it breaks, as half a sentence.
        reason: String,
    },
    /// The file is not what its format allows.
    #[error("{place}: {reason}")]
    Syntax {
        /// Where.
        place: Place,
        /// What is wrong.
        reason: String,
    },
    /// A later generation of the format.
    #[error("`{}` is written in version {found} of its format; Wainwright reads version {known}", file.display())]
    FormatVersion {
        /// The file.
        file: PathBuf,
        /// What the file says.
        found: String,
        /// What we read.
        known: &'static str,
    },
    /// The interpreter of the image is not one the lockfile was made for.
    #[error("`{}` is locked for Python {requires}; the image has Python {python}", file.display())]
    Python {
        /// The lockfile.
        file: PathBuf,
        /// What it asks for.
        requires: VersionSpecifiers,
        /// What the target has.
        python: String,
    },
    /// The lockfile was made for other platforms.
    #[error("`{}` is not locked for linux/{architecture} with Python {python}", file.display())]
    Platform {
        /// The lockfile.
        file: PathBuf,
        /// The architecture of the target.
        architecture: String,
        /// The Python of the target.
        python: String,
    },
    /// The lockfile knows no such project.
    #[error("`{}` holds no project {wanted}", file.display())]
    NoProject {
        /// The lockfile.
        file: PathBuf,
        /// Which project: `at its own folder` or a name.
        wanted: String,
    },
    /// An extra or a dependency group the project does not have.
    #[error("`{}` has no {what} `{name}`", file.display())]
    NotOffered {
        /// The lockfile.
        file: PathBuf,
        /// `extra` or `dependency group`.
        what: &'static str,
        /// What was asked for.
        name: PackageName,
        /// What there is.
        offered: Vec<PackageName>,
    },
    /// Two things that cannot be installed together.
    #[error("{first} and {second} exclude each other (`conflicts` in `{}`)", file.display())]
    Excluded {
        /// The lockfile.
        file: PathBuf,
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// Two versions of one package for one target.
    #[error("{second}: `{name}` is locked twice for one target, as {one} and as {other} (first at {first})")]
    TwoVersions {
        /// The package.
        name: PackageName,
        /// The first version.
        one: String,
        /// The second version.
        other: String,
        /// Where the first stands.
        first: Box<Place>,
        /// Where the second stands.
        second: Box<Place>,
    },
    /// One file, two hashes.
    #[error("{place}: `{file}` is locked with two hashes, {first} and {second}")]
    HashConflict {
        /// Where the second stands.
        place: Box<Place>,
        /// The file or the package.
        file: String,
        /// One hash.
        first: Digest,
        /// The other.
        second: Digest,
    },
    /// Hashes that prove nothing, or that are not computed here.
    #[error("{place}: `{name}` is locked by {algorithm} only")]
    OtherAlgorithm {
        /// Where.
        place: Place,
        /// The package.
        name: PackageName,
        /// `md5`, `sha1` ...
        algorithm: String,
    },
    /// A requirement without a hash.
    #[error("{place}: `{name}` has no hash")]
    NoHash {
        /// Where.
        place: Place,
        /// The package.
        name: PackageName,
    },
    /// A requirement that leaves the version open.
    #[error("{place}: `{name}` is not pinned to one version")]
    NotPinned {
        /// Where.
        place: Place,
        /// The package.
        name: PackageName,
    },
    /// A package that would have to be fetched from version control or built from a folder.
    #[error("{place}: `{name}` comes from {from}, not from a wheel")]
    NotAWheel {
        /// Where.
        place: Place,
        /// The package, or what the line names.
        name: String,
        /// `the folder \`../lib\``, `a git repository` ...
        from: String,
    },
    /// An option of a requirements file that cannot be honoured.
    #[error("{place}: `{option}` is not supported: {reason}")]
    Option {
        /// Where.
        place: Place,
        /// The option, without its value.
        option: String,
        /// Why, as half a sentence.
        reason: &'static str,
    },
    /// The lockfile was made from other requirements.
    #[error("`{}` does not match `{}`: {}", file.display(), tool(file).project, differences.join("; "))]
    Stale {
        /// The lockfile.
        file: PathBuf,
        /// What differs, one sentence each.
        differences: Vec<String>,
    },
}

/// Who writes a lockfile.
struct Tool {
    name: &'static str,
    /// The file it locks.
    project: &'static str,
    /// How it is told to write it again, where that is other than uv's way.
    lock: Option<&'static str>,
}

impl Tool {
    fn command(&self) -> &'static str {
        self.lock.unwrap_or("uv lock")
    }
}

fn tool(file: &std::path::Path) -> Tool {
    let (name, project, lock) = match file.file_name().and_then(|name| name.to_str()) {
        Some("poetry.lock") => ("Poetry", "pyproject.toml", Some("poetry lock")),
        Some("pdm.lock") => ("PDM", "pyproject.toml", Some("pdm lock")),
        Some("Pipfile.lock") => ("pipenv", "Pipfile", Some("pipenv lock")),
        Some("uv.lock") => ("uv", "pyproject.toml", None),
        _ => ("the tool that wrote it", "pyproject.toml", None),
    };
    Tool { name, project, lock }
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownFormat { .. } => {
                "name it `uv.lock`, `poetry.lock`, `pdm.lock`, `pylock.toml`, `pylock.<name>.toml`, `Pipfile.lock` or \
                 `<name>.txt` after what it holds"
                    .into()
            }
            Self::FormatVersion { file, .. } => {
                let writer = match tool(file).name {
                    "Poetry" => "Poetry 1.1 to 2",
                    "PDM" => "PDM 2.10 or later of 2",
                    "uv" => "an older uv",
                    "pipenv" => "pipenv",
                    _ => "an older version of the tool that wrote it",
                };
                format!("use a newer Wainwright, or lock with {writer}")
            }
            Self::Python { requires, .. } => {
                format!("choose a base image with Python {requires}, or widen `requires-python` and lock again")
            }
            Self::Platform { file, .. } => match tool(file).name {
                "PDM" => "lock for the platform as well: `pdm lock --append --platform ...`".into(),
                _ => "add the platform to `environments` under `[tool.uv]` and run `uv lock`".into(),
            },
            Self::NotOffered { file, offered, name, .. } if tool(file).name == "PDM" => {
                let offered: Vec<_> = offered.iter().map(|name| format!("`{name}`")).collect();
                let has = if offered.is_empty() { "nothing of that kind".into() } else { offered.join(", ") };
                format!("it has {has}; `pdm lock --group {name}` locks this as well")
            }
            Self::NotOffered { offered, .. } if !offered.is_empty() => {
                let offered: Vec<_> = offered.iter().map(|name| format!("`{name}`")).collect();
                format!("it has {}", offered.join(", "))
            }
            Self::Excluded { .. } => "ask for one of them".into(),
            Self::HashConflict { .. } => "one of the hashes is wrong: lock again and look at the change".into(),
            Self::OtherAlgorithm { place, .. } | Self::NoHash { place, .. } if tool(&place.file).lock.is_some() => {
                format!("lock again (`{}`), from an index that offers sha256", tool(&place.file).command())
            }
            Self::OtherAlgorithm { .. } => {
                "lock again with sha256, from an index that offers it; `uv lock` and \
                 `uv pip compile --generate-hashes` do"
                    .into()
            }
            Self::NoHash { .. } => {
                "lock with sha256: `uv pip compile --generate-hashes`, or `uv export` from a uv project".into()
            }
            Self::NotPinned { place, .. } if tool(&place.file).lock.is_some() => {
                format!("lock it for this platform as well (`{}`), or take it out", tool(&place.file).command())
            }
            Self::NotPinned { .. } => {
                "pin every package: `uv pip compile --generate-hashes requirements.in -o requirements.txt`".into()
            }
            Self::NotAWheel { from, .. } if from.ends_with("without a full commit") => {
                "a name like `main` means another commit tomorrow: lock the full one, as `uv lock`, `pdm lock`, `poetry lock`, \
                 `pipenv lock` and `pip freeze` write it (`name @ git+https://host/repository@0123abcd...`)"
                    .into()
            }
            Self::NotAWheel { from, .. } if from.ends_with("without a name") => {
                "write its name before it (`name @ ./folder`), or into its `pyproject.toml`".into()
            }
            Self::NotAWheel { place, .. } if tool(&place.file).lock.is_some() => {
                "build a wheel of it (`pip wheel --no-deps ...`), put that on an index or name its address, and lock \
                 again"
                    .into()
            }
            Self::NotAWheel { .. } => {
                "build a wheel of it (`uv build --wheel`) and lock the wheel file, or make it a workspace member; \
                 `uv export --no-emit-project` leaves out the project itself"
                    .into()
            }
            Self::Stale { file, .. } => format!("run `{}`", tool(file).command()),
            _ => return None,
        };
        Some(hint)
    }

    /// Whether the outside world failed; otherwise the input is wrong.
    pub fn is_outside(&self) -> bool {
        matches!(self, Self::Read { .. })
    }
}
