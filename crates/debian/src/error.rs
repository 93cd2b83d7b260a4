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
    #[error("`{text}` is not an exclusion")]
    Exclusion {
        /// What was found.
        text: String,
    },
    /// A key file without usable keys.
    #[error("cannot use the keyring `{name}`: {reason}")]
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
    #[error("`{file}` describes `{found}` instead of `{expected}`")]
    OtherSuite {
        /// Which file.
        file: String,
        /// The suite asked for.
        expected: String,
        /// The suite it says it is.
        found: String,
    },
    /// An `InRelease` that is past its date: somebody may be holding back updates.
    #[error("`{file}` expired at {valid_until}; the clock says {now}")]
    Expired {
        /// Which file.
        file: String,
        /// Its last moment.
        valid_until: Date,
        /// Our clock.
        now: Date,
    },
    /// An `InRelease` that is dated after now.
    #[error("`{file}` is dated {date}, in the future; the clock says {now}")]
    FromTheFuture {
        /// Which file.
        file: String,
        /// Its date.
        date: Date,
        /// Our clock.
        now: Date,
    },
    /// A field that is missing or malformed.
    #[error("`{file}` has no valid `{field}` field")]
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
    #[error("cannot read `{file}`")]
    Unreadable {
        /// Which file.
        file: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// A package whose dependencies cannot be read.
    #[error("cannot parse the dependencies of package `{package}`")]
    Relation {
        /// Which package.
        package: String,
    },
    /// Nothing in the archive meets a dependency.
    #[error("no package satisfies `{relation}`{}{}", chain(wanted_by), there_is(found.as_deref()))]
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
    #[error("`{relation}`{}{} is not satisfied by `{installed}` of the base",
        chain(wanted_by), if wanted_by.is_empty() { "" } else { "," })]
    Upgrade {
        /// The dependency, with all its alternatives.
        relation: String,
        /// Who wanted it, who wanted that one, and so on.
        wanted_by: Vec<String>,
        /// Name and version of what is there.
        installed: String,
    },
    /// Two packages that refuse each other.
    #[error("`{package}`{}{} conflicts with `{other}`{}{}",
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
    wanted_by.iter().map(|name| format!(", required by {name}")).collect()
}

fn there_is(found: Option<&str>) -> String {
    found.map_or(String::new(), |found| format!(" (available: {found})"))
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
                "that name moves to a newer release over time; write `bookworm` or `trixie`"
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
                "check the URL: this is not a Debian archive, but perhaps a proxy, a login page or another path"
            }
            Self::Signature { .. } => {
                "for your own archive, add its keyring; for Debian's archive, use another mirror and do not trust this one"
            }
            Self::Expired { .. } => {
                "use another mirror, and check the clock: the mirror is out of date, or someone holds updates back"
            }
            Self::FromTheFuture { .. } => "check the clock of this machine",
            Self::Unreadable { .. } => "try again later; the mirror may be updating",
            Self::Unmet { similar, .. } if !similar.is_empty() => {
                let names: Vec<_> = similar.iter().map(|name| format!("`{name}`")).collect();
                return Some(format!("did you mean {}?", names.join(" or ")));
            }
            Self::Unmet { .. } => "look up the name at https://packages.debian.org; only `main` is searched",
            Self::Upgrade { .. } => {
                "packages of the base are never replaced: use a newer build of the base image, or the release that has both"
            }
            Self::Conflict { is_installed: true, .. } => "use a base without it, or another package",
            Self::Conflict { .. } => "use only one of the two",
            Self::Package { source, .. } if source.is_absent() => {
                "the mirror has replaced it with a newer version: lock again, or use a snapshot archive"
            }
            Self::Package { source, .. } if is_wrong(source) => {
                "the file of the mirror differs from the lock: use another mirror, or lock again if the lock was edited"
            }
            Self::Http { source } if is_wrong(source) => {
                "the mirror is updating: try again later, or use another mirror"
            }
            Self::Package { source, .. } | Self::Http { source } => return source.hint(),
            Self::Installed { .. } => {
                "the base is damaged: `/var/lib/dpkg/status` (or a file in `status.d`) does not follow the format of dpkg; rebuild the base, or use another one"
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
