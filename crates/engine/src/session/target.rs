use std::collections::BTreeMap;
use std::sync::Arc;

use wainwright_oci::{Digest, Held, Place, Reference};
use wainwright_registry::{Blob, Listener, Source, Step, Uploaded};

use super::Session;
use crate::model::error::Error;
use crate::model::event::Event;

/// A repository, and what a tree is called there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    pub(crate) registry: String,
    pub(crate) repository: String,
    /// None: it is found by its digest alone.
    pub(crate) tags: Vec<String>,
}

/// The repositories that some references name; a reference with a digest demands that it is the tree's.
pub(crate) fn targets(references: &[Reference], root: Digest) -> Result<Vec<Target>, Error> {
    for reference in references {
        if let Some(expected) = reference.digest().filter(|digest| **digest != root) {
            let (reference, expected) = (reference.to_string(), *expected);
            return Err(Error::OtherDigest { reference, expected, found: root });
        }
    }
    Ok(repositories(references))
}

/// The repositories that some references name, in order, each with its tags.
pub(crate) fn repositories(references: &[Reference]) -> Vec<Target> {
    let mut tags: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for reference in references {
        let names = tags.entry((reference.registry(), reference.repository())).or_default();
        names.extend(reference.tag().filter(|tag| !names.iter().any(|name| name == tag)).map(str::to_owned));
    }
    let target = |((registry, repository), tags): ((&str, &str), _)| Target {
        registry: registry.to_owned(),
        repository: repository.to_owned(),
        tags,
    };
    tags.into_iter().map(target).collect()
}

/// Tells what becomes of every blob.
pub(crate) fn uploads(target: &Target, session: &Session) -> Listener {
    let (tell, repository) = (session.listener(), format!("{}/{}", target.registry, target.repository));
    Arc::new(move |descriptor, step| {
        let (repository, digest, size) = (repository.clone(), descriptor.digest, descriptor.size);
        tell(match step {
            Step::Began => Event::UploadStarted { repository, digest, size },
            Step::Moved(bytes) => Event::UploadProgressed { repository, digest, bytes },
            Step::Ended(uploaded) => {
                let how = match uploaded {
                    Uploaded::Sent => "sent",
                    Uploaded::Mounted => "mounted",
                    Uploaded::There => "there",
                };
                Event::UploadFinished { repository, digest, size, how }
            }
        });
    })
}

/// A blob as the registry client wants it.
///
/// What may be in the repository without our knowing is mounted from the repository itself: that asks for it and, where it
/// is not, opens the upload, in one request.
pub(crate) fn blob(held: &Held, target: &Target, session: &Session) -> Blob {
    let descriptor = held.descriptor.clone();
    let in_store = || Source::File { path: session.store.path(&descriptor.digest), offset: 0 };
    let own = || Some(target.repository.clone());
    let (source, from) = match &held.place {
        Place::Store => (in_store(), own()),
        Place::File { path, offset } => (Source::File { path: path.clone(), offset: *offset }, own()),
        Place::Registry(reference) => {
            let is_here = session.store.contains(&descriptor.digest, Some(descriptor.size));
            let is_mountable =
                reference.registry() == target.registry && reference.repository() != target.repository;
            let from = is_mountable.then(|| reference.repository().to_owned());
            (if is_here { in_store() } else { Source::Absent }, from)
        }
    };
    Blob { descriptor, source, from }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_sorted_into_repositories() {
        let digest = Digest::of("x");
        let pinned = format!("b.example/c@{digest}");
        let references = ["a.example/b:1", "b.example/c:2", "a.example/b:2", "a.example/b:1", &pinned];
        let references: Vec<Reference> = references.iter().map(|text| text.parse().unwrap()).collect();
        let found = targets(&references, digest).unwrap();
        let tags: Vec<_> = found.iter().map(|target| (&*target.registry, target.tags.join(" "))).collect();
        assert_eq!(tags, [("a.example", "1 2".to_owned()), ("b.example", "2".to_owned())]);
        assert!(matches!(targets(&references, Digest::of("y")), Err(Error::OtherDigest { .. })));
    }
}
