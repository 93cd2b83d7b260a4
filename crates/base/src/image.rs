use std::io::{self, Read, Write};
use std::path::Path;

use wainwright_oci::{Descriptor, Hasher, Layer, Place, Platform, Reference};
use wainwright_store::Store;

use crate::blobs::Blobs;
use crate::select::Wish;
use crate::span::Span;
use crate::{BaseImage, Error, Source, archive, docker_archive, layout};

/// Finds the image for a platform in an OCI layout, a tar of one, or what `docker save` writes.
///
/// Archives may be compressed with gzip or zstd: those are unpacked in the store's scratch space, and the layers that
/// are needed become blobs of the store. Every document is checked against its descriptor (size, digest, media type,
/// structure); of the layers only presence and size are looked at.
pub fn open(source: &Source, platform: &Platform, store: &Store) -> Result<BaseImage, Error> {
    match source {
        Source::Layout { dir, name, digest } => {
            check_folder(dir)?;
            let wish = Wish { name: name.as_deref(), digest: digest.as_ref(), platform };
            layout::find(&Blobs::folder(dir), wish)
        }
        Source::Archive { file, name } => {
            let (members, scratch) = archive::open(file, store)?;
            let wish = Wish { name: name.as_deref(), digest: None, platform };
            let mut base = find_in_archive(&Blobs::archive(file, members), wish)?;
            if scratch.is_some() {
                for (index, layer) in base.image.layers.iter_mut().enumerate() {
                    keep(file, index + 1, layer, store)?;
                }
            }
            Ok(base)
        }
    }
}

/// Finds the image for a platform behind a reference to a registry, among the documents that are in the store.
///
/// `root` describes what the reference stands for: an index or a manifest. Asks nobody: what is missing is an
/// [`Error::Unfetched`], to be fetched into the store before the next try. Layers that are not in the store stay in the
/// registry.
pub fn open_fetched(
    reference: &Reference,
    root: &Descriptor,
    platform: &Platform,
    store: &Store,
) -> Result<BaseImage, Error> {
    let image = layout::find_fetched(&Blobs::fetched(store, reference), root, platform)?;
    Ok(BaseImage { image, name: Some(reference.to_string()) })
}

pub(crate) fn check_folder(dir: &Path) -> Result<(), Error> {
    if dir.metadata().map_err(Error::disk("read", dir))?.is_dir() {
        return Ok(());
    }
    let hint = Some("read a file with `archive:`");
    Err(Error::Kind {
        path: dir.to_owned(),
        expected: "an OCI layout",
        reason: "it is not a folder".into(),
        hint,
    })
}

/// Since version 25 Docker writes both forms into one archive; the one with digests is read.
fn find_in_archive(blobs: &Blobs, wish: Wish<'_>) -> Result<BaseImage, Error> {
    match holds_layout(blobs)? {
        true => layout::find(blobs, wish),
        false => docker_archive::find(blobs, &docker_manifest(blobs)?, wish),
    }
}

/// Whether an archive is a tar of a layout, whatever else it is.
pub(crate) fn holds_layout(blobs: &Blobs) -> Result<bool, Error> {
    Ok(blobs.find("oci-layout")?.is_some() && blobs.find("index.json")?.is_some())
}

/// The document by which `docker load` reads an archive.
pub(crate) fn docker_manifest(blobs: &Blobs) -> Result<Span, Error> {
    blobs.find("manifest.json")?.ok_or_else(|| Error::Kind {
        path: blobs.shown.clone(),
        expected: "an image archive",
        reason: "it contains neither `oci-layout` and `index.json` nor `manifest.json`".into(),
        hint: Some(
            "create one with `docker save`, `podman save` or `skopeo copy`; a tar of files is not an image",
        ),
    })
}

/// Moves a layer from scratch space into the store.
fn keep(file: &Path, position: usize, layer: &mut Layer, store: &Store) -> Result<(), Error> {
    let Place::File { path, offset } = &layer.place else { return Ok(()) };
    let descriptor = &layer.descriptor;
    if !store.contains(&descriptor.digest, Some(descriptor.size)) {
        let span = Span { path: path.clone(), offset: *offset, size: descriptor.size };
        let mut reader = span.open().map_err(Error::disk("read", path))?;
        let mut draft = store.draft()?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(Error::disk("read", path)(source)),
            };
            hasher.update(&buffer[..count]);
            let written = draft.write_all(&buffer[..count]);
            written.map_err(Error::disk("write", draft.path()))?;
        }
        let found = hasher.finish();
        if found != descriptor.digest {
            return Err(Error::Mismatch {
                path: file.to_owned(),
                what: format!("layer {position}"),
                expected: descriptor.digest,
                found,
            });
        }
        draft.commit(&descriptor.digest)?;
    }
    layer.place = Place::Store;
    Ok(())
}
