use futures_util::future::try_join_all;
use wainwright_base::{BaseImage, Error as BaseError, open_fetched};
use wainwright_oci::{Descriptor, Digest, Image, Layer, Place, Platform, Reference};
use wainwright_registry::{Error as RegistryError, Found, Registry, Scope};

use crate::{Error, Event, Session};

/// Documents that lie between a reference and an image: an index in an index in ..., a manifest and its config, for
/// every platform that is not named beside its manifest.
const MOST_DOCUMENTS: usize = 200;
/// What the config of an image may have; registries do not say.
const LARGEST_CONFIG: u64 = 4 << 20;

/// Finds the image for a platform behind a reference, at the digest of its manifest if that is pinned.
///
/// Documents are fetched and kept in the store; what is pinned and kept takes no request.
pub(crate) async fn open_image(
    reference: &Reference,
    pin: Option<Digest>,
    platform: &Platform,
    session: &Session,
) -> Result<BaseImage, Error> {
    let pinned = pin.map(|digest| at_digest(reference, &digest)).transpose()?;
    let root = match (&pinned, pin) {
        (Some(_), Some(digest)) if session.store.contains(&digest, None) => {
            let size = std::fs::metadata(session.store.path(&digest)).map_or(0, |metadata| metadata.len());
            Descriptor::new("", digest, size)
        }
        (pinned, _) => fetch_manifest(pinned.as_ref().unwrap_or(reference), session).await?,
    };
    for _ in 0..MOST_DOCUMENTS {
        match open_fetched(reference, &root, platform, &session.store) {
            Err(BaseError::Unfetched { what, descriptor }) => {
                fetch_document(reference, &what, &descriptor, session).await?;
            }
            opened => return Ok(opened?),
        }
    }
    let reason = format!("more than {MOST_DOCUMENTS} manifests lie between it and an image for {platform}");
    Err(wainwright_registry::Error::Document { reference: reference.to_string(), reason }.into())
}

async fn fetch_document(
    reference: &Reference,
    what: &str,
    descriptor: &Descriptor,
    session: &Session,
) -> Result<(), Error> {
    if descriptor.size > LARGEST_CONFIG {
        let reason = format!("its {what} has {} bytes, and 4 MiB are read", descriptor.size);
        return Err(wainwright_registry::Error::Document { reference: reference.to_string(), reason }.into());
    }
    if what.contains("config") {
        return fetch_blob(reference, descriptor, None, session).await;
    }
    let Descriptor { size: found, .. } =
        fetch_manifest(&at_digest(reference, &descriptor.digest)?, session).await?;
    if found == descriptor.size {
        return Ok(());
    }
    // It would be asked for again and again.
    let (path, what, expected) = (reference.to_string().into(), what.to_owned(), descriptor.size);
    Err(BaseError::Size { path, what, expected, found }.into())
}

async fn fetch_manifest(reference: &Reference, session: &Session) -> Result<Descriptor, Error> {
    let Found { media_type, bytes, digest } = session.registry().await?.manifest(reference).await?;
    session.store.put(&bytes)?;
    Ok(Descriptor::new(&media_type, digest, bytes.len() as u64))
}

/// Brings the layers of an image that are still in its registry into the store.
pub(crate) async fn fetch_layers(image: &Image, session: &Session) -> Result<(), Error> {
    let fetches = image.layers.iter().enumerate().map(|(index, layer)| fetch_layer(index, layer, session));
    try_join_all(fetches).await.map(drop)
}

pub(crate) async fn fetch_layer(index: usize, layer: &Layer, session: &Session) -> Result<(), Error> {
    let Place::Registry(reference) = &layer.place else { return Ok(()) };
    if session.store.contains(&layer.descriptor.digest, Some(layer.descriptor.size)) {
        return Ok(());
    }
    fetch_blob(reference, &layer.descriptor, Some(format!("layer {} of {reference}", index + 1)), session)
        .await
}

/// Fetches a blob; one with a name is told about.
pub(crate) async fn fetch_blob(
    reference: &Reference,
    descriptor: &Descriptor,
    name: Option<String>,
    session: &Session,
) -> Result<(), Error> {
    let registry: &Registry = session.registry().await?;
    let mut draft = session.store.draft()?;
    let path = draft.path().to_owned();
    if let Some(name) = &name {
        session.report(Event::FetchStarted { name: name.clone(), size: Some(descriptor.size) });
    }
    let progress = |bytes| {
        if let Some(name) = &name {
            session.report(Event::FetchProgressed { name: name.clone(), bytes });
        }
    };
    let scope = Scope::read(reference.repository());
    let out = (draft.file()?, path.as_path());
    let fetched = registry.fetch_blob(reference.registry(), &scope, descriptor, out, &progress).await;
    fetched.map_err(|error| match error {
        RegistryError::Write { path, source } => {
            wainwright_store::Error::not_written(&path, Some(descriptor.size), source).into()
        }
        other => Error::from(other),
    })?;
    draft.commit(&descriptor.digest)?;
    if let Some(name) = name {
        session.report(Event::FetchFinished { name, bytes: descriptor.size });
    }
    Ok(())
}

/// The same repository at a digest.
pub(crate) fn at_digest(reference: &Reference, digest: &Digest) -> Result<Reference, Error> {
    Ok(format!("{}/{}@{digest}", reference.registry(), reference.repository()).parse()?)
}
