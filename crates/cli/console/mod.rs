//! Text output: results on standard output, everything else on standard error.

pub(crate) mod clean;
pub(crate) mod exit;
pub(crate) mod failure;
pub(crate) mod panic;
pub(crate) mod stderr;
pub(crate) mod stdout;
pub(crate) mod trace;

pub(crate) use clean::clean;
pub(crate) use failure::{describe, fail, usage};
pub(crate) use stderr::line;
pub(crate) use stdout::print;
