use std::io::{self, BufWriter, Write};
use std::pin::pin;

use futures_util::stream;
use reqwest::Body;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use wainwright_oci::Platform;
use wainwright_store::Store;

use super::engine::Engine;
use crate::blob::CHUNK;
use crate::{Error, Release, archive};

/// Chunks that may wait for the daemon.
const QUEUE: usize = 4;

/// A piece of the archive, on its way from the thread that reads the store.
enum Piece {
    Bytes(Vec<u8>),
    End,
}

/// Sends an archive of some images, each without its first so many layers, written while it is sent. A single image that is
/// sent whole is sent in a form for every kind of store.
pub(super) async fn send(
    engine: &Engine,
    releases: Vec<(Release, usize)>,
    store: Store,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), Error> {
    let (pieces, from_writer) = channel(QUEUE);
    let writer = tokio::task::spawn_blocking(move || write(&releases, &store, pieces));
    let outcome = {
        let (to_body, body) = channel(1);
        let mut pumping = pin!(pump(from_writer, to_body, progress));
        let body = stream::unfold(body, |mut body: Receiver<_>| async { Some((body.recv().await?, body)) });
        let mut loading = pin!(engine.load(Body::wrap_stream(body)));
        let mut is_pumping = true;
        loop {
            tokio::select! {
                outcome = &mut loading => break outcome,
                () = &mut pumping, if is_pumping => is_pumping = false,
            }
        }
        // Both ends of the channels go here, which stops a writer whose bytes nobody wants any more.
    };
    let written =
        writer.await.map_err(|error| Error::disk("write", "-".as_ref(), io::Error::other(error)))?;
    match (written, outcome) {
        // A daemon that hangs up early has said why, or the look at what it has will tell.
        (Err(error), outcome) if error.is_broken_pipe() => outcome,
        (Err(error), _) => Err(error),
        (Ok(()), outcome) => outcome,
    }
}

fn write(releases: &[(Release, usize)], store: &Store, pieces: Sender<Piece>) -> Result<(), Error> {
    let mut out = BufWriter::with_capacity(CHUNK, PieceWriter(&pieces));
    // There is one image: its platform decides nothing.
    match releases {
        [(release, 0)] => archive::write_whole_to(release, store, &mut out, &Platform::host())?,
        _ => archive::write_rest_to(releases, store, &mut out)?,
    };
    drop(out);
    // Without this the upload is broken off: half an archive must not look like a whole one.
    let _ = pieces.blocking_send(Piece::End);
    Ok(())
}

struct PieceWriter<'a>(&'a Sender<Piece>);

impl Write for PieceWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self.0.blocking_send(Piece::Bytes(bytes.to_vec()));
        sent.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands pieces on to the upload, and says how many bytes went.
async fn pump(
    mut from: Receiver<Piece>,
    to: Sender<io::Result<Vec<u8>>>,
    progress: &(dyn Fn(u64) + Send + Sync),
) {
    loop {
        match from.recv().await {
            Some(Piece::Bytes(bytes)) => {
                let count = bytes.len() as u64;
                if to.send(Ok(bytes)).await.is_err() {
                    return;
                }
                progress(count);
            }
            Some(Piece::End) => return,
            None => {
                let _ = to.send(Err(io::Error::other("the archive could not be finished"))).await;
                return;
            }
        }
    }
}
