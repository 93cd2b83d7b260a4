//! Turns a release into files that deploy it: for Docker Compose, for Kubernetes, and a chart for Helm.
//!
//! [`Release`] is what was built and how it runs; [`application()`] makes that of a project, the engine that of a workflow. [`compose`](compose()), [`kubernetes`](kubernetes()) and [`helm`](helm()) make [`File`]s of it: pure functions,
//! the same bytes for the same release, and nothing is read or written. [`deployment`](deployment()) is what later programs want to know. [`overlay`](overlay()) lays what a user
//! wants different over a release.
//!
//! No secret is ever in a file: a release names the environment variables that hold some, and the files refer to them.

mod application;
mod check;
mod compose;
mod deployment;
mod error;
mod helm;
mod known;
mod kubernetes;
mod labels;
mod overlay;
mod release;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod samples;
mod secret;
mod workload;
mod yaml;

pub use application::{Built, application, release};
pub use compose::compose;
pub use deployment::deployment;
pub use error::Error;
pub use helm::helm;
pub use kubernetes::kubernetes;
pub use overlay::overlay;
pub use release::{
    Autoscale, Bus, Component, Delivered, HttpHealth, Image, Profile, Release, SCHEMA, Service,
};
pub use wainwright_project::{Port, Prefixed, Protocol, Quantity, Resources, Timing};

/// A file of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// Relative to the folder that is written, with `/` between.
    pub path: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Every file of a deployment, sorted by path.
pub type Files = Vec<File>;

/// What the user decides about the files, besides the release.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Which readers a Compose file is for.
    pub compat: Compat,
    /// The profile of Compose that services of others are put into, so that they are started on demand.
    pub services_profile: Option<String>,
    /// The path from the folder of the files to the project, for sources that are mounted: `..`; absent for `.`.
    pub to_project: Option<String>,
    /// The Secret of Kubernetes that has the values of all secrets; absent for `PROJECT-secrets`.
    pub existing_secret: Option<String>,
    /// Secrets of Kubernetes with logins for registries.
    pub image_pull_secrets: Vec<String>,
}

/// Which readers a Compose file is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// Those that follow the Compose Specification: `docker compose`, podman-compose.
    #[default]
    Specification,
    /// docker-compose 1.29 too, which refuses a `name` and some keys that came later.
    Compose129,
}

/// The comment that a file begins with: of what it was made, and by which `wain emit`.
fn head(release: &Release, kind: &str) -> String {
    let Release { project, version, .. } = release;
    format!("# {project} {version}, written by `wain emit {kind}`; the next time it is written anew.\n")
}
