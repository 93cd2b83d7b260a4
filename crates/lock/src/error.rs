use std::fmt;
use std::io;
use std::path::PathBuf;

use wainwright_fault::{Classify, Kind};
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
    #[error("cannot read `{}`: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that should be there is not.
    #[error("`{}` does not exist{}", file.display(), wanted_by.as_ref().map(|place| format!(" (included by {place})")).unwrap_or_default())]
    Missing {
        /// The file.
        file: PathBuf,
        /// The line that includes it, if one does.
        wanted_by: Option<Place>,
    },
    /// Not one of the lockfiles we read.
    #[error("`{}` is not a supported lockfile", file.display())]
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
    #[error("`{}` uses version {found} of its format; Wainwright supports version {known}", file.display())]
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
    #[error("`{}` contains no project {wanted}", file.display())]
    NoProject {
        /// The lockfile.
        file: PathBuf,
        /// Which project: `in its own folder` or a name.
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
    #[error("{first} and {second} conflict with each other (`conflicts` in `{}`)", file.display())]
    Excluded {
        /// The lockfile.
        file: PathBuf,
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// Two versions of one package for one target.
    #[error(
        "{second}: `{name}` is locked twice for the same target, as {one} and as {other} (first at {first})"
    )]
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
    #[error("{place}: `{name}` has only {algorithm} hashes")]
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
        /// Where from.
        from: Foreign,
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
    #[error("`{}` does not match `{}`: {}", file.display(), Tool::of(file).project(), differences.join("; "))]
    Stale {
        /// The lockfile.
        file: PathBuf,
        /// What differs, one sentence each.
        differences: Vec<String>,
    },
}

/// An origin of packages that is no wheel, and no source with a digest or a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Foreign {
    /// A git repository whose commit may change.
    MovingCommit,
    /// A source tree whose package is not named.
    Nameless,
    /// Anything else: `the folder \`../lib\``, `a Mercurial repository` ...
    Other(String),
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MovingCommit => "a git repository without a full commit",
            Self::Nameless => "a source tree without a name",
            Self::Other(text) => text,
        })
    }
}

impl From<String> for Foreign {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

impl From<&str> for Foreign {
    fn from(text: &str) -> Self {
        Self::Other(text.to_owned())
    }
}

/// The tool that writes a lockfile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tool {
    Uv,
    Poetry,
    Pdm,
    Pipenv,
    /// One of many, as of `pylock.toml` and requirements files.
    Other,
}

impl Tool {
    fn of(file: &std::path::Path) -> Self {
        match file.file_name().and_then(|name| name.to_str()) {
            Some("poetry.lock") => Self::Poetry,
            Some("pdm.lock") => Self::Pdm,
            Some("Pipfile.lock") => Self::Pipenv,
            Some("uv.lock") => Self::Uv,
            _ => Self::Other,
        }
    }

