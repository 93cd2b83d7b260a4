//! The release of a plain project: its images, and the services of its settings.

use std::collections::BTreeMap;

use wainwright_project::{Deploy, Health, Port, Protocol, Publish, Quantity, Resources, is_variable};

use crate::release::{Component, HttpHealth, Image, Profile, Release, SCHEMA, Service};
use crate::secret;

/// Facts about the built image of a project.
#[derive(Clone, Debug)]
pub struct Built<'a> {
    /// The name of the project, or of the image where a project has several.
    pub name: &'a str,
    /// Where the image is; [`Image::of`] makes it of tags and a digest.
    pub image: Image,
    /// `linux/amd64`, ...
    pub platforms: Vec<String>,
    /// The entrypoint and its arguments.
    pub command: Vec<String>,
    /// The ports of the image, in the order of the settings.
    pub ports: Vec<Port>,
    /// The volumes of the image.
    pub volumes: Vec<String>,
    /// The variables that the settings put into the image.
    pub environment: &'a BTreeMap<String, String>,
    /// The number of its user, 0 for root; absent for a named user whose number is not known.
    pub user: Option<u32>,
    /// The number of its group, if the image sets one.
    pub group: Option<u32>,
    /// The signal that stops it, if the image sets one.
    pub stop_signal: Option<&'a str>,
    /// The interpreter in the image, `/app/.venv/bin/python`: it runs health checks by HTTP for Compose, which has none.
    pub python: Option<&'a str>,
}

/// The usual requests of an application: enough for Python and a few packages. There are no usual limits.
const CPU: &str = "100m";
const MEMORY: &str = "128Mi";
/// The size of a volume whose size is not set.
const VOLUME: &str = "1Gi";
/// The longest host name: Kubernetes appends a hash to the name of a StatefulSet.
const LONGEST_HOST: usize = 52;
/// The longest name of a project or component.
const LONGEST_NAME: usize = 63;
/// How long a health check may take, in seconds.
const TIMEOUT: u16 = 5;

/// Requests a path from a port and exits with 0 if the status is from 200 to 399, as a probe of Kubernetes. Uses no proxy and
/// follows no redirect.
const REQUEST: &str = "import sys, http.client as http; \
    peer = http.HTTPConnection('127.0.0.1', int(sys.argv[1]), timeout=int(sys.argv[3])); \
    peer.request('GET', sys.argv[2]); \
    sys.exit(not 200 <= peer.getresponse().status < 400)";

/// Describes the image of a project as a component of a release.
///
/// Variables that look like secrets, or whose names Kubernetes rejects, stay in the image only. The result is not checked: a
/// build does not fail because its image cannot be deployed. Reading the release checks it.
pub fn application(built: &Built<'_>, deploy: &Deploy) -> Component {
    let (main, others) = main_and_others(&built.ports);
    let health = deploy.health.as_ref();
    let size = |path: &String| {
        let usual = || VOLUME.parse().ok();
        Some((path.clone(), deploy.volume_sizes.get(path).cloned().or_else(usual)?))
    };
    let volumes: BTreeMap<String, Quantity> = built.volumes.iter().filter_map(size).collect();
    Component {
        name: cut(built.name, LONGEST_NAME).to_owned(),
        service: host(built.name),
        kind: "application".into(),
        type_: None,
        image: built.image.clone(),
        platforms: built.platforms.clone(),
        port: main,
        ports: others,
        published: match (main, deploy.publish) {
            (None, _) | (_, Publish::No) => None,
            (_, Publish::At(port)) => Some(port),
            (Some(port), Publish::Same) => Some(port.number),
        },
        command: built.command.clone(),
        health: health.and_then(|health| command(health, main, built.python)),
        http: health.and_then(http),
        timing: health.map(|health| health.timing).unwrap_or_default(),
        user: built.user.filter(|user| *user != 0),
        group: built.group.filter(|group| Some(*group) != built.user),
        environment: environment(built.environment, &deploy.secrets),
        secrets: deploy.secrets.clone(),
        optional: Vec::new(),
        needs: deploy.services.iter().map(|service| service.name.clone()).collect(),
        writable: writable(&["/tmp".to_owned()], &deploy.writable),
        read_only: deploy.read_only.unwrap_or(true),
        volumes,
        resources: deploy.resources.clone().unwrap_or_else(usual_resources),
        replicas: deploy.replicas.unwrap_or(1),
        autoscale: None,
        disruption: None,
        stop_signal: built.stop_signal.map(ToOwned::to_owned),
        stop_grace_period: deploy.stop_grace_period,
        sources: Vec::new(),
    }
}

