use std::sync::Arc;

use wainwright_base::gather as gather_from_disk;
use wainwright_oci::Reference;

use super::copy::copy;
use super::last;
use super::push_tree::push_tree;
use crate::session::report_omitted;
use crate::{Delivery, Error, Event, Session, Subject};

/// Pushes an image that is on this machine: the same bytes, under new names.
pub async fn push(subject: &Subject, names: &[Reference], session: &Arc<Session>) -> Result<Delivery, Error> {
    match subject {
        Subject::Last(folder) => push_tree(&last::recall(folder, session)?, names, session).await,
        Subject::Registry(reference) => copy(reference, names, session).await,
        Subject::Disk(source) => {
            let (source, store) = (source.clone(), session.store.clone());
            let gathered = session.compute(move || Ok(gather_from_disk(&source, &store)?)).await?;
            if !gathered.has_manifest {
                let message = "what `docker save` writes has no manifest, so one was made for it".into();
                session.report(Event::Noted { message });
            }
            report_omitted(&gathered.kept_back, session);
            push_tree(&gathered.tree, names, session).await
        }
    }
}
