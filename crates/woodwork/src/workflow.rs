use crate::hooks::Hook;
use crate::problem::Problem;
use crate::span::Span;
use crate::syntax::Dict;
use crate::table::{Kind, Place};

/// Keys that are for the build and the routes, and not for the component itself.
const OF_BUILD: &[&str] = &["hooks", "pipes", "to", "requirements", "resources", "deployment", "replicas"];

/// A checked workflow: every reference has its component, and every component what its kind wants.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// The components in the order of the file.
    pub components: Vec<Component>,
    /// Their names, each behind those it refers to.
    pub order: Vec<String>,
    /// Every `$NAME` of the file, sorted.
    pub env_names: Vec<String>,
    /// What may not be meant, in the order of the file.
    pub warnings: Vec<Problem>,
}

/// A checked component.
#[derive(Clone, Debug)]
pub struct Component {
    /// Its name, as written.
    pub name: String,
    /// The name of its service: lower-case, with `-`; no two components have the same.
    pub service: String,
    /// What is known of its kind and type.
    pub kind: &'static Kind,
    /// Where its name stands.
    pub at: Span,
    /// All its keys, with references and environment variables by name.
    pub config: Dict,
    /// Functions that watch.
    pub hooks: Vec<Hook>,
    /// Functions that change, in this order.
    pub pipes: Vec<Hook>,
    /// The components its results go to.
    pub routes: Vec<String>,
    /// The components it refers to, in order of first appearance.
    pub depends_on: Vec<String>,
    /// The components that live in its image, each behind those it refers to.
    pub folded: Vec<String>,
    /// The components in whose images it lives; it has no image of its own then.
    pub folded_into: Vec<String>,
    /// Files of the project that its keys name.
    pub files: Vec<NamedFile>,
    /// The packages it needs, its own and not those of what is folded: what it says, or what its kind does.
    pub requirements: Vec<String>,
    /// The `$NAME`s of its keys, sorted.
    pub env_names: Vec<String>,
    /// What it may use.
    pub resources: Resources,
    /// How many of it run; not said is one.
    pub replicas: Option<u32>,
    /// The port of its key `port`.
    pub port: Option<u16>,
}

/// A file of the project that a key names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// As `path` or `prompt.file`.
    pub key: &'static str,
    /// Relative to the project, with `/`.
    pub path: String,
    /// Where it is written.
    pub at: Span,
}

/// What a component may use, as Kubernetes writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Processors it is promised, as `250m`.
    pub cpu: Option<String>,
    /// Memory it is promised, as `256Mi`.
    pub memory: Option<String>,
    /// Processors it has at most.
    pub cpu_limit: Option<String>,
    /// Memory it has at most.
    pub memory_limit: Option<String>,
}

impl Workflow {
    /// The component of this name.
    pub fn component(&self, name: &str) -> Option<&Component> {
        self.components.iter().find(|component| component.name == name)
    }

    /// The components that become images, in the order of the file.
    pub fn images(&self) -> impl Iterator<Item = &Component> {
        self.components.iter().filter(|component| component.is_image())
    }
}

impl Component {
    /// Whether it becomes an image of its own.
    pub fn is_image(&self) -> bool {
        match self.kind.place {
            Place::Image => true,
            Place::Folded { alone, .. } => alone && self.folded_into.is_empty(),
            Place::Service(_) | Place::LeftOut { .. } | Place::DockerSocket => false,
        }
    }

    /// The keys for the component itself: without hooks, pipes, routes, and what is for the build.
    pub fn settings(&self) -> Dict {
        self.config.without(OF_BUILD)
    }
}
