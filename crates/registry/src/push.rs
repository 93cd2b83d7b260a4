use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use wainwright_oci::{Descriptor, Digest, Document, Reference};

use crate::upload::Uploaded;
use crate::{Error, Registry, Scope, Source};

/// A blob that belongs into a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// What it is.
    pub descriptor: Descriptor,
    /// Where its bytes are.
    pub source: Source,
    /// A repository of the same registry that may have it already.
    pub from: Option<String>,
}

/// What a push does to one repository.
#[derive(Clone, Debug)]
pub struct Push {
    /// The registry.
    pub registry: String,
    /// The repository.
    pub repository: String,
    /// Every blob that a manifest names.
    pub blobs: Vec<Blob>,
    /// The manifests below the index, if there is one.
    pub children: Vec<Document>,
    /// What the tags stand for afterwards: the index, or the only manifest.
    pub root: Document,
    /// The tags; none: it is pushed by digest alone.
    pub tags: Vec<String>,
    /// Blobs that the repository had when somebody last asked.
    pub known: BTreeSet<Digest>,
    /// All tags stood for the root when somebody last asked: asking about the last one, which is moved last, will do.
    pub is_settled: bool,
}

/// What a push took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Everything was there: nothing was sent.
    pub was_there: bool,
    /// Blobs whose bytes were sent.
    pub sent: BTreeSet<Digest>,
    /// Blobs that came from other repositories of the registry.
    pub mounted: BTreeSet<Digest>,
    /// How many bytes of blobs were sent.
    pub bytes: u64,
}

/// How often a registry is given time to see blobs that it has just taken.
const PATIENCE: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

impl Registry {
    /// Brings an image into a repository, and its tags last.
    ///
    /// Nothing is sent when all tags stand for it already. Success means that the registry, asked again for each tag,
    /// answered with the digest. `progress` hears of every byte of a blob that is sent.
    pub async fn push(
        &self,
        push: &Push,
        progress: &(dyn Fn(&Descriptor, u64) + Send + Sync),
    ) -> Result<Pushed, Error> {
        let mounts = push.blobs.iter().filter_map(|blob| blob.from.clone());
        let scope = Scope::write(&push.repository, mounts);
        let names = names(push);
        if self.is_at(push, &names, &scope).await? {
            return Ok(Pushed { was_there: true, ..Pushed::default() });
        }
        let pushed = self.send(push, &names, &scope, progress).await;
        if pushed.is_err() {
            // What was on its way beside the failure.
            self.abandon().await;
        }
        pushed
    }

    async fn send(
        &self,
        push: &Push,
        names: &[String],
        scope: &Scope,
        progress: &(dyn Fn(&Descriptor, u64) + Send + Sync),
    ) -> Result<Pushed, Error> {
        let mut pushed = Pushed::default();
        let blobs: BTreeMap<Digest, &Blob> =
            push.blobs.iter().map(|blob| (blob.descriptor.digest, blob)).collect();
        let missing = blobs.values().filter(|blob| !push.known.contains(&blob.descriptor.digest));
        let missing = missing.map(|blob| (*blob).clone()).collect();
        self.upload_all(push, scope, missing, progress, &mut pushed).await?;
        for child in &push.children {
            self.put(push, &child.digest().to_string(), child, scope, &blobs, progress, &mut pushed).await?;
        }
        for (at, name) in names.iter().enumerate() {
            let put = self.put(push, name, &push.root, scope, &blobs, progress, &mut pushed).await;
            put.map_err(|source| match names.get(..at) {
                Some(done @ [_, ..]) => Error::Partly { done: done.to_vec(), source: Box::new(source) },
                _ => source,
            })?;
        }
        self.confirm(push, names, scope).await?;
        Ok(pushed)
    }

