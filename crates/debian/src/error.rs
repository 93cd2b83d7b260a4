use std::io;

use wainwright_fault::{Classify, Kind};

use crate::Date;

/// Why packages could not be chosen or fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not the name of a Debian release.
    #[error("`{text}` is not a Debian release")]
    Suite {
        /// What was found.
        text: String,
        /// Whether it is a name like `stable`, which means another release every two years.
        moves: bool,
    },
    /// A release for which no list of packages is known.
    #[error("there is no Python base for Debian `{suite}`")]
    NoRecipe {
        /// The release.
        suite: String,
    },
    /// A platform Debian does not serve, or the suite does not.
    #[error("Debian `{suite}` has no packages for `{architecture}`")]
    Architecture {
        /// The suite.
        suite: String,
        /// The platform or Debian's name of the processor.
        architecture: String,
    },
    /// A section the suite does not have.
    #[error("Debian `{suite}` has no section `{component}`")]
    Component {
        /// The suite.
        suite: String,
        /// The section.
        component: String,
    },
    /// Not a package name, nor a dependency.
    #[error("`{text}` is not a package")]
    Request {
        /// What was found.
        text: String,
    },
    /// Not `name` or `name for other`.
    #[error("`{text}` is not a package to leave out")]
    Exclusion {
        /// What was found.
        text: String,
    },
    /// A key file without usable keys.
    #[error("the keyring `{name}` cannot be used: {reason}")]
    Keyring {
        /// Which.
        name: String,
        /// What is wrong with it, as half a sentence.
        reason: String,
    },
    /// An `InRelease` that is not one text signed in the clear.
    #[error("`{file}` is not properly signed: {reason}")]
    NotSigned {
        /// Which file.
        file: String,
        /// What is wrong with it, as half a sentence.
        reason: &'static str,
    },
    /// An `InRelease` without a good signature by a known key.
    #[error("`{file}` has no good signature: {reason}")]
    Signature {
        /// Which file.
        file: String,
        /// What is wrong with each signature.
        reason: String,
    },
    /// An `InRelease` of another suite.
    #[error("`{file}` should describe `{expected}` but describes `{found}`")]
    OtherSuite {
        /// Which file.
        file: String,
        /// The suite asked for.
        expected: String,
        /// The suite it says it is.
        found: String,
    },
    /// An `InRelease` that is past its date: somebody may be holding back updates.
    #[error("`{file}` was valid until {valid_until}, and it is {now}")]
    Expired {
        /// Which file.
        file: String,
        /// Its last moment.
        valid_until: Date,
        /// Our clock.
        now: Date,
    },
    /// An `InRelease` that is dated after now.
    #[error("`{file}` is dated {date}, and it is {now}")]
    FromTheFuture {
        /// Which file.
        file: String,
        /// Its date.
        date: Date,
        /// Our clock.
        now: Date,
    },
    /// A field that is missing or malformed.
    #[error("`{file}` has no proper `{field}` field")]
    ReleaseField {
        /// Which file.
        file: String,
        /// Which field.
        field: &'static str,
    },
    /// A file that does not follow deb822(5).
    #[error("`{file}`, line {line}: {reason}")]
    Syntax {
        /// Which file.
        file: String,
        /// Counted from one.
        line: usize,
        /// What is wrong, as half a sentence.
        reason: &'static str,
    },
    /// The list of the packages that are there already does not follow deb822(5).
    #[error("the package list of the base, line {line}: {reason}")]
    Installed {
        /// Counted from one.
        line: usize,
        /// What is wrong, as half a sentence.
        reason: &'static str,
    },
    /// A file that ends early, or cannot be decompressed.
    #[error("`{file}` cannot be read")]
    Unreadable {
        /// Which file.
        file: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// A package whose dependencies cannot be read.
    #[error("the dependencies of package `{package}` cannot be read")]
    Relation {
        /// Which package.
        package: String,
    },
    /// Nothing in the archive meets a dependency.
    #[error("no package meets `{relation}`{}{}", chain(wanted_by), there_is(found.as_deref()))]
    Unmet {
        /// The dependency, with all its alternatives.
        relation: String,
        /// Who wanted it, who wanted that one, and so on.
        wanted_by: Vec<String>,
        /// A package of the name in a version that does not fit.
        found: Option<String>,
        /// Packages whose names begin alike.
        similar: Vec<String>,
    },
    /// Only a newer package than the one that is there would do, and what is there stays.
    #[error("`{relation}`{} is needed, and the base has `{installed}`", chain(wanted_by))]
    Upgrade {
        /// The dependency, with all its alternatives.
        relation: String,
        /// Who wanted it, who wanted that one, and so on.
        wanted_by: Vec<String>,
        /// Name and version of what is there.
        installed: String,
    },
    /// Two packages that refuse each other.
    #[error("`{package}`{}{} cannot be beside `{other}`{}{}",
        chain(wanted_by), if wanted_by.is_empty() { "" } else { "," },
        if *is_installed { " of the base" } else { "" }, chain(other_wanted_by))]
    Conflict {
        /// The package that could not be added.
        package: String,
        /// Who wanted it, who wanted that one, and so on.
        wanted_by: Vec<String>,
        /// The package that was there.
        other: String,
        /// Whether it was there before anything was chosen.
        is_installed: bool,
        /// Who wanted that.
        other_wanted_by: Vec<String>,
    },
    /// A locked package that could not be fetched.
    #[error("cannot fetch package `{name}` {version}")]
    Package {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
        /// What went wrong.
        #[source]
        source: Box<wainwright_http::Error>,
    },
    /// An archive that could not be read.
    #[error("cannot read the Debian archive")]
    Http {
        /// What went wrong.
        #[source]
        source: Box<wainwright_http::Error>,
    },
    /// A store that could not be used.
    #[error(transparent)]
    Store(#[from] wainwright_store::Error),
    /// Work that was given up because the program ends.
    #[error("choosing packages was interrupted")]
    Stopped,
}

