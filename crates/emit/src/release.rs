use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use wainwright_oci::Digest;

use crate::{Error, Quantity};

/// The largest release file that is read; one of a thousand components has a tenth of it.
const MOST_BYTES: usize = 16 << 20;
/// The schema that is written and read.
pub const SCHEMA: u32 = 1;

/// What was built, and how it is meant to run: the content of `.wain/release.json`, as docs/emit.md describes it.
///
/// Plain data: whoever makes one fills its fields, and [`Release::check`] says whether they make sense. Every function that
/// takes a release checks it first. Nothing in it is a secret; secrets are named, and their values are somebody else's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The project's name: letters, digits, `.`, `_`, `-`.
    pub project: String,
    /// The project's version, as it says itself.
    pub version: String,
    /// The Kubernetes namespace to deploy to, if the project names one.
    #[serde(default)]
    pub namespace: Option<String>,
    /// How components reach each other.
    pub bus: Bus,
    /// What the images were built for.
    pub profile: Profile,
    /// The images that were built, in the order of the workflow.
    #[serde(default)]
    pub components: Vec<Component>,
    /// Images of others that the components need.
    #[serde(default)]
    pub services: Vec<Service>,
}

/// How components reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    /// Each asks the other by HTTP.
    Http,
    /// Through Redis.
    Redis,
}

/// What the images were built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// To run for long.
    Production,
    /// To be worked on: the sources of the project are mounted over those of the image.
    Development,
    /// To be small.
    Size,
}

/// An image that was built, and how it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// As the workflow calls it: `Support_Agent`.
    pub name: String,
    /// Its host name, a DNS label: `support-agent`.
    pub service: String,
    /// `agent` of `agent llm`.
    pub kind: String,
    /// `llm` of `agent llm`.
    #[serde(rename = "type")]
    pub type_: String,
    /// Where its image is.
    pub image: Image,
    /// What the image runs on: `linux/amd64`; empty where nobody knows.
    #[serde(default)]
    pub platforms: Vec<String>,
    /// Where it serves `/health`, `/ready` and everything else.
    pub port: u16,
    /// The port of the machine that leads to it, for components that are an entry to the workflow.
    #[serde(default)]
    pub published: Option<u16>,
    /// What the image starts. For readers: nothing that is emitted replaces it.
    #[serde(default)]
    pub command: Vec<String>,
    /// A command in the container that ends with 0 as long as all is well.
    #[serde(default)]
    pub health: Option<Vec<String>>,
    /// The user and group it runs as; not root.
    pub user: u32,
    /// Environment variables; never a secret.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Environment variables whose values are secrets.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Environment variables that Compose hands on where they are set; elsewhere they are set under `environment`.
    #[serde(default)]
    pub optional: Vec<String>,
    /// Which components and services it asks, by their names.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Absolute paths it writes to; what is not among `volumes` is gone with the container.
    #[serde(default)]
    pub writable: Vec<String>,
    /// Absolute paths that outlive the container, and how large they are.
    #[serde(default)]
    pub volumes: BTreeMap<String, Quantity>,
    /// What it takes of a machine.
    #[serde(default)]
    pub resources: Resources,
    /// How many run at a time.
    #[serde(default = "one")]
    pub replicas: u16,
    /// How that number follows the load, in Kubernetes.
    #[serde(default)]
    pub autoscale: Option<Autoscale>,
    /// How many may be away while machines are maintained, in Kubernetes.
    #[serde(default)]
    pub disruption: Option<u16>,
    /// Files and folders of the project that are mounted below `/app` while it is developed.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// `registry.example/team/demo-assistant`; absent for what was not pushed.
    #[serde(default)]
    pub repository: Option<String>,
    /// Of the index where there are several platforms, otherwise of the manifest.
    pub digest: Digest,
    /// Its name in the Docker of this machine: `demo-assistant:0.1.0`.
    #[serde(default)]
    pub tag: Option<String>,
}

/// What a container takes of a machine. What is absent is not limited, or not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Processors it is sure of: `250m`.
    #[serde(default)]
    pub cpu: Option<Quantity>,
    /// Memory it is sure of: `256Mi`.
    #[serde(default)]
    pub memory: Option<Quantity>,
    /// Processors it never gets more of.
    #[serde(default)]
    pub cpu_limit: Option<Quantity>,
    /// Memory it is ended above.
    #[serde(default)]
    pub memory_limit: Option<Quantity>,
}

/// How the number of containers follows the load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Autoscale {
    /// The fewest.
    pub min: u16,
    /// The most.
    pub max: u16,
    /// How busy they are meant to be, in percent of the processors asked for.
    pub cpu: u16,
}

/// An image of others that components need: a database, a cache, a model server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// As components call it.
    pub name: String,
    /// Its host name, a DNS label.
    pub service: String,
    /// `redis@sha256:...`, or `redis:7.4`; never `latest`.
    pub image: String,
    /// Where it listens.
    pub port: u16,
    /// Where it listens besides.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Environment variables; never a secret.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Environment variables whose values are secrets.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Environment variables whose values are a text and then a secret of another name.
    #[serde(default)]
    pub prefixed: BTreeMap<String, Prefixed>,
    /// Absolute paths that outlive the container, and how large they are.
    #[serde(default)]
    pub volumes: BTreeMap<String, Quantity>,
    /// Absolute paths it writes to besides.
    #[serde(default)]
    pub writable: Vec<String>,
    /// Whether everything else in the container stays as it is in the image.
    #[serde(default = "yes")]
    pub read_only: bool,
    /// The user and group it runs as; absent for what the image says, which Kubernetes refuses when that is root.
    #[serde(default)]
    pub user: Option<u32>,
    /// A command in the container that ends with 0 as long as all is well.
    #[serde(default)]
    pub health: Option<Vec<String>>,
    /// Which services it asks, by their names.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What it takes of a machine.
    #[serde(default)]
    pub resources: Resources,
}

/// A value that is a text and then a secret: `neo4j/`, and what `GRAPH_PASSWORD` is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prefixed {
    /// What stands before the secret: letters, digits and `-._:/@`.
    pub prefix: String,
    /// The name of the secret.
    pub secret: String,
}

/// A message without the texts that it quotes: one of them may be a secret that stands in the wrong place.
fn unquoted(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => format!("{}...{}", &message[..=first], &message[last..]),
        _ => message.to_owned(),
    }
}

fn one() -> u16 {
    1
}

fn yes() -> bool {
    true
}

impl Release {
    /// Reads and checks a release file.
    ///
    /// # Errors
    /// When it is not JSON of this shape, or not one that could be deployed.
    pub fn read(text: &[u8]) -> Result<Self, Error> {
        if text.len() > MOST_BYTES {
            return Err(Error::TooLarge { what: "the release", limit: MOST_BYTES });
        }
        let release: Self = serde_json::from_slice(text)
            .map_err(|error| Error::Json { reason: unquoted(&error.to_string()) })?;
        release.check()?;
        Ok(release)
    }

    /// The release file: indented JSON, keys in the order of the fields, a final line end.
    pub fn to_json(&self) -> Vec<u8> {
        // Text, numbers and maps with text for keys: nothing here can fail.
        let mut text = serde_json::to_vec_pretty(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Redis => "redis",
        })
    }
}