    /// The file it locks.
    fn project(self) -> &'static str {
        if self == Self::Pipenv { "Pipfile" } else { "pyproject.toml" }
    }

    /// The command that locks again, where it is not uv's.
    fn own_command(self) -> Option<&'static str> {
        match self {
            Self::Poetry => Some("poetry lock"),
            Self::Pdm => Some("pdm lock"),
            Self::Pipenv => Some("pipenv lock"),
            Self::Uv | Self::Other => None,
        }
    }

    fn command(self) -> &'static str {
        self.own_command().unwrap_or("uv lock")
    }

    /// The versions whose lockfiles are read.
    fn versions(self) -> &'static str {
        match self {
            Self::Poetry => "Poetry 1.1 to 2",
            Self::Pdm => "PDM 2.10 or a later 2.x",
            Self::Uv => "an older uv",
            Self::Pipenv => "pipenv",
            Self::Other => "an older version of the tool that wrote it",
        }
    }
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::UnknownFormat { .. } => {
                "name the file after its format: `uv.lock`, `poetry.lock`, `pdm.lock`, `pylock.toml`, `pylock.<name>.toml`, `Pipfile.lock` or `<name>.txt`"
                    .into()
            }
            Self::FormatVersion { file, .. } => {
                format!("use a newer Wainwright, or lock with {}", Tool::of(file).versions())
            }
            Self::Python { requires, .. } => {
                format!("choose a base image with Python {requires}, or widen `requires-python` and lock again")
            }
            Self::Platform { file, .. } => match Tool::of(file) {
                Tool::Pdm => "lock for this platform too: `pdm lock --append --platform ...`".into(),
                Tool::Uv | Tool::Poetry | Tool::Pipenv | Tool::Other => "add the platform to `environments` under `[tool.uv]` and run `uv lock`".into(),
            },
            Self::NotOffered { file, offered, name, .. } if Tool::of(file) == Tool::Pdm => {
                let offered: Vec<_> = offered.iter().map(|name| format!("`{name}`")).collect();
                let has = if offered.is_empty() { "none".into() } else { offered.join(", ") };
                format!("available: {has}; add this one with `pdm lock --group {name}`")
            }
            Self::NotOffered { offered, .. } if !offered.is_empty() => {
                let offered: Vec<_> = offered.iter().map(|name| format!("`{name}`")).collect();
                format!("available: {}", offered.join(", "))
            }
            Self::Excluded { .. } => "select only one of them".into(),
            Self::HashConflict { .. } => "one of the hashes is wrong; lock again and review the change".into(),
            Self::OtherAlgorithm { place, .. } | Self::NoHash { place, .. } if Tool::of(&place.file).own_command().is_some() => {
                format!("lock again (`{}`), from an index that offers sha256 hashes", Tool::of(&place.file).command())
            }
            Self::OtherAlgorithm { .. } => {
                "lock again with sha256 hashes (`uv lock`, `uv pip compile --generate-hashes`), from an index that offers them"
                    .into()
            }
            Self::NoHash { .. } => {
                "lock with sha256 hashes: `uv pip compile --generate-hashes`, or `uv export` in a uv project".into()
            }
            Self::NotPinned { place, .. } if Tool::of(&place.file).own_command().is_some() => {
                format!("lock it for this platform too (`{}`), or remove it", Tool::of(&place.file).command())
            }
            Self::NotPinned { .. } => {
                "pin every package: `uv pip compile --generate-hashes requirements.in -o requirements.txt`".into()
            }
            Self::NotAWheel { from, .. } if *from == Foreign::MovingCommit => {
                "branches and tags can move: lock the full commit, as `uv lock`, `pdm lock`, `poetry lock`, `pipenv lock` and `pip freeze` do (`name @ git+https://host/repository@0123abcd...`)"
                    .into()
            }
            Self::NotAWheel { from, .. } if *from == Foreign::Nameless => {
                "add its name (`name @ ./folder`), or set the name in its `pyproject.toml`".into()
            }
            Self::NotAWheel { place, .. } if Tool::of(&place.file).own_command().is_some() => {
                "build a wheel (`pip wheel --no-deps ...`), publish it on an index or use its URL, and lock again"
                    .into()
            }
            Self::NotAWheel { .. } => {
                "build a wheel (`uv build --wheel`) and lock the wheel file, or make it a workspace member; `uv export --no-emit-project` omits the project itself"
                    .into()
            }
            Self::Stale { file, .. } => format!("run `{}`", Tool::of(file).command()),
            Self::Read { .. }
            | Self::Missing { .. }
            | Self::TooLarge { .. }
            | Self::Syntax { .. }
            | Self::NoProject { .. }
            | Self::NotOffered { .. }
            | Self::TwoVersions { .. }
            | Self::Option { .. } => return None,
        };
        Some(hint)
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Read { .. } => Kind::Outside,
            Self::Missing { .. }
            | Self::UnknownFormat { .. }
            | Self::TooLarge { .. }
            | Self::Syntax { .. }
            | Self::FormatVersion { .. }
            | Self::Python { .. }
            | Self::Platform { .. }
            | Self::NoProject { .. }
            | Self::NotOffered { .. }
            | Self::Excluded { .. }
            | Self::TwoVersions { .. }
            | Self::HashConflict { .. }
            | Self::OtherAlgorithm { .. }
            | Self::NoHash { .. }
            | Self::NotPinned { .. }
            | Self::NotAWheel { .. }
            | Self::Option { .. }
            | Self::Stale { .. } => Kind::Input,
        }
    }
}
