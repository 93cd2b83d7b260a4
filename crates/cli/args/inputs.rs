use clap::Args;

use super::base::BaseArguments;
use super::caches::{CacheFromArguments, CacheToArguments};
use super::layers::LayerArguments;
use super::machine::{JobsArguments, MachineArguments};
use super::output::{OutputArguments, ReportArguments};
use super::packages::{BackendArguments, IndexArguments, WheelArguments};
use super::project::ProjectArguments;
use super::workflow::{ExportArguments, WorkflowArguments};

/// The options that select the packages of a project.
#[derive(Args, Clone)]
pub(crate) struct InputArguments {
    #[command(flatten)]
    pub(crate) project: ProjectArguments,

    #[command(flatten)]
    pub(crate) base: BaseArguments,

    #[command(flatten)]
    pub(crate) indexes: IndexArguments,
}

/// The options that change the layers of an image.
#[derive(Args, Clone, Default)]
pub(crate) struct ContentArguments {
    #[command(flatten)]
    pub(crate) wheels: WheelArguments,

    #[command(flatten)]
    pub(crate) layers: LayerArguments,
}

/// The options of images and their outputs, for `wain build` and `wain plan`.
#[derive(Args, Clone)]
pub(crate) struct ImageArguments {
    #[command(flatten)]
    pub(crate) inputs: InputArguments,

    #[command(flatten)]
    pub(crate) content: ContentArguments,

    #[command(flatten)]
    pub(crate) output: OutputArguments,

    #[command(flatten)]
    pub(crate) workflow: WorkflowArguments,

    #[command(flatten)]
    pub(crate) cache_from: CacheFromArguments,
}

/// The options of `wain build`.
#[derive(Args, Clone)]
pub(crate) struct BuildArguments {
    #[command(flatten)]
    pub(crate) image: ImageArguments,

    #[command(flatten)]
    pub(crate) backends: BackendArguments,

    #[command(flatten)]
    pub(crate) report: ReportArguments,

    #[command(flatten)]
    pub(crate) export: ExportArguments,

    #[command(flatten)]
    pub(crate) cache_to: CacheToArguments,

    #[command(flatten)]
    pub(crate) machine: MachineArguments,

    #[command(flatten)]
    pub(crate) jobs: JobsArguments,
}
