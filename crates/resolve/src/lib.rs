//! Has the requirements of a project resolved by uv, and keeps the answer as a lockfile.
//!
//! [`Inputs`] are what is to be resolved: a plain `requirements.txt` or a `pyproject.toml`. [`Resolver`] is uv, found on the
//! machine or unpacked from its own wheel. [`Resolution`] is its answer for all platforms at once, written as `pylock.toml`
//! (PEP 751) that says in `[tool.wainwright]` what it was made from: [`Recorded`].

mod error;
mod inputs;
mod pinned;
mod pylock;
mod question;
mod recorded;
mod requirements;
mod uv;

pub use error::Error;
pub use inputs::{Inputs, Kind};
pub use pinned::{VERSION, pinned, unpack};
pub use pylock::{Resolution, relative};
pub use question::{Question, Upgrade};
pub use recorded::{FILE_NAME, Recorded};
pub use uv::{OLDEST, Resolver};
