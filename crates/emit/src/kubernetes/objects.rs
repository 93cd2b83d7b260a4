use crate::workload::Workload;
use crate::yaml::{Map, map};

use super::cluster::{Cluster, protocol};
use super::pod;

/// Every object of a part, in the order in which they are of use.
pub(super) fn of(workload: &Workload<'_>, cluster: &Cluster<'_>) -> Vec<Map> {
    let config = (!workload.environment.is_empty()).then(|| config_map(workload, cluster));
    let scaler = workload.autoscale.is_some().then(|| autoscaler(workload, cluster));
    let budget = workload.disruption.map(|count| disruption_budget(workload, count, cluster));
    let service = workload.has_service().then(|| service(workload, cluster));
    let runner = [runner(workload, cluster)];
    let last = [network_policy(workload, cluster)];
    config.into_iter().chain(service).chain(runner).chain(scaler).chain(budget).chain(last).collect()
}

fn config_map(workload: &Workload<'_>, cluster: &Cluster<'_>) -> Map {
    let mut object = cluster.object("v1", "ConfigMap", workload.host, Some(workload));
    object.put("data", workload.environment.iter().collect::<Map>());
    object
}

fn service(workload: &Workload<'_>, cluster: &Cluster<'_>) -> Map {
    let mut object = cluster.object("v1", "Service", workload.host, Some(workload));
    let mut spec = map([("type", "ClusterIP".into())]);
    if workload.is_stateful() {
        // Every pod of a StatefulSet has a name of its own.
        spec.put("clusterIP", "None");
    }
    spec.put("selector", cluster.selector(workload.host));
    let ports = workload.ports.iter().map(|port| {
        let name = workload.port_name(*port);
        map([
            ("name", name.as_str().into()),
            ("port", port.number.into()),
            ("targetPort", name.as_str().into()),
            ("protocol", protocol(*port).into()),
        ])
    });
    spec.put_filled("ports", ports.collect::<Vec<_>>());
    object.put("spec", spec);
    object
}

/// What starts the pods of a part: a StatefulSet where something is kept.
fn runner_kind(workload: &Workload<'_>) -> &'static str {
    match workload.is_stateful() {
        true => "StatefulSet",
        false => "Deployment",
    }
}

/// What starts the pods of a part, and keeps as many as there should be.
fn runner(workload: &Workload<'_>, cluster: &Cluster<'_>) -> Map {
    let mut object = cluster.object("apps/v1", runner_kind(workload), workload.host, Some(workload));
    let mut spec = Map::default();
    // With an autoscaler, a number here would undo its work at every deployment.
    if workload.autoscale.is_none() {
        spec.put("replicas", workload.replicas);
    }
    spec.put("selector", map([("matchLabels", cluster.selector(workload.host).into())]));
    if workload.is_stateful() {
        spec.put("serviceName", workload.host);
    } else {
        let rolling = map([("maxUnavailable", 0_u16.into()), ("maxSurge", 1_u16.into())]);
        spec.put("strategy", map([("type", "RollingUpdate".into()), ("rollingUpdate", rolling.into())]));
    }
    spec.put("template", pod::template(workload, cluster));
    let claims = workload.volumes.iter().filter_map(|volume| {
        let request = map([("storage", volume.size?.as_str().into())]);
        let claim = map([
            ("accessModes", ["ReadWriteOnce"].into()),
            ("resources", map([("requests", request.into())]).into()),
        ]);
        let metadata =
            map([("name", volume.name.as_str().into()), ("labels", cluster.selector(workload.host).into())]);
        Some(map([("metadata", metadata.into()), ("spec", claim.into())]))
    });
    spec.put_filled("volumeClaimTemplates", claims.collect::<Vec<_>>());
    object.put("spec", spec);
    object
}

fn autoscaler(workload: &Workload<'_>, cluster: &Cluster<'_>) -> Map {
    let mut object =
        cluster.object("autoscaling/v2", "HorizontalPodAutoscaler", workload.host, Some(workload));
    let Some(scale) = workload.autoscale else { return object };
    let target = map([("type", "Utilization".into()), ("averageUtilization", scale.cpu.into())]);
    let resource = map([("name", "cpu".into()), ("target", target.into())]);
    let runner = map([
        ("apiVersion", "apps/v1".into()),
        ("kind", runner_kind(workload).into()),
        ("name", workload.host.into()),
    ]);
    object.put(
        "spec",
        map([
            ("scaleTargetRef", runner.into()),
            ("minReplicas", scale.min.into()),
            ("maxReplicas", scale.max.into()),
            ("metrics", [map([("type", "Resource".into()), ("resource", resource.into())])].into()),
        ]),
    );
    object
}

fn disruption_budget(workload: &Workload<'_>, count: u16, cluster: &Cluster<'_>) -> Map {
    let mut object = cluster.object("policy/v1", "PodDisruptionBudget", workload.host, Some(workload));
    let selector = map([("matchLabels", cluster.selector(workload.host).into())]);
    object.put("spec", map([("maxUnavailable", count.into()), ("selector", selector.into())]));
    object
}

/// Lets in who asks it according to the release; an entry lets in everybody.
fn network_policy(workload: &Workload<'_>, cluster: &Cluster<'_>) -> Map {
    let mut object = cluster.object("networking.k8s.io/v1", "NetworkPolicy", workload.host, Some(workload));
    let ports = workload
        .ports
        .iter()
        .map(|port| map([("protocol", protocol(*port).into()), ("port", port.number.into())]));
    let ports: Vec<Map> = ports.collect();
    let from = workload
        .users
        .iter()
        .map(|host| map([("podSelector", map([("matchLabels", cluster.selector(host).into())]).into())]));
    let from: Vec<Map> = from.collect();
    let ingress = match (workload.published, from.is_empty()) {
        // An empty list of ports would stand for all of them.
        _ if ports.is_empty() => Vec::new(),
        (Some(_), _) => vec![map([("ports", ports.into())])],
        (None, false) => vec![map([("from", from.into()), ("ports", ports.into())])],
        (None, true) => Vec::new(),
    };
    object.put(
        "spec",
        map([
            ("podSelector", map([("matchLabels", cluster.selector(workload.host).into())]).into()),
            ("policyTypes", ["Ingress"].into()),
            ("ingress", ingress.into()),
        ]),
    );
    object
}
