//! Writes small Debian packages and ELF files.

use std::io::{Seek, Write};
use std::sync::Arc;

use super::super::{DebFile, Error, Runtime, RuntimeOptions, assemble};

/// How `data.tar` is compressed.
#[derive(Clone, Copy)]
pub(super) enum Compression {
    Plain,
    Gzip,
    Xz,
    Zstd,
}

/// A package in the making.
pub(super) struct Deb {
    name: String,
    version: String,
    architecture: String,
    fields: String,
    files: Vec<(String, Vec<u8>)>,
    compression: Compression,
    data: tar::Builder<Vec<u8>>,
}

impl Deb {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            version: "1.0-1".into(),
            architecture: "amd64".into(),
            fields: String::new(),
            files: Vec::new(),
            compression: Compression::Plain,
            data: tar::Builder::new(Vec::new()),
        }
    }

    pub(super) fn version(mut self, version: &str) -> Self {
        self.version = version.into();
        self
    }

    pub(super) fn architecture(mut self, architecture: &str) -> Self {
        self.architecture = architecture.into();
        self
    }

    /// A line of the control file.
    pub(super) fn field(mut self, line: &str) -> Self {
        self.fields += &format!("{line}\n");
        self
    }

    /// A file beside the control file: `md5sums`, `postinst`.
    pub(super) fn control_file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.into(), text.into()));
        self
    }

    pub(super) fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    pub(super) fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.entry(path, tar::EntryType::Regular, 0o644, "", bytes.as_ref())
    }

    pub(super) fn program(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.entry(path, tar::EntryType::Regular, 0o755, "", bytes.as_ref())
    }

    pub(super) fn directory(self, path: &str) -> Self {
        self.entry(path, tar::EntryType::Directory, 0o755, "", b"")
    }

    pub(super) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(path, tar::EntryType::Symlink, 0o777, target, b"")
    }

    pub(super) fn hardlink(self, path: &str, target: &str) -> Self {
        self.entry(path, tar::EntryType::Link, 0o644, target, b"")
    }

    /// An entry with a name that no well-behaved tar would write.
    pub(super) fn entry(
        mut self,
        path: &str,
        kind: tar::EntryType,
        mode: u32,
        link: &str,
        bytes: &[u8],
    ) -> Self {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        header.as_mut_bytes()[157..157 + link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(1000);
        header.set_gid(50);
        header.set_mtime(1_700_000_000);
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        self.data.append(&header, bytes).unwrap();
        self
    }

    /// The members of the outer archive.
    pub(super) fn members(self) -> Vec<(String, Vec<u8>)> {
        let mut control = tar::Builder::new(Vec::new());
        let text = format!(
            "Package: {}\nVersion: {}\nArchitecture: {}\n{}Description: a test\n",
            self.name, self.version, self.architecture, self.fields
        );
        for (name, bytes) in [("control".to_owned(), text.into_bytes())].into_iter().chain(self.files) {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o755);
            control.append_data(&mut header, format!("./{name}"), &bytes[..]).unwrap();
        }
        let data = self.data.into_inner().unwrap();
        let (ending, data) = compress(self.compression, data);
        vec![
            ("debian-binary".into(), b"2.0\n".to_vec()),
            ("control.tar".into(), control.into_inner().unwrap()),
            (format!("data.tar{ending}"), data),
        ]
    }

    pub(super) fn build(self) -> DebFile {
        let (name, version, architecture) =
            (self.name.clone(), self.version.clone(), self.architecture.clone());
        let bytes = ar(&self.members());
        DebFile { name, version, architecture, source: "source".into(), file: stored(&bytes) }
    }
}

fn compress(compression: Compression, bytes: Vec<u8>) -> (&'static str, Vec<u8>) {
    match compression {
        Compression::Plain => ("", bytes),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&bytes).unwrap();
            (".gz", encoder.finish().unwrap())
        }
        Compression::Xz => {
            let options = lzma_rust2::XzOptions::with_preset(0);
            let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
            encoder.write_all(&bytes).unwrap();
            (".xz", encoder.finish().unwrap())
        }
        Compression::Zstd => (".zst", zstd::encode_all(&bytes[..], 1).unwrap()),
    }
}

