use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use wainwright_image::Release;
use wainwright_oci::{Digest, Held, Place, Tree};

use crate::session::{Target, recall, remember, send_one, targets};
use crate::{Error, Session};

/// How many blobs are on their way at once.
const MOST_UPLOADS: usize = 8;

/// A repository that has a blob, by registry and digest.
pub(crate) type Elsewhere = BTreeMap<(String, Digest), String>;

/// A blob that a repository lacks.
struct Lack {
    /// The release that wants it there.
    release: usize,
    target: Target,
    held: Held,
}

/// Brings every blob that several releases lack into one of their repositories: from there the registry gives it to the
/// others. What one release alone lacks leaves with it.
///
/// Also gives how many bytes that took, for each release.
pub(crate) async fn send_shared(
    releases: &[Arc<Release>],
    session: &Arc<Session>,
) -> Result<(Elsewhere, Vec<u64>), Error> {
    let mut elsewhere = Elsewhere::new();
    let mut lacks: BTreeMap<(String, Digest), Vec<Lack>> = BTreeMap::new();
    for (release, what) in releases.iter().enumerate() {
        let Some(tree) = Tree::of_images(what.index.as_ref(), &what.images) else { continue };
        for target in targets(&what.tags, tree.root.digest())? {
            let memory = recall(&target, session)?;
            let is_settled = !target.tags.is_empty() && memory.stood(&target.tags, tree.root.digest());
            for held in &tree.blobs {
                let key = (target.registry.clone(), held.descriptor.digest);
                if memory.blobs.contains(&key.1) {
                    elsewhere.entry(key).or_insert_with(|| target.repository.clone());
                } else if !is_settled && !is_mountable(held, &target) {
                    let lack = Lack { release, target: target.clone(), held: held.clone() };
                    lacks.entry(key).or_default().push(lack);
                }
            }
        }
    }
    lacks.retain(|key, lacks| lacks.len() > 1 && !elsewhere.contains_key(key));
    let first = lacks.into_values().filter_map(|lacks| lacks.into_iter().next());
    let sends = first.map(async |Lack { release, target, held }| {
        let digest = held.descriptor.digest;
        let bytes = send_one(held, None, &target, session).await?;
        Ok::<_, Error>((release, target, digest, bytes))
    });
    let sent: Vec<_> = stream::iter(sends).buffer_unordered(MOST_UPLOADS).try_collect().await?;
    let mut bytes = vec![0; releases.len()];
    let mut arrived: BTreeMap<Target, BTreeSet<Digest>> = BTreeMap::new();
    for (release, target, digest, size) in sent {
        if let Some(bytes) = bytes.get_mut(release) {
            *bytes += size;
        }
        elsewhere.insert((target.registry.clone(), digest), target.repository.clone());
        arrived.entry(target).or_default().insert(digest);
    }
    for (target, digests) in arrived {
        remember(&target, &digests, &[], session)?;
    }
    Ok((elsewhere, bytes))
}

/// Whether the registry itself has a blob in another repository, that of a base.
fn is_mountable(held: &Held, target: &Target) -> bool {
    matches!(&held.place, Place::Registry(reference) if reference.registry() == target.registry)
}
