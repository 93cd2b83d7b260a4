use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::{Value, json};
use wainwright_blob::{BLOCK, file_header, padding};
use wainwright_oci::{Digest, Document, Image, Platform, canonical_json, media_type};
use wainwright_store::Store;

use crate::blob::{Blob, has_digest};
use crate::output::{Output, Target};
use crate::{Delivered, Error, Release, layout, name};

/// Modification time of every member: 1980-01-01T00:00:01Z, as in layers.
const MTIME: u64 = 315_532_801;

/// Docker's list of what an archive holds.
const DOCKER_MANIFEST: &str = "manifest.json";

/// Writes a release as one tar file that `docker load`, `podman load`, `ctr image import` and skopeo read.
///
/// It is an OCI layout with Docker's `manifest.json` beside `index.json`. That file can list one image: the one for `host`,
/// or else the first. The same release gives the same bytes; a file that has them already is left alone. A file is replaced
/// when the new one is whole; anything else (a pipe, a device) is written into.
pub fn write_archive(
    release: &Release,
    store: &Store,
    file: &Path,
    host: &Platform,
) -> Result<Delivered, Error> {
    let members = members(release, host)?;
    match Target::find(file)? {
        Target::File { path, existing } => {
            if existing.is_some_and(|existing| is_same(&members, existing).unwrap_or(false)) {
                return Ok(Delivered::NOTHING);
            }
            let mut output = Output::create(&path, total_size(&members))?;
            let written = write_members(&members, store, &mut output, file)?;
            output.finish()?;
            Ok(Delivered::written(written))
        }
        Target::Stream(mut stream) => write_stream(&members, store, &mut stream, file),
    }
}

/// As [`write_archive`], into anything that takes bytes; in errors it is called `-`.
pub fn write_archive_to(
    release: &Release,
    store: &Store,
    out: &mut dyn Write,
    host: &Platform,
) -> Result<Delivered, Error> {
    write_stream(&members(release, host)?, store, out, Path::new("-"))
}

/// As [`write_archive_to`], for a reader who forgets what breaks off, so that one can begin anew.
pub(crate) fn write_whole_to(
    release: &Release,
    store: &Store,
    out: &mut dyn Write,
    host: &Platform,
) -> Result<Delivered, Error> {
    write_members(&members(release, host)?, store, out, Path::new("-")).map(Delivered::written)
}

/// Writes what Docker's own store wants of some releases of a single image each, whose first so many layers it has; what
/// several of them lack is there once.
///
/// This is Docker's old form alone, without an OCI layout: a store of another kind refuses it as a whole, and cannot take it
/// for complete images.
pub(crate) fn write_rest_to(
    releases: &[(Release, usize)],
    store: &Store,
    out: &mut dyn Write,
) -> Result<Delivered, Error> {
    let mut manifests = Vec::new();
    let mut blobs = BTreeMap::new();
    for (release, held) in releases {
        let [image] = release.images.as_slice() else {
            return Err(Error::Release { reason: "it is not a single image" });
        };
        let layers = image.layers.iter().skip(*held).map(|layer| layer.descriptor.digest);
        let wanted: BTreeSet<Digest> = layers.chain([image.config.digest()]).collect();
        manifests.push(docker_image(release, image));
        blobs.extend(release.blobs().into_iter().filter(|(digest, _)| wanted.contains(digest)));
    }
    let body = Body::Bytes(canonical_json(&manifests.into()));
    let mut members = vec![Member { name: DOCKER_MANIFEST.into(), body }];
    members.extend(blobs.into_values().map(Member::blob));
    write_members(&members, store, out, Path::new("-")).map(Delivered::written)
}

/// A file in the archive.
struct Member<'a> {
    name: String,
    body: Body<'a>,
}

enum Body<'a> {
    Bytes(Vec<u8>),
    Blob(Blob<'a>),
}

impl<'a> Member<'a> {
    fn blob(blob: Blob<'a>) -> Self {
        Self { name: blob_name(&blob.digest.hex()), body: Body::Blob(blob) }
    }

    fn size(&self) -> u64 {
        match &self.body {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::Blob(blob) => blob.size,
        }
    }

    fn header(&self) -> Vec<u8> {
        file_header(&self.name, self.size(), MTIME)
    }
}

/// What the archive holds, in order: what a reader wants first comes first.
fn members<'a>(release: &'a Release, host: &Platform) -> Result<Vec<Member<'a>>, Error> {
    release.check()?;
    if release.images.is_empty() {
        return Err(Error::Release { reason: "it contains no runnable image" });
    }
    let file = |name: &str, bytes| Member { name: name.into(), body: Body::Bytes(bytes) };
    let mut members = vec![
        file(layout::MARK, layout::MARK_BYTES.into()),
        file(layout::INDEX, index(release)),
        file(DOCKER_MANIFEST, docker_manifest(release, host)),
    ];
    members.extend(release.blobs().into_values().map(Member::blob));
    Ok(members)
}

