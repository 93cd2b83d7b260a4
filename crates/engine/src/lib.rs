//! Expand, resolve, plan, execute, deliver: from a folder to images, and what happens meanwhile as events.
//!
//! [`expand()`] decides which images a folder describes, [`resolve()`] turns every name into a digest, [`plan()`] decides all
//! layers, [`execute()`] makes what is missing, [`deliver()`] writes and pushes the images. A project is a set of one image; a
//! workflow is a set of many. [`push`](push()), [`pull`], [`copy`] and the like carry finished images between registries and
//! this machine. Nothing here prints, reads the environment or the clock.
//!
//! A room may use only the rooms above it in this list.

mod model;

mod session;

mod expand;

mod resolve;

mod plan;

mod execute;

mod deliver;

pub use deliver::{
    Delivery, InspectedManifest, Inspection, Outcome, Pull, Raw, Subject, copy, deliver, inspect,
    inspect_raw, is_meant, keep_release, login, logout, preview_release, probe, publish, pull, push, release,
    tag,
};
pub use execute::{
    AssembledBase, execute, install_wheel, lay_out, lost_files, preflight, unbuilt, write_base,
};
pub use expand::{COMPONENT_PORT, component_output, expand, load, omitted_components, omitted_dependencies};
pub use model::cache::{CacheOffer, Caches, Check, cache_reference};
pub use model::config::Config;
pub use model::conflicts::SharedFile;
pub use model::debian::{DebianLayer, DebianRecipe};
pub use model::error::{Error, ResolveBan};
pub use model::event::{Event, Listener};
pub use model::image_set::{ImageSet, ImageSpec, Kind, PackageSelection, Requirements};
pub use model::images::{BuiltImage, BuiltPlatform, Images, LayerReport};
pub use model::native::{ForeignModule, MissingLibrary, Native, TooNew};
pub use model::plan::{BasePlan, ImagePlan, LayerPlan, LayerState, Plan, PlatformPlan, Recipe};
pub use model::request::{Base, EPOCH, Machine, Output, Pinning, Request, WorkflowRequest};
pub use model::resolution::{ImageResolution, PlatformResolution, Resolution};
pub use model::wheel::{ChosenWheel, Made, MadeBy, Unbuilt};
pub use plan::{consult, group, plan};
pub use resolve::{WainLock, lock, report_outdated, resolve};
pub use session::Session;
pub use wainwright_base::Source as ImageSource;
pub use wainwright_http::Secret;
pub use wainwright_image::replace;
pub use wainwright_project::{AllowedClash, BuildSdists, Project};
pub use wainwright_registry::{CredentialStore, Probe, Registry};
pub use wainwright_resolve::Upgrade;
