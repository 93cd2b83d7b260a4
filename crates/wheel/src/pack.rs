use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use wainwright_oci::Hasher;
use wainwright_python::WheelFilename;

use crate::error::Fault;
use crate::record::Hash;
use crate::rules::{E_LIMIT, E_RECORD};
use crate::zip::pour;
use crate::{Error, Wheel};

/// 1980-01-01 00:00:00, the first moment that zip archives can hold, as date and time.
const DATE: [u8; 4] = [0, 0, 0x21, 0];
/// Beyond it an archive needs the fields of ZIP64, which no wheel that is made here has use for.
const MOST: u64 = u32::MAX as u64;
/// UTF-8 names (APPNOTE 4.4.4).
const FLAGS: u16 = 0x0800;

/// A file for a wheel that is made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedFile {
    /// Whether anybody may execute it.
    pub is_executable: bool,
    /// What it holds.
    pub content: PackedContent,
}

/// What a file of a wheel holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackedContent {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What a file on this disk holds.
    Disk(PathBuf),
}

/// Writes a wheel in its one form: names sorted, dates fixed, nothing compressed, RECORD made anew.
///
/// Equal files give equal bytes, whoever packs them. `files` are by their path in the archive; one `.dist-info` is among
/// them.
pub fn pack(
    filename: &WheelFilename,
    files: &BTreeMap<String, PackedFile>,
    out: &mut (impl Write + Seek),
) -> Result<(), Error> {
    let dist_info = files.keys().find_map(|name| name.strip_suffix(".dist-info/METADATA"));
    let missing = || Fault::archive(E_RECORD, "it has no METADATA").in_wheel(filename);
    let dist_info = format!("{}.dist-info", dist_info.ok_or_else(missing)?);
    let one = |writer: &mut Writer<_>, name: &str, file: &PackedFile| match &file.content {
        PackedContent::Bytes(bytes) => writer.add(name, file.is_executable, |put| put(bytes)),
        PackedContent::Disk(path) => writer.add(name, file.is_executable, |put| {
            let mut file = File::open(path)?;
            let mut piece = vec![0; 1 << 16];
            loop {
                match file.read(&mut piece)? {
                    0 => return Ok(()),
                    length => put(piece.get(..length).unwrap_or_default())?,
                }
            }
        }),
    };
    let mut writer = Writer::new(out);
    for (name, file) in files.iter().filter(|(name, _)| !is_record(name, &dist_info)) {
        one(&mut writer, name, file).map_err(|fault| fault.in_wheel(filename))?;
    }
    writer.finish(&dist_info).map_err(|fault| fault.in_wheel(filename))
}

impl Wheel {
    /// Writes the same files in the form that [`pack`] gives them; every one is verified on the way.
    pub fn repack(&self, out: &mut (impl Write + Seek)) -> Result<(), Error> {
        self.repacked(out).map_err(|fault| fault.in_wheel(&self.filename))
    }

    fn repacked(&self, out: &mut (impl Write + Seek)) -> Result<(), Fault> {
        let files = self.members.iter().enumerate().filter(|(_, member)| !member.is_directory);
        let mut files: Vec<_> = files.filter(|(_, one)| !is_record(&one.name, &self.dist_info)).collect();
        files.sort_by(|a, b| a.1.name.cmp(&b.1.name));
        let mut writer = Writer::new(out);
        for (index, member) in files {
            crate::record::verify(&self.source, member, self.record.hash(index))?;
            let mut failed = Ok(());
            let is_executable = member.is_executable;
            writer.add(&member.name, is_executable, |put| {
                let poured = pour(&self.source, member, |piece| match put(piece) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        failed = Err(error);
                        ControlFlow::Break(())
                    }
                });
                std::mem::replace(&mut failed, Ok(()))?;
                poured
            })?;
        }
        writer.finish(&self.dist_info)
    }
}

