use std::sync::Arc;

use wainwright_oci::Reference;

use super::push_tree::push_tree;
use crate::session::gather;
use crate::{Delivery, Error, Session};

/// Copies an image from one repository to others, with everything below its index.
///
/// Within a registry nothing is fetched: blobs are mounted, and manifests are put where they are wanted. Between registries
/// only what the target lacks passes through the store.
pub async fn copy(from: &Reference, names: &[Reference], session: &Arc<Session>) -> Result<Delivery, Error> {
    push_tree(&gather(from, session).await?, names, session).await
}
