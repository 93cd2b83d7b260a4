use wainwright_oci::Reference;
use wainwright_registry::{Probe, ProbeRequest};

use crate::{Error, Session};

/// Finds out what a registry can do, by trying it in one repository.
///
/// Unless it may only read, it writes some small blobs and manifests, and removes what the registry lets it remove.
pub async fn probe(
    repository: &Reference,
    other: Option<&str>,
    is_read_only: bool,
    session: &Session,
) -> Result<Probe, Error> {
    session.demand_registry(repository.registry())?;
    let request = ProbeRequest {
        registry: repository.registry().to_owned(),
        repository: repository.repository().to_owned(),
        other: other.map(str::to_owned),
        is_read_only,
    };
    Ok(session.registry().await?.probe(&request).await?)
}
