//! Reads what the user wrote into one checked [`Project`]: `pyproject.toml` or `wainwright.toml`, and the source tree.
//!
//! No code of the project runs here, and nothing outside its folder is read: no user-wide ignore files, no environment.
//! The same folder gives the same project on every machine.

mod allowed_clash;
mod build_sdists;
mod component;
mod deny;
mod dependency_groups;
mod deploy;
mod dist_info;
mod dockerignore;
mod document;
mod error;
mod gitignore;
mod health;
mod items;
mod layout;
mod leak;
mod place;
mod poetry;
mod project;
mod python_project;
mod quantity;
mod read;
mod resources;
mod rules;
mod scripts;
mod service;
mod settings;
mod source_tree;
mod start;
mod static_version;
mod values;
mod walk;

pub use allowed_clash::AllowedClash;
pub use build_sdists::BuildSdists;
pub use component::{ComponentContent, ComponentFile, NotStatic, component};
pub use deploy::{Deploy, Publish};
pub use dist_info::dist_info;
pub use error::Error;
pub use health::{Health, Timing, is_http_path};
pub use layout::{Layout, LayoutKind};
pub use leak::refuse_leaks;
pub use place::Place;
pub use project::{Project, load};
pub use python_project::{License, Person, PythonProject, Readme};
pub use quantity::{NotAQuantity, Quantity};
pub use resources::Resources;
pub use service::{Prefixed, Service};
pub use settings::Settings;
pub use source_tree::{
    Excluded, SourceFile, SourceKind, SourceTree, Warning, list_sources, list_sources_except,
};
pub use start::{Start, start};
pub use values::{Port, Protocol, User, check_pinned, is_dns_label, is_variable};
