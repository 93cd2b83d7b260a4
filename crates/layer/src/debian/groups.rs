//! Which package goes into which layer.

/// A layer of the runtime. Fixed by the name of a package, so that an updated package changes one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    /// The C library, time zones, certificates, the base files, accounts.
    System,
    /// Every other library, and the loader cache, which lists them.
    Libraries,
    /// The interpreter and its standard library.
    Python,
    /// Everything that is added to an image that is there already.
    Added,
    /// What dpkg and the loader of such an image know of it: the files that name all packages, those below included.
    Records,
}

/// The groups of a base made from nothing, in the order of their layers.
pub(super) const GROUPS: [Group; 3] = [Group::System, Group::Libraries, Group::Python];

const SYSTEM: &[&str] = &["base-files", "ca-certificates", "libc6", "media-types", "netbase", "tzdata"];

impl Group {
    /// The group of a package.
    pub(super) fn of(package: &str) -> Self {
        let interpreter = package.strip_prefix("lib").unwrap_or(package).strip_prefix("python3");
        if SYSTEM.contains(&package) {
            Self::System
        } else if interpreter.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-'])) {
            Self::Python
        } else {
            Self::Libraries
        }
    }

    /// The name of its layer.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Libraries => "libraries",
            Self::Python => "python",
            Self::Added => "system packages",
            Self::Records => "package list",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_find_their_layer() {
        for (package, group) in [
            ("libc6", Group::System),
            ("tzdata", Group::System),
            ("libssl3", Group::Libraries),
            ("libcrypt1", Group::Libraries),
            ("python3.11-minimal", Group::Python),
            ("libpython3.13-stdlib", Group::Python),
            ("libpython3-stdlib", Group::Python),
            ("pythonic", Group::Libraries),
        ] {
            assert_eq!(Group::of(package), group, "{package}");
        }
    }
}
