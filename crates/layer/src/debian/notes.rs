//! What was left out of the packages and somebody should know.

use std::fmt;

use super::error::MissingLibrary;
use super::groups::Group;
use super::package::Package;

/// Something about a package that an image of it lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// A program lost its set-user-ID or set-group-ID bit.
    SetIdDropped {
        /// Name of the package.
        package: String,
        /// The program.
        path: String,
    },
    /// A package came with maintainer scripts whose work nothing here replaces.
    ScriptsNotRun {
        /// Name of the package.
        package: String,
        /// `preinst`, `postinst`.
        scripts: Vec<&'static str>,
    },
    /// An extension module was left out together with a library it needs.
    ModuleLeftOut {
        /// `nis`
        module: String,
        /// `libnsl.so.2`
        library: String,
    },
    /// A program or library that was added needs something that nobody has.
    LibraryMissing(MissingLibrary),
    /// A configuration file of the image stays where a package has one.
    ConfigurationKept {
        /// Name of the package.
        package: String,
        /// The file.
        path: String,
    },
    /// A file of the image that belonged to no package made room.
    StrayReplaced {
        /// Name of the package that has it now.
        package: String,
        /// The file.
        path: String,
    },
    /// A file went from a package of the image to one that declares to replace it.
    FileTaken {
        /// Name of the package that has it now.
        package: String,
        /// The file.
        path: String,
        /// Name of the package that had it.
        owner: String,
    },
    /// A package of the image would have worked on files that were added below this directory.
    TriggerNotRun {
        /// Name of the package.
        package: String,
        /// The directory, absolute.
        path: String,
    },
    /// A file stands under another name, as some package of the image wants it.
    Diverted {
        /// Name of the package.
        package: String,
        /// Where it stands.
        path: String,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetIdDropped { package, path } => {
                write!(f, "`/{path}` of `{package}` loses its set-user-ID or set-group-ID bit")
            }
            Self::ScriptsNotRun { package, scripts } => {
                write!(f, "`{package}` is unpacked without running its {}", scripts.join(" and "))
            }
            Self::ModuleLeftOut { module, library } => {
                write!(f, "the module `{module}` is omitted: no package contains `{library}`")
            }
            Self::LibraryMissing(MissingLibrary { needed_by, library }) => {
                write!(f, "`/{needed_by}` needs `{library}`, which is in neither the base nor a package")
            }
            Self::ConfigurationKept { package, path } => {
                write!(f, "`/{path}` of the base is kept; `{package}` contains another version")
            }
            Self::StrayReplaced { package, path } => {
                write!(
                    f,
                    "`/{path}` of the base, which belongs to no package, is replaced by that of `{package}`"
                )
            }
            Self::FileTaken { package, path, owner } => {
                write!(f, "`{package}` replaces `/{path}` of `{owner}`, as it declares")
            }
            Self::TriggerNotRun { package, path } => {
                write!(f, "`{package}` of the base has a trigger for `{path}`, which is not run")
            }
            Self::Diverted { package, path } => {
                write!(f, "a file of `{package}` is at `/{path}`, because the base diverts it")
            }
        }
    }
}

/// Packages whose scripts were read: what they do is done here, or means nothing for a fresh image.
const SETTLED: &[&str] = &["base-files", "ca-certificates", "libc6", "libreadline8t64", "netbase", "tzdata"];

/// The notes about all packages, sorted by package and path.
pub(super) fn gather(packages: &[Package]) -> Vec<Note> {
    let mut packages: Vec<&Package> = packages.iter().collect();
    packages.sort_by(|left, right| left.name.cmp(&right.name));
    let mut notes = Vec::new();
    for package in packages {
        let is_settled = SETTLED.contains(&package.name.as_str()) || package.group == Group::Python;
        if !is_settled && !package.scripts.is_empty() {
            let scripts = package.scripts.iter().map(|script| script.name).collect();
            notes.push(Note::ScriptsNotRun { package: package.name.clone(), scripts });
        }
        let mut paths: Vec<String> = package
            .members
            .iter()
            .filter(|member| member.had_set_id)
            .map(|member| member.path.to_string())
            .collect();
        paths.sort();
        notes
            .extend(paths.into_iter().map(|path| Note::SetIdDropped { package: package.name.clone(), path }));
    }
    notes
}
