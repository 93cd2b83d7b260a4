use std::time::Duration;

use wainwright_oci::{Digest, Platform};

use super::base::base;
use super::wain_lock::WainLock;
use crate::session::open_image;
use crate::{Base, Error, Event, Plan, Request, Session};

/// A question that is only asked for information does not wait longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Warns about a base whose tag stands for another image by now than the one that `wain.lock` pins.
///
/// Nothing changes, and a registry that does not answer is no failure. Offline, nobody is asked.
pub async fn report_outdated(request: &Request, plan: &Plan, session: &Session) {
    if session.machine.is_offline {
        return;
    }
    let message = match tokio::time::timeout(PATIENCE, outdated(request, plan, session)).await {
        Ok(Ok(outdated)) => {
            for (base, platform, now) in outdated {
                let message = format!(
                    "{base} is another image for {platform} by now ({now}); `wain lock --upgrade` takes that one"
                );
                session.report(Event::Warned { message });
            }
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer after {} seconds", PATIENCE.as_secs()),
    };
    session.report(Event::Noted {
        message: format!("whether the base has a newer image is not known: {message}"),
    });
}

/// The platforms for which a tag has moved, with the digest that it stands for now.
async fn outdated(
    request: &Request,
    plan: &Plan,
    session: &Session,
) -> Result<Vec<(String, Platform, Digest)>, Error> {
    let base = base(request, &wainwright_project::load(&request.root)?)?;
    let lock = WainLock::read(&request.root)?;
    let mut found = Vec::new();
    let Base::Registry(reference) = &base else { return Ok(found) };
    for image in plan.platforms() {
        let pinned = lock.image(&base.to_string(), &image.platform);
        let Some(pinned) = pinned.filter(|_| reference.digest().is_none()) else { continue };
        let now = open_image(reference, None, &image.platform, session).await?.image.manifest.digest();
        if now != pinned {
            found.push((reference.to_string(), image.platform.clone(), now));
        }
    }
    Ok(found)
}
