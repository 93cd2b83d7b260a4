use std::sync::Arc;

use wainwright_base::{Surveyed, survey};
use wainwright_layer::debian::{DebianTree, DebianTreeKind};
use wainwright_oci::Image;

use crate::session::fetch_layers;
use crate::{Error, Session};

/// What lies in an image that packages are added to. Its layers are fetched where they are not here.
pub(crate) async fn image_tree(image: &Image, session: &Arc<Session>) -> Result<Arc<DebianTree>, Error> {
    fetch_layers(image, session).await?;
    let (layers, store) = (image.layers.clone(), session.store.clone());
    let job = move || {
        let paths = survey(&layers, &store)?.into_iter().map(|(path, what)| {
            let kind = match what {
                Surveyed::Directory => DebianTreeKind::Directory,
                Surveyed::Symlink(target) => DebianTreeKind::Symlink(target),
                Surveyed::File(bytes) => DebianTreeKind::File(bytes),
                Surveyed::Other => DebianTreeKind::File(None),
            };
            (path, kind)
        });
        Ok(Arc::new(DebianTree { paths: paths.collect() }))
    };
    session.compute(job).await
}
