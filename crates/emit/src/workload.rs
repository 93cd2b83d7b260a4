use std::collections::{BTreeMap, BTreeSet};

use wainwright_oci::Reference;
use wainwright_project::{Port, Prefixed, Protocol, Quantity, Resources, Timing};

use crate::check::path_name;
use crate::{Autoscale, Component, Error, HttpHealth, Release, Service};

/// How much a path may hold that is written to and not kept, in MiB.
pub(crate) const SCRATCH_MIB: u16 = 256;
/// Seconds from the signal to stop until a container is killed.
pub(crate) const STOP_GRACE_PERIOD: u16 = 30;

/// What runs, a component or a service, in the one shape that everything that is emitted is made of.
#[derive(Debug)]
pub(crate) struct Workload<'a> {
    /// As the workflow calls it.
    pub(crate) name: &'a str,
    /// Its host name, and the name of its objects.
    pub(crate) host: &'a str,
    /// Present for components.
    pub(crate) component: Option<&'a Component>,
    pub(crate) image: WorkloadImage<'a>,
    /// Where it listens; the first is the one that others ask.
    pub(crate) ports: Vec<Port>,
    pub(crate) published: Option<u16>,
    pub(crate) user: Option<u32>,
    /// Present where `user` is.
    pub(crate) group: Option<u32>,
    pub(crate) read_only: bool,
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// Variables that are secrets; sorted.
    pub(crate) secrets: Vec<&'a str>,
    /// Variables that are a text and then a secret of another name.
    pub(crate) prefixed: Vec<(&'a str, &'a Prefixed)>,
    /// Host names of what it asks; sorted.
    pub(crate) needs: Vec<&'a str>,
    /// Host names of what asks it; sorted.
    pub(crate) users: Vec<&'a str>,
    /// Where it writes what is not kept; sorted.
    pub(crate) writable: Vec<Mount<'a>>,
    /// Where it writes what is kept; sorted.
    pub(crate) volumes: Vec<Mount<'a>>,
    pub(crate) resources: &'a Resources,
    pub(crate) replicas: u16,
    pub(crate) autoscale: Option<&'a Autoscale>,
    pub(crate) disruption: Option<u16>,
    pub(crate) stop_grace_period: u16,
    pub(crate) health: Option<&'a [String]>,
    pub(crate) http: Option<&'a HttpHealth>,
    pub(crate) timing: Timing,
}

/// Where an image is.
#[derive(Debug)]
pub(crate) enum WorkloadImage<'a> {
    /// In a registry: the repository, a tag or nothing, a digest or nothing; one of both is there.
    Registry { repository: String, tag: Option<&'a str>, digest: Option<String> },
    /// In no registry: in the Docker of this machine, or in files until somebody loads it, by this name.
    Local { tag: &'a str },
}

impl WorkloadImage<'_> {
    /// The name to fetch it by: with its digest, else with its tag. Both together would be refused by some readers, and mean
    /// nothing to the others.
    pub(crate) fn reference(&self) -> String {
        match self {
            Self::Registry { repository, digest: Some(digest), .. } => format!("{repository}@{digest}"),
            Self::Registry { repository, tag, .. } => format!("{repository}:{}", tag.unwrap_or_default()),
            Self::Local { tag } => (*tag).to_owned(),
        }
    }
}

/// The repository and the tag of an image in Docker.
pub(crate) fn local_parts(name: &str) -> (&str, &str) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "latest"),
    }
}

/// A path that is written to.
#[derive(Debug)]
pub(crate) struct Mount<'a> {
    /// A name made of the path: `app-data`.
    pub(crate) name: String,
    pub(crate) path: &'a str,
    /// How large, for what is kept.
    pub(crate) size: Option<&'a Quantity>,
}

