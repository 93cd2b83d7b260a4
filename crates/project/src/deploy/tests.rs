
use insta::assert_snapshot;
use wainwright_fault::Classify as _;

use super::*;
use crate::{Error, Port, load};

fn read(text: &str) -> Result<crate::Settings, Error> {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("wainwright.toml"), text).unwrap();
    load(root.path()).map(|project| project.settings)
}

fn refuse(text: &str) -> String {
    let error = read(text).expect_err(text);
    let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
    format!("{error}{hint}")
}

#[test]
fn settings_every_key_is_read() {
    let settings = read(
            r#"
            ports = [8000]
            volumes = { "/data" = "2Gi", "/cache" = "512Mi" }
            health = { path = "/healthz", port = 9000, interval = 15, timeout = 2, retries = 4, start-period = 0 }
            resources = { cpu = "250m", memory = "256Mi", cpu-limit = 2, memory-limit = "1Gi" }
            replicas = 3
            secrets = ["DATABASE_URL"]
            publish = 8080
            writable = ["/app/cache"]
            read-only = false
            stop-grace-period = 60

            [[services]]
            name = "db"
            image = "postgres:17"
            ports = [5432, "5433/udp"]
            env = { POSTGRES_DB = "shop" }
            secrets = ["POSTGRES_PASSWORD"]
            prefixed = { URL = { prefix = "x/", secret = "Y" } }
            volumes = { "/var/lib/postgresql/data" = "5Gi" }
            writable = ["/run"]
            read-only = true
            user = "999:998"
            health.command = ["pg_isready"]
            needs = ["queue"]
            resources.memory = "1Gi"

            [[services]]
            name = "queue"
            image = "redis:7.4"
            "#,
        )
        .unwrap();
    // Only paths get into the image.
    assert_eq!(settings.volumes, ["/cache", "/data"]);
    let deploy = settings.deploy;
    assert_eq!(deploy.volume_sizes["/data"].as_str(), "2Gi");
    let health = deploy.health.unwrap();
    assert_eq!((health.path.as_deref(), health.port), (Some("/healthz"), Some(9000)));
    let timing = health.timing;
    assert_eq!(
        (timing.interval, timing.timeout, timing.retries, timing.start_period),
        (Some(15), Some(2), Some(4), Some(0))
    );
    let resources = deploy.resources.unwrap();
    assert_eq!(resources.cpu_limit.unwrap().as_str(), "2");
    assert_eq!((deploy.replicas, deploy.publish), (Some(3), Publish::At(8080)));
    assert_eq!((deploy.secrets, deploy.writable), (vec!["DATABASE_URL".into()], vec!["/app/cache".into()]));
    assert_eq!((deploy.read_only, deploy.stop_grace_period), (Some(false), Some(60)));
    let [db, queue] = &deploy.services[..] else { panic!("{:?}", deploy.services) };
    let ports: Vec<String> = db.ports.iter().flatten().map(Port::to_string).collect();
    assert_eq!(ports, ["5432/tcp", "5433/udp"]);
    assert_eq!((db.needs[0].as_str(), db.user.unwrap().to_string()), ("queue", "999:998".into()));
    assert_eq!((db.env["POSTGRES_DB"].as_str(), db.prefixed["URL"].secret.as_str()), ("shop", "Y"));
    assert_eq!((queue.ports.as_ref(), queue.secrets.as_ref(), queue.user), (None, None, None));
}

#[test]
fn publish_accepts_port_true_and_false() {
    for (text, expected) in
        [("", Publish::Same), ("publish = true", Publish::Same), ("publish = false", Publish::No)]
    {
        assert_eq!(read(text).unwrap().deploy.publish, expected);
    }
}

#[test]
fn errors_point_at_the_value() {
    let health = refuse("ports = [80]\nhealth = \"/healthz\"");
    let both = refuse("health = { interval = 5 }");
    let key = refuse("health = { path = \"/healthz\", intervall = 5 }");
    let memory = refuse("resources = { memory = \"512 MB\" }");
    let unit = refuse("resources = { memory = 512 }");
    let limit = refuse("resources = { cpu = 2, cpu-limit = \"500m\" }");
    let secret = refuse("env = { TOKEN = \"x\" }\nsecrets = [\"TOKEN\"]");
    let values = refuse("secrets = { TOKEN = \"hunter2\" }");
    let value = refuse("secrets = [\"TOKEN=hunter2\"]");
    let publish = refuse("publish = \"8000\"");
    for text in [&values, &value] {
        assert!(!text.lines().next().unwrap().contains("hunter2"), "{text}");
    }
    let all = [health, both, key, memory, unit, limit, secret, values, value, publish].join("\n\n");
    assert_snapshot!(all);
}

#[test]
fn errors_of_services_point_at_the_value() {
    let with =
        |lines: &str| refuse(&format!("[[services]]\nname = \"db\"\nimage = \"postgres:17\"\n{lines}"));
    let all = [
        refuse("services = [\"postgres\"]"),
        refuse("[services]\nname = \"db\""),
        refuse("[[services]]\nimage = \"postgres:17\""),
        refuse("[[services]]\nname = \"db\"\nimage = \"postgres\""),
        refuse("[[services]]\nname = \"my_db\"\nimage = \"postgres:17\""),
        with("[[services]]\nname = \"db\"\nimage = \"redis:7\""),
        with("port = 5432"),
        with("env = { POSTGRES_DB = 1 }"),
        with("env = { \"A-B\" = \"\" }"),
        with("env = { A = \"\" }\nsecrets = [\"A\"]"),
        with("volumes = [\"/data\"]"),
        with("volumes = { \"/\" = \"1Gi\" }"),
        with("user = 0"),
        with("needs = [\"bd\"]"),
        with("prefixed = { A = { prefix = \"x/\" } }"),
    ];
    assert_snapshot!(all.join("\n\n"));
}

#[test]
fn wrong_values_are_refused() {
    for text in [
        "health = { path = \"healthz\" }",
        "health = { path = \"http://localhost/\" }",
        "health = { path = \"/a b\" }",
        "health = { command = \"true\" }",
        "health = { command = [] }",
        "health = { command = [\"true\"], port = 80 }",
        "health = { path = \"/\", port = 0 }",
        "health = { path = \"/\", interval = 0 }",
        "health = { path = \"/\", timeout = 3601 }",
        "health = { path = \"/\", retries = 101 }",
        "health = { path = \"/\", start-period = -1 }",
        "resources = { disk = \"1Gi\" }",
        "resources = { cpu = 0.5 }",
        "resources = { cpu = \"0\" }",
        "replicas = 1001",
        "replicas = -1",
        "secrets = [\"A\", \"A\"]",
        "secrets = [\"A B\"]",
        "publish = 0",
        "publish = 65536",
        "volumes = { \"data\" = \"1Gi\" }",
        "volumes = { \"/data\" = true }",
        "writable = [\"/\"]",
        "read-only = \"no\"",
        "stop-grace-period = 0",
        "stop-grace-period = \"30s\"",
        "services = []\nservice = 1",
    ] {
        let message = refuse(text);
        assert!(message.starts_with("wainwright.toml:"), "{text}: {message}");
    }
}