/// An `ar` archive as dpkg-deb writes it.
pub(super) fn ar(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, content) in members {
        let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, content.len());
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        if bytes.len() % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// A file without a name that holds the bytes.
pub(super) fn stored(bytes: &[u8]) -> Arc<std::fs::File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Arc::new(file)
}

/// The least a runtime consists of: a C library and an interpreter.
pub(super) fn least() -> Vec<Deb> {
    let libc = Deb::new("libc6")
        .version("2.36-9+deb12u14")
        .directory("./lib/")
        .file("./lib/x86_64-linux-gnu/libc.so.6", library("libc.so.6", &["ld-linux-x86-64.so.2"]))
        .program("./lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", library("ld-linux-x86-64.so.2", &[]))
        .symlink("./lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
    let program = elf(62, Some("/lib64/ld-linux-x86-64.so.2"), "", &["libc.so.6"], "");
    let python =
        Deb::new("python3.11-minimal").version("3.11.2-6+deb12u9").program("./usr/bin/python3.11", program);
    vec![libc, python]
}

pub(super) fn options() -> RuntimeOptions {
    RuntimeOptions { python: "3.11".parse().unwrap(), keep_docs: false }
}

/// Assembles the least runtime with more packages.
pub(super) fn assembled(more: impl IntoIterator<Item = Deb>) -> Result<Runtime, Error> {
    let debs: Vec<DebFile> = least().into_iter().chain(more).map(Deb::build).collect();
    assemble(&debs, &options())
}

/// A shared library for x86-64.
pub(super) fn library(soname: &str, needed: &[&str]) -> Vec<u8> {
    elf(62, None, soname, needed, "")
}

/// A 64-bit, little-endian ELF file with nothing but what the loader reads first.
pub(super) fn elf(
    machine: u16,
    interpreter: Option<&str>,
    soname: &str,
    needed: &[&str],
    run_path: &str,
) -> Vec<u8> {
    let mut strings = vec![0];
    let mut string = |text: &str| {
        let offset = strings.len() as u64;
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        offset
    };
    let mut tags: Vec<(u64, u64)> = needed.iter().map(|name| (1, string(name))).collect();
    if !soname.is_empty() {
        tags.push((14, string(soname)));
    }
    if !run_path.is_empty() {
        tags.push((29, string(run_path)));
    }
    let interpreter_at = interpreter.map(&mut string);
    let headers = 64 + 3 * 56;
    let dynamic_size = (tags.len() as u64 + 2) * 16;
    let strings_at = headers + dynamic_size;
    // Loaded high, so that an address and its place in the file differ.
    let base = 0x10_0000;
    tags.extend([(5, base + strings_at), (0, 0)]);

    let total = strings_at + strings.len() as u64;
    let interpreter_size = interpreter.map_or(0, |text| text.len() as u64 + 1);
    let segments = [
        (1, 0, total),
        (2, headers, dynamic_size),
        (
            if interpreter.is_some() { 3 } else { 0 },
            strings_at + interpreter_at.unwrap_or(0),
            interpreter_size,
        ),
    ];
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend_from_slice(&3_u16.to_le_bytes());
    bytes.extend_from_slice(&machine.to_le_bytes());
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    for number in [0, 64, 0_u64] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    for number in [64, 56, 3, 0, 0, 0_u16] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    for (kind, offset, size) in segments {
        bytes.extend_from_slice(&(kind as u32).to_le_bytes());
        bytes.extend_from_slice(&4_u32.to_le_bytes());
        for number in [offset, base + offset, base + offset, size, size, 8] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
    for (tag, value) in tags {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes.extend_from_slice(&strings);
    bytes
}
