//! Exit codes.

/// The input is wrong.
pub(crate) const WRONG: u8 = 1;
/// The command line is wrong.
pub(crate) const USAGE: u8 = 2;
/// The network, the disk or another program failed; a retry may succeed.
pub(crate) const OUTSIDE: u8 = 3;
/// 128 + SIGPIPE.
pub(crate) const BROKEN_PIPE: u8 = 141;
