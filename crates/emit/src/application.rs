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
mod tests {
    use wainwright_oci::{Digest, Reference};
    use wainwright_project::{Settings, load};

    use super::*;
    use crate::Delivered;
    use crate::samples::told;

    /// The settings of a web application with a database and a cache.
    const SHOP: &str = r#"
        ports = [8000, 9100]
        env = { LOG_LEVEL = "info", DATABASE_HOST = "db", CACHE_URL = "redis://cache:6379/0" }
        secrets = ["POSTGRES_PASSWORD", "SESSION_KEY"]
        health = { path = "/healthz", start-period = 20 }
        resources = { cpu = "250m", memory = "256Mi", memory-limit = "512Mi" }
        replicas = 2
        stop-signal = "SIGINT"
        stop-grace-period = 45

        [[services]]
        name = "db"
        image = "postgres:17"
        env = { POSTGRES_USER = "shop", POSTGRES_DB = "shop" }
        volumes = { "/var/lib/postgresql/data" = "10Gi" }

        [[services]]
        name = "cache"
        image = "redis:7.4"
    "#;

    fn settings(text: &str) -> Settings {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("wainwright.toml"), text).unwrap();
        load(root.path()).unwrap().settings
    }

    /// The facts of a build with these settings.
    fn built<'a>(name: &'a str, settings: &'a Settings) -> Built<'a> {
        let tag: Reference = "registry.example/team/shop:1.0".parse().unwrap();
        Built {
            name,
            image: Image::of(&[tag], Digest::of("shop"), Delivered::Registry),
            platforms: vec!["linux/amd64".into(), "linux/arm64".into()],
            command: vec!["/app/.venv/bin/uvicorn".into(), "shop:app".into()],
            ports: settings.ports.clone(),
            volumes: settings.volumes.clone(),
            environment: &settings.env,
            user: settings.user.map_or(Some(65532), |user| Some(user.uid)),
            group: settings.user.and_then(|user| user.gid),
            stop_signal: settings.stop_signal.as_deref(),
            python: Some("/app/.venv/bin/python"),
        }
    }

    fn make(name: &str, text: &str) -> Release {
        let settings = settings(text);
        let component = application(&built(name, &settings), &settings.deploy);
        release(name, Some("1.0"), vec![component], &settings.deploy)
    }

    /// The only component of a release that can be deployed.
    fn component(text: &str) -> Component {
        let release = make("shop", text);
        release.check().unwrap();
        release.components.into_iter().next().unwrap()
    }

    /// Why a release cannot be deployed.
    fn refuse(text: &str) -> String {
        told(&make("shop", text).check().unwrap_err())
    }

    fn service_of(lines: &str) -> Service {
        let release = make("shop", &format!("[[services]]\nname = \"db\"\n{lines}"));
        release.check().unwrap();
        release.services.into_iter().next().unwrap()
    }

    #[test]
    fn web_application_with_services() {
        let release = make("shop", SHOP);
        release.check().unwrap();
        let text = String::from_utf8(release.to_json()).unwrap();
        assert_eq!(text, include_str!("../../../fixtures/releases/shop.json"));
    }

    #[test]
    fn settings_without_deployment_give_an_application_without_port() {
        let component = component("");
        assert_eq!((component.port, component.published, component.health), (None, None, None));
        assert_eq!((component.user, component.replicas, component.read_only), (Some(65532), 1, true));
        assert_eq!((component.kind.as_str(), component.type_), ("application", None));
        assert_eq!(component.writable, ["/tmp"]);
        assert_eq!(component.resources.memory.unwrap().as_str(), "128Mi");
        assert_eq!(component.resources.memory_limit, None);
    }

    #[test]
    fn first_tcp_port_is_published() {
        for (text, main, published) in [
            ("ports = [8000, 8001]", 8000, Some(8000)),
            ("ports = [\"53/udp\", 8001]", 8001, Some(8001)),
            ("ports = [\"53/udp\"]", 53, Some(53)),
            ("ports = [8000]\npublish = 80", 8000, Some(80)),
            ("ports = [8000]\npublish = false", 8000, None),
        ] {
            let component = component(text);
            assert_eq!((component.port.unwrap().number, component.published), (main, published), "{text}");
        }
    }

    #[test]
    fn root_and_unknown_users_are_left_to_the_image() {
        assert_eq!(component("user = 0").user, None);
        assert_eq!(
            (component("user = \"1000:0\"").user, component("user = \"1000:0\"").group),
            (Some(1000), Some(0))
        );
        assert_eq!(component("user = \"1000:1000\"").group, None);
    }

    #[test]
    fn secrets_stay_out_of_the_environment() {
        let component = component(
            "env = { API_TOKEN = \"hunter2\", DATABASE = \"postgres://ann:hunter2@db/x\", \"a.b\" = \"c\", D = \"e\" }",
        );
        assert_eq!(component.environment.into_iter().collect::<Vec<_>>(), [("D".into(), "e".into())]);
    }

    #[test]
    fn health_by_path_becomes_a_command_of_python() {
        let component = component("ports = [8000]\nhealth = { path = \"/up\", port = 9000, timeout = 2 }");
        let health = component.health.unwrap();
        assert_eq!(health[..4], ["/app/.venv/bin/python", "-I", "-S", "-c"]);
        assert_eq!(health[5..], ["9000", "/up", "2"]);
        assert_eq!(component.http.unwrap().port, Some(9000));
    }

    #[test]
    fn health_by_command_is_kept() {
        let component = self::component("health = { command = [\"check\"], interval = 30 }");
        assert_eq!(component.health, Some(vec!["check".into()]));
        assert_eq!((component.http, component.timing.interval), (None, Some(30)));
    }

    #[test]
    fn health_by_path_needs_a_port() {
        insta::assert_snapshot!(refuse("health = { path = \"/up\" }"), @"
        component `shop`: its health check uses a path, but it has no TCP port
          hint: set `ports = [8000]` in the settings, or remove the path
        ");
        insta::assert_snapshot!(refuse("ports = [\"53/udp\"]\nhealth = { path = \"/up\" }"), @"
        component `shop`: its health check uses a path, but it has no TCP port
          hint: set `ports = [8000]` in the settings, or remove the path
        ");
    }

    #[test]
    fn volume_without_size_gets_one() {
        let volumes = component("volumes = [\"/data\"]").volumes;
        assert_eq!(volumes["/data"].as_str(), "1Gi");
    }

    #[test]
    fn names_become_host_names() {
        for (name, expected) in [
            ("shop", "shop"),
            ("my-shop-2", "my-shop-2"),
            ("3d", "app-3d"),
            (&"a".repeat(128), &"a".repeat(52)),
            (&format!("{}-b", "a".repeat(51)), &"a".repeat(51)),
        ] {
            let release = make(name, "");
            assert_eq!(release.components[0].service, expected);
            release.check().unwrap();
        }
    }

    #[test]
    fn service_settings_come_before_what_is_known_of_the_image() {
        let usual = service_of("image = \"postgres:17\"");
        assert_eq!(usual.environment["PGDATA"], "/var/lib/postgresql/pgdata");
        assert_eq!((usual.secrets, usual.user), (vec!["POSTGRES_PASSWORD".into()], Some(999)));
        let alpine = service_of("image = \"docker.io/library/postgres:17-alpine\"");
        assert_eq!(alpine.user, Some(70));
        let own = service_of(
            r#"image = "postgres:17"
            ports = [5433]
            env = { PGDATA = "/x/y", POSTGRES_PASSWORD = "" }
            volumes = { "/x" = "1Gi" }
            user = "70:71"
            health = { path = "/", port = 80 }
            read-only = false
            writable = ["/run", "/tmp"]
            resources = {}"#,
        );
        assert_eq!((own.environment["PGDATA"].as_str(), own.port.unwrap().number), ("/x/y", 5433));
        assert_eq!((own.secrets.len(), own.user, own.group), (0, Some(70), Some(71)));
        assert_eq!((own.health, own.http.unwrap().port), (None, Some(80)));
        assert_eq!((own.read_only, own.writable.len()), (false, 3));
        assert_eq!((own.volumes.len(), own.resources), (1, Resources::default()));
        // The database has to lie in the volume.
        let data = service_of("image = \"postgres:17\"\nvolumes = { \"/data\" = \"1Gi\" }");
        assert_eq!(data.environment["PGDATA"], "/data/pgdata");
    }

    #[test]
    fn service_of_an_unknown_image() {
        let service = service_of("image = \"quay.io/acme/queue:3\"\nports = [5672]");
        assert_eq!((service.user, service.health, service.read_only), (None, None, true));
        assert_eq!((service.writable, service.port.unwrap().number), (vec!["/tmp".into()], 5672));
    }

    #[test]
    fn service_with_a_secret_in_its_environment_is_refused() {
        let text = "[[services]]\nname = \"db\"\nimage = \"a/b:1\"\nenv = { PASSWORD = \"hunter2\" }";
        insta::assert_snapshot!(refuse(text), @"
        service `db`: variable PASSWORD would be written to files, but its name looks like that of a secret
          hint: list its name in the secrets and remove its value
        ");
    }

    #[test]
    fn service_with_the_name_of_the_project_is_refused() {
        insta::assert_snapshot!(refuse("[[services]]\nname = \"shop\"\nimage = \"a/b:1\""), @"release: two components or services are called `shop`");
    }

    #[test]
    fn local_image_goes_by_a_tag_that_is_its_own() {
        let tags: Vec<Reference> = ["shop:latest", "shop:1"].map(|tag| tag.parse().unwrap()).into();
        let image = Image::of(&tags, Digest::of("shop"), Delivered::Docker);
        assert_eq!((image.repository, image.tag.as_deref(), image.loaded), (None, Some("shop:1"), true));
        let image = Image::of(&tags[..1], Digest::of("shop"), Delivered::Files);
        assert_eq!((image.tag.as_deref(), image.loaded), (Some("shop:latest"), false));
    }
}
