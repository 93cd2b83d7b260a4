use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use wainwright_oci::{Digest, canonical_json, media_type};

/// Writes an OCI layout that looks like a Debian image with this Python: `3.13` and a libc to go with it, for every
/// architecture given. Nothing in it can be run.
pub fn write_base(folder: &Path, name: &str, python: &str, architectures: &[&str]) {
    fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let manifests: Vec<Value> =
        architectures.iter().map(|architecture| image(folder, python, architecture)).collect();
    let index = json!({
        "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": manifests,
    });
    let mut root = blob(folder, media_type::INDEX, &canonical_json(&index));
    root["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
    let root = json!({ "schemaVersion": 2, "manifests": [root] });
    fs::write(folder.join("index.json"), root.to_string()).unwrap();
}

fn image(folder: &Path, python: &str, architecture: &str) -> Value {
    let tar = layer(python, architecture);
    let layer = blob(folder, media_type::LAYER_TAR, &tar);
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"] },
        "rootfs": { "type": "layers", "diff_ids": [Digest::of(&tar)] },
    });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::MANIFEST,
        "config": blob(folder, media_type::CONFIG, &canonical_json(&config)),
        "layers": [layer],
    });
    let mut descriptor = blob(folder, media_type::MANIFEST, &canonical_json(&manifest));
    descriptor["platform"] = json!({ "os": "linux", "architecture": architecture });
    descriptor
}

/// Writes a blob and gives its descriptor.
fn blob(folder: &Path, media_type: &str, bytes: &[u8]) -> Value {
    let digest = Digest::of(bytes);
    fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).unwrap();
    json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() })
}

fn layer(python: &str, architecture: &str) -> Vec<u8> {
    let machine = if architecture == "arm64" { "aarch64" } else { "x86_64" };
    let libc = if python == "3.11" { "2.36" } else { "2.41" };
    let banner = format!("\x7fELF\0GNU C Library (Debian GLIBC {libc}-1) stable release version {libc}.\n\0");
    let mut tar = tar::Builder::new(Vec::new());
    let mut put = |path: &str, mode: u32, content: &str| {
        let mut header = tar::Header::new_ustar();
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, content.as_bytes()).unwrap();
    };
    put("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n");
    put("etc/os-release", 0o644, "PRETTY_NAME=\"A base for tests\"\n");
    put(&format!("usr/bin/python{python}"), 0o755, "\x7fELF not really");
    put(&format!("usr/lib/{machine}-linux-gnu/libc.so.6"), 0o644, &banner);
    let mut link = tar::Header::new_ustar();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    link.set_mode(0o777);
    tar.append_link(&mut link, "usr/bin/python3", format!("python{python}")).unwrap();
    tar.into_inner().unwrap()
}
