//! Speaks the OCI distribution protocol (distribution-spec 1.1) with registries that are trusted no further than their
//! answers can be checked.
//!
//! Every byte that comes is compared with its digest, every push is confirmed by asking again, and credentials go to the
//! host they were given for. What the client may do is data: it reads no environment.

mod answer;
mod ask;
mod auth;
mod blob;
mod challenge;
mod client;
mod credentials;
mod error;
mod fetch;
mod host;
mod hosts_file;
mod keys;
mod login;
mod login_file;
mod manifest;
mod probe;
mod push;
mod repository;
mod scope;
mod upload;
mod way;

pub use blob::{Blob, Source, Uploaded};
pub use client::{Registry, Settings};
pub use credentials::{Credentials, DockerConfig};
pub use error::{Error, ServerError};
pub use host::Hosts;
pub use login::LoginCheck;
pub use login_file::{CredentialStore, LoginFile};
pub use manifest::Found;
pub use probe::{Finding, Probe, ProbeRequest};
pub use push::{Listener, Push, Pushed, Step, unwatched};
pub use repository::Repository;
