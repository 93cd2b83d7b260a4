use std::collections::{BTreeMap, BTreeSet};

use wainwright_emit::{
    Bus, Component, Delivered, HttpHealth, Image, Port, Profile, Protocol, Quantity, Release, Resources,
    SCHEMA, Service, Timing,
};
use wainwright_oci::{Digest, Reference};
use wainwright_woodwork::{Component as Source, Content, Place, Resources as Asked, Workflow};

use crate::expand::links::{absent, environment, peers, with_folded};
use crate::expand::{COMMAND, COMPONENT_PORT, WRITABLE, component_mode, component_owner};
use crate::{Delivery, Error, ImageSet, Images, Output, Resolution, WorkflowRequest};

/// The first port of the machine for components that are asked from outside.
const FIRST_PUBLISHED: u16 = 8000;
/// What a component gets that asks for nothing: enough for Python and a few packages.
const CPU: &str = "100m";
const MEMORY: &str = "128Mi";
const MEMORY_LIMIT: &str = "512Mi";

/// The images of services that are not ours, by the name of the service.
const NEO4J: &str = "neo4j:5.26";
const OLLAMA: &str = "ollama/ollama:0.12.6";
const REDIS: &str = "redis:7.4";

/// What was built and how it runs, for the files that deploy it; `None` for a set that cannot be deployed by files.
///
/// # Errors
/// When it could not be deployed; the message says what of it.
pub fn release(
    set: &ImageSet,
    images: &Images,
    deliveries: &[Delivery],
    bus: Bus,
) -> Result<Option<Release>, Error> {
    let made = images.images.iter().zip(deliveries).map(|(image, delivery)| Made {
        tags: &image.tags,
        user: &image.user,
        platforms: image.platforms.iter().map(|one| one.image.platform.to_string()).collect(),
        digest: delivery.digest,
    });
    of_set(set, made, bus)
}

/// What [`release`] will be once everything is built, but for the digests, which are those of no image: what cannot be deployed
/// is rejected before anything is made.
///
/// # Errors
/// As [`release`].
pub fn preview_release(set: &ImageSet, resolution: &Resolution, bus: Bus) -> Result<Option<Release>, Error> {
    let made = resolution.images.iter().map(|image| Made {
        tags: &image.tags,
        user: image.platforms.first().map(|one| one.config.user.as_str()).unwrap_or_default(),
        platforms: image.platforms.iter().map(|one| one.base.platform.to_string()).collect(),
        digest: Digest::of(b""),
    });
    of_set(set, made, bus)
}

/// What a release says of an image.
struct Made<'a> {
    tags: &'a [Reference],
    user: &'a str,
    platforms: Vec<String>,
    digest: Digest,
}

fn of_set<'a>(
    set: &ImageSet,
    images: impl Iterator<Item = Made<'a>>,
    bus: Bus,
) -> Result<Option<Release>, Error> {
    match &set.request.workflow {
        Some(workflow) => of_workflow(workflow, set, images, bus).map(Some),
        None => Ok(None),
    }
}