/// Makes the release of a project from its components and the services of its settings. Does not check it, see [`application`].
pub fn release(project: &str, version: Option<&str>, components: Vec<Component>, deploy: &Deploy) -> Release {
    Release {
        schema: SCHEMA,
        project: cut(project, LONGEST_NAME).to_owned(),
        version: version.unwrap_or("0").to_owned(),
        namespace: None,
        bus: None,
        profile: Profile::Production,
        components,
        services: deploy.services.iter().map(service).collect(),
    }
}

/// A service of the settings; what they do not set is filled in for well-known images.
fn service(settings: &wainwright_project::Service) -> Service {
    let mut service =
        Service::known(&settings.name, &settings.name, &settings.image, settings.volumes.as_ref());
    if let Some(ports) = &settings.ports {
        (service.port, service.ports) = main_and_others(ports);
    }
    service.environment.extend(settings.env.clone());
    service.prefixed.extend(settings.prefixed.clone());
    if let Some(secrets) = &settings.secrets {
        service.secrets.clone_from(secrets);
    }
    let is_set = |name: &String| settings.env.contains_key(name) || settings.prefixed.contains_key(name);
    service.secrets.retain(|name| !is_set(name));
    if let Some(volumes) = &settings.volumes {
        service.volumes.clone_from(volumes);
    }
    service.writable = writable(&service.writable, settings.writable.as_deref().unwrap_or_default());
    service.read_only = settings.read_only.unwrap_or(service.read_only);
    if let Some(user) = settings.user {
        (service.user, service.group) = (Some(user.uid), user.gid);
    }
    if let Some(health) = &settings.health {
        (service.health, service.http) = (health.command.clone(), http(health));
        service.timing = health.timing;
    }
    service.needs.clone_from(&settings.needs);
    if let Some(resources) = &settings.resources {
        service.resources.clone_from(resources);
    }
    service
}

/// The main port (the first TCP port, else the first port) and the others.
fn main_and_others(ports: &[Port]) -> (Option<Port>, Vec<Port>) {
    let main = ports.iter().find(|port| port.protocol == Protocol::Tcp).or(ports.first()).copied();
    (main, ports.iter().copied().filter(|port| Some(*port) != main).collect())
}

/// The health check of Compose, which only runs commands in the container.
fn command(health: &Health, main: Option<Port>, python: Option<&str>) -> Option<Vec<String>> {
    let request = || {
        let (python, path) = (python?, health.path.as_deref()?);
        let port = health.port.or(main.map(|port| port.number))?.to_string();
        let timeout = health.timing.timeout.unwrap_or(TIMEOUT).to_string();
        // -I and -S: a module `http` of the project must not be imported.
        let words = [python, "-I", "-S", "-c", REQUEST, port.as_str(), path, timeout.as_str()];
        Some(words.map(ToOwned::to_owned).to_vec())
    };
    health.command.clone().or_else(request)
}

fn http(health: &Health) -> Option<HttpHealth> {
    let path = health.path.clone()?;
    Some(HttpHealth { health: path, ready: None, port: health.port })
}

fn environment(variables: &BTreeMap<String, String>, secrets: &[String]) -> BTreeMap<String, String> {
    let is_plain = |(name, value): &(&String, &String)| {
        is_variable(name) && secret::why(name, value).is_none() && !secrets.contains(name)
    };
    variables.iter().filter(is_plain).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn writable(usual: &[String], more: &[String]) -> Vec<String> {
    let mut paths = usual.to_vec();
    paths.extend(more.iter().filter(|path| !usual.contains(path)).cloned());
    paths
}

fn usual_resources() -> Resources {
    Resources { cpu: CPU.parse().ok(), memory: MEMORY.parse().ok(), ..Resources::default() }
}

/// Turns the name of a project into a host name: a DNS label that begins with a letter.
fn host(name: &str) -> String {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric();
    let words: Vec<&str> =
        name.split(|letter: char| !is_letter(letter)).filter(|word| !word.is_empty()).collect();
    let label = words.join("-").to_ascii_lowercase();
    let label = match label.starts_with(|letter: char| letter.is_ascii_lowercase()) {
        true => label,
        false => format!("app-{label}"),
    };
    cut(&label, LONGEST_HOST).to_owned()
}

/// Cuts a name to a length, without `-`, `_` or `.` at its end.
fn cut(name: &str, longest: usize) -> &str {
    let end = name.char_indices().map(|(index, _)| index).nth(longest).unwrap_or(name.len());
    name[..end].trim_end_matches(['-', '_', '.'])
}

#[cfg(test)]
mod tests;