    /// Brings a blob into a repository before its image is complete; says how many bytes that took.
    pub async fn push_blob(&self, registry: &str, repository: &str, blob: &Blob) -> Result<u64, Error> {
        let scope = Scope::write(repository, blob.from.clone());
        match self.upload(registry, &scope, blob, Arc::new(|_| ())).await {
            Ok(Uploaded::Sent) => Ok(blob.descriptor.size),
            Ok(Uploaded::Mounted | Uploaded::There) => Ok(0),
            Err(error @ Error::BytesNeeded { .. }) => Err(error),
            Err(error) => {
                // What is on its way beside the failure has no use any more.
                self.abandon().await;
                Err(error)
            }
        }
    }

    async fn is_at(&self, push: &Push, names: &[String], scope: &Scope) -> Result<bool, Error> {
        let asked = if push.is_settled { names.len().saturating_sub(1) } else { 0 };
        for name in names.iter().skip(asked) {
            let found = self.digest(&reference(push, name)?, scope).await;
            match found {
                Ok(Some(digest)) if digest == push.root.digest() => {}
                // Whoever may write need not be able to ask what is there. A 401 is about the credentials themselves.
                Ok(_) | Err(Error::Denied { status: 403, .. } | Error::Refused { status: 400..=499, .. }) => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn upload_all(
        &self,
        push: &Push,
        scope: &Scope,
        blobs: Vec<Blob>,
        progress: &(dyn Fn(&Descriptor, u64) + Send + Sync),
        pushed: &mut Pushed,
    ) -> Result<(), Error> {
        let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
        let uploads = blobs.into_iter().map(|blob| {
            let (heard, descriptor) = (heard.clone(), blob.descriptor.clone());
            let hear: Arc<dyn Fn(u64) + Send + Sync> = Arc::new(move |bytes| {
                if let Ok(mut heard) = heard.lock() {
                    heard.push((descriptor.clone(), bytes));
                }
            });
            async move {
                let uploaded = self.upload(&push.registry, scope, &blob, hear).await;
                (blob.descriptor, uploaded)
            }
        });
        // The client's own limit of connections is the narrower one; this bounds the open files.
        let mut uploads = futures_util::stream::iter(uploads).buffer_unordered(MOST_UPLOADS);
        let drain = || {
            let news = heard.lock().map(|mut heard| std::mem::take(&mut *heard)).unwrap_or_default();
            for (descriptor, bytes) in news {
                progress(&descriptor, bytes);
            }
        };
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        loop {
            tokio::select! {
                done = uploads.next() => {
                    drain();
                    let Some((descriptor, uploaded)) = done else { return Ok(()) };
                    let digest = descriptor.digest;
                    match uploaded? {
                        Uploaded::Sent => {
                            pushed.sent.insert(digest);
                            pushed.bytes += descriptor.size;
                        }
                        Uploaded::Mounted => drop(pushed.mounted.insert(digest)),
                        Uploaded::There => {}
                    }
                }
                _ = tick.tick() => drain(),
            }
        }
    }

    /// Puts a document; sends first what the registry says is missing, however often it was there before.
    #[allow(clippy::too_many_arguments)]
    async fn put(
        &self,
        push: &Push,
        name: &str,
        document: &Document,
        scope: &Scope,
        blobs: &BTreeMap<Digest, &Blob>,
        progress: &(dyn Fn(&Descriptor, u64) + Send + Sync),
        pushed: &mut Pushed,
    ) -> Result<(), Error> {
        let mut waits = PATIENCE.iter();
        let mut asked = BTreeSet::new();
        let mut is_checked = push.known.is_empty();
        loop {
            let error = match self.put_manifest(name, &push.registry, document, scope).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let unsent = match missing(&error, blobs) {
                Some(missing) => {
                    let is_new = |blob: &&&Blob| {
                        let digest = blob.descriptor.digest;
                        !pushed.sent.contains(&digest) && asked.insert(digest)
                    };
                    missing.iter().filter(is_new).map(|blob| (*blob).clone()).collect()
                }
                // Some registries do not say that blobs are what they lack.
                None if matches!(error, Error::Refused { status: 400..=499, .. }) && !is_checked => {
                    is_checked = true;
                    let lost = self.lost(push, scope, blobs).await?;
                    if lost.is_empty() {
                        return Err(error);
                    }
                    lost
                }
                // A tag that may not move, and need not.
                None if matches!(error.status(), Some(400..=499))
                    && self.stands(push, name, document, scope).await =>
                {
                    return Ok(());
                }
                None => return Err(error),
            };
            if unsent.is_empty() {
                // Taken a moment ago, and not to be seen yet.
                let Some(wait) = waits.next() else { return Err(error) };
                self.http().clock().wait(*wait).await;
            } else {
                // What a mount promised is sent now.
                let unsent = unsent.into_iter().map(|blob| Blob { from: None, ..blob }).collect();
                self.upload_all(push, scope, unsent, progress, pushed).await?;
            }
        }
    }

    /// The blobs that were there once and are no more.
    async fn lost(
        &self,
        push: &Push,
        scope: &Scope,
        blobs: &BTreeMap<Digest, &Blob>,
    ) -> Result<Vec<Blob>, Error> {
        let mut lost = Vec::new();
        for (digest, blob) in blobs.iter().filter(|(digest, _)| push.known.contains(digest)) {
            if self.has_blob(&push.registry, scope, digest).await? != Some(true) {
                lost.push((*blob).clone());
            }
        }
        Ok(lost)
    }

    async fn stands(&self, push: &Push, name: &str, document: &Document, scope: &Scope) -> bool {
        let Ok(reference) = reference(push, name) else { return false };
        self.digest(&reference, scope).await.is_ok_and(|found| found == Some(document.digest()))
    }

    async fn confirm(&self, push: &Push, names: &[String], scope: &Scope) -> Result<(), Error> {
        let expected = push.root.digest();
        for name in names {
            let reference = reference(push, name)?;
            let mut found = self.digest(&reference, scope).await?;
            for wait in PATIENCE {
                if found.is_some() {
                    break;
                }
                // Taken a moment ago, and not to be seen yet.
                self.http().clock().wait(wait).await;
                found = self.digest(&reference, scope).await?;
            }
            if found == Some(expected) {
                continue;
            }
            // A header may lie where the bytes do not.
            if found.is_some() {
                found = self.digest_of_bytes(&reference, scope).await?;
            }
            if found != Some(expected) {
                return Err(Error::NotThere { reference: reference.to_string(), expected, found });
            }
            self.tell(format!("{reference} answers with another digest in its header than its bytes have"));
        }
        Ok(())
    }
}

/// How many blobs are on their way at once.
const MOST_UPLOADS: usize = 16;

/// What the root is put under: its tags, or its digest when it has none.
fn names(push: &Push) -> Vec<String> {
    match &push.tags[..] {
        [] => vec![push.root.digest().to_string()],
        tags => tags.to_vec(),
    }
}

fn reference(push: &Push, name: &str) -> Result<Reference, Error> {
    let separator = if name.starts_with("sha256:") { '@' } else { ':' };
    let text = format!("{}/{}{separator}{name}", push.registry, push.repository);
    text.parse().map_err(|error: wainwright_oci::Error| Error::Document {
        reference: text.clone(),
        reason: error.to_string(),
    })
}

/// The blobs a registry says it lacks: those it names, or all when it names none. `None`: that is not what it says.
fn missing<'a>(error: &Error, blobs: &BTreeMap<Digest, &'a Blob>) -> Option<Vec<&'a Blob>> {
    let Error::Refused { status: 400 | 404, errors, .. } = error else { return None };
    let about_blobs = |code: &str| matches!(code, "MANIFEST_BLOB_UNKNOWN" | "BLOB_UNKNOWN");
    let relevant: Vec<_> = errors.iter().filter(|error| about_blobs(&error.code)).collect();
    if relevant.is_empty() {
        return None;
    }
    let named: Vec<&Blob> = relevant.iter().filter_map(|error| blobs.get(&error.digest?).copied()).collect();
    Some(if named.is_empty() { blobs.values().copied().collect() } else { named })
}
