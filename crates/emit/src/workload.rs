use std::collections::{BTreeMap, BTreeSet};

use wainwright_oci::Reference;

use crate::check::path_name;
use crate::{Autoscale, Component, Error, Prefixed, Quantity, Release, Resources, Service};

/// How much a path may hold that is written to and not kept, in MiB.
pub(crate) const SCRATCH_MIB: u16 = 256;

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
    pub(crate) ports: Vec<u16>,
    pub(crate) published: Option<u16>,
    pub(crate) user: Option<u32>,
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
    pub(crate) health: Option<&'a [String]>,
}

/// Where an image is.
#[derive(Debug)]
pub(crate) enum WorkloadImage<'a> {
    /// In a registry: the repository, a tag or nothing, a digest or nothing; one of both is there.
    Registry { repository: String, tag: Option<&'a str>, digest: Option<String> },
    /// In the Docker of this machine alone, by this name.
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
        ports: vec![component.port],
        published: component.published,
        user: Some(component.user),
        read_only: true,
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
        health: component.health.as_deref(),
    }
}

fn of_service(service: &Service) -> Workload<'_> {
    let mut ports = vec![service.port];
    for port in &service.ports {
        if !ports.contains(port) {
            ports.push(*port);
        }
    }
    Workload {
        name: &service.name,
        host: &service.service,
        component: None,
        image: image_of_service(&service.image),
        ports,
        published: None,
        user: service.user,
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
        health: service.health.as_deref(),
    }
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
    /// By HTTP, at `/health` and `/ready`: what every component answers.
    Http,
    /// By a command in its container.
    Command(&'a [String]),
    /// By a connection to its port.
    Port,
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

    /// How it is asked whether it is well.
    pub(crate) fn probe(&self) -> Probe<'a> {
        match (self.component, self.health) {
            (Some(_), _) => Probe::Http,
            (None, Some(words)) => Probe::Command(words),
            (None, None) => Probe::Port,
        }
    }

    /// The name of one of its ports: `http`, or `port-7687` where nobody said what is spoken.
    pub(crate) fn port_name(&self, port: u16) -> String {
        match self.component {
            Some(_) => "http".into(),
            None => format!("port-{port}"),
        }
    }

    /// The name of the port that others ask.
    pub(crate) fn main_port_name(&self) -> String {
        self.port_name(self.ports.first().copied().unwrap_or_default())
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
