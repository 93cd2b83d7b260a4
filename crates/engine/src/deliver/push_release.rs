use wainwright_image::{Delivered, Release};
use wainwright_oci::Tree;

use super::send::send;
use super::shared::Elsewhere;
use crate::session::targets;
use crate::{Error, Session};

/// Pushes a release to every repository that its tags name; within one, its tags move last.
pub(crate) async fn push_release(
    release: &Release,
    elsewhere: &Elsewhere,
    session: &Session,
) -> Result<Delivered, Error> {
    if release.tags.is_empty() {
        return Err(Error::NoTag);
    }
    let tree = Tree::of_images(release.index.as_ref(), &release.images);
    let tree = tree.ok_or_else(|| Error::Bug { what: "a release without images".into() })?;
    let mut delivered = Delivered { bytes_written: 0, bytes_skipped: 0, was_there: true };
    for target in targets(&release.tags, tree.root.digest())? {
        let one = send(&tree, &target, elsewhere, session).await?;
        delivered.bytes_written += one.bytes_written;
        delivered.bytes_skipped += one.bytes_skipped;
        delivered.was_there &= one.was_there;
    }
    Ok(delivered)
}
