use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wainwright_emit::Profile;
use wainwright_lock::Selection;
use wainwright_oci::Reference;
use wainwright_project::{Project, SourceTree, Start};
use wainwright_python::Slim;
use wainwright_woodwork::Component;

use super::request::{Output, Request};

/// The images that one command builds: one of a project, one for each component of a workflow.
///
/// They share the project, its lockfile, a base for each platform, and every layer that two of them have in common.
pub struct ImageSet {
    /// What the user asked for.
    pub request: Arc<Request>,
    /// The folder, its settings and its metadata.
    pub project: Arc<Project>,
    /// The name of the project, or of its folder.
    pub name: String,
    /// Its version, in a form that a tag can hold; `dev` where it has none.
    pub version: String,
    /// The images, in the order of the file that describes them; never empty.
    pub images: Vec<ImageSpec>,
}

/// One image of a set, as the user described it: nothing is resolved yet.
#[derive(Clone)]
pub struct ImageSpec {
    /// Its name within the set; `None` where the set is one image without a name.
    pub name: Option<String>,
    /// The name that deployment files give it: a DNS label.
    pub service: String,
    /// The references it gets.
    pub tags: Vec<Reference>,
    /// Where it goes, in the order in which outputs are written.
    pub outputs: Vec<Output>,
    /// Annotations of its manifests.
    pub annotations: BTreeMap<String, String>,
    /// The kinds of files that are left out of its packages.
    pub slim: BTreeSet<Slim>,
    /// Which packages it installs.
    pub packages: PackageSelection,
    /// What it is made from besides packages.
    pub kind: Kind,
}

/// What an image is made from besides packages; each kind is a file in `expand/kinds`.
#[derive(Clone)]
pub enum Kind {
    /// A Python project: its files, installed as a package where it is one.
    Python {
        /// The files of the project.
        tree: Arc<SourceTree>,
        /// What a container of it starts.
        start: Start,
    },
    /// A component of a woodwork workflow: the files that it names, and the component runtime.
    Component {
        /// The component.
        component: Box<Component>,
        /// What the image is for.
        profile: Profile,
        /// The files that it needs.
        tree: Arc<SourceTree>,
        /// The content of `component.json`.
        document: Arc<[u8]>,
    },
}

/// Which packages an image installs.
#[derive(Clone, Debug, Default)]
pub struct PackageSelection {
    /// What it takes of the lockfile of the project.
    pub selection: Selection,
    /// What it requires where the project has no lockfile of its own: a list that `wain.lock` pins.
    pub requirements: Requirements,
    /// What is installed besides, for development; pinned in `wain.lock`.
    pub tools: Requirements,
}

/// A list of requirements: sorted, each once.
pub type Requirements = BTreeSet<String>;
