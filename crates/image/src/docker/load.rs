use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::pin::pin;

use futures_util::stream;
use reqwest::Body;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use wainwright_oci::{Digest, Image, Platform};
use wainwright_store::Store;

use super::DockerHost;
use super::engine::Engine;
use crate::blob::CHUNK;
use crate::{Delivered, Error, Release, archive, name};

/// Docker's own store stacks this many layers at most (`max depth exceeded` is what it says otherwise).
const MOST_LAYERS: usize = 125;

/// Chunks that may wait for the daemon.
const QUEUE: usize = 4;

/// An image that a daemon has, under all its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// What it took.
    pub delivered: Delivered,
    /// What the daemon calls it: the digest of the config, or of the manifest where containerd keeps the images.
    pub image_id: Digest,
}

/// Loads a release into a daemon: of several images the one for the daemon's platform.
///
/// Nothing is sent when all names stand for our image already. `progress` hears how many bytes have just been sent. The
/// daemon is asked afterwards what the names stand for; that answer counts, not the one to the upload.
pub async fn load_docker(
    release: &Release,
    store: &Store,
    host: &DockerHost,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<Loaded, Error> {
    release.check()?;
    let engine = Engine::new(host)?;
    let image = choose(&engine, release).await?;
    if image.layers.len() > MOST_LAYERS {
        return Err(Error::TooManyLayers { count: image.layers.len(), limit: MOST_LAYERS });
    }
    let expected = Expected::new(release, image);
    if let Ok(image_id) = expected.confirm(&engine).await? {
        return Ok(Loaded { delivered: Delivered::NOTHING, image_id });
    }
    let written = send(&engine, release.only(image), store.clone(), progress).await?;
    let image_id = expected.confirm(&engine).await??;
    Ok(Loaded { delivered: Delivered::written(written), image_id })
}

/// The image that runs where the daemon is. A single one is not questioned: emulation may be set up there.
async fn choose<'a>(engine: &Engine, release: &'a Release) -> Result<&'a Image, Error> {
    if let [image] = release.images.as_slice() {
        return Ok(image);
    }
    const ACTION: &str = "say what it runs on";
    let version = engine.ask("/version", ACTION).await?.unwrap_or_default();
    let word = |key: &str| version[key].as_str().unwrap_or_default().to_owned();
    let text = format!("{}/{}", word("Os"), word("Arch"));
    let wanted: Platform = text.parse().map_err(|_| Error::Daemon {
        daemon: engine.name(),
        action: ACTION,
        text: format!("it answered `{text}`"),
    })?;
    release.image_for(&wanted).ok_or_else(|| Error::Platform {
        daemon: engine.name(),
        wanted,
        offered: release.images.iter().map(|image| image.platform.clone()).collect(),
    })
}

/// What a daemon must have in the end.
struct Expected {
    names: Vec<String>,
    /// What it may be called: classic stores and podman go by the config, containerd's by the manifest, or by the index
    /// if that is what somebody loaded or pulled.
    ids: BTreeSet<Digest>,
    /// What to ask for where there are no names.
    aliases: [Digest; 2],
}

impl Expected {
    fn new(release: &Release, image: &Image) -> Self {
        let aliases = [image.config.digest(), image.manifest.digest()];
        let ids = BTreeSet::from([aliases[0], aliases[1], release.digest()]);
        Self { names: name::full_names(&release.tags), ids, aliases }
    }

    /// Asks the daemon. The inner error says which name does not stand for our image.
    async fn confirm(&self, engine: &Engine) -> Result<Result<Digest, Error>, Error> {
        let missing = |name: &str, found: Option<String>| {
            Ok(Err(Error::NotLoaded { daemon: engine.name(), name: name.into(), found }))
        };
        let mut image_id = None;
        for name in &self.names {
            match self.lookup(engine, name).await? {
                Ok(id) => image_id = Some(id),
                Err(found) => return missing(name, found),
            }
        }
        if self.names.is_empty() {
            for alias in self.aliases {
                image_id = image_id.or(self.lookup(engine, &alias.to_string()).await?.ok());
            }
        }
        match image_id {
            Some(id) => Ok(Ok(id)),
            None => missing(&self.aliases[0].to_string(), None),
        }
    }

    /// The ID behind a name if it is ours; else what is there.
    async fn lookup(&self, engine: &Engine, name: &str) -> Result<Result<Digest, Option<String>>, Error> {
        let path = format!("/images/{name}/json");
        let Some(answer) = engine.ask(&path, "say which images it has").await? else {
            return Ok(Err(None));
        };
        let id = answer["Id"].as_str().unwrap_or_default();
        // Podman's own API leaves the algorithm out.
        let digest = Digest::from_hex(id.strip_prefix("sha256:").unwrap_or(id)).ok();
        let ours = digest.filter(|digest| self.ids.contains(digest));
        Ok(ours.ok_or_else(|| Some(id.to_owned())))
    }
}

/// A piece of the archive, on its way from the thread that reads the store.
enum Piece {
    Bytes(Vec<u8>),
    End,
}

/// Sends an archive of one image, written while it is sent; returns its size in bytes.
async fn send(
    engine: &Engine,
    release: Release,
    store: Store,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<u64, Error> {
    let (pieces, from_writer) = channel(QUEUE);
    let writer = tokio::task::spawn_blocking(move || write(&release, &store, pieces));
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
        (Err(error), outcome) if error.is_broken_pipe() => outcome.map(|()| 0),
        (Err(error), _) => Err(error),
        (Ok(size), outcome) => outcome.map(|()| size),
    }
}

fn write(release: &Release, store: &Store, pieces: Sender<Piece>) -> Result<u64, Error> {
    let mut out = BufWriter::with_capacity(CHUNK, PieceWriter(&pieces));
    // There is one image: the platform decides nothing.
    let delivered = archive::write_archive_to(release, store, &mut out, &Platform::host())?;
    drop(out);
    // Without this the upload is broken off: half an archive must not look like a whole one.
    let _ = pieces.blocking_send(Piece::End);
    Ok(delivered.bytes_written)
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

#[cfg(test)]
mod tests;
