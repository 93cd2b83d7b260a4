use std::fmt::Write as _;

use wainwright_oci::Digest;

use crate::check::secret_part;
use crate::workload::{Probe, Probes, SCRATCH_MIB, Workload, WorkloadImage};
use crate::yaml::{Map, Node, map};

use super::cluster::{Cluster, protocol};

/// The template of a part's pods.
pub(super) fn template(workload: &Workload<'_>, cluster: &Cluster<'_>) -> Map {
    let mut metadata = map([("labels", cluster.labels(Some(workload)).into())]);
    if !workload.environment.is_empty() {
        // Pods do not notice a change of their ConfigMap; a change of this begins new ones.
        metadata.put("annotations", map([("checksum/config", checksum(workload).into())]));
    }
    let mut spec = map([
        ("serviceAccountName", cluster.project.as_str().into()),
        ("automountServiceAccountToken", false.into()),
        ("enableServiceLinks", false.into()),
        ("terminationGracePeriodSeconds", workload.stop_grace_period.into()),
        ("securityContext", pod_security(workload).into()),
    ]);
    let logins = cluster.image_pull_secrets.iter().map(|name| map([("name", name.into())]));
    spec.put_filled("imagePullSecrets", logins.collect::<Vec<_>>());
    spec.put("nodeSelector", map([("kubernetes.io/os", "linux".into())]));
    spec.put_filled("affinity", affinity(workload));
    let spread = map([
        ("maxSkew", 1_u16.into()),
        ("topologyKey", "kubernetes.io/hostname".into()),
        ("whenUnsatisfiable", "ScheduleAnyway".into()),
        ("labelSelector", map([("matchLabels", cluster.selector(workload.host).into())]).into()),
    ]);
    spec.put("topologySpreadConstraints", [spread]);
    spec.put("containers", [container(workload, cluster)]);
    let scratch = workload.writable.iter().map(|mount| {
        let limit = map([("sizeLimit", format!("{SCRATCH_MIB}Mi").into())]);
        map([("name", mount.name.as_str().into()), ("emptyDir", limit.into())])
    });
    spec.put_filled("volumes", scratch.collect::<Vec<_>>());
    map([("metadata", metadata.into()), ("spec", spec.into())])
}

/// A sha256 over `NAME=value` lines; a chart computes the same.
fn checksum(workload: &Workload<'_>) -> String {
    let mut text = String::new();
    for (name, value) in workload.environment {
        let _ = writeln!(text, "{name}={value}");
    }
    Digest::of(text).hex()
}

fn pod_security(workload: &Workload<'_>) -> Map {
    let mut security = map([("runAsNonRoot", true.into())]);
    if let (Some(user), Some(group)) = (workload.user, workload.group) {
        for (key, number) in [("runAsUser", user), ("runAsGroup", group), ("fsGroup", group)] {
            security.put(key, number);
        }
        security.put("fsGroupChangePolicy", "OnRootMismatch");
    }
    security.put("seccompProfile", map([("type", "RuntimeDefault".into())]));
    security
}

fn container_security(workload: &Workload<'_>) -> Map {
    map([
        ("allowPrivilegeEscalation", false.into()),
        ("readOnlyRootFilesystem", workload.read_only.into()),
        ("runAsNonRoot", true.into()),
        ("capabilities", map([("drop", ["ALL"].into())]).into()),
        ("seccompProfile", map([("type", "RuntimeDefault".into())]).into()),
    ])
}

/// Only machines that the image runs on.
fn affinity(workload: &Workload<'_>) -> Map {
    let architectures = workload.architectures();
    if architectures.is_empty() {
        return Map::default();
    }
    let expression = map([
        ("key", "kubernetes.io/arch".into()),
        ("operator", "In".into()),
        ("values", architectures.into()),
    ]);
    let terms = map([("nodeSelectorTerms", [map([("matchExpressions", [expression].into())])].into())]);
    let node = map([("requiredDuringSchedulingIgnoredDuringExecution", terms.into())]);
    map([("nodeAffinity", node.into())])
}

