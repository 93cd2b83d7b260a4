use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use wainwright_oci::{Digest, Reference};
use wainwright_project::{Port, Prefixed, Quantity, Resources, Timing};

use crate::Error;

/// The largest release file that is read; one of a thousand components has a tenth of it.
const MOST_BYTES: usize = 16 << 20;
/// The schema that is written and read. A field that is added keeps it; one that changes its meaning raises it.
pub const SCHEMA: u32 = 1;
/// The tag that stands for another image every week.
const LATEST: &str = "latest";

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
    /// How components of a workflow reach each other; absent for what is no workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<Bus>,
    /// What the images were built for.
    pub profile: Profile,
    /// The images that were built: those of a workflow in its order, or that of a project.
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
///
/// Fields that came later are left out of the file where they have their default: files of workflows stay as they were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// As the project or the workflow calls it: `Support_Agent`.
    pub name: String,
    /// Its host name, a DNS label: `support-agent`.
    pub service: String,
    /// `agent` of `agent llm` in a workflow; `application` for a project.
    pub kind: String,
    /// `llm` of `agent llm`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// Where its image is.
    pub image: Image,
    /// What the image runs on: `linux/amd64`; empty where nobody knows.
    #[serde(default)]
    pub platforms: Vec<String>,
    /// The port that others use, if it listens at all.
    #[serde(default)]
    pub port: Option<Port>,
    /// Further ports it listens on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// The port of the machine that leads to `port`, for components that are reached from outside.
    #[serde(default)]
    pub published: Option<u16>,
    /// What the image starts. For readers: nothing that is emitted replaces it.
    #[serde(default)]
    pub command: Vec<String>,
    /// A command in the container that ends with 0 as long as all is well.
    #[serde(default)]
    pub health: Option<Vec<String>>,
    /// HTTP paths that answer as long as all is well; absent in files for the paths that components of workflows have.
    #[serde(default = "HttpHealth::of_workflow", skip_serializing_if = "HttpHealth::is_of_workflow")]
    pub http: Option<HttpHealth>,
    /// When its health is checked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timing: Timing,
    /// The user it runs as, not root; absent for the image's own, which may be root or a name.
    #[serde(default)]
    pub user: Option<u32>,
    /// The group it runs as; absent for the one with the number of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
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
    /// Whether everything else in the container stays as it is in the image.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub read_only: bool,
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
    /// The signal that stops it. For readers: it is in the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Seconds from that signal until it is killed; absent for 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_grace_period: Option<u16>,
    /// Files and folders of the project that are mounted below `/app` while it is developed.
    #[serde(default)]
    pub sources: Vec<String>,
}

/// HTTP paths that answer `GET` with a status from 200 to 399 as long as all is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpHealth {
    /// Whether it works: otherwise it is started again.
    pub health: String,
    /// Whether it wants requests: otherwise it gets none. Absent for the same path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// Where it answers; absent for the main port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

impl HttpHealth {
    /// What every component of a workflow answers.
    pub fn of_workflow() -> Option<Self> {
        Some(Self { health: "/health".into(), ready: Some("/ready".into()), port: None })
    }

    fn is_of_workflow(http: &Option<Self>) -> bool {
        *http == Self::of_workflow()
    }
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
    /// Whether the build put it there. Otherwise it was written to files, and somebody has to load it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub loaded: bool,
}

/// Where a build put an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivered {
    /// In the registry of its first tag, whatever else has it.
    Registry,
    /// In the Docker of this machine, and in no registry.
    Docker,
    /// In files alone.
    Files,
}

impl Image {
    /// The image with these names.
    pub fn of(tags: &[Reference], digest: Digest, delivered: Delivered) -> Self {
        let is_pushed = delivered == Delivered::Registry;
        let repository = |tag: &Reference| format!("{}/{}", tag.registry(), tag.repository());
        // Of several local names one that stands for this image alone.
        let local = tags.iter().find(|tag| tag.tag() != Some(LATEST)).or(tags.first());
        Self {
            repository: tags.first().filter(|_| is_pushed).map(repository),
            digest,
            tag: local.filter(|_| !is_pushed).map(short),
            loaded: delivered == Delivered::Docker,
        }
    }
}

/// A name as Docker shows it: without the registry that it assumes.
fn short(tag: &Reference) -> String {
    let text = tag.to_string();
    text.strip_prefix("docker.io/library/").map_or(text.clone(), str::to_owned)
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
///
/// Fields that came later are left out of the file where they have their default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// As components call it.
    pub name: String,
    /// Its host name, a DNS label.
    pub service: String,
    /// `redis@sha256:...`, or `redis:7.4`; never `latest`.
    pub image: String,
    /// The port that others use, if it listens at all.
    #[serde(default)]
    pub port: Option<Port>,
    /// Further ports it listens on.
    #[serde(default)]
    pub ports: Vec<Port>,
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
    /// The group it runs as; absent for the one with the number of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// A command in the container that ends with 0 as long as all is well.
    #[serde(default)]
    pub health: Option<Vec<String>>,
    /// HTTP paths that answer as long as all is well, for Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpHealth>,
    /// When its health is checked.
    #[serde(default, skip_serializing_if = "is_default")]
    pub timing: Timing,
    /// Which services it asks, by their names.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What it takes of a machine.
    #[serde(default)]
    pub resources: Resources,
}

/// What a component is, for a comment: `assistant: agent llm`, or `shop: application`.
pub(crate) fn described(component: &Component) -> String {
    let Component { name, kind, type_, .. } = component;
    type_.as_ref().map_or_else(|| format!("{name}: {kind}"), |type_| format!("{name}: {kind} {type_}"))
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

// serde hands fields over by reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_yes(value: &bool) -> bool {
    *value
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
