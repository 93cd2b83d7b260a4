use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use wainwright_http::try_join_ordered;
use wainwright_oci::{Descriptor, Digest, Document};

use crate::{Blob, Error, Registry, Repository, Uploaded};

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
    /// All tags stood for the root a moment ago: asking about the last one, which is moved last, will do.
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

/// What becomes of a blob on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is about to be brought to the registry.
    Began,
    /// So many of its bytes were sent; again from the beginning, when a try failed.
    Moved(u64),
    /// It is there.
    Ended(Uploaded),
}

/// Hears of every blob of a push.
pub type Listener = Arc<dyn Fn(&Descriptor, Step) + Send + Sync>;

/// For a push that nobody watches.
pub fn unwatched() -> Listener {
    Arc::new(|_, _| ())
}

/// How often a registry is given time to see blobs that it has just taken.
const PATIENCE: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

impl Registry {
    /// Brings an image into a repository, and its tags last.
    ///
    /// Nothing is sent when all tags stand for it already. Success means that the registry, asked again for each tag,
    /// answered with the digest.
    pub async fn push(&self, push: &Push, listener: &Listener) -> Result<Pushed, Error> {
        let mounts = push.blobs.iter().filter_map(|blob| blob.from.clone());
        let mut run = Run {
            repository: self.writing(&push.registry, &push.repository, mounts),
            push,
            names: names(push),
            blobs: push.blobs.iter().map(|blob| (blob.descriptor.digest, blob)).collect(),
            known: push.known.clone(),
            listener,
            pushed: Pushed::default(),
        };
        if run.is_there().await? {
            return Ok(Pushed { was_there: true, ..Pushed::default() });
        }
        let sent = run.send().await;
        if sent.is_err() {
            // What was on its way beside the failure.
            self.abandon().await;
        }
        sent.map(|()| run.pushed)
    }
}

impl Repository {
    /// Brings a blob into a repository before its image is complete.
    pub async fn push_blob(&self, blob: &Blob, listener: &Listener) -> Result<Uploaded, Error> {
        let uploaded = self.upload_heard(blob, listener).await;
        if !matches!(uploaded, Ok(_) | Err(Error::BytesNeeded { .. })) {
            // What is on its way beside the failure has no use any more.
            self.client().abandon().await;
        }
        uploaded
    }

    async fn upload_heard(&self, blob: &Blob, listener: &Listener) -> Result<Uploaded, Error> {
        let (hear, descriptor) = (listener.clone(), blob.descriptor.clone());
        listener(&blob.descriptor, Step::Began);
        let progress = Arc::new(move |bytes| hear(&descriptor, Step::Moved(bytes)));
        let uploaded = self.upload(blob, progress).await?;
        listener(&blob.descriptor, Step::Ended(uploaded));
        Ok(uploaded)
    }
}

/// A push, as far as it has come.
struct Run<'a> {
    repository: Repository,
    push: &'a Push,
    /// What the root is put under, in this order.
    names: Vec<String>,
    blobs: BTreeMap<Digest, &'a Blob>,
    /// What is believed to be there.
    known: BTreeSet<Digest>,
    listener: &'a Listener,
    pushed: Pushed,
}

