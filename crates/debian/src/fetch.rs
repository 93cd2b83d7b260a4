use std::sync::atomic::{AtomicU64, Ordering};

use url::Url;
use wainwright_http::{Client, Download};
use wainwright_oci::Digest;
use wainwright_store::Store;

use crate::error::is_wrong;
use crate::{DebianLock, Error, LockedDeb, Mirrors};

/// Brings one package of a lock into the store and returns how many bytes moved; 0 when it was there.
///
/// Asked for in the store, then the pool of the mirror, then the snapshot archive: pools forget what was replaced. Only bytes
/// with the locked size and digest are kept, from wherever they come. `progress` hears of bytes as they come.
pub async fn fetch(
    http: &Client,
    store: &Store,
    mirrors: &Mirrors,
    lock: &DebianLock,
    package: &LockedDeb,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<u64, Error> {
    let piece = Piece { digest: package.sha256, size: package.size };
    if store.contains(&piece.digest, Some(piece.size)) {
        return Ok(0);
    }
    let published = lock.published(package);
    let snapshot = published.and_then(|published| mirrors.snapshot_url(package, published));
    let urls: Vec<Url> = [mirrors.url(package.archive, &package.path)].into_iter().chain(snapshot).collect();
    let moved = AtomicU64::new(0);
    let counted = |bytes| {
        moved.fetch_add(bytes, Ordering::Relaxed);
        progress(bytes);
    };
    fetch_piece(http, store, &urls, piece, &counted).await.map_err(|error| match error {
        Error::Http { source } => {
            Error::Package { name: package.name.clone(), version: package.version.clone(), source }
        }
        other => other,
    })?;
    Ok(moved.into_inner())
}

/// A file known by digest and size.
#[derive(Clone, Copy)]
pub(crate) struct Piece {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// Brings a file into the store from the first address that has the right bytes.
///
/// The next address is tried where a file is absent or another one; any other failure is final, and so is the last. The error is
/// that of the first address, which is the one a user knows.
pub(crate) async fn fetch_piece(
    http: &Client,
    store: &Store,
    urls: &[Url],
    piece: Piece,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), Error> {
    let mut first = None;
    for url in urls {
        let mut draft = store.draft()?;
        let what = Download {
            url,
            auth: None,
            expected: Some(piece.digest),
            size: Some(piece.size),
            limit: piece.size,
        };
        let path = draft.path().to_owned();
        match http.download(what, draft.file()?, progress).await {
            Ok(digest) => return Ok(draft.commit(&digest)?),
            // The store has better words for its own disk.
            Err(wainwright_http::Error::Write { source, .. }) => {
                return Err(wainwright_store::Error::not_written(&path, Some(piece.size), source).into());
            }
            Err(error) => {
                let may_be_elsewhere = is_wrong(&error) || error.is_absent();
                first.get_or_insert(error);
                if !may_be_elsewhere {
                    break;
                }
            }
        }
    }
    Err(first.map_or(Error::Stopped, Error::from))
}