/// `index.json` lists one descriptor per name; the platforms of an index need none here, as podman refuses an OCI archive
/// with several images. Without a name there is no `ref.name` either: podman would make `localhost/latest` of it.
fn index(release: &Release) -> Vec<u8> {
    let mut manifests = name::named_descriptors(release);
    if release.tags.is_empty() {
        manifests.iter_mut().for_each(|descriptor| descriptor.annotations.clear());
    }
    let json = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": manifests});
    Document::write(media_type::INDEX, json).bytes().to_owned()
}

/// Docker's own index (Docker Image Specification v1.2, "Combined Image JSON + Filesystem Changeset Format").
fn docker_manifest(release: &Release, host: &Platform) -> Vec<u8> {
    let image = release.image_for(host).or(release.images.first());
    canonical_json(&image.into_iter().map(|image| docker_image(release, image)).collect())
}

/// What that index says of an image.
fn docker_image(release: &Release, image: &Image) -> Value {
    let layers: Vec<String> =
        image.layers.iter().map(|layer| blob_name(&layer.descriptor.digest.hex())).collect();
    json!({
        "Config": blob_name(&image.config.digest().hex()),
        "Layers": layers,
        "RepoTags": name::full_names(&release.tags),
    })
}

fn blob_name(hex: &str) -> String {
    format!("blobs/sha256/{hex}")
}

/// Two blocks of zeros end an archive.
const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

fn total_size(members: &[Member]) -> u64 {
    let sizes = members
        .iter()
        .map(|member| member.header().len() as u64 + member.size() + padding(member.size()) as u64);
    sizes.sum::<u64>() + END.len() as u64
}

/// Writes the archive and returns its size; `target` is what `out` is called in errors.
fn write_members(
    members: &[Member],
    store: &Store,
    out: &mut dyn Write,
    target: &Path,
) -> Result<u64, Error> {
    let total = total_size(members);
    let failed = |source| Error::write(target, total, source);
    for member in members {
        out.write_all(&member.header()).map_err(failed)?;
        match &member.body {
            Body::Bytes(bytes) => out.write_all(bytes).map_err(failed)?,
            Body::Blob(blob) => blob.copy(store, out, target)?,
        }
        out.write_all(&END[..padding(member.size())]).map_err(failed)?;
    }
    out.write_all(&END).and_then(|()| out.flush()).map_err(failed)?;
    Ok(total)
}

/// Writes the archive where bytes cannot be taken back: after a failure a second try would be appended to the first.
fn write_stream(
    members: &[Member],
    store: &Store,
    out: &mut dyn Write,
    target: &Path,
) -> Result<Delivered, Error> {
    let written = write_members(members, store, out, target);
    written.map(Delivered::written).map_err(|error| error.in_the_middle(target))
}

/// Whether a file holds exactly this archive. Looks at the blobs last, and stops at the first difference.
fn is_same(members: &[Member], mut file: File) -> io::Result<bool> {
    if file.metadata()?.len() != total_size(members) {
        return Ok(false);
    }
    for member in members {
        let is_same = has_bytes(&mut file, &member.header())?
            && match &member.body {
                Body::Bytes(bytes) => has_bytes(&mut file, bytes)?,
                Body::Blob(blob) => has_digest(&mut file, blob.size, &blob.digest)?,
            }
            && has_bytes(&mut file, &END[..padding(member.size())])?;
        if !is_same {
            return Ok(false);
        }
    }
    has_bytes(&mut file, &END)
}

