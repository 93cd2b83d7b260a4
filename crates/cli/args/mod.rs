//! Options by subject, in groups that commands flatten.

mod base;
mod caches;
mod images;
mod inputs;
mod layers;
mod machine;
mod output;
mod packages;
mod parse;
mod project;
mod workflow;

pub(crate) use caches::{CacheArguments, LOCK_TIMEOUT, MAX_AGE, MAX_SIZE};
pub(crate) use images::{parse_image, parse_local, parse_subject};
pub(crate) use inputs::{BuildArguments, ContentArguments, ImageArguments, InputArguments};
pub(crate) use machine::{
    DisplayArguments, JobsArguments, MachineArguments, NetworkArguments, Progress, RemoteArguments, Setup,
    TransferArguments,
};
pub(crate) use output::{OutputArgument, OutputArguments, parse_place};
pub(crate) use packages::{BackendArguments, IndexArguments};
pub(crate) use parse::{parse_any_reference, parse_host, parse_name, parse_platform};
pub(crate) use workflow::{Bus, Deploy, Format, OptimizeFor, WorkflowArguments, WwCompat};
