use std::io::Write as _;
use std::sync::Arc;

use base64::Engine as _;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use wainwright_oci::{Digest, ImagePath};
use wainwright_python::PythonVersion;

use crate::{Error, Layout, Limits, Wheel};

/// A wheel called `greet` with one module; change it, then open it.
pub(super) fn greet() -> Maker {
    Maker::default()
        .file("greet/__init__.py", "")
        .file("greet-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n")
        .file("greet-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
}

/// Writes zip archives, also wrong ones. RECORD is added when the bytes are made.
#[derive(Clone, Default)]
pub(super) struct Maker {
    pub(super) members: Vec<Part>,
    /// Replaces RECORD.
    pub(super) record: Option<Vec<u8>>,
    /// Rows added to RECORD.
    pub(super) rows: String,
    /// Changes the row of a path.
    pub(super) row: Option<(&'static str, &'static str)>,
    pub(super) has_no_record: bool,
    pub(super) before: Vec<u8>,
    pub(super) after: Vec<u8>,
    pub(super) comment: Vec<u8>,
    /// Bytes between the last member and the directory.
    pub(super) gap: Vec<u8>,
    /// What the end record gets wrong about the number of members.
    pub(super) count_error: i16,
    /// Writes a zip64 end record that is wrong about the number of members by so much.
    pub(super) zip64: Option<i64>,
}

/// A member as its headers describe it.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) name: Vec<u8>,
    pub(super) content: Vec<u8>,
    pub(super) data: Vec<u8>,
    pub(super) system: u8,
    /// The version of the format that the directory says the member needs: 20 is 2.0.
    pub(super) needs: u8,
    pub(super) mode: u32,
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc32: u32,
    pub(super) size: u32,
    /// Differences of the local header.
    pub(super) local_name: Option<Vec<u8>>,
    pub(super) local_size: Option<u32>,
    pub(super) local_method: Option<u16>,
    pub(super) extra: Vec<u8>,
    pub(super) descriptor: Vec<u8>,
}

