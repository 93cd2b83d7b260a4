use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

/// The workflow that is built, and its profile.
#[derive(Args, Clone)]
#[command(next_help_heading = "Workflow")]
pub(crate) struct WorkflowArguments {
    /// Workflow file; each component becomes an image [default: main.ww, if the project has one]
    ///
    /// The project is the folder of this file. `wain ww check` validates it.
    #[arg(long, short, value_name = "FILE.ww", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,

    /// Profile of the images of a workflow
    #[arg(long, value_enum, value_name = "GOAL", default_value_t)]
    pub(crate) optimize_for: OptimizeFor,

    /// Push the images of a workflow to HOST/PATH/PROJECT-COMPONENT
    #[arg(long, value_name = "HOST/PATH", conflicts_with_all = ["offline", "tag"])]
    pub(crate) registry: Option<String>,

    /// Treatment of syntax that the `woodwork` command reads differently
    #[arg(long, value_enum, value_name = "HOW", default_value_t)]
    pub(crate) ww_compat: WwCompat,
}

/// The steps after the images: deployment files, containers.
#[derive(Args, Clone)]
#[command(next_help_heading = "Deployment")]
pub(crate) struct ExportArguments {
    /// Write deployment files to build/FORMAT after the build, like `wain emit` (may be repeated)
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) export: Vec<Format>,

    /// Kubernetes namespace for --export
    #[arg(long, value_name = "NAME", requires = "export")]
    pub(crate) namespace: Option<String>,

    /// YAML or JSON file with overrides for --export, by component (see `wain emit --help`)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "export")]
    pub(crate) values: Option<PathBuf>,

    /// Transport of events between components; `redis` adds a Redis service to the deployment
    #[arg(long, value_enum, value_name = "BUS", default_value_t, help_heading = "Workflow")]
    pub(crate) bus: Bus,

    /// Run the images after the build, like `wain deploy up`
    #[arg(long, value_enum, value_name = "WHERE")]
    pub(crate) deploy: Option<Deploy>,

    /// Run in the background (with --deploy)
    #[arg(long, short, requires = "deploy")]
    pub(crate) detach: bool,
}

/// The profile of the images of a workflow.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OptimizeFor {
    /// Only what is needed to run
    #[default]
    Production,
    /// With debugpy, ipdb and verbose logs; Compose mounts the sources
    Development,
    /// As small as possible, like --slim
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
    /// Read it as documented, and warn
    #[default]
    Strict,
    /// Reject it, for files that both programs read
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

/// The format of deployment files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// compose.yaml, for `docker compose` and podman-compose
    DockerCompose,
    /// Manifests and kustomization.yaml, for `kubectl apply -k`
    Kubernetes,
    /// A Helm chart
    Helm,
}

impl Format {
    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DockerCompose => "docker-compose",
            Self::Kubernetes => "kubernetes",
            Self::Helm => "helm",
        }
    }
}

/// The transport of events between components.
#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Bus {
    /// No shared bus; events stay in their component
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

/// Where images run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deploy {
    /// This machine, with Docker Compose or podman-compose
    Local,
}