/// Everything that runs: the components in their order, then the services.
pub(crate) fn workloads(release: &Release) -> Result<Vec<Workload<'_>>, Error> {
    release.check()?;
    let mut all: Vec<Workload<'_>> = release.components.iter().map(of_component).collect();
    all.extend(release.services.iter().map(of_service));
    let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for workload in &mut all {
        for need in &mut workload.needs {
            // Checked: what is needed is there.
            *need = release.host_of(need).unwrap_or(need);
        }
        workload.needs.sort_unstable();
        workload.needs.dedup();
        for need in &workload.needs {
            users.entry(need).or_default().push(workload.host);
        }
    }
    for workload in &mut all {
        workload.users = users.remove(workload.host).unwrap_or_default();
        workload.users.sort_unstable();
    }
    Ok(all)
}

/// Every secret that somebody wants, once.
pub(crate) fn secrets<'a>(workloads: &[Workload<'a>]) -> BTreeSet<&'a str> {
    workloads.iter().flat_map(Workload::wanted).collect()
}

fn of_component(component: &Component) -> Workload<'_> {
    let image = match (&component.image.repository, &component.image.tag) {
        (None, Some(tag)) => WorkloadImage::Local { tag },
        (repository, _) => WorkloadImage::Registry {
            repository: repository.clone().unwrap_or_default(),
            tag: None,
            digest: Some(component.image.digest.to_string()),
        },
    };
    Workload {
        name: &component.name,
        host: &component.service,
        component: Some(component),
        image,
        ports: ports(component.port, &component.ports),
        published: component.published,
        user: component.user,
        group: component.group.filter(|_| component.user.is_some()).or(component.user),
        read_only: component.read_only,
        environment: &component.environment,
        secrets: sorted(&component.secrets),
        prefixed: Vec::new(),
        needs: component.needs.iter().map(String::as_str).collect(),
        users: Vec::new(),
        writable: writable(&component.writable, &component.volumes),
        volumes: volumes(&component.volumes),
        resources: &component.resources,
        replicas: component.replicas,
        autoscale: component.autoscale.as_ref(),
        disruption: component.disruption,
        stop_grace_period: component.stop_grace_period.unwrap_or(STOP_GRACE_PERIOD),
        health: component.health.as_deref(),
        http: component.http.as_ref(),
        timing: component.timing,
    }
}

fn of_service(service: &Service) -> Workload<'_> {
    Workload {
        name: &service.name,
        host: &service.service,
        component: None,
        image: image_of_service(&service.image),
        ports: ports(service.port, &service.ports),
        published: None,
        user: service.user,
        group: service.group.filter(|_| service.user.is_some()).or(service.user),
        read_only: service.read_only,
        environment: &service.environment,
        secrets: sorted(&service.secrets),
        prefixed: service.prefixed.iter().map(|(name, value)| (name.as_str(), value)).collect(),
        needs: service.needs.iter().map(String::as_str).collect(),
        users: Vec::new(),
        writable: writable(&service.writable, &service.volumes),
        volumes: volumes(&service.volumes),
        resources: &service.resources,
        replicas: 1,
        autoscale: None,
        disruption: None,
        stop_grace_period: STOP_GRACE_PERIOD,
        health: service.health.as_deref(),
        http: service.http.as_ref(),
        timing: service.timing,
    }
}

/// The main port and the others, each once.
fn ports(main: Option<Port>, others: &[Port]) -> Vec<Port> {
    let mut ports: Vec<Port> = main.into_iter().collect();
    for port in others {
        if !ports.contains(port) {
            ports.push(*port);
        }
    }
    ports
}

/// The parts of a reference, with its repository in full: not every cluster looks for `redis` where Docker does.
fn image_of_service(text: &str) -> WorkloadImage<'_> {
    let (name, digest) = text.split_once('@').map_or((text, None), |(name, digest)| (name, Some(digest)));
    let tag = name.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'));
    let repository = text.parse::<Reference>().map_or_else(
        |_| name.to_owned(),
        |reference| format!("{}/{}", reference.registry(), reference.repository()),
    );
    WorkloadImage::Registry { repository, tag, digest: digest.map(ToOwned::to_owned) }
}

fn sorted(names: &[String]) -> Vec<&str> {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names
}

fn writable<'a>(paths: &'a [String], volumes: &BTreeMap<String, Quantity>) -> Vec<Mount<'a>> {
    let mut paths: Vec<&str> =
        paths.iter().map(String::as_str).filter(|path| !volumes.contains_key(*path)).collect();
    paths.sort_unstable();
    paths.dedup();
    paths.into_iter().map(|path| Mount { name: path_name(path), path, size: None }).collect()
}

