use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use wainwright_oci::Digest;

use crate::deflate::deflate;

/// A wheel in the making: metadata and RECORD come by themselves.
#[derive(Clone)]
pub struct Wheel {
    name: String,
    version: String,
    tag: String,
    needs: Vec<String>,
    members: Vec<Member>,
}

#[derive(Clone)]
struct Member {
    name: String,
    content: Vec<u8>,
    mode: u32,
}

/// Begins a wheel: version 1.0, for every platform.
pub fn wheel(name: &str) -> Wheel {
    Wheel {
        name: name.into(),
        version: "1.0".into(),
        tag: "py3-none-any".into(),
        needs: Vec::new(),
        members: Vec::new(),
    }
}

impl Wheel {
    /// Sets the tag in its name: `cp313-cp313-manylinux_2_17_x86_64`.
    pub fn tag(mut self, tag: &str) -> Self {
        self.tag = tag.into();
        self
    }

    /// Sets the version.
    pub fn version(mut self, version: &str) -> Self {
        self.version = version.into();
        self
    }

    /// Adds a requirement.
    pub fn needs(mut self, requirement: &str) -> Self {
        self.needs.push(requirement.into());
        self
    }

    /// Adds a file. Nothing is checked: hostile wheels are made the same way.
    pub fn file(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.members.push(Member { name: name.into(), content: content.as_ref().into(), mode: 0o100_644 });
        self
    }

    /// Adds an executable file.
    pub fn program(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.members.push(Member { name: name.into(), content: content.as_ref().into(), mode: 0o100_755 });
        self
    }

    /// Adds a file to the metadata folder: `entry_points.txt`.
    pub fn metadata(self, name: &str, content: &str) -> Self {
        let name = format!("{}/{name}", self.dist_info());
        self.file(&name, content)
    }

    /// `greet-1.0-py3-none-any.whl`
    pub fn filename(&self) -> String {
        format!("{}-{}-{}.whl", self.name, self.version, self.tag)
    }

    /// The name of its package.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn dist_info(&self) -> String {
        format!("{}-{}.dist-info", self.name, self.version)
    }

    /// The whole file (PyPA, "Binary distribution format").
    pub fn bytes(&self) -> Vec<u8> {
        let is_pure = self.tag.ends_with("-none-any");
        let purelib = if is_pure { "true" } else { "false" };
        let needs: String = self.needs.iter().map(|one| format!("Requires-Dist: {one}\n")).collect();
        let done = self
            .clone()
            .metadata(
                "METADATA",
                &format!("Metadata-Version: 2.1\nName: {}\nVersion: {}\n{needs}", self.name, self.version),
            )
            .metadata(
                "WHEEL",
                &format!(
                    "Wheel-Version: 1.0\nGenerator: testing\nRoot-Is-Purelib: {purelib}\nTag: {}\n",
                    self.tag
                ),
            );
        let record: String = done.members.iter().map(Member::record_row).collect();
        let record_name = format!("{}/RECORD", self.dist_info());
        zip(&done.file(&record_name, format!("{record}{record_name},,\n")).members)
    }
}

impl Member {
    fn record_row(&self) -> String {
        let hash = BASE64_URL_SAFE_NO_PAD.encode(Digest::of(&self.content).as_bytes());
        format!("{},sha256={hash},{}\n", self.name, self.content.len())
    }
}

/// Writes a zip archive (PKWARE APPNOTE 4.3); empty members are stored, all others deflated.
fn zip(members: &[Member]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let (method, data) = match member.content.is_empty() {
            true => (0u16, Vec::new()),
            false => (8u16, deflate(&member.content)),
        };
        let mut facts = Vec::new();
        facts.extend([20, 0, 0, 0]);
        facts.extend(method.to_le_bytes());
        // 1980-01-01, midnight.
        facts.extend([0, 0, 0x21, 0]);
        for number in [crc32fast::hash(&member.content), data.len() as u32, member.content.len() as u32] {
            facts.extend(number.to_le_bytes());
        }
        facts.extend((member.name.len() as u16).to_le_bytes());
        facts.extend([0, 0]);
        let offset = bytes.len() as u32;
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&facts);
        bytes.extend(member.name.as_bytes());
        bytes.extend(data);
        // Made on Unix, with a mode.
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(facts);
        directory.extend([0; 6]);
        directory.extend((member.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(member.name.as_bytes());
    }
    let (count, size, offset) = (members.len() as u16, directory.len() as u32, bytes.len() as u32);
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}
