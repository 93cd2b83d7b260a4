use wainwright_project::{Port, Protocol, Quantity, Timing};

use crate::release::described;
use crate::workload::{Mount, SCRATCH_MIB, Workload, WorkloadImage, secrets, workloads};
use crate::yaml::{Map, Node, map, write};
use crate::{Compat, Error, File, Files, Options, Profile, Release, head};

/// Makes `compose.yaml`, and `.env.example` where a secret is wanted.
///
/// Follows the Compose Specification. Every container has an init process, a root file system that stays as it is, no
/// capabilities and no way to gain some. Secrets are taken from the environment of whoever starts it, and a missing one is an
/// error that names it. Only components that are an entry are published, to this machine alone.
///
/// # Errors
/// When the release cannot be deployed.
pub fn compose(release: &Release, options: &Options) -> Result<Files, Error> {
    let workloads = workloads(release)?;
    let mut services = Map::default();
    let mut volumes = Map::default();
    for workload in &workloads {
        let service = service(workload, &workloads, release, options);
        match comment_of(workload) {
            Some(comment) => services.put_said(&comment, workload.host, service),
            None => services.put(workload.host, service),
        }
        for volume in &workload.volumes {
            volumes.put(volume_name(workload, volume), Map::default());
        }
    }
    let mut document = Map::default();
    if options.compat == Compat::Specification {
        document.put("name", project_name(&release.project));
    }
    document.put("services", services);
    document.put_filled("volumes", volumes);
    let text = format!("{}{}", comment(release, options), write(&document));
    let mut files = vec![File { path: "compose.yaml".into(), bytes: text.into_bytes() }];
    let secrets = secrets(&workloads);
    if !secrets.is_empty() {
        let mut text = String::from(
            "# Copy this to .env beside compose.yaml, fill it in, and keep it out of version control.\n",
        );
        secrets.iter().for_each(|name| text.push_str(&format!("{name}=\n")));
        files.push(File { path: ".env.example".into(), bytes: text.into_bytes() });
    }
    files.sort();
    Ok(files)
}

/// What is told at the top.
fn comment(release: &Release, options: &Options) -> String {
    let mut text = head(release, "docker-compose");
    if mounts_sources(release) {
        text.push_str("# For development: the project's files are mounted over those of the images.\n");
    }
    if options.compat == Compat::Compose129 {
        text.push_str("# For docker-compose 1.29: give `--compatibility`, or it sets no limits to memory and processors.\n");
    }
    text
}

/// The project's name as Compose wants it: lower-case letters, digits, `-` and `_`.
fn project_name(project: &str) -> String {
    project.to_ascii_lowercase().replace('.', "-")
}

/// What stands above a component.
fn comment_of(workload: &Workload<'_>) -> Option<String> {
    let component = workload.component?;
    let mut text = described(component);
    if let WorkloadImage::Local { .. } = workload.image {
        text.push_str("\nIts image is in the Docker of this machine alone; no registry has it.");
    }
    Some(text)
}

fn service(workload: &Workload<'_>, all: &[Workload<'_>], release: &Release, options: &Options) -> Map {
    let mut service = Map::default();
    if let (Some(profile), None) = (&options.services_profile, workload.component) {
        service.put("profiles", [escaped(profile)]);
    }
    put_image(workload, &mut service);
    service.put("init", true);
    if let (Some(user), Some(group)) = (workload.user, workload.group) {
        service.put("user", format!("{user}:{group}"));
    }
    service.put("read_only", workload.read_only);
    service.put("cap_drop", ["ALL"]);
    service.put("security_opt", ["no-new-privileges:true"]);
    // Without a mode it would be that of the folder in the image, and root's.
    let scratch = workload
        .writable
        .iter()
        .map(|mount| format!("{}:size={SCRATCH_MIB}m,mode=1777", escaped(mount.path)));
    service.put_filled("tmpfs", scratch.collect::<Vec<_>>());
    service.put_filled("volumes", mounts(workload, release, options));
    service.put_filled("environment", environment(workload));
    if let (Some(published), Some(port)) = (workload.published, workload.ports.first()) {
        service.put("ports", [published_port(published, *port)]);
    }
    service.put_filled("depends_on", depends_on(workload, all, options));
    if let Some(words) = workload.health {
        service.put("healthcheck", healthcheck(words, workload.timing));
    }
    service.put("stop_grace_period", format!("{}s", workload.stop_grace_period));
    service.put("restart", "unless-stopped");
    service.put_filled("deploy", deploy(workload));
    service
}