fn volumes(volumes: &BTreeMap<String, Quantity>) -> Vec<Mount<'_>> {
    volumes.iter().map(|(path, size)| Mount { name: path_name(path), path, size: Some(size) }).collect()
}

/// How a part is asked whether it is well.
pub(crate) enum Probe<'a> {
    /// By HTTP.
    Http(&'a HttpHealth),
    /// By a command in its container.
    Command(&'a [String]),
    /// By a connection to its main port.
    Port,
}

/// The numbers of the three probes of Kubernetes, in seconds.
pub(crate) struct Probes {
    pub(crate) timeout: u32,
    pub(crate) interval: u32,
    pub(crate) retries: u32,
    pub(crate) startup_interval: u32,
    pub(crate) startup_retries: u32,
}

impl<'a> Workload<'a> {
    /// The names of all secrets that it wants.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = &'a str> {
        let within = self.prefixed.iter().map(|(_, value)| value.secret.as_str());
        self.secrets.iter().copied().chain(within)
    }

    /// What kind of part it is: `agent`; `service` for those of others.
    pub(crate) fn kind(&self) -> &'a str {
        self.component.map_or("service", |component| &component.kind)
    }

    /// Whether something of it outlives its containers.
    pub(crate) fn is_stateful(&self) -> bool {
        !self.volumes.is_empty()
    }

    /// How it is asked whether it is well. A project that does not say how is not asked; of images of others, a connection says
    /// enough.
    pub(crate) fn probe(&self) -> Option<Probe<'a>> {
        let connection = || {
            let is_tcp = self.ports.first().is_some_and(|port| port.protocol == Protocol::Tcp);
            (self.component.is_none() && is_tcp).then_some(Probe::Port)
        };
        let command = || self.health.map(Probe::Command);
        self.http.map(Probe::Http).or_else(command).or_else(connection)
    }

    /// How Kubernetes asks it, where it asks at all.
    pub(crate) fn probes(&self) -> Option<Probes> {
        let Timing { interval, timeout, retries, start_period } = self.timing;
        let (interval, retries) = (u32::from(interval.unwrap_or(10)), u32::from(retries.unwrap_or(3)));
        let startup_interval = interval.min(5);
        // Five minutes to start, unless the project knows better: then what a check of Docker's would allow.
        let startup = start_period.map_or(300, |seconds| u32::from(seconds) + interval * retries);
        self.probe().map(|_| Probes {
            timeout: timeout.unwrap_or(5).into(),
            interval,
            retries,
            startup_interval,
            startup_retries: startup.div_ceil(startup_interval).max(1),
        })
    }

    /// Whether Kubernetes needs a Service for it: to be reached, or to give its pods names.
    pub(crate) fn has_service(&self) -> bool {
        !self.ports.is_empty() || self.is_stateful()
    }

    /// The name of one of its ports: `http` where that is spoken, else `port-7687` or `udp-53`.
    pub(crate) fn port_name(&self, port: Port) -> String {
        let speaks_http = |http: &HttpHealth| match http.port {
            Some(number) => port == Port { number, protocol: Protocol::Tcp },
            None => self.ports.first() == Some(&port),
        };
        let is_http = self.component.is_some() && self.http.is_some_and(speaks_http);
        match (is_http, port.protocol) {
            (true, _) => "http".into(),
            (false, Protocol::Tcp) => format!("port-{}", port.number),
            (false, Protocol::Udp) => format!("udp-{}", port.number),
        }
    }

    /// The name of the main port.
    pub(crate) fn main_port_name(&self) -> Option<String> {
        self.ports.first().map(|port| self.port_name(*port))
    }

    /// The processors its image runs on, as Go names them; sorted. Empty where nobody knows.
    pub(crate) fn architectures(&self) -> Vec<&'a str> {
        let platforms = self.component.map_or(&[][..], |component| &component.platforms);
        let mut names: Vec<&str> =
            platforms.iter().filter_map(|platform| platform.split('/').nth(1)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
