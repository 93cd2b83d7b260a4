use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wainwright_image::Delivered;
use wainwright_oci::{Descriptor, Digest, Held, Place, Reference, Tree};
use wainwright_registry::{Blob, Error as RegistryError, Push, Registry, Scope, Source};

use super::shared::Elsewhere;
use crate::session::{Target, blob, fetch_blobs, recall, remember, uploads};
use crate::{Error, Event, Session};

/// How many questions to a registry are on their way at once.
const MOST_QUESTIONS: usize = 16;

/// Brings a tree into a repository: blobs, then manifests, then the index, tags last.
///
/// What the registry has is not sent, what another of its repositories has is mounted, and what is in another registry is
/// fetched into the store first.
pub(crate) async fn send(
    tree: &Tree,
    target: &Target,
    elsewhere: &Elsewhere,
    session: &Session,
) -> Result<Delivered, Error> {
    let memory = recall(target, session)?;
    let mut push = Push {
        registry: target.registry.clone(),
        repository: target.repository.clone(),
        blobs: Vec::new(),
        children: tree.children.clone(),
        is_settled: memory.stands(&target.tags, tree.root.digest(), session.machine.now),
        root: tree.root.clone(),
        tags: target.tags.clone(),
        known: memory.blobs,
    };
    let client = session.registry().await?;
    let listener = uploads(target, session);
    push.blobs = blobs(tree, target, elsewhere, session);
    let mut is_fetched = false;
    if push.blobs.iter().any(|blob| is_only_elsewhere(blob, &push)) && !stands(&push, client).await? {
        fetch_lacking(tree, &push, client, session).await?;
        is_fetched = true;
    }
    let pushed = loop {
        push.blobs = blobs(tree, target, elsewhere, session);
        match client.push(&push, &listener).await {
            // A registry that does not mount: all that it lacks is fetched at once.
            Err(RegistryError::BytesNeeded { .. }) if !is_fetched => {
                fetch_lacking(tree, &push, client, session).await?;
                is_fetched = true;
            }
            Err(RegistryError::BytesNeeded { digest }) => {
                fetch_blobs(tree.blobs.iter().filter(|held| held.descriptor.digest == digest), session)
                    .await?;
            }
            Err(error) => {
                if has_code(&error, "DIGEST_INVALID") {
                    blame(tree)?;
                }
                report_tags(&push, &error, client, session).await;
                return Err(error.into());
            }
            Ok(pushed) => break pushed,
        }
    };
    let blobs = push.blobs.iter().map(|blob| blob.descriptor.digest).collect();
    // Where one tag was asked for, nothing new is known of the others.
    let tags = if push.is_settled && pushed.was_there { &[] } else { &push.tags[..] };
    let tags: Vec<_> = tags.iter().map(|tag| (tag.clone(), push.root.digest())).collect();
    remember(target, &blobs, &tags, session)?;
    Ok(Delivered {
        bytes_written: pushed.bytes,
        bytes_skipped: tree.size().saturating_sub(pushed.bytes),
        was_there: pushed.was_there,
    })
}

fn blobs(tree: &Tree, target: &Target, elsewhere: &Elsewhere, session: &Session) -> Vec<Blob> {
    let held = |held: &Held| {
        let mut blob = blob(held, target, session);
        let other = elsewhere.get(&(target.registry.clone(), held.descriptor.digest));
        // Where it surely is goes before where it may be.
        if let Some(other) = other.filter(|other| **other != target.repository) {
            blob.from = Some(other.clone());
        }
        blob
    };
    let config = |config: &wainwright_oci::Document| Blob {
        descriptor: config.descriptor.clone(),
        source: Source::Bytes(config.bytes().into()),
        from: None,
    };
    tree.blobs.iter().map(held).chain(tree.configs.iter().map(config)).collect()
}

/// Whether the bytes of a blob have to come from another registry, unless the target has them.
fn is_only_elsewhere(blob: &Blob, push: &Push) -> bool {
    blob.source == Source::Absent && blob.from.is_none() && !push.known.contains(&blob.descriptor.digest)
}