impl Maker {
    pub(super) fn file(mut self, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Self {
        let name = name.as_ref();
        let content = content.as_ref();
        let is_directory = name.ends_with(b"/");
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        self.members.push(Part {
            name: name.to_vec(),
            content: content.to_vec(),
            data: if is_directory { Vec::new() } else { encoder.finish().unwrap() },
            needs: 20,
            system: 3,
            mode: if is_directory { 0o040_755 } else { 0o100_644 },
            flags: if name.is_ascii() { 0 } else { 1 << 11 },
            method: if is_directory { 0 } else { 8 },
            crc32: crc32fast::hash(content),
            size: content.len() as u32,
            local_name: None,
            local_size: None,
            local_method: None,
            extra: Vec::new(),
            descriptor: Vec::new(),
        });
        self
    }

    /// Changes the member added last.
    pub(super) fn but(mut self, change: impl FnOnce(&mut Part)) -> Self {
        change(self.members.last_mut().unwrap());
        self
    }

    /// Changes the archive.
    pub(super) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Replaces the content of a member that is there.
    pub(super) fn replace(mut self, name: &str, content: &str) -> Self {
        let part = Self::default().file(name, content).members.remove(0);
        *self.members.iter_mut().find(|member| member.name == name.as_bytes()).unwrap() = part;
        self
    }

    fn record(&self) -> Vec<u8> {
        let mut record = String::new();
        for member in self.members.iter().filter(|member| !member.name.ends_with(b"/")) {
            let name = String::from_utf8_lossy(&member.name);
            let quote = if name.contains(',') { "\"" } else { "" };
            let hash = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(Digest::of(&member.content).as_bytes());
            let row = format!("{quote}{name}{quote},sha256={hash},{}\n", member.content.len());
            match self.row {
                Some((path, row)) if path == name => record.push_str(row),
                _ => record.push_str(&row),
            }
        }
        format!("{record}{}greet-1.0.dist-info/RECORD,,\n", self.rows).into_bytes()
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut members = self.members.clone();
        if !self.has_no_record {
            let record = self.record.clone().unwrap_or_else(|| self.record());
            members.append(&mut Self::default().file("greet-1.0.dist-info/RECORD", record).members);
        }
        let mut bytes = self.before.clone();
        let mut directory = Vec::new();
        for part in &members {
            let offset = (bytes.len() - self.before.len()) as u32;
            part.local_header(&mut bytes);
            part.entry(offset, &mut directory);
        }
        bytes.extend(&self.gap);
        let offset = (bytes.len() - self.before.len()) as u32;
        let size = directory.len() as u32;
        bytes.append(&mut directory);
        if let Some(error) = self.zip64 {
            let here = (bytes.len() - self.before.len()) as u64;
            let count = (members.len() as i64 + error) as u64;
            bytes.extend(b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0\0\0\0\0\0\0\0\0");
            for number in [count, count, size.into(), offset.into()] {
                bytes.extend(number.to_le_bytes());
            }
            bytes.extend(b"PK\x06\x07\0\0\0\0");
            bytes.extend(here.to_le_bytes());
            bytes.extend(1u32.to_le_bytes());
        }
        let count = (members.len() as i16 + self.count_error).to_le_bytes();
        bytes.extend(b"PK\x05\x06\0\0\0\0");
        bytes.extend(count);
        bytes.extend(count);
        bytes.extend(size.to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend((self.comment.len() as u16).to_le_bytes());
        bytes.extend(&self.comment);
        bytes.extend(&self.after);
        bytes
    }

    pub(super) fn open(&self) -> Result<Wheel, Error> {
        open(&self.bytes())
    }

    /// Everything there is to refuse.
    pub(super) fn judge(&self) -> Result<Wheel, Error> {
        let wheel = self.open()?;
        wheel.install(&layout())?;
        wheel.check()?;
        Ok(wheel)
    }
}

/// Opens a wheel from bytes, as `greet-1.0-py3-none-any.whl`.
pub(super) fn open(bytes: &[u8]) -> Result<Wheel, Error> {
    open_within(bytes, &Limits::default())
}

pub(super) fn open_within(bytes: &[u8], limits: &Limits) -> Result<Wheel, Error> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Wheel::open_within(Arc::new(file), &"greet-1.0-py3-none-any.whl".parse().unwrap(), limits)
}

impl Part {
    /// Stores the content instead of deflating it.
    pub(super) fn store(&mut self) {
        self.data = self.content.clone();
        self.method = 0;
    }

    /// Moves checksum and sizes behind the data; `broken` spoils them.
    pub(super) fn describe(&mut self, broken: u32) {
        self.flags |= 1 << 3;
        self.descriptor = b"PK\x07\x08".to_vec();
        for number in [self.crc32 ^ broken, self.data.len() as u32, self.size] {
            self.descriptor.extend(number.to_le_bytes());
        }
    }

    fn local_header(&self, out: &mut Vec<u8>) {
        let name = self.local_name.as_ref().unwrap_or(&self.name);
        let is_described = self.flags & 1 << 3 != 0;
        let open = |number: u32| if is_described { 0 } else { number }.to_le_bytes();
        out.extend(b"PK\x03\x04\x14\0");
        out.extend(self.flags.to_le_bytes());
        out.extend(self.local_method.unwrap_or(self.method).to_le_bytes());
        out.extend([0, 0, 0x21, 0]);
        out.extend(open(self.crc32));
        out.extend(open(self.data.len() as u32));
        out.extend(open(self.local_size.unwrap_or(self.size)));
        out.extend((name.len() as u16).to_le_bytes());
        out.extend((self.extra.len() as u16).to_le_bytes());
        out.extend(name);
        out.extend(&self.extra);
        out.extend(&self.data);
        out.extend(&self.descriptor);
    }

    fn entry(&self, offset: u32, out: &mut Vec<u8>) {
        out.extend(b"PK\x01\x02\x14");
        out.extend([self.system, self.needs, 0]);
        out.extend(self.flags.to_le_bytes());
        out.extend(self.method.to_le_bytes());
        out.extend([0, 0, 0x21, 0]);
        out.extend(self.crc32.to_le_bytes());
        out.extend((self.data.len() as u32).to_le_bytes());
        out.extend(self.size.to_le_bytes());
        out.extend((self.name.len() as u16).to_le_bytes());
        out.extend((self.extra.len() as u16).to_le_bytes());
        out.extend([0; 6]);
        out.extend((self.mode << 16).to_le_bytes());
        out.extend(offset.to_le_bytes());
        out.extend(&self.name);
        out.extend(&self.extra);
    }
}

/// Where the wheels of these tests are installed.
pub(super) fn layout() -> Layout {
    Layout::venv(ImagePath::new("app/.venv").unwrap(), PythonVersion::new(3, 11))
}
