//! One file for each command: its options, its help, and what it does.

pub(crate) mod analyze;
pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod copy;
mod decide;
pub(crate) mod deploy;
pub(crate) mod diff;
pub(crate) mod emit;
pub(crate) mod explain;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod lock;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod plan;
pub(crate) mod probe;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod tag;
pub(crate) mod verify;
pub(crate) mod version;
pub(crate) mod ww;
