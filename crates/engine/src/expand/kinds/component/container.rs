use wainwright_blob::{Entry, Kind};
use wainwright_emit::Profile;
use wainwright_layer::{COMPONENT_RUNTIME, app};
use wainwright_oci::ImagePath;
use wainwright_project::{Project, Start};
use wainwright_woodwork::Component;

use crate::expand::describe::config as settings_config;
use crate::model::base::ResolvedBase;
use crate::{Config, Error};

/// Where every component listens.
pub const COMPONENT_PORT: u16 = 8080;
/// What a component starts.
pub(crate) const COMMAND: [&str; 3] = ["/app/.venv/bin/python", "-m", "component_runtime"];
/// Folders that components may write to, below `/app`.
pub(crate) const WRITABLE: [&str; 2] = [".woodwork", "data"];
/// The account of an image whose base has none but root.
const NONROOT: (u32, u32) = (10001, 10001);

/// The config of a component's image.
pub(crate) fn config(
    component: &Component,
    profile: Profile,
    project: &Project,
    base: &ResolvedBase,
) -> Config {
    let start = Start {
        entrypoint: COMMAND.map(str::to_owned).into(),
        cmd: Vec::new(),
        why: "it is a component".into(),
    };
    let mut config = settings_config(project, &start, base);
    let kind = component.kind;
    let mut set = |name: &str, value: String| drop(config.env.insert(name.into(), value));
    set("PYTHONDONTWRITEBYTECODE", "1".into());
    set("PYTHONPATH", format!("/app:{COMPONENT_RUNTIME}"));
    set("WOODWORK_COMPONENT_KIND", kind.kind.into());
    set("WOODWORK_COMPONENT_NAME", component.name.clone());
    set("WOODWORK_COMPONENT_TYPE", format!("{}.{}", kind.kind, kind.kind_type));
    set("WOODWORK_PORT", COMPONENT_PORT.to_string());
    set("WOODWORK_ENV", mode(profile).into());
    let log = match profile {
        Profile::Development => "debug",
        Profile::Production | Profile::Size => "info",
    };
    set("WOODWORK_LOG", log.into());
    config.ports = vec![format!("{COMPONENT_PORT}/tcp")];
    config.working_dir = "/app".into();
    let (user, group) = owner(&config.user);
    config.user = format!("{user}:{group}");
    config
}

/// What a component is told about what it runs for: `WOODWORK_ENV`.
pub(crate) fn mode(profile: Profile) -> &'static str {
    match profile {
        Profile::Development => "development",
        Profile::Production | Profile::Size => "production",
    }
}

/// User and group by number, as Kubernetes wants them; never root.
pub(crate) fn owner(user: &str) -> (u32, u32) {
    let (user, group) = user.split_once(':').unwrap_or((user, user));
    match (user.parse(), group.parse()) {
        (Ok(user), Ok(group)) if user != 0 => (user, group),
        _ => NONROOT,
    }
}

/// `component.json`, and the folders that the component may write to: anybody may, for the memory that a container engine puts
/// there takes the mode of the folder.
pub(super) fn own_entries(document: &[u8], owner: (u32, u32)) -> Result<Vec<Entry>, Error> {
    let at = |name: &str| -> Result<ImagePath, Error> { Ok(app().join(name)?) };
    let mut entries = vec![Entry::bytes(at("component.json")?, document)];
    for folder in WRITABLE {
        entries.push(Entry { path: at(folder)?, mode: 0o1777, owner, kind: Kind::Directory });
    }
    Ok(entries)
}
