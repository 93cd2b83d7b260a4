use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use serde_json::json;
use wainwright_oci::{Digest, Hasher, Layer, Place, media_type};
use wainwright_store::{CacheKey, Store};

use crate::Error;
use crate::apply::{Failure, apply};
use crate::gzip::Gzip;
use crate::keep::FactCollector;
use crate::span::Span;
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
        media_type::LAYER_TAR | media_type::DOCKER_LAYER_TAR | media_type::KEPT_LAYER_TAR => Packing::Plain,
        media_type::LAYER_GZIP
        | media_type::DOCKER_LAYER_GZIP
        | media_type::KEPT_LAYER_GZIP
        | media_type::DOCKER_KEPT_LAYER_GZIP => Packing::Gzip,
        media_type::LAYER_ZSTD | media_type::KEPT_LAYER_ZSTD | media_type::DOCKER_LAYER_ZSTD => Packing::Zstd,
        _ => return None,
    })
}

/// Decides by the first bytes; `None` for compressions that we do not know.
fn packing_of(head: &[u8]) -> Option<Packing> {
    match head {
        [0x1f, 0x8b, ..] => Some(Packing::Gzip),
        // A frame, or one that is skipped before it (RFC 8878, 3.1).
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Packing::Zstd),
        // xz and bzip2.
        [0xfd, b'7', b'z', b'X', b'Z', 0] | [b'B', b'Z', b'h', ..] => None,
        _ => Some(Packing::Plain),
    }
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
    keeper: &mut FactCollector,
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

/// Raised when what is compared with a diff ID changes.
const DIFF_ID_FORMAT: u32 = 1;

/// Compares what a layer unpacks to with its diff ID, once: what was found right is remembered in the store.
///
/// The bytes say how they are compressed, for runtimes go by them: Docker pushes what it pulled uncompressed under the type
/// of a gzip layer. What we cannot unpack passes: another compression, or a type that is no tar we know. `position` counts
/// from 1 and is for messages.
///
/// The bytes themselves were held against their digest when they came into the store; it is done again only where what they
/// unpack to is wrong.
pub fn check_diff_id(layer: &Layer, position: usize, store: &Store) -> Result<(), Error> {
    let Layer { descriptor, diff_id, .. } = layer;
    if packing(&descriptor.media_type).is_none() {
        return Ok(());
    }
    let facts = json!({
        "format": DIFF_ID_FORMAT, "layer": descriptor.digest, "type": descriptor.media_type, "diffId": diff_id,
    });
    let key = CacheKey::of("diff-id", &facts)?;
    if store.recall(&key)? == Some(true) {
        return Ok(());
    }
    let damaged = |source| Error::Layer { position, digest: descriptor.digest, source };
    let mut head = Vec::new();
    open(layer, store)?.take(6).read_to_end(&mut head).map_err(damaged)?;
    let Some(packing) = packing_of(&head) else { return Ok(()) };
    let mut blob = BufReader::with_capacity(CHUNK, open(layer, store)?);
    let tar = decompressed(packing, &mut blob).and_then(|tar| {
        let mut tar = BufReader::with_capacity(CHUNK, Hashing::new(tar, LARGEST_IMAGE));
        io::copy(&mut tar, &mut io::sink())?;
        Ok(tar.into_inner().hasher.finish())
    });
    match tar {
        Ok(found) if found == diff_id.0 => return Ok(store.remember(&key, &json!(true))?),
        // Our copy may be what is wrong.
        _ => check_bytes(layer, position, store)?,
    }
    Err(match tar {
        Ok(found) => Error::DiffId { position, expected: diff_id.0, found },
        Err(source) => Failure::Tar(source).in_layer(layer, position),
    })
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
            Self::Unwritten(error) => Error::Store(error),
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
    let media_type = &layer.descriptor.media_type;
    let Some(packing) = packing(media_type) else {
        return Err(Error::MediaType { position, media_type: media_type.clone() });
    };
    let mut blob = BufReader::with_capacity(CHUNK, Hashing::new(open(layer, store)?, u64::MAX));
    let tar = (|| {
        let mut tar = Hashing::new(decompressed(packing, &mut blob).map_err(Failure::Tar)?, *left);
        let done = {
            let mut buffered = BufReader::with_capacity(CHUNK, &mut tar);
            let mut stream = TarStream::new(&mut buffered as &mut dyn Read);
            let done = work(&mut stream)?;
            stream.finish().map_err(Failure::Tar)?;
            done
        };
        *left = tar.left;
        Ok((done, tar.hasher.finish()))
    })();
    // On success nothing is left to read here.
    let damaged = |source| Error::Layer { position, digest: layer.descriptor.digest, source };
    io::copy(&mut blob, &mut io::sink()).map_err(damaged)?;
    Ok(blob.into_inner().passed(tar))
}

/// The bytes behind a compression.
fn decompressed<'a>(packing: Packing, blob: &'a mut dyn BufRead) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match packing {
        Packing::Plain => Box::new(blob),
        Packing::Gzip => Box::new(Gzip::new(blob)),
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(blob)?),
    })
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

#[cfg(test)]
mod tests {
    use wainwright_oci::{Descriptor, DiffId};

    use super::*;
    use crate::testing::{Bench, gzip};

    /// Whether a layer of these bytes passes as one that unpacks to `tar`, the first time and the next.
    fn passes(media_type: &str, blob: &[u8], tar: &[u8]) -> bool {
        let bench = Bench::new();
        bench.store.put(blob).unwrap();
        let layer = Layer {
            descriptor: Descriptor::of(media_type, blob),
            diff_id: DiffId(Digest::of(tar)),
            place: Place::Store,
        };
        let check = || match check_diff_id(&layer, 1, &bench.store) {
            Ok(()) => true,
            Err(Error::DiffId { position: 1, .. } | Error::Layer { position: 1, .. }) => false,
            Err(error) => panic!("{error}"),
        };
        let first = check();
        assert_eq!(check(), first);
        first
    }

    #[test]
    fn layers_are_held_against_their_diff_ids() {
        let (tar, gz, docker) = (b"a tar", media_type::LAYER_GZIP, media_type::DOCKER_LAYER_GZIP);
        let zstd = zstd::encode_all(&tar[..], 1).unwrap();
        assert!(passes(gz, &gzip(tar), tar));
        assert!(passes(media_type::LAYER_ZSTD, &zstd, tar));
        assert!(passes(media_type::LAYER_ZSTD, &[b"\x50\x2a\x4d\x18\x01\0\0\0x", &zstd[..]].concat(), tar));
        assert!(passes(docker, tar, tar), "as Docker pushes what it pulled");
        assert!(!passes(gz, &gzip(tar), b"another"));
        assert!(!passes(docker, tar, b"another"));
        assert!(!passes(gz, &gzip(tar)[..15], tar));
        assert!(passes("application/x-unheard-of", b"x", tar));
        assert!(passes(gz, b"\xfd7zXZ\0...", tar), "nobody here can tell");
    }

    #[test]
    fn a_damaged_copy_is_told_from_a_wrong_layer() {
        let bench = Bench::new();
        let layer = Layer {
            descriptor: Descriptor::of(media_type::LAYER_TAR, b"tar"),
            diff_id: DiffId(Digest::of(b"tar")),
            place: Place::Store,
        };
        bench.store.put(b"tar").unwrap();
        let path = bench.store.path(&layer.descriptor.digest);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "rat").unwrap();
        let error = check_diff_id(&layer, 1, &bench.store).unwrap_err();
        assert!(matches!(error, Error::Store(wainwright_store::Error::Damaged { .. })), "{error:?}");
    }
}
