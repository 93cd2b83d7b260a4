use std::sync::Arc;

use wainwright_oci::Reference;

use super::gather::gather;
use super::push::deliver;
use crate::{Delivery, Error, Tools};

/// Copies an image from one repository to others, with everything below its index.
///
/// Within a registry nothing is fetched: blobs are mounted, and manifests are put where they are wanted. Between registries
/// only what the target lacks passes through the store.
pub async fn copy(from: &Reference, names: &[Reference], tools: &Arc<Tools>) -> Result<Delivery, Error> {
    deliver(&gather(from, tools).await?, names, tools).await
}