fn container(workload: &Workload<'_>, cluster: &Cluster<'_>) -> Map {
    let mut container = map([
        ("name", workload.host.into()),
        ("image", workload.image.reference().into()),
        ("imagePullPolicy", pull_policy(&workload.image).into()),
    ]);
    let ports = workload.ports.iter().map(|port| {
        map([
            ("name", workload.port_name(*port).into()),
            ("containerPort", port.number.into()),
            ("protocol", protocol(*port).into()),
        ])
    });
    container.put_filled("ports", ports.collect::<Vec<_>>());
    if !workload.environment.is_empty() {
        container.put("envFrom", [map([("configMapRef", map([("name", workload.host.into())]).into())])]);
    }
    let from_secret = |name: &str, secret: &str| {
        let key = map([("name", cluster.secret.as_str().into()), ("key", secret.into())]);
        map([("name", name.into()), ("valueFrom", map([("secretKeyRef", key.into())]).into())])
    };
    let mut variables: Vec<Map> = workload.secrets.iter().map(|name| from_secret(name, name)).collect();
    for (name, value) in &workload.prefixed {
        let part = secret_part(name);
        variables.push(from_secret(&part, &value.secret));
        variables
            .push(map([("name", (*name).into()), ("value", format!("{}$({part})", value.prefix).into())]));
    }
    container.put_filled("env", variables);
    if let (Some(how), Some(numbers)) = (workload.probe(), workload.probes()) {
        let Probes { timeout, interval, retries, startup_interval, startup_retries } = numbers;
        let probe =
            |is_ready, interval, retries| probe(workload, &how, is_ready, (interval, timeout, retries));
        container.put("startupProbe", probe(false, startup_interval, startup_retries));
        container.put("readinessProbe", probe(true, interval, retries));
        container.put("livenessProbe", probe(false, interval, retries));
    }
    container.put_filled("resources", resources(workload));
    container.put("securityContext", container_security(workload));
    let mounts = workload
        .writable
        .iter()
        .chain(&workload.volumes)
        .map(|mount| map([("name", mount.name.as_str().into()), ("mountPath", mount.path.into())]));
    container.put_filled("volumeMounts", mounts.collect::<Vec<_>>());
    container
}

/// Nothing pulls what is in no registry: the image is loaded into the cluster, or the pod fails at once and says so.
fn pull_policy(image: &WorkloadImage<'_>) -> &'static str {
    match image {
        WorkloadImage::Registry { .. } => "IfNotPresent",
        WorkloadImage::Local { .. } => "Never",
    }
}

fn probe(
    workload: &Workload<'_>,
    how: &Probe<'_>,
    is_ready: bool,
    (interval, timeout, retries): (u32, u32, u32),
) -> Map {
    let port: Node = workload.main_port_name().into();
    let (how, what) = match how {
        Probe::Http(http) => {
            let path = http.ready.as_ref().filter(|_| is_ready).unwrap_or(&http.health);
            let port = http.port.map_or(port, Node::from);
            ("httpGet", map([("path", path.into()), ("port", port)]))
        }
        Probe::Command(words) => ("exec", map([("command", words.to_vec().into())])),
        Probe::Port => ("tcpSocket", map([("port", port)])),
    };
    map([
        (how, what.into()),
        ("periodSeconds", interval.into()),
        ("timeoutSeconds", timeout.into()),
        ("failureThreshold", retries.into()),
    ])
}

/// What the container asks for and where it ends, as Kubernetes writes it.
pub(crate) fn resources(workload: &Workload<'_>) -> Map {
    let part = |cpu: &Option<crate::Quantity>, memory: &Option<crate::Quantity>| {
        let mut part = Map::default();
        part.put_some("cpu", cpu.as_ref().map(crate::Quantity::as_str));
        part.put_some("memory", memory.as_ref().map(crate::Quantity::as_str));
        part
    };
    let wanted = workload.resources;
    let mut both = Map::default();
    both.put_filled("requests", part(&wanted.cpu, &wanted.memory));
    both.put_filled("limits", part(&wanted.cpu_limit, &wanted.memory_limit));
    both
}
