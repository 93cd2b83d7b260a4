use std::fs::File;
use std::sync::Arc;

/// A package file whose digest was checked, and what the lock says about it.
#[derive(Clone, Debug)]
pub struct DebFile {
    /// `libc6`
    pub name: String,
    /// `2.36-9+deb12u14`, with its epoch.
    pub version: String,
    /// `amd64`, `all`, as Debian names it.
    pub architecture: String,
    /// The source package: `glibc`.
    pub source: String,
    /// The open file; read with positional reads only.
    pub file: Arc<File>,
}
