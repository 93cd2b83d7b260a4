//! Speaks the OCI distribution protocol (distribution-spec 1.1) with registries that are trusted no further than their
//! answers can be checked.
//!
//! Every byte that comes is compared with its digest, every push is confirmed by asking again, and credentials go to the
//! host they were given for. What the client may do is data: it reads no environment.

mod ask;
mod auth;
mod blob;
mod challenge;
mod client;
mod credentials;
mod error;
mod host;
mod hosts_file;
mod login;
mod login_file;
mod manifest;
mod probe;
mod push;
mod upload;

pub use auth::Scope;
pub use blob::Source;
pub use client::{Registry, Settings};
pub use credentials::{Credentials, DockerConfig};
pub use error::{Error, ServerError};
pub use host::Hosts;
pub use login::LoginCheck;
pub use login_file::{CredentialStore, LoginFile};
pub use manifest::Found;
pub use probe::{Finding, Probe, ProbeRequest};
pub use push::{Blob, Listener, Push, Pushed, Step, unwatched};
pub use upload::Uploaded;