/// RECORD itself and its signatures, which vouch for another RECORD.
fn is_record(name: &str, dist_info: &str) -> bool {
    let inside = name.strip_prefix(dist_info).and_then(|rest| rest.strip_prefix('/'));
    matches!(inside, Some("RECORD" | "RECORD.jws" | "RECORD.p7s"))
}

/// A member that was written.
struct Written {
    name: String,
    is_executable: bool,
    offset: u64,
    size: u64,
    crc32: u32,
    hash: Hash,
}

struct Writer<'a, W> {
    out: &'a mut W,
    at: u64,
    written: Vec<Written>,
}

/// Takes the next bytes of a member.
type Put<'a> = dyn FnMut(&[u8]) -> Result<(), Fault> + 'a;

impl<'a, W: Write + Seek> Writer<'a, W> {
    fn new(out: &'a mut W) -> Self {
        Self { out, at: 0, written: Vec::new() }
    }

    /// Writes one member, whose size and checksum are known at its end only.
    fn add(
        &mut self,
        name: &str,
        is_executable: bool,
        content: impl FnOnce(&mut Put<'_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let offset = self.at;
        self.put(&local_header(name, 0, 0))?;
        let (mut sha256, mut crc32, mut size) = (Hasher::new(), crc32fast::Hasher::new(), 0u64);
        content(&mut |piece| {
            sha256.update(piece);
            crc32.update(piece);
            size += piece.len() as u64;
            self.put(piece)
        })?;
        let crc32 = crc32.finalize();
        self.out.seek(SeekFrom::Start(offset))?;
        self.out.write_all(&local_header(name, crc32, size))?;
        self.out.seek(SeekFrom::Start(self.at))?;
        let hash = Hash::Sha256(sha256.finish());
        self.written.push(Written { name: name.to_owned(), is_executable, offset, size, crc32, hash });
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.at += bytes.len() as u64;
        if self.at > MOST {
            return Err(Fault::archive(E_LIMIT, format!("it has more than {MOST} bytes")));
        }
        Ok(self.out.write_all(bytes)?)
    }

    /// Writes RECORD, the directory and its end.
    fn finish(mut self, dist_info: &str) -> Result<(), Fault> {
        let record = format!("{dist_info}/RECORD");
        let mut rows: Vec<[String; 3]> = self
            .written
            .iter()
            .map(|one| [one.name.clone(), one.hash.write(), one.size.to_string()])
            .collect();
        rows.push([record.clone(), String::new(), String::new()]);
        rows.sort();
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        let refuse = |error: String| Fault::archive(E_RECORD, format!("RECORD cannot be written: {error}"));
        for row in rows {
            writer.write_record(row).map_err(|error| refuse(error.to_string()))?;
        }
        let bytes = writer.into_inner().map_err(|error| refuse(error.to_string()))?;
        self.add(&record, false, |put| put(&bytes))?;
        let count = self.written.len();
        if count > usize::from(u16::MAX) - 1 {
            return Err(Fault::archive(E_LIMIT, format!("it has {count} files")));
        }
        let start = self.at;
        for one in std::mem::take(&mut self.written) {
            self.put(&directory_entry(&one))?;
        }
        let length = self.at - start;
        let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
        end.extend_from_slice(&(count as u16).to_le_bytes().repeat(2));
        end.extend_from_slice(&(length as u32).to_le_bytes());
        end.extend_from_slice(&(start as u32).to_le_bytes());
        end.extend_from_slice(&[0, 0]);
        self.put(&end)?;
        Ok(self.out.flush()?)
    }
}

/// What both headers of a member say from the version on (APPNOTE 4.3.7): stored, its date, checksum and sizes.
fn common(name: &str, crc32: u32, size: u64) -> Vec<u8> {
    let mut bytes = vec![20, 0];
    bytes.extend_from_slice(&FLAGS.to_le_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&DATE);
    bytes.extend_from_slice(&crc32.to_le_bytes());
    bytes.extend_from_slice(&(size as u32).to_le_bytes().repeat(2));
    bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes
}

fn local_header(name: &str, crc32: u32, size: u64) -> Vec<u8> {
    [b"PK\x03\x04", &common(name, crc32, size)[..], name.as_bytes()].concat()
}

/// The entry of a member in the directory (APPNOTE 4.3.12), made by Unix, with its mode.
fn directory_entry(one: &Written) -> Vec<u8> {
    let mode: u32 = if one.is_executable { 0o100_755 } else { 0o100_644 };
    let mut bytes = b"PK\x01\x02\x14\x03".to_vec();
    bytes.extend_from_slice(&common(&one.name, one.crc32, one.size));
    bytes.extend_from_slice(&[0; 6]);
    bytes.extend_from_slice(&(mode << 16).to_le_bytes());
    bytes.extend_from_slice(&(one.offset as u32).to_le_bytes());
    bytes.extend_from_slice(one.name.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    fn text(text: &str) -> PackedFile {
        PackedFile { is_executable: false, content: PackedContent::Bytes(text.into()) }
    }

    fn sample() -> BTreeMap<String, PackedFile> {
        [
            ("greet/__init__.py".to_owned(), text("def main(): pass\n")),
            (
                "greet-1.0.data/scripts/hello.sh".to_owned(),
                PackedFile { is_executable: true, ..text("#!/bin/sh\n") },
            ),
            (
                "greet-1.0.dist-info/METADATA".to_owned(),
                text("Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n"),
            ),
            (
                "greet-1.0.dist-info/WHEEL".to_owned(),
                text("Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            ),
        ]
        .into()
    }

    fn packed(files: &BTreeMap<String, PackedFile>) -> (Vec<u8>, Wheel) {
        let filename: WheelFilename = "greet-1.0-py3-none-any.whl".parse().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        pack(&filename, files, &mut file).unwrap();
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        let wheel = Wheel::open(Arc::new(file), &filename).unwrap();
        wheel.check().unwrap();
        (bytes, wheel)
    }

    #[test]
    fn pack_writes_reproducible_valid_wheel() {
        let (bytes, wheel) = packed(&sample());
        assert_eq!(bytes, packed(&sample()).0);
        assert_eq!(wheel.warnings(), []);
        let names: Vec<&str> = wheel.archived_files().map(|file| file.name).collect();
        assert_eq!(names.len(), 5);
        assert_eq!(names.last(), Some(&"greet-1.0.dist-info/RECORD"));
        assert!(wheel.members.iter().any(|one| one.is_executable && one.name.ends_with("hello.sh")));
    }

    #[test]
    fn packing_a_wheel_again_changes_its_form_and_not_its_files() {
        // Made by another hand: deflated, in another order, with other dates.
        let other =
            wainwright_testing::wheel("greet").file("greet/b.py", "b").file("greet/a.py", "a".repeat(5000));
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), other.bytes()).unwrap();
        let filename = other.filename().parse().unwrap();
        let first = Wheel::open(Arc::new(path.reopen().unwrap()), &filename).unwrap();
        let mut once = tempfile::tempfile().unwrap();
        first.repack(&mut once).unwrap();
        let again = Wheel::open(Arc::new(once.try_clone().unwrap()), &filename).unwrap();
        again.check().unwrap();
        let mut twice = io::Cursor::new(Vec::new());
        again.repack(&mut twice).unwrap();
        let mut bytes = Vec::new();
        once.seek(SeekFrom::Start(0)).unwrap();
        once.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, twice.into_inner());
        let files = |wheel: &Wheel| -> BTreeMap<String, (u64, u32)> {
            let files = wheel.archived_files().filter(|file| !file.name.ends_with("RECORD"));
            files.map(|file| (file.name.to_owned(), (file.size, file.crc32))).collect()
        };
        assert_eq!(files(&first), files(&again));
    }
}
