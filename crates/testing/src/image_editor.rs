use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wainwright_oci::{Digest, canonical_json, media_type};

/// Changes the image of an OCI layout so that every digest in it is right again: as a careful attacker would.
pub struct ImageEditor {
    layout: PathBuf,
    /// The config, to be changed at will; diff IDs follow the layers.
    pub config: Value,
    /// The manifest, to be changed at will; descriptors follow the layers and the config.
    pub manifest: Value,
    layers: Vec<Layer>,
}

/// A layer that was not touched, or a new tar.
enum Layer {
    Kept(Value, Value),
    New(Vec<u8>),
    /// Compressed bytes, and the diff ID.
    Packed(Vec<u8>, Value),
}

/// A member of a layer's tar.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its header, size and checksum included.
    pub header: tar::Header,
    /// Where it is.
    pub path: String,
    /// Where it leads, for a link.
    pub link: Option<String>,
    /// What it holds.
    pub content: Vec<u8>,
}

impl Member {
    /// A file, `0644`.
    pub fn file(path: &str, content: impl AsRef<[u8]>) -> Self {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_mtime(315_532_801);
        Self { header, path: path.into(), link: None, content: content.as_ref().into() }
    }
}

impl ImageEditor {
    /// Reads the only image of a layout.
    pub fn open(layout: &Path) -> Self {
        let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
        let document = |descriptor: &Value| -> Value {
            serde_json::from_slice(&fs::read(blob(layout, &descriptor["digest"])).unwrap()).unwrap()
        };
        let manifest = document(&index["manifests"][0]);
        let config = document(&manifest["config"]);
        let layers = manifest["layers"].as_array().unwrap().iter();
        let diff_ids = config["rootfs"]["diff_ids"].as_array().unwrap().iter();
        let layers = layers.zip(diff_ids).map(|(layer, diff_id)| Layer::Kept(layer.clone(), diff_id.clone()));
        Self { layout: layout.into(), layers: layers.collect(), config, manifest }
    }

    /// How many layers there are.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Changes the members of a layer, counted from 0.
    pub fn edit(&mut self, layer: usize, change: impl FnOnce(&mut Vec<Member>)) {
        let mut members = match &self.layers[layer] {
            Layer::Kept(descriptor, _) => {
                let bytes = fs::read(blob(&self.layout, &descriptor["digest"])).unwrap();
                let mut tar = bytes.clone();
                if bytes.starts_with(&[0x1f, 0x8b]) {
                    tar.clear();
                    flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut tar).unwrap();
                }
                read(&tar)
            }
            Layer::New(tar) => read(tar),
            Layer::Packed(..) => panic!("it is packed already"),
        };
        change(&mut members);
        self.layers[layer] = Layer::New(write(&members));
    }

    /// Puts bytes behind the compressed data of a layer, counted from 0.
    pub fn append(&mut self, layer: usize, more: &[u8]) {
        if let Layer::Kept(descriptor, diff_id) = &self.layers[layer] {
            let bytes = fs::read(blob(&self.layout, &descriptor["digest"])).unwrap();
            self.layers[layer] = Layer::Packed([&bytes, more].concat(), diff_id.clone());
        }
    }

    /// Puts a layer on top, with a line in the history.
    pub fn push(&mut self, members: &[Member]) {
        self.layers.push(Layer::New(write(members)));
        if let Some(history) = self.config["history"].as_array_mut() {
            history.push(json!({ "created_by": "somebody" }));
        }
    }

    /// Takes the top layer away, with its line in the history.
    pub fn pop(&mut self) {
        self.layers.pop();
        if let Some(history) = self.config["history"].as_array_mut() {
            history.pop();
        }
    }

    /// Writes a layout with the changed image.
    pub fn write(mut self, into: &Path) {
        fs::create_dir_all(into.join("blobs/sha256")).unwrap();
        fs::copy(self.layout.join("oci-layout"), into.join("oci-layout")).unwrap();
        let (mut descriptors, mut diff_ids) = (Vec::new(), Vec::new());
        for layer in &self.layers {
            let (descriptor, diff_id) = match layer {
                Layer::Kept(descriptor, diff_id) => {
                    let digest = &descriptor["digest"];
                    fs::copy(blob(&self.layout, digest), blob(into, digest)).unwrap();
                    (descriptor.clone(), diff_id.clone())
                }
                Layer::Packed(bytes, diff_id) => (put(into, media_type::LAYER_GZIP, bytes), diff_id.clone()),
                Layer::New(tar) => (put(into, media_type::LAYER_GZIP, &gzip(tar)), json!(Digest::of(tar))),
            };
            descriptors.push(descriptor);
            diff_ids.push(diff_id);
        }
        self.config["rootfs"]["diff_ids"] = diff_ids.into();
        self.manifest["config"] = put(into, media_type::CONFIG, &canonical_json(&self.config));
        self.manifest["layers"] = descriptors.into();
        let manifest = put(into, media_type::MANIFEST, &canonical_json(&self.manifest));
        let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
        fs::write(into.join("index.json"), index.to_string()).unwrap();
    }
}

fn blob(layout: &Path, digest: &Value) -> PathBuf {
    layout.join("blobs/sha256").join(digest.as_str().unwrap().trim_start_matches("sha256:"))
}

fn put(layout: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let digest = Digest::of(bytes);
    fs::write(layout.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
    json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(tar: &[u8]) -> Vec<Member> {
    let mut archive = tar::Archive::new(tar);
    let members = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        Member {
            path: text(&entry.path_bytes()),
            link: entry.link_name_bytes().map(|link| text(&link)),
            header: entry.header().clone(),
            content,
        }
    });
    members.collect()
}

fn write(members: &[Member]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for member in members {
        let mut header = member.header.clone();
        header.set_size(member.content.len() as u64);
        match &member.link {
            Some(link) => tar.append_link(&mut header, &member.path, link).unwrap(),
            None => tar.append_data(&mut header, &member.path, &member.content[..]).unwrap(),
        }
    }
    tar.into_inner().unwrap()
}
