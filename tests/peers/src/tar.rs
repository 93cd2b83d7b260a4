use std::io::Read as _;

use tar::{Archive, Builder, EntryType, Header};

fn header(path: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_path(path).unwrap();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_cksum();
    header
}

/// The names of the members that were read to the end.
fn names(bytes: &[u8]) -> Vec<String> {
    let read = |entry: std::io::Result<tar::Entry<&[u8]>>| {
        let mut entry = entry.unwrap();
        entry.read_to_end(&mut Vec::new()).unwrap();
        String::from_utf8(entry.path_bytes().into_owned()).unwrap()
    };
    Archive::new(bytes).entries().unwrap().map(read).collect()
}

fn python(name: &str, bytes: &[u8]) -> String {
    let file = std::env::temp_dir().join(format!("peers-{}-{name}.tar", std::process::id()));
    std::fs::write(&file, bytes).unwrap();
    let program = "
import sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    print(*archive.getnames(), end='')
";
    let found = crate::python(program, &[file.as_os_str()]);
    std::fs::remove_file(file).unwrap();
    found
}

/// Ours refuses it: one reader would see a file that another does not.
#[test]
fn tar_hides_a_member_in_the_bytes_of_a_link() {
    let mut bytes = header("link", EntryType::Symlink, 512).as_bytes().to_vec();
    bytes.extend_from_slice(header("inside", EntryType::Regular, 0).as_bytes());
    bytes.extend_from_slice(&[0; 1024]);
    assert_eq!(python("link", &bytes), "link inside");
    assert_eq!(names(&bytes), ["link"]);
}

/// Ours refuses it.
#[test]
fn tar_takes_global_records_for_a_member() {
    let mut builder = Builder::new(Vec::new());
    builder.append_pax_extensions([("path", &b"other"[..])]).unwrap();
    let mut bytes = builder.into_inner().unwrap();
    bytes.truncate(1024);
    let mut global = Header::new_ustar();
    global.as_mut_bytes().copy_from_slice(&bytes[..512]);
    global.set_entry_type(EntryType::XGlobalHeader);
    global.set_cksum();
    bytes[..512].copy_from_slice(global.as_bytes());
    bytes.extend_from_slice(header("file", EntryType::Regular, 0).as_bytes());
    bytes.extend_from_slice(&[0; 1024]);
    assert_eq!(python("global", &bytes), "other");
    assert_eq!(names(&bytes).last().unwrap(), "file");
}

/// Ours refuses it: other readers go on behind the first block of zeros.
#[test]
fn tar_ends_at_one_block_of_zeros() {
    let mut bytes = header("a", EntryType::Regular, 0).as_bytes().to_vec();
    bytes.extend_from_slice(&[0; 512]);
    bytes.extend_from_slice(header("b", EntryType::Regular, 0).as_bytes());
    bytes.extend_from_slice(&[0; 1024]);
    assert_eq!(names(&bytes), ["a"]);
}