fn of_workflow<'a>(
    asked: &WorkflowRequest,
    set: &ImageSet,
    images: impl Iterator<Item = Made<'a>>,
    bus: Bus,
) -> Result<Release, Error> {
    let workflow = &asked.workflow;
    let is_pushed = set.request.outputs.contains(&Output::Registry) || asked.registry.is_some();
    let delivered = match set.request.outputs.contains(&Output::Docker) {
        _ if is_pushed => Delivered::Registry,
        true => Delivered::Docker,
        false => Delivered::Files,
    };
    let published = published(asked);
    let mut services: Vec<Service> = Vec::new();
    let mut components = Vec::new();
    for (component, made) in workflow.images().zip(images) {
        let (hosts, mut variables) = beside(component, workflow, bus, &mut services)?;
        variables.insert("WOODWORK_ENV".into(), component_mode(asked.profile).into());
        let mut needs = needs(component, workflow);
        needs.extend(hosts);
        let (user, _) = component_owner(made.user);
        components.push(Component {
            name: component.name.clone(),
            service: component.service.clone(),
            kind: component.kind.kind.to_owned(),
            type_: Some(component.kind.kind_type.to_owned()),
            image: Image::of(made.tags, made.digest, delivered),
            platforms: made.platforms,
            port: Some(Port { number: COMPONENT_PORT, protocol: Protocol::Tcp }),
            ports: Vec::new(),
            published: published.get(component.name.as_str()).copied(),
            command: COMMAND.map(str::to_owned).into(),
            health: Some(COMMAND.iter().copied().chain(["--health"]).map(str::to_owned).collect()),
            http: HttpHealth::of_workflow(),
            timing: Timing::default(),
            user: Some(user),
            group: None,
            environment: variables,
            secrets: environment(component, workflow).into_iter().map(str::to_owned).collect(),
            optional: addresses(&with_folded(component, workflow)),
            needs,
            writable: ["/tmp".to_owned()]
                .into_iter()
                .chain(WRITABLE.map(|name| format!("/app/{name}")))
                .collect(),
            read_only: true,
            volumes: BTreeMap::new(),
            resources: resources(&component.resources)?,
            replicas: component.replicas.unwrap_or(1).try_into().unwrap_or(u16::MAX),
            autoscale: None,
            disruption: None,
            stop_signal: None,
            stop_grace_period: None,
            sources: sources(component, asked),
        });
    }
    for component in &workflow.components {
        if let Place::Service(service) = component.kind.place {
            let password = match component.config.get("password").map(|value| &value.content) {
                Some(Content::Env(name)) => Some(name.as_str()),
                _ => None,
            };
            add(&mut services, &component.name, service.name, service.name, password)?;
        }
    }
    let release = Release {
        schema: SCHEMA,
        project: set.name.clone(),
        version: set.version.clone(),
        namespace: None,
        bus: Some(bus),
        profile: asked.profile,
        components,
        services,
    };
    release.check()?;
    Ok(release)
}

/// What a component asks because the workflow says so: other components, and services of others that it names.
fn needs(component: &Source, workflow: &Workflow) -> Vec<String> {
    let is_service = |other: &&Source| matches!(other.kind.place, Place::Service(_));
    let services = absent(component, workflow).into_iter().filter(is_service);
    peers(component, workflow).into_iter().chain(services).map(|other| other.name.clone()).collect()
}

/// What a component asks because its kind or the bus wants it, with the variables that tell it where that is. Adds those services.
fn beside(
    component: &Source,
    workflow: &Workflow,
    bus: Bus,
    services: &mut Vec<Service>,
) -> Result<(Vec<String>, BTreeMap<String, String>), Error> {
    let (mut hosts, mut variables) = (Vec::new(), BTreeMap::new());
    for beside in with_folded(component, workflow).iter().filter_map(|one| one.kind.beside) {
        let host = free(beside.name, workflow);
        add(services, &host, beside.name, &host, None)?;
        if beside.name == "ollama" {
            let port = beside.ports.first().copied().unwrap_or_default();
            variables.insert("OLLAMA_HOST".into(), format!("http://{host}:{port}"));
        }
        hosts.push(host);
    }
    if bus == Bus::Redis {
        let host = free("redis", workflow);
        add(services, &host, "redis", &host, None)?;
        variables.insert("REDIS_URL".into(), format!("redis://{host}:6379/0"));
        hosts.push(host);
    }
    Ok((hosts, variables))
}

