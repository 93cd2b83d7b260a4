//! Small tars, layouts and archives for the tests of this crate.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use wainwright_oci::{Digest, canonical_json, media_type};
use wainwright_store::Store;

/// Bytes that begin like a program.
pub(crate) const ELF: &[u8] = b"\x7fELF and so on";

/// A tar in the making that may break every rule.
#[derive(Clone, Default)]
pub(crate) struct RawTar(Vec<u8>);

pub(crate) fn raw() -> RawTar {
    RawTar::default()
}

impl RawTar {
    /// A header and its content, unchecked.
    pub(crate) fn entry(self, flag: u8, path: &str, link: &str, content: &[u8]) -> Self {
        self.entry_with_mode(flag, path, link, content, 0o644)
    }

    fn entry_with_mode(mut self, flag: u8, path: &str, link: &str, content: &[u8], mode: u32) -> Self {
        let mut header = tar::Header::new_ustar();
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        let old = header.as_old_mut();
        old.linkflag = [flag];
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub(crate) fn file(self, path: &str, content: &[u8]) -> Self {
        self.entry(b'0', path, "", content)
    }

    /// An executable file.
    pub(crate) fn program(self, path: &str, content: &[u8]) -> Self {
        self.entry_with_mode(b'0', path, "", content, 0o755)
    }

    pub(crate) fn directory(self, path: &str) -> Self {
        self.entry_with_mode(b'5', path, "", b"", 0o755)
    }

    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(b'2', path, target, b"")
    }

    pub(crate) fn hardlink(self, path: &str, target: &str) -> Self {
        self.entry(b'1', path, target, b"")
    }

    pub(crate) fn gnu_name(self, flag: u8, name: &[u8]) -> Self {
        self.entry(flag, "././@LongLink", "", &[name, b"\0"].concat())
    }

    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        self.entry(b'x', "PaxHeaders/x", "", &pax_records(records))
    }

    pub(crate) fn global(self, records: &[(&str, &[u8])]) -> Self {
        self.entry(b'g', "pax_global_header", "", &pax_records(records))
    }

    pub(crate) fn bytes(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

fn pax_records(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest + 1..rest + 9).find(|length| rest + length.to_string().len() == *length).unwrap();
        bytes.extend_from_slice(format!("{length} {key}=").as_bytes());
        bytes.extend_from_slice(value);
        bytes.push(b'\n');
    }
    bytes
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A folder with a store and room for a layout.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) store: Store,
}

/// What a test image is made of, before it is written.
pub(crate) struct TestImage {
    pub(crate) config: Value,
    /// Media type, blob, tar.
    pub(crate) layers: Vec<(String, Vec<u8>, Vec<u8>)>,
}

impl TestImage {
    /// An image of gzip layers.
    pub(crate) fn new(architecture: &str, layers: Vec<RawTar>) -> Self {
        let layers: Vec<_> = layers
            .into_iter()
            .map(RawTar::bytes)
            .map(|tar| (media_type::LAYER_GZIP.to_owned(), gzip(&tar), tar))
            .collect();
        let diff_ids: Vec<_> = layers.iter().map(|(_, _, tar)| Digest::of(tar)).collect();
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        Self { config, layers }
    }
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let layout = folder.path().join("layout");
        fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        Self { folder, store }
    }

    pub(crate) fn layout(&self) -> PathBuf {
        self.folder.path().join("layout")
    }

    /// Writes a blob and gives its descriptor.
    pub(crate) fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        fs::write(self.layout().join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    pub(crate) fn json_blob(&self, media_type: &str, json: &Value) -> Value {
        self.blob(media_type, &canonical_json(json))
    }

    /// The manifest of an image whose blobs are written.
    pub(crate) fn manifest(&self, image: &TestImage) -> Value {
        let layers: Vec<_> = image.layers.iter().map(|(kind, blob, _)| self.blob(kind, blob)).collect();
        json!({
            "schemaVersion": 2,
            "mediaType": media_type::MANIFEST,
            "config": self.json_blob(media_type::CONFIG, &image.config),
            "layers": layers,
        })
    }

    /// Writes an image and gives the descriptor of its manifest.
    pub(crate) fn image(&self, image: &TestImage) -> Value {
        self.json_blob(media_type::MANIFEST, &self.manifest(image))
    }

    pub(crate) fn write_index(&self, manifests: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        fs::write(self.layout().join("index.json"), index.to_string()).unwrap();
    }

    /// Writes a layout of one amd64 image.
    pub(crate) fn simple(layers: Vec<RawTar>) -> Self {
        let bench = Self::new();
        let manifest = bench.image(&TestImage::new("amd64", layers));
        bench.write_index(&[manifest]);
        bench
    }

    pub(crate) fn write_archive(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("image.tar");
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Every file below a folder as a tar with relative names.
pub(crate) fn tar_of_folder(folder: &Path) -> RawTar {
    let mut tar = raw();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder_now) = pending.pop() {
        for entry in fs::read_dir(folder_now).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                tar = tar.file(&name, &fs::read(&path).unwrap());
            }
        }
    }
    tar
}
