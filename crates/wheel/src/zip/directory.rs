use super::end::End;
use super::extra::Extra;
use super::name::check_name;
use crate::error::Fault;
use crate::rules::{E_ENC, E_FRAME, E_METHOD, E_SIZE, E_TYPE, E_ZIPDIFF, W_SUID};
use crate::source::{Fields, Source, Window};
use crate::warning::Warnings;

const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_SIZE: usize = 46;
/// The newest version of the format that members may need, 6.3 (APPNOTE 4.4.3): Python's zipfile reads none that needs more.
const NEWEST: u8 = 63;

/// Flags that change how a member is read (APPNOTE 4.4.4).
pub(super) const DESCRIPTOR: u16 = 1 << 3;
pub(super) const UTF8: u16 = 1 << 11;
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
/// How hard the compressor tried.
pub(super) const EFFORT: u16 = 1 << 1 | 1 << 2;

/// An entry of the directory (APPNOTE 4.3.12), its name and type checked.
pub(super) struct Entry {
    /// As written, with the slash of a directory.
    pub(super) written_name: Vec<u8>,
    pub(super) name: String,
    pub(super) is_directory: bool,
    pub(super) is_executable: bool,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc32: u32,
    pub(super) compressed_size: u64,
    pub(super) size: u64,
    /// Where its local header stands.
    pub(super) header: u64,
}

/// Reads the directory: exactly as many entries as the end record says, and not a byte more.
pub(super) fn read(source: &Source, end: &End, warnings: &mut Warnings) -> Result<Vec<Entry>, Fault> {
    if end.members > end.size / ENTRY_SIZE as u64 {
        let reason = format!("its directory of {} bytes is too small for {} members", end.size, end.members);
        return Err(Fault::archive(E_FRAME, reason));
    }
    let mut window = Window::new(source, end.offset, end.offset + end.size);
    let mut entries = Vec::with_capacity(end.members as usize);
    for _ in 0..end.members {
        entries.push(entry(&mut window, warnings)?);
    }
    match window.rest() {
        0 => Ok(entries),
        rest => Err(Fault::archive(
            E_FRAME,
            format!("its end record lists {} members, but {rest} bytes of directory are left", end.members),
        )),
    }
}

fn entry(window: &mut Window<'_>, warnings: &mut Warnings) -> Result<Entry, Fault> {
    let mut fields = Fields(window.take(ENTRY_SIZE)?);
    if fields.bytes(4)? != ENTRY {
        return Err(Fault::archive(E_FRAME, "its directory contains something that is not an entry"));
    }
    let system = fields.u16()? >> 8;
    // The other byte is a system, which nobody looks at here.
    let [version_needed, _] = fields.u16()?.to_le_bytes();
    let flags = fields.u16()?;
    let method = fields.u16()?;
    let _modified = fields.u32()?;
    let crc32 = fields.u32()?;
    let compressed_size = fields.u32()?;
    let size = fields.u32()?;
    let name_length = usize::from(fields.u16()?);
    let extra_length = usize::from(fields.u16()?);
    let comment_length = usize::from(fields.u16()?);
    let disk = fields.u16()?;
    let _internal = fields.u16()?;
    let attributes = fields.u32()?;
    let header = fields.u32()?;

    let written_name = window.take(name_length)?.to_vec();
    let extra = window.take(extra_length)?;
    let extra = Extra::read(extra, &written_name)?;
    let refuse = |rule, reason: &str| Err(Fault::member(rule, &written_name, reason));

    let (bare_name, is_directory) = match written_name.strip_suffix(b"/") {
        Some(bare) => (bare, true),
        None => (&written_name[..], false),
    };
    let name = check_name(bare_name, flags & UTF8 != 0)?.to_owned();
    extra.confirms(&written_name)?;
    let [size, compressed_size, header] =
        extra.widen(&written_name, [size.into(), compressed_size.into(), header.into()])?;
    if extra.disk(&written_name, disk)? != 0 {
        return refuse(E_FRAME, "it starts on another disk");
    }
    window.take(comment_length)?;

    if flags & ENCRYPTED != 0 {
        return refuse(E_ENC, "it is encrypted");
    }
    if version_needed > NEWEST {
        let reason =
            format!("it needs version {}.{} of the format", version_needed / 10, version_needed % 10);
        return refuse(E_METHOD, &reason);
    }
    if !matches!(method, 0 | 8) {
        return refuse(E_METHOD, &format!("compression method {method} is neither stored nor deflate"));
    }
    if flags & !(DESCRIPTOR | UTF8 | EFFORT) != 0 {
        return refuse(E_METHOD, &format!("its flags {flags:#06x} require more than deflate"));
    }
    // Some writers call an empty file deflated and store nothing; that is read as stored.
    if size != compressed_size && (method == 0 || compressed_size == 0) {
        return refuse(E_SIZE, &format!("{size} bytes cannot be stored in {compressed_size}"));
    }
    // Whether what is deflated is nothing is seen when it is inflated.
    if is_directory && (size, crc32) != (0, 0) {
        return refuse(E_TYPE, "it is a directory with content");
    }
    // Without a size in front, only what follows says where stored data ends, and the data can imitate that.
    if method == 0 && size != 0 && flags & DESCRIPTOR != 0 {
        return refuse(E_ZIPDIFF, "its stored data is followed by its size; readers find different ends");
    }
    let is_executable = check_mode(system, attributes, &name, is_directory, warnings)?;
    Ok(Entry {
        name,
        is_directory,
        is_executable,
        flags,
        method,
        crc32,
        compressed_size,
        size,
        header,
        written_name,
    })
}

/// Looks at the attributes that a system left, and says whether the file is executable.
///
/// The upper half is a mode, as Unix has it. Some readers look there whatever system is named (pip among them), so a link is
/// refused from everywhere; of the x bits only those of Unix count, as they do for uv.
fn check_mode(
    system: u16,
    attributes: u32,
    name: &str,
    is_directory: bool,
    warnings: &mut Warnings,
) -> Result<bool, Fault> {
    const UNIX: u16 = 3;
    /// Of MS-DOS, in the lower half.
    const FOLDER: u32 = 1 << 4;
    let mode = attributes >> 16;
    let kind = match mode & 0o170_000 {
        0 => None,
        0o100_000 if !is_directory => None,
        0o040_000 if is_directory => None,
        0o100_000 => Some("a directory by name and a file by type"),
        0o040_000 => Some("a file by name and a directory by type"),
        0o120_000 => Some("a symbolic link"),
        0o020_000 => Some("a character device"),
        0o060_000 => Some("a block device"),
        0o010_000 => Some("a pipe"),
        0o140_000 => Some("a socket"),
        _ => Some("of an unknown type"),
    };
    let kind = kind
        .or((attributes & FOLDER != 0 && !is_directory)
            .then_some("a file by name and a directory by attribute"));
    if let Some(kind) = kind {
        return Err(Fault::member(E_TYPE, name, format!("it is {kind}")));
    }
    if mode & 0o7000 != 0 && !is_directory {
        warnings.add(
            W_SUID,
            Some(name),
            format!("its mode is {:04o}; only the x bits are kept", mode & 0o7777),
        );
    }
    Ok(system == UNIX && mode & 0o111 != 0)
}
