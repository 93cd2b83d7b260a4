use super::Member;
use super::directory::{DESCRIPTOR, EFFORT, Entry};
use super::end::End;
use super::extra::Extra;
use crate::error::Fault;
use crate::rules::{E_ENC, E_FRAME, E_ZIPDIFF};
use crate::source::{Fields, Nearby, Source};

const HEADER: &[u8] = b"PK\x03\x04";
const HEADER_SIZE: usize = 30;
const SIGNATURE: &[u8] = b"PK\x07\x08";

/// Follows every entry to its local header (APPNOTE 4.3.7) and checks that both say the same.
///
/// Header, data and data descriptor of the members must fill the file from its first byte to the directory.
pub(super) fn follow(source: &Source, end: &End, entries: Vec<Entry>) -> Result<Vec<Member>, Fault> {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by_key(|entry| entry.header);
    let mut offsets = Vec::with_capacity(entries.len());
    let mut at = 0;
    let mut nearby = Nearby::default();
    for (index, entry) in order.iter().enumerate() {
        if entry.header != at {
            let reason = match entry.header > at {
                true => format!("{} bytes before it belong to no member", entry.header - at),
                false => "it overlaps another member".to_owned(),
            };
            return Err(Fault::member(E_FRAME, &entry.written_name, reason));
        }
        let next = order.get(index + 1).map_or(end.offset, |next| next.header);
        offsets.push((entry.header, header(source, &mut nearby, entry, next)?));
        at = next;
    }
    if at != end.offset {
        return Err(Fault::archive(
            E_FRAME,
            format!("{} bytes before its directory belong to no member", end.offset),
        ));
    }

    let find = |header: u64| match offsets.binary_search_by_key(&header, |(header, _)| *header) {
        Ok(index) => offsets[index].1,
        Err(_) => 0,
    };
    Ok(entries
        .into_iter()
        .map(|entry| Member {
            offset: find(entry.header),
            name: entry.name,
            is_directory: entry.is_directory,
            is_executable: entry.is_executable,
            is_deflated: entry.method == 8 && entry.compressed_size > 0,
            compressed_size: entry.compressed_size,
            size: entry.size,
            crc32: entry.crc32,
        })
        .collect())
}

/// Checks the local header of `entry`, whose space ends at `next`; says where its data starts.
fn header(source: &Source, nearby: &mut Nearby, entry: &Entry, next: u64) -> Result<u64, Fault> {
    let name = &entry.written_name;
    let differ =
        |what: &str| Fault::member(E_ZIPDIFF, name, format!("its {what} is not what the directory says"));
    let frame = |reason: &str| Fault::member(E_FRAME, name, reason);

    let Some(fixed) = nearby.bytes(source, entry.header, HEADER_SIZE)? else {
        return Err(frame("its local header lies outside the file"));
    };
    let mut fields = Fields(fixed);
    if fields.bytes(4)? != HEADER {
        return Err(frame("there is no local header where the directory says"));
    }
    let _version_needed = fields.u16()?;
    let flags = fields.u16()?;
    let method = fields.u16()?;
    // Times are not compared: none is used.
    let _modified = fields.u32()?;
    let crc32 = fields.u32()?;
    let compressed_size = u64::from(fields.u32()?);
    let size = u64::from(fields.u32()?);
    let name_length = usize::from(fields.u16()?);
    let extra_length = usize::from(fields.u16()?);

    let variable = nearby.bytes(source, entry.header + HEADER_SIZE as u64, name_length + extra_length)?;
    let Some(variable) = variable else {
        return Err(frame("its local header does not fit the file"));
    };
    let (local_name, extra) = variable.split_at(name_length);
    if local_name != name {
        return Err(differ("local name"));
    }
    if flags & 1 != 0 {
        return Err(Fault::member(E_ENC, name, "it is encrypted"));
    }
    if (flags ^ entry.flags) & !EFFORT != 0 {
        return Err(differ("flags field"));
    }
    if method != entry.method {
        return Err(differ("local compression method"));
    }
    let extra = Extra::read(extra, name)?;
    extra.confirms(name)?;
    extra.disk(name, 0)?;
    let [size, compressed_size] = extra.widen(name, [size, compressed_size])?;

    // With a data descriptor, the numbers may be left open here.
    let has_descriptor = flags & DESCRIPTOR != 0;
    let agrees =
        |here: u64, there: u64| here == there || has_descriptor && (here == 0 || here == 0xffff_ffff);
    if !agrees(crc32.into(), entry.crc32.into()) {
        return Err(differ("local CRC-32"));
    }
    if !agrees(compressed_size, entry.compressed_size) {
        return Err(differ("local compressed size"));
    }
    if !agrees(size, entry.size) {
        return Err(differ("local size"));
    }

    let data = entry.header + (HEADER_SIZE + variable.len()) as u64;
    let data_end = data.checked_add(entry.compressed_size).filter(|data_end| *data_end <= next);
    let Some(data_end) = data_end else {
        return Err(frame("its data reaches into what follows"));
    };
    if has_descriptor {
        descriptor(source, entry, data_end, next - data_end)?;
    } else if data_end != next {
        return Err(frame(&format!("{} bytes after it belong to no member", next - data_end)));
    }
    Ok(data)
}

/// Checks the data descriptor (APPNOTE 4.3.9): with or without signature, with 32 or 64 bits.
fn descriptor(source: &Source, entry: &Entry, at: u64, length: u64) -> Result<(), Fault> {
    let name = &entry.written_name;
    if !matches!(length, 12 | 16 | 20 | 24) {
        return Err(Fault::member(
            E_FRAME,
            name,
            format!("{length} bytes after its data are no data descriptor"),
        ));
    }
    let record = source.bytes(at, length as usize)?.unwrap_or_default();
    let mut fields = Fields(&record);
    let mut agrees = true;
    if matches!(length, 16 | 24) {
        agrees &= fields.bytes(4)? == SIGNATURE;
    }
    agrees &= fields.u32()? == entry.crc32;
    let mut sizes = [0; 2];
    for size in &mut sizes {
        *size = if length >= 20 { fields.u64()? } else { fields.u32()?.into() };
    }
    agrees &= sizes == [entry.compressed_size, entry.size];
    match agrees {
        true => Ok(()),
        false => Err(Fault::member(E_ZIPDIFF, name, "its data descriptor is not what the directory says")),
    }
}
