//! A download client: small answers into memory, large ones into a file.
//!
//! Everything that goes wrong between two machines is met here once, for package indexes and Debian archives
//! alike: retries with back-off and `Retry-After`, resumed bodies, redirects that may not carry credentials
//! away, certificates that cannot be trusted, bodies that are not what was asked for. What the client may do
//! is data ([`Settings`]): it reads no environment. It verifies digests while bytes pass, and says nothing
//! about what they mean.

mod cause;
mod certificate;
mod client;
mod clock;
mod date;
mod download;
mod error;
mod exchange;
mod file;
mod limits;
mod ordered;
mod pace;
mod part;
mod proxy;
mod redirect;
mod request;
mod retry;
mod secret;
mod send;
mod settings;
mod tls;

pub use client::Client;
pub use clock::Clock;
pub use error::{Error, TlsProblem, Unfollowed};
pub use exchange::{Answer, Body, Exchange, Method};
pub use ordered::try_join_ordered;
pub use part::Download;
pub use redirect::{is_same_server, target};
pub use request::{Request, Response};
pub use retry::{Fault, Retry, Tries, is_passing, retry_after};
pub use secret::{Auth, Secret, redacted, take_credentials, without_secrets};
pub use settings::{Proxies, Settings, WaitListener};
pub use url::Url;
