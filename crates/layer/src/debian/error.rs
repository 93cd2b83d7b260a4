use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use wainwright_fault::{Classify, Kind};

/// Why no runtime could be made of a set of Debian packages.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A package file could not be read.
    #[error("cannot read the package `{package}`")]
    Read {
        /// Name of the package.
        package: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The outer `ar` archive does not follow deb(5).
    #[error("`{package}` is not a Debian package: {reason}")]
    Archive {
        /// Name of the package.
        package: String,
        /// The rule it breaks.
        reason: String,
    },
    /// `control.tar` or `data.tar` could not be unpacked.
    #[error("cannot unpack `{member}` of the package `{package}`")]
    Unpack {
        /// Name of the package.
        package: String,
        /// Name of the member.
        member: String,
        /// What the decompressor or the tar reader said.
        #[source]
        source: io::Error,
    },
    /// `control.tar` or `data.tar` unpacks to more than a runtime package ever holds.
    #[error("`{member}` of the package `{package}` unpacks to more than {limit} bytes")]
    TooLarge {
        /// Name of the package.
        package: String,
        /// Name of the member.
        member: String,
        /// The bound, in bytes.
        limit: u64,
    },
    /// A member of `data.tar` that may not enter an image: it leaves the root, or is a device, or has a broken name.
    #[error("the package `{package}` contains `{path}`, which is not allowed in an image: {reason}")]
    Member {
        /// Name of the package.
        package: String,
        /// The path as it is written in the package.
        path: String,
        /// The rule it breaks.
        reason: String,
    },
    /// The control file is missing, or cannot be read.
    #[error("cannot read the control file of the package `{package}`: {reason}")]
    Control {
        /// Name of the package.
        package: String,
        /// What is wrong.
        reason: String,
    },
    /// The control file describes another package than the lock.
    #[error("the package file of `{package}` has `{field}: {found}` instead of `{expected}`")]
    OtherPackage {
        /// Name of the package.
        package: String,
        /// `Package`, `Version` or `Architecture`.
        field: &'static str,
        /// What the lock says.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// A package was given twice.
    #[error("the package `{package}` is listed twice")]
    Twice {
        /// Name of the package.
        package: String,
    },
    /// Packages of several architectures, of none, or of one that is not known here.
    #[error("these packages cannot be combined: {reason}")]
    Architecture {
        /// What is wrong.
        reason: String,
    },
    /// Two packages own one path and neither replaces the other.
    #[error("`{path}` is in both `{first}` and `{second}`")]
    Clash {
        /// The path.
        path: String,
        /// One owner.
        first: String,
        /// The other.
        second: String,
    },
    /// A package has a file that the image below has already, from another package that it does not declare to replace.
    #[error("`{package}` would replace `{path}`, a file of `{owner}`")]
    Taken {
        /// The path.
        path: String,
        /// The package that has it, or `nobody`.
        owner: String,
        /// The package that would be added.
        package: String,
    },
    /// The image below has no list of its packages.
    #[error("the image has no list of its Debian packages")]
    NoPackageList,
    /// A path runs through symbolic links without end.
    #[error("`{path}` has more than 40 levels of symbolic links")]
    LinkLoop {
        /// The path.
        path: String,
    },
    /// A file starts like an ELF file and is none.
    #[error("`{path}` is a broken ELF file: {reason}")]
    Elf {
        /// The path.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// Programs or libraries that could not be loaded in the image.
    #[error("missing libraries: {}", list(.missing))]
    MissingLibraries {
        /// What is missing, sorted by the file that needs it.
        missing: Vec<MissingLibrary>,
    },
    /// The packages hold no interpreter of the version asked for.
    #[error("the packages do not contain `/usr/bin/python{python}`")]
    NoInterpreter {
        /// `3.11`.
        python: String,
    },
    /// One of the layers that are built into the program does not follow its own rules.
    #[error("the built-in layer `{layer}` is broken: {reason}")]
    Baked {
        /// Name of the layer.
        layer: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The interpreter does not run on this machine, so the standard library stays without bytecode.
    #[error("the interpreter cannot run on this machine: {reason}")]
    CannotRun {
        /// Why.
        reason: String,
    },
    /// The interpreter ran, and failed to compile the standard library.
    #[error("the interpreter failed to compile the standard library: {reason}")]
    Compile {
        /// What it said.
        reason: String,
    },
    /// The scratch directory could not be written.
    #[error("cannot write `{}`", .path.display())]
    Scratch {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A library that nothing in the image provides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingLibrary {
    /// The program or library that needs it.
    pub needed_by: String,
    /// Its name, `libz.so.1`, or the path of a program interpreter.
    pub library: String,
}

impl Classify for Error {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Archive { .. } | Self::Unpack { .. } => {
                "only packages in the format of dpkg-deb are supported: format 2.0, with data.tar uncompressed or as gz, xz or zst".into()
            }
            Self::OtherPackage { .. } => "the lock is out of date; run `wain lock` again".into(),
            Self::Clash { second, .. } => {
                format!("remove `{second}`, or use a registry image with both packages as the base")
            }
            Self::Taken { package, .. } => {
                format!("dpkg would reject it too: remove `{package}`, or use another base")
            }
            Self::NoPackageList => "use a base that contains `/var/lib/dpkg/status` or `status.d`".into(),
            Self::MissingLibraries { missing } => {
                let first = missing.first()?;
                format!("add the package that contains `{}` to the base", first.library)
            }
            Self::NoInterpreter { python } => format!("add the package `python{python}-minimal` to the base"),
            Self::CannotRun { .. } => "the image works without bytecode; it only starts slower".into(),
            Self::TooLarge { .. } => "put packages of this size into your own base image".into(),
            Self::Read { .. }
            | Self::Member { .. }
            | Self::Control { .. }
            | Self::Twice { .. }
            | Self::Architecture { .. }
            | Self::LinkLoop { .. }
            | Self::Elf { .. }
            | Self::Baked { .. }
            | Self::Compile { .. }
            | Self::Scratch { .. } => return None,
        })
    }

    fn kind(&self) -> Kind {
        match self {
            Self::Read { .. } | Self::Scratch { .. } | Self::CannotRun { .. } => Kind::Outside,
            Self::Archive { .. }
            | Self::Unpack { .. }
            | Self::TooLarge { .. }
            | Self::Member { .. }
            | Self::Control { .. }
            | Self::OtherPackage { .. }
            | Self::Twice { .. }
            | Self::Architecture { .. }
            | Self::Clash { .. }
            | Self::Taken { .. }
            | Self::NoPackageList
            | Self::LinkLoop { .. }
            | Self::Elf { .. }
            | Self::MissingLibraries { .. }
            | Self::NoInterpreter { .. }
            | Self::Baked { .. }
            | Self::Compile { .. } => Kind::Input,
        }
    }
}

fn list(missing: &[MissingLibrary]) -> String {
    let mut text = String::new();
    for (number, one) in missing.iter().take(5).enumerate() {
        let comma = if number == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}`{}` needs `{}`", one.needed_by, one.library);
    }
    if missing.len() > 5 {
        let _ = write!(text, " and {} more", missing.len() - 5);
    }
    text
}