/// Variables that lead models to another server than their vendor's.
fn addresses(components: &[&Source]) -> Vec<String> {
    let variable = |component: &&Source| match (component.kind.kind, component.kind.kind_type) {
        ("llm", "openai") | ("knowledge_base", "chroma") => Some("OPENAI_BASE_URL"),
        ("llm", "claude") => Some("ANTHROPIC_BASE_URL"),
        ("llm", "hugging_face") => Some("HUGGING_FACE_BASE_URL"),
        _ => None,
    };
    let names: BTreeSet<&str> = components.iter().filter_map(variable).collect();
    // A workflow that names one itself wants it set.
    let is_named = |name: &&str| components.iter().any(|one| one.env_names.iter().any(|own| own == name));
    names.into_iter().filter(|name| !is_named(name)).map(str::to_owned).collect()
}

/// Which components are asked from outside, and at which port of the machine: inputs; without any, what no other asks.
fn published(asked: &WorkflowRequest) -> BTreeMap<&str, u16> {
    let workflow = &asked.workflow;
    let mut entries: Vec<&Source> = workflow.images().filter(|one| one.kind.kind == "input").collect();
    if entries.is_empty() {
        let is_asked = |one: &&Source| {
            workflow.images().any(|other| peers(other, workflow).iter().any(|peer| peer.name == one.name))
        };
        entries = workflow.images().filter(|one| !is_asked(one)).collect();
    }
    let mut taken: BTreeSet<u16> = entries.iter().filter_map(|one| one.port).collect();
    let mut published = BTreeMap::new();
    for one in entries {
        let free = || (FIRST_PUBLISHED..=u16::MAX).find(|port| !taken.contains(port));
        let Some(port) = one.port.or_else(free) else { continue };
        taken.insert(port);
        published.insert(one.name.as_str(), port);
    }
    published
}

/// A host name for a service that only our own settings name: a component may be called `ollama` itself.
fn free(name: &str, workflow: &Workflow) -> String {
    let is_taken = |host: &str| workflow.components.iter().any(|one| one.service == host || one.name == host);
    let mut host = name.to_owned();
    while is_taken(&host) {
        host.push_str("-server");
    }
    host
}

/// Adds a service of others once; `password` names the variable that has its password.
fn add(
    services: &mut Vec<Service>,
    name: &str,
    what: &str,
    host: &str,
    password: Option<&str>,
) -> Result<(), Error> {
    if services.iter().any(|known| known.service == host) {
        return Ok(());
    }
    services.push(match what {
        "neo4j" => Service::neo4j(name, host, NEO4J, password),
        "ollama" => Service::ollama(name, host, OLLAMA),
        "redis" => Service::redis(name, host, REDIS),
        _ => return Err(Error::Bug { what: format!("no image is known for {what}") }),
    });
    Ok(())
}

fn quantity(text: &str) -> Result<Quantity, Error> {
    Ok(text.parse().map_err(wainwright_emit::Error::from)?)
}

/// What a component asks for, and for the rest what is enough for most.
fn resources(asked: &Asked) -> Result<Resources, Error> {
    let or = |own: &Option<String>, usual: Option<&str>| own.as_deref().or(usual).map(quantity).transpose();
    let limit = asked.memory.is_none().then_some(MEMORY_LIMIT);
    Ok(Resources {
        cpu: or(&asked.cpu, Some(CPU))?,
        memory: or(&asked.memory, Some(MEMORY))?,
        cpu_limit: or(&asked.cpu_limit, None)?,
        memory_limit: or(&asked.memory_limit, limit)?,
    })
}

/// What of the project is mounted over the files of an image while somebody works on them.
fn sources(component: &Source, asked: &WorkflowRequest) -> Vec<String> {
    if asked.profile != Profile::Development {
        return Vec::new();
    }
    let inside = with_folded(component, &asked.workflow);
    let scripts = inside.iter().flat_map(|one| one.hooks.iter().chain(&one.pipes)).map(|hook| &hook.script);
    let files = inside.iter().flat_map(|one| &one.files).map(|file| &file.path);
    let all: BTreeSet<String> =
        scripts.chain(files).map(|path| path.trim_start_matches("./").to_owned()).collect();
    all.into_iter().collect()
}
