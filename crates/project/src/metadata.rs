use std::collections::BTreeMap;

use wainwright_python::{ExtraName, PackageName, Version, VersionSpecifiers};

use crate::layout::Layout;

/// The `[project]` table of `pyproject.toml` (PyPA, "pyproject.toml specification") and what belongs to it.
#[derive(Clone, Debug)]
pub struct PythonProject {
    /// The normalized name.
    pub name: PackageName,
    /// The name as written, for `METADATA`.
    pub written_name: String,
    /// The version: as written, or found without running code when it is dynamic; else absent.
    pub version: Option<Version>,
    /// Which Python versions it runs on.
    pub requires_python: Option<VersionSpecifiers>,
    /// One line.
    pub description: Option<String>,
    /// The long description.
    pub readme: Option<Readme>,
    /// The license.
    pub license: Option<License>,
    /// Who wrote it.
    pub authors: Vec<Person>,
    /// Who looks after it.
    pub maintainers: Vec<Person>,
    /// Words to find it by.
    pub keywords: Vec<String>,
    /// Trove classifiers.
    pub classifiers: Vec<String>,
    /// Addresses by label.
    pub urls: BTreeMap<String, String>,
    /// Requirements (PEP 508), as written.
    pub dependencies: Vec<String>,
    /// Requirements by extra, as written.
    pub optional_dependencies: BTreeMap<ExtraName, Vec<String>>,
    /// Requirements by dependency group, included groups put in (PyPA, "Dependency Groups").
    pub dependency_groups: BTreeMap<PackageName, Vec<String>>,
    /// Console scripts: name -> `package.module:function`.
    pub scripts: BTreeMap<String, String>,
    /// Scripts that open windows.
    pub gui_scripts: BTreeMap<String, String>,
    /// Other entry points: group -> name -> object.
    pub entry_points: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether it means to be installed (uv's rule: `tool.uv.package`, else whether there is a `[build-system]`).
    pub is_package: bool,
    /// Where its packages are.
    pub layout: Layout,
}

/// A person or group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Name, if given.
    pub name: Option<String>,
    /// E-mail address, if given.
    pub email: Option<String>,
}

/// A long description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readme {
    /// The text.
    pub text: String,
    /// `text/markdown`, `text/x-rst` or `text/plain`.
    pub content_type: String,
}

/// A license, in one of two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum License {
    /// An SPDX expression (PEP 639).
    Expression(String),
    /// Free text.
    Text(String),
}
