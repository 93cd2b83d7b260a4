use std::collections::BTreeSet;

use wainwright_python::{ExtraName, PackageName};

/// Which parts of a project are wanted.
///
/// The default is what belongs into an image: the project's dependencies, no extras, and no dependency group,
/// not even `dev` (that is `uv sync --no-default-groups`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The workspace member that is wanted; without one, the project in the folder of the lockfile.
    pub project: Option<PackageName>,
    /// These extras: `--extra`.
    pub extras: BTreeSet<ExtraName>,
    /// Every extra: `--all-extras`.
    pub all_extras: bool,
    /// These dependency groups: `--group`.
    pub groups: BTreeSet<PackageName>,
    /// Every dependency group: `--all-groups`.
    pub all_groups: bool,
    /// Not these dependency groups: `--no-group`.
    pub without_groups: BTreeSet<PackageName>,
    /// The dependencies of the project itself; without them this is `--only-group`.
    pub include_project_deps: bool,
}

impl Default for Selection {
    fn default() -> Self {
        Self {
            project: None,
            extras: BTreeSet::new(),
            all_extras: false,
            groups: BTreeSet::new(),
            all_groups: false,
            without_groups: BTreeSet::new(),
            include_project_deps: true,
        }
    }
}

impl Selection {
    /// Whether an extra is wanted.
    pub(crate) fn wants_extra(&self, extra: &ExtraName) -> bool {
        self.include_project_deps && (self.all_extras || self.extras.contains(extra))
    }

    /// Whether a dependency group is wanted.
    pub(crate) fn wants_group(&self, group: &PackageName) -> bool {
        (self.all_groups || self.groups.contains(group)) && !self.without_groups.contains(group)
    }
}
