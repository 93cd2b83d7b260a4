use std::collections::BTreeSet;

use wainwright_python::{ExtraName, PackageName, PythonVersion, Target, Version};

/// What the variables of a marker stand for (PyPA, "Dependency specifiers", "Environment markers").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkerEnvironment {
    /// `posix`.
    pub os_name: String,
    /// `linux`.
    pub sys_platform: String,
    /// `x86_64`.
    pub platform_machine: String,
    /// `CPython`.
    pub platform_python_implementation: String,
    /// The release of the kernel; empty, since an image does not choose its kernel.
    pub platform_release: String,
    /// `Linux`.
    pub platform_system: String,
    /// The version of the kernel; empty like its release.
    pub platform_version: String,
    /// `3.11`.
    pub python_version: Version,
    /// `3.11.2`.
    pub python_full_version: Version,
    /// `cpython`.
    pub implementation_name: String,
    /// `3.11.2`.
    pub implementation_version: Version,
    /// The extras that are asked for: `extra` and `extras`.
    pub extras: BTreeSet<ExtraName>,
    /// The dependency groups that are asked for: `dependency_groups` of PEP 751.
    pub groups: BTreeSet<PackageName>,
}

/// The marker environment of CPython on `target`, with no extra and no group.
///
/// While the patch level of a Python is not known it counts as 0.
pub fn marker_environment(target: &Target) -> MarkerEnvironment {
    let PythonVersion { major, minor, patch } = target.python;
    let [major, minor, patch] = [major, minor, patch.unwrap_or(0)].map(u64::from);
    let full = Version::new([major, minor, patch]);
    MarkerEnvironment {
        os_name: "posix".into(),
        sys_platform: "linux".into(),
        platform_machine: target.machine().into(),
        platform_python_implementation: "CPython".into(),
        platform_release: String::new(),
        platform_system: "Linux".into(),
        platform_version: String::new(),
        python_version: Version::new([major, minor]),
        python_full_version: full.clone(),
        implementation_name: "cpython".into(),
        implementation_version: full,
        extras: BTreeSet::new(),
        groups: BTreeSet::new(),
    }
}
