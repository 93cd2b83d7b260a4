use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use wainwright_base::{Source, inspect, list, open};
use wainwright_oci::{Digest, Platform, canonical_json, media_type};
use wainwright_store::Store;

use crate::scratch;

/// The input is the only layer of an image.
pub(crate) fn tar(bytes: &[u8]) {
    scratch::with_folder(|folder, store| {
        let layout = folder.join("layout");
        write_layout(&layout, bytes, None);
        read(&Source::Layout { dir: layout, name: None, digest: None }, store);
    });
}

/// The input is an archive: of a layout, or as `docker save` writes it.
pub(crate) fn archive(bytes: &[u8]) {
    scratch::with_folder(|folder, store| {
        let file = folder.join("image.tar");
        fs::write(&file, bytes).unwrap();
        read(&Source::Archive { file, name: None }, store);
    });
}

/// The input is a document of an image, which its first byte names.
pub(crate) fn documents(bytes: &[u8]) {
    let Some((kind, document)) = bytes.split_first() else { return };
    scratch::with_folder(|folder, store| {
        let layout = folder.join("layout");
        write_layout(&layout, &layer(), Some((kind % 4, document)));
        read(&Source::Layout { dir: layout, name: None, digest: None }, store);
    });
}

/// Reads all there is to know about an image.
fn read(source: &Source, store: &Store) {
    let base = match open(source, &Platform::linux("amd64"), store) {
        Ok(base) => base,
        Err(error) => return check(&error.to_string()),
    };
    if let Err(error) = inspect(&base, store) {
        check(&error.to_string());
    }
    for (position, layer) in base.image.layers.iter().enumerate() {
        if let Err(error) = list(layer, position, store) {
            check(&error.to_string());
        }
    }
}

fn check(message: &str) {
    assert!(message.len() < 20_000, "a message of {} bytes", message.len());
}

/// Writes an image with one layer; one of its documents may be another: 0 `index.json`, 1 an index, 2 a manifest, 3 a config.
fn write_layout(folder: &Path, layer: &[u8], instead: Option<(u8, &[u8])>) {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let document = |kind: u8, json: &Value| match instead {
        Some((other, bytes)) if other == kind => bytes.to_vec(),
        _ => canonical_json(json),
    };
    let blob = |media_type: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes);
        fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
        json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
    };
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": { "Env": ["PATH=/usr/bin"], "User": "app" },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(layer)] },
    });
    let manifest = json!({
        "schemaVersion": 2, "mediaType": media_type::MANIFEST,
        "config": blob(media_type::CONFIG, &document(3, &config)), "layers": [blob(media_type::LAYER_TAR, layer)],
    });
    let mut manifest = blob(media_type::MANIFEST, &document(2, &manifest));
    manifest["platform"] = json!({ "os": "linux", "architecture": "amd64" });
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [manifest] });
    let index = blob(media_type::INDEX, &document(1, &index));
    let root = json!({ "schemaVersion": 2, "manifests": [index] });
    fs::write(folder.join("index.json"), document(0, &root)).unwrap();
}

/// A small root with all kinds of members.
fn layer() -> Vec<u8> {
    use tar::EntryType as Kind;
    let mut tar = tar::Builder::new(Vec::new());
    let mut put = |path: &str, kind: tar::EntryType, content: &[u8], link: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        match link {
            "" => tar.append_data(&mut header, path, content).unwrap(),
            link => tar.append_link(&mut header, path, link).unwrap(),
        }
    };
    put("etc/passwd", Kind::Regular, b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\n", "");
    put("etc/os-release", Kind::Regular, b"PRETTY_NAME=\"A base\"\n", "");
    put("usr/", Kind::Directory, b"", "");
    put("usr/bin/python3.13", Kind::Regular, b"\x7fELF not really", "");
    put("usr/bin/python3", Kind::Symlink, b"", "python3.13");
    put("usr/bin/python", Kind::Link, b"", "usr/bin/python3.13");
    put("bin", Kind::Symlink, b"", "usr/bin");
    put(&format!("usr/{}", "long/".repeat(40)), Kind::Directory, b"", "");
    put(
        "var/lib/dpkg/status",
        Kind::Regular,
        b"Package: libc6\nStatus: install ok installed\nVersion: 2.41\n",
        "",
    );
    put("etc/.wh.shadow", Kind::Regular, b"", "");
    put("opt/.wh..wh..opq", Kind::Regular, b"", "");
    let libc = b"\x7fELF\0GNU C Library (Debian GLIBC 2.41-1) stable release version 2.41.\n\0";
    put("usr/lib/x86_64-linux-gnu/libc.so.6", Kind::Regular, libc, "");
    tar.append_pax_extensions([("path", b"usr/pax".as_slice()), ("SCHILY.xattr.user.a", b"b")]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(3);
    tar.append_data(&mut header, "usr/pax", b"pax".as_slice()).unwrap();
    tar.into_inner().unwrap()
}

pub(crate) fn tars() -> Vec<Vec<u8>> {
    vec![layer(), tar::Builder::new(Vec::new()).into_inner().unwrap()]
}

pub(crate) fn archives() -> Vec<Vec<u8>> {
    let mut tars = Vec::new();
    scratch::with_folder(|folder, _| {
        let layout = folder.join("seed");
        write_layout(&layout, &layer(), None);
        let mut tar = tar::Builder::new(Vec::new());
        tar.append_dir_all("", &layout).unwrap();
        tars.push(tar.into_inner().unwrap());
        fs::remove_dir_all(layout).unwrap();
    });
    let layer = layer();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&layer)] },
    });
    let manifest = json!([{ "Config": "config.json", "RepoTags": ["a:1"], "Layers": ["layer.tar"] }]);
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in [
        ("config.json", canonical_json(&config)),
        ("layer.tar", layer),
        ("manifest.json", canonical_json(&manifest)),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, name, content.as_slice()).unwrap();
    }
    tars.push(tar.into_inner().unwrap());
    tars
}

pub(crate) fn documents_of_an_image() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    scratch::with_folder(|folder, _| {
        let layout = folder.join("seed");
        write_layout(&layout, &layer(), None);
        seeds.push([b"\0", fs::read(layout.join("index.json")).unwrap().as_slice()].concat());
        let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap();
        for bytes in blobs.map(|blob| fs::read(blob.unwrap().path()).unwrap()) {
            let Ok(json) = serde_json::from_slice::<Value>(&bytes) else { continue };
            let kind = if json.get("manifests").is_some() {
                1
            } else if json.get("layers").is_some() {
                2
            } else {
                3
            };
            seeds.push([[kind].as_slice(), &bytes].concat());
        }
        fs::remove_dir_all(layout).unwrap();
    });
    seeds.sort();
    assert_eq!(seeds.len(), 4);
    seeds
}
