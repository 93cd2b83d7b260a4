use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use wainwright_http::Client;
use wainwright_store::Store;

use crate::fetch::{Piece, fetch_piece};
use crate::{Archive, ArchiveId, Error, Release, ReleaseFile};

/// The most bytes an index may have, as served and uncompressed. The largest has 60 MB.
const LARGEST_INDEX: u64 = 1 << 30;
/// The dictionary an xz file may ask for, in KiB. Debian's ask for 8 MiB or less.
const XZ_MEMORY: u32 = 128 << 10;

/// An index to fetch: its path below the suite, and how long it is without compression, where the release says so.
pub(crate) struct Listed {
    path: String,
    file: ReleaseFile,
    plain_size: Option<u64>,
}

/// The `Packages` files of one component for one processor: usually one, and another where `all` has its own.
pub(crate) fn indexes(
    release: &Release,
    suite: &str,
    component: &str,
    architecture: &str,
) -> Result<Vec<Listed>, Error> {
    let missing = || match release.architectures.iter().any(|served| served == architecture) {
        true => Error::Component { suite: suite.to_owned(), component: component.to_owned() },
        false => Error::Architecture { suite: suite.to_owned(), architecture: architecture.to_owned() },
    };
    let all = release.separate_all.then_some("all");
    [architecture]
        .into_iter()
        .chain(all)
        .map(|architecture| {
            let plain = format!("{component}/binary-{architecture}/Packages");
            ["xz", "gz"]
                .iter()
                .find_map(|extension| {
                    let path = format!("{plain}.{extension}");
                    let file = *release.files.get(&path)?;
                    let plain_size = release.files.get(&plain).map(|file| file.size);
                    Some(Listed { path, file, plain_size })
                })
                .ok_or_else(missing)
        })
        .collect()
}

/// An index in the store, and how to read it.
pub(crate) struct Opened {
    file: File,
    is_xz: bool,
    plain_size: Option<u64>,
}

/// Brings an index into the store, unless it is there, and opens it; with its address, to name it by.
pub(crate) async fn fetch_index(
    http: &Client,
    store: &Store,
    archive: &Archive,
    (suite, id): (&str, ArchiveId),
    by_hash: bool,
    listed: &Listed,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(String, Opened), Error> {
    let plain = archive.mirrors.url(id, &format!("dists/{suite}/{}", listed.path));
    let folder = listed.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let hashed = format!("dists/{suite}/{folder}/by-hash/SHA256/{}", listed.file.digest.hex());
    let hashed = by_hash.then(|| archive.mirrors.url(id, &hashed));
    let digest = listed.file.digest;
    let piece = Piece { digest, size: listed.file.size.min(LARGEST_INDEX) };
    if !(store.contains(&digest, Some(piece.size)) && store.verify(&digest)?) {
        // By digest first: between two states of a mirror the plain name may already mean another file.
        let urls: Vec<_> = hashed.into_iter().chain([plain.clone()]).collect();
        fetch_piece(http, store, &urls, piece, progress).await?;
    }
    let name = wainwright_http::redacted(&plain);
    let file = store.open_blob(&digest)?.ok_or(wainwright_store::Error::Missing { digest })?;
    Ok((name, Opened { file, is_xz: listed.path.ends_with(".xz"), plain_size: listed.plain_size }))
}

impl Opened {
    /// The lines of the index, whatever it is packed with.
    pub(crate) fn uncompressed(self) -> Box<dyn BufRead> {
        let file = BufReader::with_capacity(1 << 16, self.file);
        let plain: Box<dyn Read> = match self.is_xz {
            true => Box::new(lzma_rust2::XzReader::new_mem_limit(file, true, XZ_MEMORY)),
            false => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        };
        let left = self.plain_size.unwrap_or(LARGEST_INDEX).min(LARGEST_INDEX);
        Box::new(BufReader::with_capacity(
            1 << 16,
            Sized { plain, left, is_exact: self.plain_size.is_some() },
        ))
    }
}

/// Reads no more than was promised, and complains where less comes.
struct Sized {
    plain: Box<dyn Read>,
    left: u64,
    is_exact: bool,
}

impl Read for Sized {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.plain.read(buffer)?;
        if count == 0 && !buffer.is_empty() && self.is_exact && self.left > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "it is shorter than the Release file says",
            ));
        }
        match self.left.checked_sub(count as u64) {
            Some(left) => self.left = left,
            None => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "it is longer than the Release file says",
                ));
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(plain: &'static str, left: u64, is_exact: bool) -> Result<String, String> {
        let mut text = String::new();
        let read = Sized { plain: Box::new(plain.as_bytes()), left, is_exact }.read_to_string(&mut text);
        read.map(|_| text).map_err(|error| error.to_string())
    }

    #[test]
    fn an_index_has_the_length_it_was_signed_with() {
        assert_eq!(sized("12345", 5, true).as_deref(), Ok("12345"));
        assert_eq!(sized("1234", 5, true), Err("it is shorter than the Release file says".into()));
        assert_eq!(sized("123456", 5, true), Err("it is longer than the Release file says".into()));
        assert_eq!(sized("123456", 5, false), Err("it is longer than the Release file says".into()));
        assert_eq!(sized("1234", 5, false).as_deref(), Ok("1234"));
    }
}