impl Run<'_> {
    async fn is_there(&mut self) -> Result<bool, Error> {
        let asked = if self.push.is_settled { self.names.len().saturating_sub(1) } else { 0 };
        for name in self.names.iter().skip(asked) {
            let found = self.repository.digest(name).await;
            match found {
                Ok(Some(digest)) if digest == self.push.root.digest() => {}
                Ok(None) => {
                    self.doubt().await?;
                    return Ok(false);
                }
                // Whoever may write need not be able to ask what is there. A 401 is about the credentials themselves.
                Ok(_) | Err(Error::Denied { status: 403, .. } | Error::Refused { status: 400..=499, .. }) => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// A tag that is absent is a new one, or everything got lost with it: some registries take manifests without a look
    /// at what they name.
    async fn doubt(&mut self) -> Result<(), Error> {
        for (digest, answer) in self.answers_for_known().await? {
            if answer == Some(false) {
                self.known.remove(&digest);
            }
        }
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Error> {
        let push = self.push;
        let missing = self.blobs.values().filter(|blob| !self.known.contains(&blob.descriptor.digest));
        let missing = missing.map(|blob| (*blob).clone()).collect();
        self.upload_all(missing).await?;
        for child in &push.children {
            self.put(&child.digest().to_string(), child).await?;
        }
        for (at, name) in self.names.clone().iter().enumerate() {
            let put = self.put(name, &push.root).await;
            put.map_err(|source| match self.names.split_at(at) {
                ([], _) => source,
                (done, left) => {
                    Error::Partly { done: done.to_vec(), left: left.to_vec(), source: Box::new(source) }
                }
            })?;
        }
        self.confirm().await
    }

    async fn upload_all(&mut self, blobs: Vec<Blob>) -> Result<(), Error> {
        let (repository, listener) = (&self.repository, self.listener);
        let uploads = blobs.into_iter().map(|blob| async move {
            let uploaded = repository.upload_heard(&blob, listener).await?;
            Ok::<_, Error>((blob.descriptor, uploaded))
        });
        // The client's own limit of connections is the narrower one; this bounds the open files.
        let done = try_join_ordered(uploads, MOST_UPLOADS).await?;
        for (Descriptor { digest, size, .. }, uploaded) in done {
            match uploaded {
                Uploaded::Sent => {
                    self.pushed.sent.insert(digest);
                    self.pushed.bytes += size;
                }
                Uploaded::Mounted => drop(self.pushed.mounted.insert(digest)),
                Uploaded::There => {}
            }
        }
        Ok(())
    }

    /// Puts a document; sends first what the registry says is missing, however often it was there before.
    async fn put(&mut self, name: &str, document: &Document) -> Result<(), Error> {
        let mut waits = PATIENCE.iter();
        let mut asked = BTreeSet::new();
        let mut is_checked = self.known.is_empty();
        loop {
            let put = self.repository.put_manifest(name, document).await;
            let error = match put {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let unsent = match missing(&error, &self.blobs) {
                Some(missing) => {
                    let is_new = |blob: &&&Blob| {
                        let digest = blob.descriptor.digest;
                        !self.pushed.sent.contains(&digest) && asked.insert(digest)
                    };
                    missing.iter().filter(is_new).map(|blob| (*blob).clone()).collect()
                }
                // Some registries do not say that blobs are what they lack.
                None if matches!(error, Error::Refused { status: 400..=499, .. }) && !is_checked => {
                    is_checked = true;
                    let lost = self.lost().await?;
                    if lost.is_empty() {
                        return Err(error);
                    }
                    lost
                }
                // A tag that may not move, and need not.
                None if matches!(error.status(), Some(400..=499)) && self.stands(name, document).await => {
                    return Ok(());
                }
                None => return Err(error),
            };
            if unsent.is_empty() {
                // Taken a moment ago, and not to be seen yet.
                let Some(wait) = waits.next() else { return Err(error) };
                self.repository.http().clock().wait(*wait).await;
            } else {
                // What a mount promised is sent now.
                let unsent = unsent.into_iter().map(|blob| Blob { from: None, ..blob }).collect();
                self.upload_all(unsent).await?;
            }
        }
    }

    /// The blobs that were there once and are no more.
    async fn lost(&self) -> Result<Vec<Blob>, Error> {
        let answers = self.answers_for_known().await?;
        let lost = answers.into_iter().filter(|(_, answer)| *answer != Some(true));
        Ok(lost.filter_map(|(digest, _)| self.blobs.get(&digest).copied().cloned()).collect())
    }

    /// What the registry says of the blobs of this image that we believe it has.
    async fn answers_for_known(&self) -> Result<Vec<(Digest, Option<bool>)>, Error> {
        let known: Vec<Digest> =
            self.blobs.keys().filter(|digest| self.known.contains(digest)).copied().collect();
        let repository = &self.repository;
        let answers = known
            .into_iter()
            .map(|digest| async move { Ok::<_, Error>((digest, repository.has_blob(&digest).await?)) });
        try_join_ordered(answers, MOST_UPLOADS).await
    }

    async fn stands(&self, name: &str, document: &Document) -> bool {
        let found = self.repository.digest(name).await;
        found.is_ok_and(|found| found == Some(document.digest()))
    }

    async fn confirm(&self) -> Result<(), Error> {
        let (repository, expected) = (&self.repository, self.push.root.digest());
        for name in &self.names {
            let mut found = repository.digest(name).await?;
            for wait in PATIENCE {
                if found.is_some() {
                    break;
                }
                // Taken a moment ago, and not to be seen yet.
                repository.http().clock().wait(wait).await;
                found = repository.digest(name).await?;
            }
            if found == Some(expected) {
                continue;
            }
            // A header may lie where the bytes do not.
            if found.is_some() {
                found = repository.digest_of_bytes(name).await?;
            }
            let reference = repository.full_name(name);
            if found != Some(expected) {
                return Err(Error::NotThere { reference, expected, found });
            }
            repository.client().tell(format!("the digest header of {reference} does not match its content"));
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