/// A port of this machine, and the one of the container that it leads to.
fn published_port(published: u16, port: Port) -> String {
    match port.protocol {
        Protocol::Tcp => format!("127.0.0.1:{published}:{}", port.number),
        Protocol::Udp => format!("127.0.0.1:{published}:{port}"),
    }
}

fn put_image(workload: &Workload<'_>, service: &mut Map) {
    service.put("image", workload.image.reference());
    if let WorkloadImage::Local { .. } = workload.image {
        service.put("pull_policy", "never");
    }
    if let Some([platform]) = workload.component.map(|component| component.platforms.as_slice()) {
        service.put("platform", platform);
    }
}

/// A text in which Compose has nothing to replace.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

fn environment(workload: &Workload<'_>) -> Map {
    let plain = workload.environment.iter().map(|(name, value)| (name.as_str(), escaped(value)));
    let asked = |name: &str| {
        format!("${{{name}:?set {name} in the environment or in .env; {} needs it}}", workload.name)
    };
    let secret = workload.secrets.iter().map(|name| (*name, asked(name)));
    let prefixed = workload
        .prefixed
        .iter()
        .map(|(name, value)| (*name, format!("{}{}", escaped(&value.prefix), asked(&value.secret))));
    let optional = workload.component.into_iter().flat_map(|component| &component.optional);
    let optional = optional.map(|name| (name.as_str(), format!("${{{name}:-}}")));
    let mut all: Vec<(&str, String)> = plain.chain(secret).chain(prefixed).chain(optional).collect();
    all.sort();
    all.into_iter().collect()
}

fn volume_name(workload: &Workload<'_>, volume: &Mount<'_>) -> String {
    format!("{}-{}", workload.host, volume.name)
}

fn mounts_sources(release: &Release) -> bool {
    release.profile == Profile::Development
        && release.components.iter().any(|component| !component.sources.is_empty())
}

fn mounts(workload: &Workload<'_>, release: &Release, options: &Options) -> Vec<Node> {
    let kept = workload.volumes.iter().map(|volume| {
        map([
            ("type", "volume".into()),
            ("source", volume_name(workload, volume).into()),
            ("target", escaped(volume.path).into()),
        ])
    });
    let sources = match (release.profile, workload.component) {
        (Profile::Development, Some(component)) => component.sources.as_slice(),
        _ => &[],
    };
    let project = options.to_project.as_deref().unwrap_or(".");
    let mut sources: Vec<&String> = sources.iter().collect();
    sources.sort();
    sources.dedup();
    let mounted = sources.into_iter().map(|path| {
        let source = if project == "." { format!("./{path}") } else { format!("{project}/{path}") };
        map([
            ("type", "bind".into()),
            ("source", escaped(&source).into()),
            ("target", escaped(&format!("/app/{path}")).into()),
            ("read_only", true.into()),
            // A path that is mistaken is an error, and not a new folder that belongs to root.
            ("bind", map([("create_host_path", false.into())]).into()),
        ])
    });
    kept.chain(mounted).map(Node::from).collect()
}

fn depends_on(workload: &Workload<'_>, all: &[Workload<'_>], options: &Options) -> Map {
    let on = |host: &str| {
        let used = all.iter().find(|other| other.host == host)?;
        // Components bear with others that are not there yet, as in Kubernetes, where nothing waits: a chain of them would
        // take as many checks as it has links. Services of others are waited for.
        let is_watched = used.component.is_none() && used.health.is_some();
        let condition = if is_watched { "service_healthy" } else { "service_started" };
        let mut how = map([("condition", condition.into())]);
        let is_optional = options.services_profile.is_some() && used.component.is_none();
        if is_optional && options.compat == Compat::Specification {
            how.put("required", false);
        }
        Some((used.host, how))
    };
    workload.needs.iter().copied().filter_map(on).collect()
}

/// A check that needs neither a shell nor curl in the image.
fn healthcheck(words: &[String], timing: Timing) -> Map {
    let seconds = |set: Option<u16>, usual: u16| format!("{}s", set.unwrap_or(usual));
    let words = std::iter::once("CMD".to_owned()).chain(words.iter().map(|word| escaped(word)));
    map([
        ("test", words.collect::<Vec<_>>().into()),
        // The first check comes after the first interval. A `start_interval` would bring it forward, but `docker compose` refuses
        // it with every Engine before 25.
        ("interval", seconds(timing.interval, 5).into()),
        ("timeout", seconds(timing.timeout, 5).into()),
        ("retries", timing.retries.unwrap_or(6).into()),
        ("start_period", seconds(timing.start_period, 30).into()),
    ])
}

