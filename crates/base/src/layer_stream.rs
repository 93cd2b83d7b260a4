use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use wainwright_oci::{Hasher, Layer, Place, media_type};
use wainwright_store::Store;

use crate::Error;
use crate::apply::{Failure, apply};
use crate::blobs::Span;
use crate::keep::Keeper;
use crate::tar_stream::{TarStream, invalid};
use crate::tree::Tree;

/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;
/// All layers of an image unpack to at most this: 256 GiB.
pub(crate) const LARGEST_IMAGE: u64 = 256 << 30;

/// How the tar in a layer is compressed.
enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Decides by media type alone: a layer that is something else than it says is refused.
fn packing(media_type: &str) -> Option<Packing> {
    Some(match media_type {
        media_type::LAYER_TAR
        | media_type::DOCKER_LAYER_TAR
        | "application/vnd.oci.image.layer.nondistributable.v1.tar" => Packing::Plain,
        media_type::LAYER_GZIP
        | media_type::DOCKER_LAYER_GZIP
        | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
        | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => Packing::Gzip,
        media_type::LAYER_ZSTD
        | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
        | "application/vnd.docker.image.rootfs.diff.tar.zstd" => Packing::Zstd,
        _ => return None,
    })
}

/// Reads a layer into the tree, and checks its digest, its size and its diff ID on the way.
///
/// `position` counts from 1. `left` is how many bytes the image may still unpack to.
pub(crate) fn read(
    layer: &Layer,
    position: usize,
    store: &Store,
    left: &mut u64,
    tree: &mut Tree,
    keeper: &mut Keeper,
) -> Result<(), Error> {
    let descriptor = &layer.descriptor;
    let Some(packing) = packing(&descriptor.media_type) else {
        return Err(Error::MediaType { position, media_type: descriptor.media_type.clone() });
    };
    let damaged = |source| Error::Layer { position, digest: descriptor.digest, source };
    let file = open(layer, position, store)?;
    let mut blob = BufReader::with_capacity(CHUNK, Hashing::new(file, u64::MAX));

    let applied = (|| {
        let tar: Box<dyn Read + '_> = match packing {
            Packing::Plain => Box::new(&mut blob),
            Packing::Gzip => Box::new(MultiGzDecoder::new(&mut blob)),
            Packing::Zstd => {
                Box::new(zstd::stream::read::Decoder::with_buffer(&mut blob).map_err(Failure::Tar)?)
            }
        };
        let mut tar = BufReader::with_capacity(CHUNK, Hashing::new(tar, *left));
        let mut stream = TarStream::new(&mut tar);
        apply(&mut stream, position, tree, keeper)?;
        stream.finish().map_err(Failure::Tar)?;
        let tar = tar.into_inner();
        *left = tar.left;
        Ok(tar.hasher.finish())
    })();

    // Wrong bytes explain all other trouble, so they are named first. On success nothing is left to read here.
    io::copy(&mut blob, &mut io::sink()).map_err(damaged)?;
    let blob = blob.into_inner();
    let what = || format!("layer {position}");
    let read = u64::MAX - blob.left;
    if read != descriptor.size {
        return Err(Error::Size {
            path: path(layer, store),
            what: what(),
            expected: descriptor.size,
            found: read,
        });
    }
    let found = blob.hasher.finish();
    if found != descriptor.digest {
        return Err(Error::Mismatch {
            path: path(layer, store),
            what: what(),
            expected: descriptor.digest,
            found,
        });
    }
    match applied {
        Ok(found) if found == layer.diff_id.0 => Ok(()),
        Ok(found) => Err(Error::DiffId { position, expected: layer.diff_id.0, found }),
        Err(Failure::Tar(source)) => Err(damaged(source)),
        Err(Failure::Path { path, reason }) => Err(Error::Entry { position, path, reason }),
    }
}

fn open(layer: &Layer, position: usize, store: &Store) -> Result<io::Take<File>, Error> {
    let digest = layer.descriptor.digest;
    match &layer.place {
        Place::File { path, offset } => {
            let span = Span { path: path.clone(), offset: *offset, size: layer.descriptor.size };
            span.open().map_err(Error::disk("read", path))
        }
        Place::Store => match store.open_blob(&digest)? {
            // One byte more than it should have shows a blob that is too long.
            Some(file) => Ok(file.take(layer.descriptor.size.saturating_add(1))),
            None => Err(Error::Missing {
                path: store.path(&digest),
                what: format!("layer {position}"),
                blob: digest.to_string(),
            }),
        },
    }
}

fn path(layer: &Layer, store: &Store) -> std::path::PathBuf {
    match &layer.place {
        Place::File { path, .. } => path.clone(),
        Place::Store => store.path(&layer.descriptor.digest),
    }
}

/// Hashes what passes, and stops what goes on for too long.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
    left: u64,
}

impl<R> Hashing<R> {
    fn new(inner: R, left: u64) -> Self {
        Self { inner, hasher: Hasher::new(), left }
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(out)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| invalid("the layers unpack to more than 256 GiB"))?;
        self.hasher.update(&out[..count]);
        Ok(count)
    }
}
