use wainwright_http::Secret;
use wainwright_registry::{CredentialStore, Credentials, LoginCheck, LoginFile};

use crate::{Error, Event, Session};

/// Checks a user name and a password with a registry, and keeps them where docker and podman keep theirs.
///
/// Nothing is kept that the registry does not take.
pub async fn login(
    registry: &str,
    user: &str,
    password: &Secret,
    session: &Session,
) -> Result<CredentialStore, Error> {
    session.demand_registry(registry)?;
    let file = login_file(session)?;
    let client = session.registry_with(Credentials::only(registry, user, password))?;
    if client.check_login(registry, user, password).await? == LoginCheck::NotAsked {
        let message =
            format!("{registry} lets everybody in without a password, so this one could not be checked");
        session.report(Event::Warned { message });
    }
    Ok(file.save(registry, user, password).await?)
}

/// Forgets the login for a registry; `false` when there was none.
pub async fn logout(registry: &str, session: &Session) -> Result<bool, Error> {
    Ok(login_file(session)?.remove(registry).await?)
}

fn login_file(session: &Session) -> Result<LoginFile, Error> {
    LoginFile::find(&session.machine.vars, session.machine.home.as_deref()).ok_or(Error::NoHome)
}
