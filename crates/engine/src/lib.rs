//! Resolve, plan, execute, deliver: from a project to images, and what happens meanwhile as events.
//!
//! [`resolve`] finds out what goes in, [`plan`] decides everything, [`execute`] makes what is missing, [`deliver`] puts
//! the images where they are wanted. [`push`](push()), [`pull`], [`copy`] and their kin carry what is there already between
//! registries and this machine. Nothing here prints, reads the environment or knows the time.

mod analyze;
mod base;
mod bytecode;
mod choose;
mod components;
mod cpu;
mod deliver;
mod describe;
mod describe_file;
mod diff;
mod documents;
mod error;
mod event;
mod execute;
mod fields;
mod format;
mod image;
mod layering;
mod native;
mod oracle;
mod outdated;
mod pairs;
mod plan;
mod plan_view;
mod project_files;
mod push;
mod remote;
mod request;
mod resolve;
mod runtime;
mod sources;
mod together;
mod tools;
mod transfer;
mod unlocked;
mod verify;
mod wain_lock;
mod wheels;

pub use analyze::{Analysis, Cost, Duplicate, FileCost, LayerCost, PartCost, analyze};
pub use components::{
    COMPONENT_PORT, ComponentImages, ComponentPlan, ComponentResolution, WorkflowRequest, WorkflowResolution,
    component_output, consult_workflow, deliver_workflow, execute_workflow, foretell, left_out,
    lock_workflow, missed, plan_workflow, publish_workflow, release, resolve_workflow, workflow_in,
};
pub use deliver::{Delivery, Outcome, deliver};
pub use diff::{Change, Diff, FileChange, LayerChange, LayerDifference, PackageChange, PlatformDiff, diff};
pub use error::{Error, ResolveBan};
pub use event::{Event, Listener};
pub use execute::{Images, LayerReport, execute};
pub use fields::Field;
pub use image::Config;
pub use layering::group;
pub use native::{ForeignModule, MissingLibrary, Native, TooNew, preflight};
pub use oracle::{Caches, Check, Offer, cache_reference, consult, publish};
pub use outdated::tell_outdated;
pub use plan::{BasePlan, ImagePlan, LayerPlan, LayerState, Plan, plan};
pub use request::{Base, EPOCH, Machine, Output, Pinning, Request};
pub use resolve::{PlatformResolution, Resolution, resolve};
pub use runtime::RuntimeRecipe;
pub use sources::{Made, MadeBy};
pub use together::Shared;
pub use tools::Tools;
pub use transfer::{
    InspectedManifest, Inspection, Pull, Raw, Subject, copy, inspect, inspect_raw, is_meant, login, logout,
    probe, pull, push, tag,
};
pub use verify::{
    Finding, LayerVerdict, LayerVerification, Origin, OriginCount, PlatformVerification, Verdict,
    Verification, verify,
};
pub use wain_lock::{WainLock, lock};
pub use wainwright_base::Source as ImageSource;
pub use wainwright_http::Secret;
pub use wainwright_image::replace;
pub use wainwright_project::{AllowedClash, BuildSdists};
pub use wainwright_registry::{Keeper, Probe, Registry};
pub use wainwright_resolve::Upgrade;