/// Whether the tag that moves last stands for the tree already: then there is nothing to fetch.
async fn stands(push: &Push, client: &Registry) -> Result<bool, Error> {
    let name = push.tags.last().map_or_else(|| format!("@{}", push.root.digest()), |tag| format!(":{tag}"));
    let reference: Reference = format!("{}/{}{name}", push.registry, push.repository).parse()?;
    let scope = Scope::write(&push.repository, []);
    match client.digest(&reference, &scope).await {
        Ok(found) => Ok(found == Some(push.root.digest())),
        // Whoever may write need not be able to ask what is there.
        Err(RegistryError::Denied { .. } | RegistryError::Refused { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Fetches every blob that is not here and that the target does not have.
async fn fetch_lacking(tree: &Tree, push: &Push, client: &Registry, session: &Session) -> Result<(), Error> {
    let scope = Scope::write(&push.repository, push.blobs.iter().filter_map(|blob| blob.from.clone()));
    let absent = push.blobs.iter().filter(|blob| blob.source == Source::Absent);
    let lacks = async |blob: &Blob| {
        let digest = blob.descriptor.digest;
        let found = client.has_blob(&push.registry, &scope, &digest).await?;
        Ok::<_, Error>((found != Some(true)).then_some(digest))
    };
    let lacking: Vec<Option<Digest>> =
        stream::iter(absent).map(lacks).buffer_unordered(MOST_QUESTIONS).try_collect().await?;
    let lacking: BTreeSet<Digest> = lacking.into_iter().flatten().collect();
    fetch_blobs(tree.blobs.iter().filter(|held| lacking.contains(&held.descriptor.digest)), session).await
}

/// A registry that finds another digest than we said: one of our files is not what its name promises.
fn blame(tree: &Tree) -> Result<(), Error> {
    for held in &tree.blobs {
        let Place::File { path, offset } = &held.place else { continue };
        let Descriptor { digest: expected, size, .. } = held.descriptor;
        let found = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(*offset))?;
            Digest::of_reader(file.take(size))
        });
        let (path, what) = (path.clone(), "layer".to_owned());
        match found {
            Ok(found) if found == expected => {}
            Ok(found) => {
                return Err(wainwright_base::Error::Mismatch { path, what, expected, found }.into());
            }
            Err(source) => {
                return Err(wainwright_base::Error::Disk { action: "read", path, source }.into());
            }
        }
    }
    Ok(())
}

/// Of several tags, those that moved and those that did not, as far as the registry says: tags move one after the other.
pub(super) async fn report_tags(push: &Push, error: &RegistryError, client: &Registry, session: &Session) {
    let is_about_tags = matches!(
        error,
        RegistryError::Refused { .. }
            | RegistryError::Denied { .. }
            | RegistryError::NotThere { .. }
            | RegistryError::Partly { .. }
    );
    if push.tags.len() < 2 || !is_about_tags {
        return;
    }
    let scope = Scope::read(&push.repository);
    let (mut done, mut not_done) = (Vec::new(), Vec::new());
    for tag in &push.tags {
        let reference = format!("{}/{}:{tag}", push.registry, push.repository).parse();
        let Ok(reference) = reference else { return };
        match client.digest(&reference, &scope).await {
            Ok(Some(digest)) if digest == push.root.digest() => done.push(tag.as_str()),
            Ok(_) => not_done.push(tag.as_str()),
            Err(_) => return,
        }
    }
    let list = |tags: &[&str]| if tags.is_empty() { "none".to_owned() } else { tags.join(", ") };
    let message = format!(
        "tags that stand for {}: {}; those that do not: {}",
        push.root.digest(),
        list(&done),
        list(&not_done)
    );
    session.report(Event::Warned { message });
}

fn has_code(error: &RegistryError, code: &str) -> bool {
    match error {
        RegistryError::Refused { errors, .. } => errors.iter().any(|error| error.code == code),
        _ => false,
    }
}
