use std::collections::BTreeSet;

use wainwright_python::PackageName;

/// Whose build backends may run on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildSdists {
    /// Those of all packages that need it.
    All,
    /// Those of these packages.
    Only(BTreeSet<PackageName>),
}

impl Default for BuildSdists {
    /// Nobody's.
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl BuildSdists {
    /// Whether the backend of a package may run.
    pub fn allows(&self, package: &PackageName) -> bool {
        *self == Self::All || self.names(package)
    }

    /// Whether a package is named: then it is built by its backend, even where that is not necessary.
    pub fn names(&self, package: &PackageName) -> bool {
        matches!(self, Self::Only(names) if names.contains(package))
    }

    /// What either of two allows.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Only(one), Self::Only(two)) => Self::Only(one.union(two).cloned().collect()),
            _ => Self::All,
        }
    }
}
