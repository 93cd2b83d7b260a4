use std::fs::File;
use std::io::{self, BufReader, Read};

use wainwright_oci::{Digest, Hasher, Layer, Place, media_type};
use wainwright_store::Store;

use crate::Error;
use crate::apply::{Failure, apply};
use crate::blobs::Span;
use crate::gzip::Gzip;
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
    let passed = pass(layer, position, store, left, |stream| apply(stream, position, tree, keeper))?;
    passed.check(layer, position, store)?;
    match passed.tar {
        Ok(((), found)) if found == layer.diff_id.0 => Ok(()),
        Ok((_, found)) => Err(Error::DiffId { position, expected: layer.diff_id.0, found }),
        Err(failure) => Err(failure.in_layer(layer, position)),
    }
}

/// Compares size and digest of a layer's bytes with its descriptor; nothing is decompressed.
///
/// For another copy of a layer that was read. `position` counts from 1 and is for messages.
pub fn check_bytes(layer: &Layer, position: usize, store: &Store) -> Result<(), Error> {
    let mut blob = Hashing::new(open(layer, store)?, u64::MAX);
    let damaged = |source| Error::Layer { position, digest: layer.descriptor.digest, source };
    io::copy(&mut blob, &mut io::sink()).map_err(damaged)?;
    blob.passed(Ok(((), layer.diff_id.0))).check(layer, position, store)
}

/// What the bytes of a layer turned out to be.
pub(crate) struct Passed<T> {
    /// Their digest.
    pub(crate) digest: Digest,
    /// How many there are.
    pub(crate) size: u64,
    /// What came of reading the tar, with its digest; or why it could not be read.
    pub(crate) tar: Result<(T, Digest), Failure>,
}

impl<T> Passed<T> {
    /// Compares size and digest with what the descriptor promises. Wrong bytes explain all other trouble, so they are
    /// named before it.
    pub(crate) fn check(&self, layer: &Layer, position: usize, store: &Store) -> Result<(), Error> {
        let (descriptor, what) = (&layer.descriptor, format!("layer {position}"));
        let path = path(layer, store);
        let is_right = (self.size, self.digest) == (descriptor.size, descriptor.digest);
        if matches!(layer.place, Place::Store) && !is_right {
            // Not the user's image is wrong but our copy of it, and that can be made again.
            store.discard(&descriptor.digest);
            return Err(wainwright_store::Error::Damaged { digest: descriptor.digest }.into());
        }
        if self.size != descriptor.size {
            return Err(Error::Size { path, what, expected: descriptor.size, found: self.size });
        }
        if self.digest != descriptor.digest {
            return Err(Error::Mismatch { path, what, expected: descriptor.digest, found: self.digest });
        }
        Ok(())
    }
}

impl Failure {
    pub(crate) fn in_layer(self, layer: &Layer, position: usize) -> Error {
        match self {
            Self::Tar(source) => Error::Layer { position, digest: layer.descriptor.digest, source },
            Self::Path { path, reason } => Error::Entry { position, path, reason },
        }
    }
}

/// The tar in a layer, behind whatever compresses it.
pub(crate) type Tar<'a> = TarStream<&'a mut dyn Read>;

/// Passes the bytes of a layer through their decompression to `work`, and hashes them on both sides of it.
///
/// Fails itself only when the bytes cannot be had, or the media type names no tar.
pub(crate) fn pass<T>(
    layer: &Layer,
    position: usize,
    store: &Store,
    left: &mut u64,
    work: impl FnOnce(&mut Tar<'_>) -> Result<T, Failure>,
) -> Result<Passed<T>, Error> {
    let descriptor = &layer.descriptor;
    let Some(packing) = packing(&descriptor.media_type) else {
        return Err(Error::MediaType { position, media_type: descriptor.media_type.clone() });
    };
    let file = open(layer, store)?;
    let mut blob = BufReader::with_capacity(CHUNK, Hashing::new(file, u64::MAX));
    let tar = (|| {
        let tar: Box<dyn Read + '_> = match packing {
            Packing::Plain => Box::new(&mut blob),
            Packing::Gzip => Box::new(Gzip::new(&mut blob)),
            Packing::Zstd => {
                Box::new(zstd::stream::read::Decoder::with_buffer(&mut blob).map_err(Failure::Tar)?)
            }
        };
        let mut tar = BufReader::with_capacity(CHUNK, Hashing::new(tar, *left));
        let mut stream = TarStream::new(&mut tar as &mut dyn Read);
        let done = work(&mut stream)?;
        stream.finish().map_err(Failure::Tar)?;
        let tar = tar.into_inner();
        *left = tar.left;
        Ok((done, tar.hasher.finish()))
    })();
    // On success nothing is left to read here.
    let damaged = |source| Error::Layer { position, digest: descriptor.digest, source };
    io::copy(&mut blob, &mut io::sink()).map_err(damaged)?;
    Ok(blob.into_inner().passed(tar))
}

fn open(layer: &Layer, store: &Store) -> Result<io::Take<File>, Error> {
    let digest = layer.descriptor.digest;
    match &layer.place {
        Place::File { path, offset } => {
            let span = Span { path: path.clone(), offset: *offset, size: layer.descriptor.size };
            span.open().map_err(Error::disk("read", path))
        }
        // What was in a registry has been fetched when it is read.
        Place::Store | Place::Registry(_) => match store.open_blob(&digest)? {
            // One byte more than it should have shows a blob that is too long.
            Some(file) => Ok(file.take(layer.descriptor.size.saturating_add(1))),
            None => Err(wainwright_store::Error::Missing { digest }.into()),
        },
    }
}

fn path(layer: &Layer, store: &Store) -> std::path::PathBuf {
    match &layer.place {
        Place::File { path, .. } => path.clone(),
        Place::Store | Place::Registry(_) => store.path(&layer.descriptor.digest),
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

    /// What has passed, where any number of bytes might have.
    fn passed<T>(self, tar: Result<(T, Digest), Failure>) -> Passed<T> {
        Passed { size: u64::MAX - self.left, digest: self.hasher.finish(), tar }
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
