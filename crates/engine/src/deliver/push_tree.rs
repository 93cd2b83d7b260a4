use wainwright_oci::{Reference, Tree};

use super::outcome::{Delivery, Outcome};
use super::send::send;
use super::shared::Elsewhere;
use crate::session::targets;
use crate::{Error, Event, Session};

/// Pushes a tree under all its references, repository after repository.
pub(super) async fn push_tree(
    tree: &Tree,
    names: &[Reference],
    session: &Session,
) -> Result<Delivery, Error> {
    let digest = tree.root.digest();
    let mut outcomes = Vec::new();
    let targets = targets(names, digest)?;
    targets.iter().try_for_each(|target| session.demand_registry(&target.registry))?;
    for target in targets {
        let tags: Vec<String> = target.tags.iter().map(|tag| format!(":{tag}")).collect();
        let name = match tags.is_empty() {
            true => format!("@{digest}"),
            false => tags.join(" "),
        };
        let output = format!("{}/{}{name}", target.registry, target.repository);
        session.report(Event::DeliveryStarted { output: output.clone() });
        let delivered = send(tree, &target, &Elsewhere::new(), session).await?;
        outcomes.push(Outcome::report(output, delivered, session));
    }
    Ok(Delivery { digest, outcomes })
}
