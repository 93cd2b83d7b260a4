use crate::error::Fault;
use crate::rules::{E_FRAME, E_NOTZIP, E_ZIPDIFF};
use crate::source::{Fields, Source};

const END: &[u8] = b"PK\x05\x06";
const END_SIZE: u64 = 22;
const END64: &[u8] = b"PK\x06\x06";
const END64_SIZE: u64 = 56;
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_SIZE: u64 = 20;

/// What the end record says about the directory.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    /// Number of entries.
    pub(super) members: u64,
    /// Where the directory starts.
    pub(super) offset: u64,
    /// Its length in bytes.
    pub(super) size: u64,
}

/// Finds the end record (APPNOTE 4.3.16), and its zip64 form (4.3.14, 4.3.15), and checks that both say the same.
///
/// The directory ends where the end records start, and the comment ends where the file ends.
pub(super) fn find(source: &Source) -> Result<End, Fault> {
    let (at, record) = last_end_record(source)?;
    let mut fields = Fields(&record[4..]);
    let disks = (fields.u16()?, fields.u16()?);
    let here = fields.u16()?;
    let members = fields.u16()?;
    let size = fields.u32()?;
    let offset = fields.u32()?;
    if disks != (0, 0) || here != members {
        return Err(Fault::archive(E_FRAME, "its end record refers to several disks"));
    }
    let small = End { members: members.into(), size: size.into(), offset: offset.into() };

    let (end, directory_end) = match locator(source, at)? {
        None => (small, at),
        Some(locator) => {
            let end = end64(source, &locator, at - LOCATOR_SIZE)?;
            let agrees = |small: u64, unknown: u64, large: u64| small == unknown || small == large;
            if !agrees(small.members, 0xffff, end.members)
                || !agrees(small.size, 0xffff_ffff, end.size)
                || !agrees(small.offset, 0xffff_ffff, end.offset)
            {
                return Err(Fault::archive(E_ZIPDIFF, "its zip64 end record and its end record disagree"));
            }
            (end, at - LOCATOR_SIZE - END64_SIZE)
        }
    };
    if end.offset.checked_add(end.size) != Some(directory_end) {
        return Err(Fault::archive(
            E_FRAME,
            format!(
                "by its end record the directory is the {} bytes from {}, but the end record stands at {directory_end}",
                end.size, end.offset
            ),
        ));
    }
    Ok(end)
}

/// The last end record of the file and where it stands; its comment must reach to the last byte.
fn last_end_record(source: &Source) -> Result<(u64, Vec<u8>), Fault> {
    if source.length == 0 {
        return Err(Fault::archive(E_NOTZIP, "the file is empty"));
    }
    let tail_size = source.length.min(END_SIZE + 0xffff);
    let tail_at = source.length - tail_size;
    let mut tail = vec![0; tail_size as usize];
    source.read(tail_at, &mut tail)?;
    let Some(found) = tail.windows(4).rposition(|four| four == END) else {
        return Err(Fault::archive(
            E_NOTZIP,
            match tail_at == 0 && tail.starts_with(b"PK") {
                true => "it has no end record; the file may be cut short",
                false => "it has no end record",
            },
        ));
    };
    let record = tail.split_off(found);
    let declared = match record.get(20..22) {
        Some(&[low, high]) => END_SIZE + u64::from(u16::from_le_bytes([low, high])),
        _ => return Err(Fault::archive(E_FRAME, "its end record is cut short")),
    };
    if declared != record.len() as u64 {
        return Err(Fault::archive(
            E_FRAME,
            format!(
                "its end record says it is {declared} bytes long, but {} bytes are left in the file",
                record.len()
            ),
        ));
    }
    // A comment may say anything, but not look like parts of an archive: readers that search for them find them.
    if record[END_SIZE as usize..].windows(4).any(|four| four[..2] == *b"PK" && four[2] < 8 && four[3] < 9) {
        return Err(Fault::archive(E_FRAME, "its comment contains parts of another archive"));
    }
    Ok((tail_at + found as u64, record))
}

/// The zip64 locator, which stands directly before the end record if there is one.
fn locator(source: &Source, end_at: u64) -> Result<Option<Vec<u8>>, Fault> {
    let Some(at) = end_at.checked_sub(LOCATOR_SIZE) else { return Ok(None) };
    let record = source.bytes(at, LOCATOR_SIZE as usize)?;
    Ok(record.filter(|record| record.starts_with(LOCATOR)))
}

/// The zip64 end record, which must stand directly before its locator.
fn end64(source: &Source, locator: &[u8], locator_at: u64) -> Result<End, Fault> {
    let mut fields = Fields(&locator[4..]);
    let disk = fields.u32()?;
    let at = fields.u64()?;
    let disks = fields.u32()?;
    if disk != 0 || disks > 1 {
        return Err(Fault::archive(E_FRAME, "its zip64 locator refers to several disks"));
    }
    if at.checked_add(END64_SIZE) != Some(locator_at) {
        return Err(Fault::archive(E_FRAME, "its zip64 end record is not where the locator says"));
    }
    let record = source.bytes(at, END64_SIZE as usize)?.unwrap_or_default();
    let mut fields = Fields(&record);
    let signature = fields.bytes(4)?;
    let size = fields.u64()?;
    let _versions = fields.u32()?;
    let disks = (fields.u32()?, fields.u32()?);
    let here = fields.u64()?;
    let end = End { members: fields.u64()?, size: fields.u64()?, offset: fields.u64()? };
    if signature != END64 || size != END64_SIZE - 12 || disks != (0, 0) || here != end.members {
        return Err(Fault::archive(E_FRAME, "its zip64 end record has an unknown form"));
    }
    Ok(end)
}
