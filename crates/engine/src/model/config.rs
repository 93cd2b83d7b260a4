use std::collections::BTreeMap;

use serde::Serialize;

/// What the config of an image says beside its layers (OCI image-spec, "Image Configuration").
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The program and its fixed arguments.
    pub entrypoint: Vec<String>,
    /// Arguments that `docker run IMAGE ...` replaces.
    pub cmd: Vec<String>,
    /// Environment variables to set; those of the base stay.
    pub env: BTreeMap<String, String>,
    /// Folders to put in front of `PATH`.
    pub path: Vec<String>,
    /// `uid[:gid]`.
    pub user: String,
    /// Where the program starts.
    pub working_dir: String,
    /// `8000/tcp`.
    pub ports: Vec<String>,
    /// Paths whose content outlives the container.
    pub volumes: Vec<String>,
    /// Labels; those of the base stay.
    pub labels: BTreeMap<String, String>,
    /// The signal that asks it to stop.
    pub stop_signal: Option<String>,
}
