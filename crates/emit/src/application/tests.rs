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
    assert_eq!(text, include_str!("../../../../fixtures/releases/shop.json"));
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
