//! A strict reader of zip archives (PKWARE APPNOTE): what it accepts, every reader understands the same way.

mod data;
mod directory;
mod end;
mod extra;
mod local;
mod member;
mod name;
mod tree;

use std::ops::ControlFlow;

use crate::error::Fault;
use crate::rules::{E_LIMIT, E_TYPE, W_RATIO};
use crate::source::Source;
use crate::warning::Warnings;

pub(crate) use data::{head, pour, read_all};
pub(crate) use member::Member;
pub(crate) use tree::{check_tree, same_but_for_case};

/// How much a wheel may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Files and directories in the archive.
    pub members: u64,
    /// Size of the zip directory in bytes; memory use is a small multiple of it.
    pub directory: u64,
    /// Sum of the sizes of all files, unpacked, in bytes.
    pub unpacked: u64,
}

impl Default for Limits {
    /// A million members, a directory of 128 MiB, 64 GiB unpacked: beyond every wheel known.
    fn default() -> Self {
        Self { members: 1_000_000, directory: 128 << 20, unpacked: 64 << 30 }
    }
}

/// Reads the directory and all headers, and of data only what stands at directories: it has to be nothing.
///
/// Members come in the order of the directory. Names are canonical and unique; the members fill the file without gaps.
pub(crate) fn read(source: &Source, limits: &Limits, warnings: &mut Warnings) -> Result<Vec<Member>, Fault> {
    let end = end::find(source)?;
    if end.members > limits.members {
        return Err(over("members", end.members, limits.members));
    }
    if end.size > limits.directory {
        return Err(over("bytes of directory", end.size, limits.directory));
    }
    let entries = directory::read(source, &end, warnings)?;
    let members = local::follow(source, &end, entries)?;
    for member in members.iter().filter(|member| member.is_directory && member.is_deflated) {
        check_nothing(source, member)?;
    }
    let folders = check_tree(members.iter().map(|member| (member.name.as_bytes(), member.is_directory)))?;
    // A layer has an entry for every folder; a few members with deep names stand for very many.
    if folders.count > limits.members {
        return Err(over("folders", folders.count, limits.members));
    }
    if folders.bytes > limits.directory {
        return Err(over("bytes in the names of its folders", folders.bytes, limits.directory));
    }

    let unpacked = members.iter().fold(0u64, |sum, member| sum.saturating_add(member.size));
    if unpacked > limits.unpacked {
        return Err(over("bytes unpacked", unpacked, limits.unpacked));
    }
    for member in members.iter().filter(|member| is_suspiciously_small(member)) {
        let text = format!("{} bytes are compressed to {}", member.size, member.compressed_size);
        warnings.add(W_RATIO, Some(&member.name), text);
    }
    Ok(members)
}

/// Some writers deflate the nothing that a directory holds; anything else would be content that nobody installs.
fn check_nothing(source: &Source, directory: &Member) -> Result<(), Fault> {
    match pour(source, directory, |_| ControlFlow::Continue(())) {
        Err(Fault::Broken { .. }) => {
            Err(Fault::member(E_TYPE, &directory.name, "it is a directory with content"))
        }
        other => other,
    }
}

fn over(what: &str, found: u64, limit: u64) -> Fault {
    Fault::archive(E_LIMIT, format!("it has {found} {what}, more than the limit of {limit}"))
}

/// Text and code stay far below 200 to 1; deflate cannot go beyond 1032.
fn is_suspiciously_small(member: &Member) -> bool {
    member.size >= 8 << 20 && member.size / 200 >= member.compressed_size
}
