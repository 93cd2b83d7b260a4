use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// The workflow that is built, and for what.
#[derive(Args, Clone)]
#[command(next_help_heading = "Workflow")]
pub(crate) struct WorkflowArguments {
    /// The workflow: one image for each of its components [default: main.ww, where the project has one]
    ///
    /// The project is the folder of the file. `wain ww check` says whether the file is sound.
    #[arg(long, short, value_name = "FILE.ww", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// What the images of a workflow are for
    #[arg(long, value_enum, value_name = "GOAL", default_value_t)]
    pub(crate) optimize_for: OptimizeFor,

    /// Push the images of a workflow to HOST/PATH/PROJECT-COMPONENT
    #[arg(long, value_name = "HOST/PATH", conflicts_with_all = ["offline", "tag"])]
    pub(crate) registry: Option<String>,

    /// What becomes of what the `woodwork` command reads differently
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub(crate) ww_compat: WwCompat,
}

/// What is written and started when the images of a workflow are made.
#[derive(Args, Clone)]
#[command(next_help_heading = "Workflow")]
pub(crate) struct ExportArguments {
    /// Write files that run the images, to build/FORMAT (may be repeated); as `wain emit` afterwards
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) export: Vec<Format>,

    /// The Kubernetes namespace for --export
    #[arg(long, value_name = "NAME", requires = "export")]
    pub(crate) namespace: Option<String>,

    /// What is wanted different in what --export writes, component by component: YAML or JSON
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "export")]
    pub(crate) values: Option<PathBuf>,

    /// How components tell each other of events: `redis` adds a Redis to what is run
    #[arg(long, value_enum, value_name = "BUS", default_value_t)]
    pub(crate) bus: Bus,

    /// Run the images when they are made: `local` is this machine; as `wain deploy up` afterwards
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(crate) deploy: Option<Deploy>,

    /// Leave running what --deploy started
    #[arg(long, short, requires = "deploy")]
    pub(crate) detach: bool,
}

/// What the images of a workflow are for.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OptimizeFor {
    /// To run for long: nothing in them but what runs
    #[default]
    Production,
    /// To be worked on: debugpy and ipdb, more is logged, Compose mounts the sources
    Development,
    /// To be small: as with --slim all
    Size,
}

impl From<OptimizeFor> for wainwright_emit::Profile {
    fn from(goal: OptimizeFor) -> Self {
        match goal {
            OptimizeFor::Production => Self::Production,
            OptimizeFor::Development => Self::Development,
            OptimizeFor::Size => Self::Size,
        }
    }
}

#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum WwCompat {
    /// They mean what they say, and are warned of
    #[default]
    Strict,
    /// They are errors: the file is for both
    Engine,
}

impl From<WwCompat> for wainwright_woodwork::Compat {
    fn from(compat: WwCompat) -> Self {
        match compat {
            WwCompat::Strict => Self::Strict,
            WwCompat::Engine => Self::Engine,
        }
    }
}

/// What files are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// compose.yaml, for `docker compose` and podman-compose
    DockerCompose,
    /// Objects and a kustomization.yaml, for `kubectl apply -k`
    Kubernetes,
    /// A chart
    Helm,
}

impl Format {
    /// As it is written on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DockerCompose => "docker-compose",
            Self::Kubernetes => "kubernetes",
            Self::Helm => "helm",
        }
    }
}

/// How components tell each other of events.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bus {
    /// Each keeps its own
    #[default]
    Http,
    /// Through Redis
    Redis,
}

impl From<Bus> for wainwright_emit::Bus {
    fn from(bus: Bus) -> Self {
        match bus {
            Bus::Http => Self::Http,
            Bus::Redis => Self::Redis,
        }
    }
}

/// Where images are run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deploy {
    /// Here, by a Compose tool
    Local,
}
