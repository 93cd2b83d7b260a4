//! A download client: small answers into memory, large ones into a file.
//!
//! Everything that goes wrong between two machines is met here once, for package indexes and Debian archives
//! alike: retries with back-off and `Retry-After`, resumed bodies, redirects that may not carry credentials
//! away, certificates that cannot be trusted, bodies that are not what was asked for. What the client may do
//! is data ([`Settings`]): it reads no environment. It verifies digests while bytes pass, and says nothing
//! about what they mean.

mod certificate;
mod client;
mod clock;
mod date;
mod download;
mod error;
mod exchange;
mod ordered;
mod pace;
mod part;
mod proxy;
mod redirect;
mod retry;
mod secret;
mod send;
mod settings;
mod tls;

pub use client::{Client, Request, Response};
pub use clock::Clock;
pub use download::Download;
pub use error::{Error, TlsProblem, Unfollowed};
pub use exchange::{Answer, Body, Exchange, Method};
pub use ordered::try_join_ordered;
pub use redirect::{is_same_server, target};
pub use retry::{Fault, Retry, Tries, is_passing, retry_after};
pub use secret::{Auth, Secret, redacted, take_credentials, without_secrets};
pub use settings::{Proxies, Settings, WaitListener};
pub use url::Url;
