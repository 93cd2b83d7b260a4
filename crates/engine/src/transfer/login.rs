use wainwright_http::Secret;
use wainwright_registry::{Credentials, Keeper, LoginCheck, LoginFile};

use crate::{Error, Event, Tools};

/// Checks a user name and a password with a registry, and keeps them where docker and podman keep theirs.
///
/// Nothing is kept that the registry does not take.
pub async fn login(registry: &str, user: &str, password: &Secret, tools: &Tools) -> Result<Keeper, Error> {
    tools.demand_registry(registry)?;
    let file = login_file(tools)?;
    let client = tools.registry_with(Credentials::only(registry, user, password))?;
    if client.check_login(registry, user, password).await? == LoginCheck::NotAsked {
        let message =
            format!("{registry} lets everybody in without a password, so this one could not be checked");
        tools.tell(Event::Warned { message });
    }
    Ok(file.save(registry, user, password).await?)
}

/// Forgets the login for a registry; `false` when there was none.
pub async fn logout(registry: &str, tools: &Tools) -> Result<bool, Error> {
    Ok(login_file(tools)?.remove(registry).await?)
}

fn login_file(tools: &Tools) -> Result<LoginFile, Error> {
    LoginFile::find(&tools.machine.vars, tools.machine.home.as_deref()).ok_or(Error::NoHome)
}