fn chain(wanted_by: &[String]) -> String {
    wanted_by.iter().map(|name| format!(", wanted by {name}")).collect()
}

fn there_is(found: Option<&str>) -> String {
    found.map_or(String::new(), |found| format!(" (there is {found})"))
}

impl From<wainwright_http::Error> for Error {
    fn from(source: wainwright_http::Error) -> Self {
        Self::Http { source: Box::new(source) }
    }
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Suite { moves: true, .. } => {
                "that name moves to another release in time: write `bookworm` or `trixie`"
            }
            Self::Suite { moves: false, .. } => {
                "write `debian:bookworm`, `debian:12`, `debian:trixie` or `debian:13`"
            }
            Self::NoRecipe { .. } => "write `debian:bookworm` (Python 3.11) or `debian:trixie` (Python 3.13)",
            Self::Component { .. } => {
                "the sections are `main`, `contrib`, `non-free` and `non-free-firmware`"
            }
            Self::Request { .. } => "write a package name, or a dependency such as `libpq5 (>= 15)`",
            Self::Exclusion { .. } => "write `debconf`, or `openssl for ca-certificates`",
            Self::NotSigned { .. } | Self::OtherSuite { .. } => {
                "the mirror does not answer with Debian's archive: a proxy, a login page, or another path"
            }
            Self::Signature { .. } => {
                "for an archive of your own, add its keyring; for Debian's, use another mirror and be careful with this one"
            }
            Self::Expired { .. } => {
                "the mirror is out of date or somebody holds updates back: use another mirror, and check the clock"
            }
            Self::FromTheFuture { .. } => "check the clock of this machine",
            Self::Unreadable { .. } => "try again later: the mirror may be in the middle of an update",
            Self::Unmet { similar, .. } if !similar.is_empty() => {
                let names: Vec<_> = similar.iter().map(|name| format!("`{name}`")).collect();
                return Some(format!("did you mean {}?", names.join(" or ")));
            }
            Self::Unmet { .. } => "look the name up at https://packages.debian.org; only `main` is searched",
            Self::Upgrade { .. } => {
                "packages of the base are never replaced: take a newer build of the base image, or one of the release that has both"
            }
            Self::Conflict { is_installed: true, .. } => "take a base without it, or ask for another package",
            Self::Conflict { .. } => "ask for one of the two only",
            Self::Package { source, .. } if source.is_absent() => {
                "the mirror has replaced it by a newer version: lock again, or set a snapshot archive"
            }
            Self::Package { source, .. } if is_wrong(source) => {
                "the mirror has another file than the lock pins: use another mirror, or lock again if the lock was edited"
            }
            Self::Http { source } if is_wrong(source) => {
                "the mirror is in the middle of an update: try again later, or use another mirror"
            }
            Self::Package { source, .. } | Self::Http { source } => return source.hint(),
            Self::Installed { .. } => {
                "the base is damaged: `/var/lib/dpkg/status` (or a file in `status.d`) is not what dpkg writes, and without it nobody \
                 knows what the base has; build the base anew, or take another one"
            }
            Self::Store(source) => return source.hint(),
            Self::Architecture { .. }
            | Self::Keyring { .. }
            | Self::ReleaseField { .. }
            | Self::Syntax { .. }
            | Self::Relation { .. }
            | Self::Stopped => return None,
        };
        Some(text.into())
    }

    fn kind(&self) -> Kind {
        match self {
            // Bytes that are not what was signed are a wrong input, wherever they came from.
            Self::Package { source, .. } | Self::Http { source } if is_wrong(source) => Kind::Input,
            Self::Package { source, .. } | Self::Http { source } => source.kind(),
            Self::Store(source) => source.kind(),
            Self::ReleaseField { .. }
            | Self::Syntax { .. }
            | Self::Unreadable { .. }
            | Self::Relation { .. }
            | Self::Stopped => Kind::Outside,
            Self::Suite { .. }
            | Self::NoRecipe { .. }
            | Self::Architecture { .. }
            | Self::Component { .. }
            | Self::Request { .. }
            | Self::Exclusion { .. }
            | Self::Keyring { .. }
            | Self::NotSigned { .. }
            | Self::Signature { .. }
            | Self::OtherSuite { .. }
            | Self::Expired { .. }
            | Self::FromTheFuture { .. }
            | Self::Installed { .. }
            | Self::Unmet { .. }
            | Self::Upgrade { .. }
            | Self::Conflict { .. } => Kind::Input,
        }
    }
}

/// Whether an answer came, but with other bytes than the signed index promises.
pub(crate) fn is_wrong(error: &wainwright_http::Error) -> bool {
    use wainwright_http::Error;
    matches!(error, Error::Size { .. } | Error::Digest { .. } | Error::Large { .. })
}
