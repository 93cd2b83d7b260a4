//! Services of others that workflows ask for, each with what its image needs to run without root and without a shell of ours.

use std::collections::BTreeMap;

use wainwright_oci::Reference;
use wainwright_project::{Port, Prefixed, Protocol, Quantity, Resources, Timing};

use crate::Service;

impl Service {
    /// A service that is known by its image, else one of which nothing is known but that.
    ///
    /// `volumes` are those that the user wants in the place of the usual ones.
    pub(crate) fn known(
        name: &str,
        host: &str,
        image: &str,
        volumes: Option<&BTreeMap<String, Quantity>>,
    ) -> Self {
        let repository = image.parse::<Reference>().map_or(String::new(), |it| it.repository().to_owned());
        match repository.as_str() {
            "library/neo4j" => Self::neo4j(name, host, image, None),
            "library/postgres" => Self::postgres(name, host, image, volumes),
            "library/redis" => Self::redis(name, host, image),
            "ollama/ollama" => Self::ollama(name, host, image),
            _ => plain(name, host, image),
        }
    }

    /// PostgreSQL, at `postgresql://postgres:PASSWORD@HOST:5432/postgres`, where `POSTGRES_PASSWORD` has the password.
    /// Made for the images of Docker's library.
    pub(crate) fn postgres(
        name: &str,
        host: &str,
        image: &str,
        volumes: Option<&BTreeMap<String, Quantity>>,
    ) -> Self {
        let usual = amounts([("/var/lib/postgresql", "5Gi")]);
        // A folder in the volume: the top of a new one may have `lost+found`, and a database begins in an empty folder.
        let folder = volumes.unwrap_or(&usual).keys().next().map(|path| format!("{path}/pgdata"));
        Self {
            port: Some(tcp(5432)),
            // The user `postgres` of the image.
            user: Some(if image.contains("alpine") { 70 } else { 999 }),
            environment: folder.map(|folder| ("PGDATA".to_owned(), folder)).into_iter().collect(),
            secrets: words(["POSTGRES_PASSWORD"]),
            volumes: usual,
            writable: words(["/tmp", "/var/run/postgresql"]),
            // Over TCP: while it sets itself up it answers at its socket alone.
            health: Some(words(["pg_isready", "--host=127.0.0.1"])),
            resources: resources("100m", "256Mi", "1Gi"),
            ..plain(name, host, image)
        }
    }

    /// Redis, at `redis://HOST:6379/0`. Keeps what it has in `/data`. Made for the images of Docker's library.
    pub fn redis(name: &str, host: &str, image: &str) -> Self {
        Self {
            port: Some(tcp(6379)),
            // The user `redis` of the image, who owns /data there.
            user: Some(999),
            volumes: amounts([("/data", "1Gi")]),
            health: Some(words(["redis-cli", "ping"])),
            resources: resources("50m", "64Mi", "256Mi"),
            ..plain(name, host, image)
        }
    }

    /// Neo4j, at `bolt://HOST:7687`, its pages at 7474. The image takes its first password as `neo4j/PASSWORD` from `NEO4J_AUTH`:
    /// that is made of the secret `password`, or a secret itself where none is named.
    pub fn neo4j(name: &str, host: &str, image: &str, password: Option<&str>) -> Self {
        let auth = "NEO4J_AUTH".to_owned();
        let of = |secret: &str| Prefixed { prefix: "neo4j/".into(), secret: secret.to_owned() };
        let (secrets, prefixed) = match password.filter(|name| *name != auth) {
            Some(password) => (Vec::new(), BTreeMap::from([(auth, of(password))])),
            None => (vec![auth], BTreeMap::new()),
        };
        Self {
            port: Some(tcp(7687)),
            ports: vec![tcp(7474)],
            // The user `neo4j` of the image, who owns /data and /logs there.
            user: Some(7474),
            // It writes its configuration beside its program when it starts.
            read_only: false,
            secrets,
            prefixed,
            volumes: amounts([("/data", "5Gi"), ("/logs", "1Gi")]),
            // The image has bash and no client that asks without a password.
            health: Some(words(["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/7687"])),
            resources: resources("500m", "1Gi", "2Gi"),
            ..plain(name, host, image)
        }
    }

    /// Ollama, at `http://HOST:11434`. Models are kept; they have to be pulled once.
    pub fn ollama(name: &str, host: &str, image: &str) -> Self {
        Self {
            port: Some(tcp(11434)),
            user: Some(10001),
            environment: BTreeMap::from([
                ("HOME".to_owned(), "/tmp".to_owned()),
                ("OLLAMA_HOST".to_owned(), "0.0.0.0:11434".to_owned()),
                ("OLLAMA_MODELS".to_owned(), "/var/tmp/ollama".to_owned()),
            ]),
            // Anybody may write there in the image, and a new volume of Docker's takes that over.
            volumes: amounts([("/var/tmp", "20Gi")]),
            health: Some(words(["ollama", "list"])),
            resources: resources("1", "2Gi", "8Gi"),
            ..plain(name, host, image)
        }
    }
}

fn plain(name: &str, host: &str, image: &str) -> Service {
    Service {
        name: name.to_owned(),
        service: host.to_owned(),
        image: image.to_owned(),
        port: None,
        ports: Vec::new(),
        environment: BTreeMap::new(),
        secrets: Vec::new(),
        prefixed: BTreeMap::new(),
        volumes: BTreeMap::new(),
        writable: words(["/tmp"]),
        read_only: true,
        user: None,
        group: None,
        health: None,
        http: None,
        timing: Timing::default(),
        needs: Vec::new(),
        resources: Resources::default(),
    }
}

fn tcp(number: u16) -> Port {
    Port { number, protocol: Protocol::Tcp }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(ToOwned::to_owned).to_vec()
}

/// Amounts that are known to be some; a test reads them all.
fn amounts<const N: usize>(amounts: [(&str, &str); N]) -> BTreeMap<String, Quantity> {
    amounts.into_iter().filter_map(|(path, size)| Some((path.to_owned(), size.parse().ok()?))).collect()
}

fn resources(cpu: &str, memory: &str, memory_limit: &str) -> Resources {
    Resources {
        cpu: cpu.parse().ok(),
        memory: memory.parse().ok(),
        cpu_limit: None,
        memory_limit: memory_limit.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::sample;

    #[test]
    fn known_services_can_be_deployed() {
        let services = [
            Service::redis("redis", "redis", "redis:7.4"),
            Service::neo4j("graph", "graph", "neo4j:5.26", None),
            Service::ollama("ollama", "ollama", "ollama/ollama:0.9.0"),
            Service::postgres("db", "db", "postgres:17", None),
        ];
        let sizes: Vec<usize> = services.iter().map(|service| service.volumes.len()).collect();
        assert_eq!(sizes, [1, 2, 1, 1]);
        let named = Service::neo4j("graph", "graph", "neo4j:5.26", Some("GRAPH_PASSWORD"));
        assert_eq!((services[1].secrets.len(), named.secrets.len(), named.prefixed.len()), (1, 0, 1));
        assert!(services.iter().all(|service| {
            let Resources { cpu, memory, memory_limit, .. } = &service.resources;
            [cpu, memory, memory_limit].into_iter().all(Option::is_some)
        }));
        let mut release = sample();
        release.components.iter_mut().for_each(|component| component.needs.clear());
        release.services = services.into();
        release.check().unwrap();
    }
}