fn deploy(workload: &Workload<'_>) -> Map {
    let resources = workload.resources;
    let mut deploy = Map::default();
    // One port of the machine leads to one container.
    match (workload.replicas, workload.published) {
        (1, _) => {}
        (count, None) => deploy.put("replicas", count),
        (count, Some(_)) => deploy.put_said(
            &format!("{count} replicas are requested; one port of this machine leads to one container."),
            "replicas",
            1_u16,
        ),
    }
    let part = |cpu: Option<&Quantity>, memory: Option<&Quantity>| {
        let mut part = Map::default();
        part.put_some("cpus", cpu.map(cpus));
        part.put_some("memory", memory.map(memory_size));
        part
    };
    let mut both = Map::default();
    both.put_filled("limits", part(resources.cpu_limit.as_ref(), resources.memory_limit.as_ref()));
    both.put_filled("reservations", part(resources.cpu.as_ref(), resources.memory.as_ref()));
    deploy.put_filled("resources", both);
    deploy
}

/// Processors as Compose writes them: `0.25`.
fn cpus(quantity: &Quantity) -> String {
    let milli = quantity.milli();
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Memory as Compose writes it: whole bytes, or `512m`.
fn memory_size(quantity: &Quantity) -> String {
    let bytes = quantity.units();
    for (suffix, shift) in [("g", 30), ("m", 20), ("k", 10)] {
        if bytes.trailing_zeros() >= shift {
            return format!("{}{suffix}", bytes >> shift);
        }
    }
    format!("{bytes}b")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Image;
    use crate::samples::{sample, shop, shown, worker};

    #[test]
    fn amounts_are_written_as_compose_reads_them() {
        for (text, expected) in [("250m", "0.25"), ("2", "2"), ("1.5", "1.5"), ("10", "10")] {
            assert_eq!(cpus(&text.parse().unwrap()), expected);
        }
        for (text, expected) in [("512Mi", "512m"), ("1Gi", "1g"), ("1.5Gi", "1536m"), ("1M", "1000000b")] {
            assert_eq!(memory_size(&text.parse().unwrap()), expected);
        }
    }

    #[test]
    fn the_sample_release() {
        insta::assert_snapshot!(shown(&compose(&sample(), &Options::default()).unwrap()));
    }

    #[test]
    fn project_with_postgres_and_redis() {
        insta::assert_snapshot!(shown(&compose(&shop(), &Options::default()).unwrap()));
    }

    #[test]
    fn project_without_ports() {
        insta::assert_snapshot!(shown(&compose(&worker(), &Options::default()).unwrap()));
    }

    #[test]
    fn for_development_the_sources_are_mounted() {
        let mut release = sample();
        release.profile = Profile::Development;
        release.components.retain(|component| component.name == "tools" || component.name == "notes");
        release.services.clear();
        let options = Options { to_project: Some("..".into()), ..Options::default() };
        let text = shown(&compose(&release, &options).unwrap());
        assert!(
            text.contains(
                "source: \"../functions\"\n        target: /app/functions\n        read_only: true\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn an_image_that_was_only_loaded_goes_by_its_local_name() {
        let mut release = sample();
        let Image { repository, tag, .. } = &mut release.components[0].image;
        (*repository, *tag) = (None, Some("support-out:0.1.0".into()));
        let text = shown(&compose(&release, &Options::default()).unwrap());
        assert!(
            text.contains(
                "no registry has it.\n  out:\n    image: support-out:0.1.0\n    pull_policy: never\n"
            ),
            "{text}"
        );
    }

    #[test]
    fn services_of_others_can_be_left_to_a_profile() {
        let options = Options { services_profile: Some("services".into()), ..Options::default() };
        let text = shown(&compose(&sample(), &options).unwrap());
        assert!(text.contains("profiles:\n      - services\n"), "{text}");
        assert!(
            text.contains("redis:\n        condition: service_healthy\n        required: false\n"),
            "{text}"
        );
    }

    #[test]
    fn old_compose_has_no_name_key() {
        let options = Options { compat: Compat::Compose129, ..Options::default() };
        let text = shown(&compose(&sample(), &options).unwrap());
        assert!(!text.contains("\nname:") && text.contains("--compatibility"), "{text}");
    }

    #[test]
    fn a_project_has_a_name_that_compose_takes() {
        assert_eq!(project_name("My.Demo_2"), "my-demo_2");
    }
}
