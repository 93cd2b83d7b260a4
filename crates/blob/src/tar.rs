use tar::{EntryType, Header};

use crate::entry::{Entry, Kind};

/// Size of a tar block in bytes; headers are whole blocks and contents are padded to them.
pub const BLOCK: usize = 512;

/// Zeros for padding and for the end of the archive.
pub(crate) const ZEROS: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The tar header of an entry: one ustar block, behind a PAX extended header where a value does not fit
/// (POSIX.1-2001, "pax Interchange Format").
pub(crate) fn header(entry: &Entry, mtime: u64) -> Vec<u8> {
    let mut name = entry.path.as_bytes().to_vec();
    let (kind, link): (_, &[u8]) = match &entry.kind {
        Kind::Directory => {
            name.push(b'/');
            (EntryType::Directory, &[])
        }
        Kind::File(_) => (EntryType::Regular, &[]),
        Kind::Symlink(target) => (EntryType::Symlink, target),
        Kind::Hardlink(target) => (EntryType::Link, target.as_bytes()),
    };
    write_header(&name, kind, link, entry.mode, entry.owner, entry.size(), mtime)
}

/// The tar header of a plain file that is owned by root: for archives that hold blobs rather than a file system.
pub fn file_header(name: &str, size: u64, mtime: u64) -> Vec<u8> {
    write_header(name.as_bytes(), EntryType::Regular, &[], 0o644, (0, 0), size, mtime)
}

/// Zero bytes that follow a content of `size` bytes.
pub fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

fn write_header(
    name: &[u8],
    kind: EntryType,
    link: &[u8],
    mode: u32,
    owner: (u32, u32),
    size: u64,
    mtime: u64,
) -> Vec<u8> {
    let mut records = Vec::new();
    // Names that are not ASCII have no defined encoding in ustar; in PAX records they are UTF-8.
    if name.len() > 100 || !name.is_ascii() {
        push_record(&mut records, "path", name);
    }
    if link.len() > 100 || !link.is_ascii() {
        push_record(&mut records, "linkpath", link);
    }
    if size >= 1 << 33 {
        push_record(&mut records, "size", size.to_string().as_bytes());
    }
    let mut bytes = Vec::with_capacity(BLOCK);
    if !records.is_empty() {
        let label: Vec<u8> = [b"PaxHeaders/", last_component(name)].concat();
        let block = block(&label, EntryType::XHeader, &[], 0o644, (0, 0), records.len() as u64, mtime);
        bytes.extend_from_slice(block.as_bytes());
        let end = padding(records.len() as u64);
        bytes.append(&mut records);
        bytes.resize(bytes.len() + end, 0);
    }
    bytes.extend_from_slice(block(name, kind, link, mode, owner, size, mtime).as_bytes());
    bytes
}

fn last_component(name: &[u8]) -> &[u8] {
    let name = name.strip_suffix(b"/").unwrap_or(name);
    name.rsplit(|byte| *byte == b'/').next().unwrap_or(name)
}

fn block(
    name: &[u8],
    kind: EntryType,
    link: &[u8],
    mode: u32,
    (user, group): (u32, u32),
    size: u64,
    mtime: u64,
) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(user.into());
    header.set_gid(group.into());
    header.set_size(size);
    header.set_mtime(mtime);
    header.set_device_major(0).unwrap_or_default();
    header.set_device_minor(0).unwrap_or_default();
    let old = header.as_old_mut();
    fill(&mut old.name, name);
    fill(&mut old.linkname, link);
    header.set_cksum();
    header
}

fn fill(field: &mut [u8; 100], value: &[u8]) {
    let count = value.len().min(field.len());
    field[..count].copy_from_slice(&value[..count]);
}

/// Adds `LENGTH KEY=VALUE\n`, where LENGTH counts itself.
fn push_record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use wainwright_oci::ImagePath;

    use super::*;

    #[test]
    fn long_and_non_ascii_names_use_pax_records() {
        for name in ["a/b".to_owned(), "x/".repeat(60) + "y", "ü".to_owned(), "x".repeat(99), "x".repeat(101)]
        {
            let entry = Entry::bytes(ImagePath::new(name.clone()).unwrap(), *b"hi");
            let mut archive = header(&entry, 7);
            archive.extend(*b"hi");
            archive.resize(archive.len() + padding(2) + 1024, 0);
            let mut archive = tar::Archive::new(&archive[..]);
            let read = archive.entries().unwrap().next().unwrap().unwrap();
            assert_eq!(read.path_bytes(), name.as_bytes());
            assert_eq!((read.size(), read.header().mtime().unwrap()), (2, 7));
        }
    }

    #[test]
    fn sizes_above_the_octal_field_are_kept() {
        let header = file_header("big", 1 << 40, 0);
        assert_eq!(header.len(), 3 * BLOCK);
        assert!(header.windows(19).any(|part| part == b"22 size=10995116277"[..].as_ref()));
    }
}
