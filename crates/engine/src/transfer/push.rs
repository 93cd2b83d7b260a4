use std::sync::Arc;

use wainwright_base::gather as gather_from_disk;
use wainwright_oci::{Reference, Tree};

use super::gather::tell_kept_back;
use super::{Elsewhere, last, send, targets};
use crate::{Delivery, Error, Event, Outcome, Subject, Tools};

/// Pushes an image that is on this machine: the same bytes, under new names.
pub async fn push(subject: &Subject, names: &[Reference], tools: &Arc<Tools>) -> Result<Delivery, Error> {
    match subject {
        Subject::Last(folder) => deliver(&last::recall(folder, tools)?, names, tools).await,
        Subject::Registry(reference) => super::copy(reference, names, tools).await,
        Subject::Disk(source) => {
            let (source, store) = (source.clone(), tools.store.clone());
            let gathered = tools.cpu().await?.run(move || Ok(gather_from_disk(&source, &store)?)).await?;
            if !gathered.has_manifest {
                let message = "what `docker save` writes has no manifest, so one was made for it".into();
                tools.tell(Event::Noted { message });
            }
            tell_kept_back(&gathered.kept_back, tools);
            deliver(&gathered.tree, names, tools).await
        }
    }
}

/// Brings a tree to all its names, repository after repository.
pub(super) async fn deliver(tree: &Tree, names: &[Reference], tools: &Tools) -> Result<Delivery, Error> {
    let digest = tree.root.digest();
    let mut outcomes = Vec::new();
    let targets = targets(names, digest)?;
    targets.iter().try_for_each(|target| tools.demand_registry(&target.registry))?;
    for target in targets {
        let tags: Vec<String> = target.tags.iter().map(|tag| format!(":{tag}")).collect();
        let name = match tags.is_empty() {
            true => format!("@{digest}"),
            false => tags.join(" "),
        };
        let output = format!("{}/{}{name}", target.registry, target.repository);
        tools.tell(Event::DeliveryStarted { output: output.clone() });
        let delivered = send(tree, &target, &Elsewhere::new(), tools).await?;
        outcomes.push(Outcome::tell(output, delivered, tools));
    }
    Ok(Delivery { digest, outcomes })
}