fn has_bytes(file: &mut File, expected: &[u8]) -> io::Result<bool> {
    let mut found = vec![0; expected.len()];
    file.read_exact(&mut found)?;
    Ok(found == expected)
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;

    use super::*;
    use crate::sample::Sample;

    /// The archive of a release, on a machine with an arm64 processor.
    fn archive(sample: &Sample, release: &Release) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_archive_to(release, &sample.store, &mut bytes, &Platform::linux("arm64")).unwrap();
        bytes
    }

    fn read(archive: &[u8]) -> Vec<(String, u64, Vec<u8>)> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let name = entry.path().unwrap().to_str().unwrap().to_owned();
            (name, entry.header().mtime().unwrap(), bytes)
        });
        entries.collect()
    }

    #[test]
    fn the_archive_is_a_layout_that_docker_reads_too() {
        let sample = Sample::new();
        let release = sample.release(&["amd64"], &["demo/api:1"]);
        let members = read(&archive(&sample, &release));
        let names: Vec<&str> = members.iter().map(|(name, ..)| name.as_str()).collect();
        let image = &release.images[0];
        let mut blobs: Vec<String> = release.blobs().keys().map(|digest| blob_name(&digest.hex())).collect();
        blobs.sort();
        assert_eq!(names[..3], ["oci-layout", "index.json", "manifest.json"]);
        assert_eq!(names[3..], blobs);
        assert_eq!(blobs.len(), 4);
        assert!(members.iter().all(|(_, mtime, _)| *mtime == MTIME));
        for (name, _, bytes) in &members[3..] {
            assert_eq!(name, &blob_name(&wainwright_oci::Digest::of(bytes).hex()));
        }
        let text = |at: usize| String::from_utf8(members[at].2.clone()).unwrap();
        assert_eq!(text(0), r#"{"imageLayoutVersion":"1.0.0"}"#);
        let manifest = &image.manifest.descriptor;
        assert_eq!(
            text(1),
            format!(
                r#"{{"manifests":[{{"annotations":{{"io.containerd.image.name":"docker.io/demo/api:1","org.opencontainers.image.ref.name":"1"}},"digest":"{}","mediaType":"{}","platform":{{"architecture":"amd64","os":"linux"}},"size":{}}}],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}}"#,
                manifest.digest, manifest.media_type, manifest.size
            )
        );
        assert_eq!(
            text(2),
            format!(
                r#"[{{"Config":"blobs/sha256/{}","Layers":["blobs/sha256/{}","blobs/sha256/{}"],"RepoTags":["docker.io/demo/api:1"]}}]"#,
                image.config.digest().hex(),
                image.layers[0].descriptor.digest.hex(),
                image.layers[1].descriptor.digest.hex()
            )
        );
    }

    #[test]
    fn the_same_release_gives_the_same_bytes() {
        let make = || {
            let sample = Sample::new();
            archive(&sample, &sample.release(&["amd64", "arm64"], &["demo/api:1", "demo/api:2"]))
        };
        assert_eq!(make(), make());
    }

    #[test]
    fn docker_gets_the_image_of_the_host_and_everybody_else_the_index() {
        let sample = Sample::new();
        let release = sample.release(&["amd64", "arm64"], &["demo/api:1"]);
        let members = read(&archive(&sample, &release));
        let index: serde_json::Value = serde_json::from_slice(&members[1].2).unwrap();
        assert_eq!(index["manifests"][0]["digest"], release.digest().to_string());
        assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
        let docker: serde_json::Value = serde_json::from_slice(&members[2].2).unwrap();
        assert_eq!(docker[0]["Config"], blob_name(&release.images[1].config.digest().hex()));
        assert_eq!(members.len(), 3 + release.blobs().len());
    }

    #[test]
    fn archive_without_names_has_no_tags() {
        let sample = Sample::new();
        let members = read(&archive(&sample, &sample.release(&["amd64"], &[])));
        let texts = [1, 2].map(|at: usize| String::from_utf8(members[at].2.clone()).unwrap());
        assert!(!texts[0].contains("annotations"), "{}", texts[0]);
        assert!(texts[1].ends_with(r#""RepoTags":[]}]"#), "{}", texts[1]);
    }

    #[test]
    fn a_file_that_holds_the_archive_is_left_alone() {
        let sample = Sample::new();
        let release = sample.release(&["amd64"], &["demo/api:1"]);
        let file = sample.folder.path().join("api.tar");
        let deliver = || write_archive(&release, &sample.store, &file, &Platform::linux("amd64")).unwrap();
        let first = deliver();
        let bytes = std::fs::read(&file).unwrap();
        assert_eq!(first, Delivered::written(bytes.len() as u64));
        assert_eq!(deliver(), Delivered::NOTHING);
        // One bit, anywhere: in a header, in a layer, in the padding.
        for at in [0, 700, bytes.len() / 2, bytes.len() - 1500, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            std::fs::write(&file, damaged).unwrap();
            assert!(!deliver().was_there, "byte {at}");
            assert_eq!(std::fs::read(&file).unwrap(), bytes);
        }
    }

    #[test]
    fn partial_stream_is_not_retried() {
        let sample = Sample::new();
        let release = sample.release(&["amd64"], &["demo/api:1"]);
        sample.store.discard(&release.images[0].layers[1].descriptor.digest);
        let mut bytes = Vec::new();
        let error = write_archive_to(&release, &sample.store, &mut bytes, &Platform::linux("amd64"));
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Torn { .. }) && error.is_outside(), "{error:?}");
        // Without a cause that says "try again", and without the end of an archive.
        assert!(std::error::Error::source(&error).is_none());
        assert!(!bytes.is_empty() && !bytes.ends_with(&END));
    }

    #[test]
    fn a_layer_that_is_missing_leaves_the_old_file() {
        let sample = Sample::new();
        let release = sample.release(&["amd64"], &["demo/api:1"]);
        let file = sample.folder.path().join("api.tar");
        std::fs::write(&file, "old").unwrap();
        sample.store.discard(&release.images[0].layers[1].descriptor.digest);
        let error = write_archive(&release, &sample.store, &file, &Platform::linux("amd64")).unwrap_err();
        assert!(matches!(error, Error::Store { .. }), "{error:?}");
        assert_eq!(std::fs::read(&file).unwrap(), b"old");
        // The store and the file: nothing unfinished.
        assert_eq!(std::fs::read_dir(sample.folder.path()).unwrap().count(), 2);
    }
}
