use wainwright_project::{Port, Protocol, Timing};

use crate::kubernetes::{resources, secret_name};
use crate::release::described;
use crate::workload::{Mount, Probe, SCRATCH_MIB, STOP_GRACE_PERIOD, Workload, WorkloadImage, local_parts};
use crate::yaml::{Map, Node, map};
use crate::{HttpHealth, Options, Release};

/// The values of a chart: what may be changed, with what it means beside it.
pub(super) fn values(workloads: &[Workload<'_>], release: &Release, options: &Options) -> Map {
    let mut values = Map::default();
    values.put_said(
        "The Secret with the values of all secrets; it has to be there, the chart makes none.",
        "existingSecret",
        secret_name(release, options),
    );
    values.put_said(
        "Secrets with logins for registries: names.",
        "imagePullSecrets",
        options.image_pull_secrets.clone(),
    );
    values.put_said("The class of volumes; empty for the cluster's own choice.", "storageClass", "");
    values.put_said(
        "How much each path of `writable` may hold, in every pod.",
        "scratchSize",
        format!("{SCRATCH_MIB}Mi"),
    );
    values.put_said(
        "Whether only `callers` reach a part; takes a cluster that knows NetworkPolicy.",
        "networkPolicy",
        true,
    );
    values.put_said("Of every pod, besides those of the chart.", "podAnnotations", Map::default());
    values.put_said("Labels of machines that pods may run on.", "nodeSelector", Map::default());
    values.put_said("Taints of machines that pods put up with.", "tolerations", Vec::<Map>::new());
    let (components, services) = workloads.iter().partition::<Vec<_>, _>(|it| it.component.is_some());
    values.put_said(
        &format!("What was built, by host name. Every component has these keys:\n{KEYS}"),
        "components",
        group(&components),
    );
    values.put_said(
        "Images of others, with the same keys. An image may have a `tag` in the place of its digest.",
        "services",
        group(&services),
    );
    values
}

/// What a part's keys mean; said once.
const KEYS: &str = "
  kind          a label, and nothing more
  image         repository and digest: a tag could come to stand for another image. `tag` and `local: true` in the place of the
                digest: the image is loaded into the cluster, and never pulled
  replicas      how many run, unless `autoscale` decides
  autoscale     null, or `min` and `max` replicas and how busy they are meant to be: `cpu`, in percent of what is requested
  disruption    null, or how many may be away while machines are maintained
  resources     requests and limits, `cpu` and `memory` each
  environment   variables: texts, never secrets; numbers in quotes
  secrets       variables that come from `existingSecret`, by keys of the same names
  prefixed      variables that are a text, `prefix`, and then a value of `existingSecret`, by the key `secret`
  serviceType   ClusterIP, NodePort or LoadBalancer
  open          whether everybody may ask it
  callers       who may ask it otherwise: host names
  ports         where it listens, with a `protocol` that is not TCP; the first is asked whether it is well
  probe         how it is asked: `http: true` (/health and /ready), `path` (and `ready`, another path; `port`, a number),
                `command`, or empty for a connection; null for not at all. When, in seconds: `interval` (10), `timeout` (5),
                `retries` (3), `startPeriod` (until it has started; without it, five minutes)
  user          user it runs as; null for the image's own, which may not be root
  group         group it runs as, where it has not the number of the user
  stopGracePeriod  seconds to stop, where they are not 30
  readOnly      whether its files stay as they are in the image
  writable      paths that are empty at every start
  volumes       paths that are kept; with one, it becomes a StatefulSet
  architectures processors that the image runs on; empty for all";

fn group(workloads: &[&Workload<'_>]) -> Map {
    let mut group = Map::default();
    for workload in workloads {
        match workload.component {
            Some(part) => {
                group.put_said(&described(part), workload.host, values_of(workload));
            }
            None => group.put(workload.host, values_of(workload)),
        }
    }
    group
}

fn values_of(workload: &Workload<'_>) -> Map {
    let scale = workload
        .autoscale
        .map(|scale| map([("min", scale.min.into()), ("max", scale.max.into()), ("cpu", scale.cpu.into())]));
    let mounts = |mounts: &[Mount<'_>]| -> Node {
        let mounts = mounts.iter().map(|mount| {
            let mut value = map([("name", mount.name.as_str().into()), ("path", mount.path.into())]);
            value.put_some("size", mount.size.map(crate::Quantity::as_str));
            value
        });
        mounts.collect::<Vec<_>>().into()
    };
    let ports = workload.ports.iter().map(|port| port_of(workload, *port));
    let prefixed: Map = workload
        .prefixed
        .iter()
        .map(|(name, value)| {
            let value =
                map([("prefix", value.prefix.as_str().into()), ("secret", value.secret.as_str().into())]);
            (*name, value)
        })
        .collect();
    let mut values = map([
        ("kind", workload.kind().into()),
        ("image", image(workload).into()),
        ("replicas", workload.replicas.into()),
        ("autoscale", scale.into()),
        ("disruption", workload.disruption.into()),
        ("resources", resources(workload).into()),
        ("environment", workload.environment.iter().collect::<Map>().into()),
        ("secrets", workload.secrets.clone().into()),
        ("prefixed", prefixed.into()),
        ("serviceType", "ClusterIP".into()),
        ("open", workload.published.is_some().into()),
        ("callers", workload.users.clone().into()),
        ("ports", ports.collect::<Vec<_>>().into()),
        ("probe", probe(workload).into()),
        ("user", workload.user.into()),
        ("readOnly", workload.read_only.into()),
        ("writable", mounts(&workload.writable)),
        ("volumes", mounts(&workload.volumes)),
        ("architectures", workload.architectures().into()),
    ]);
    values.put_some("group", workload.group.filter(|group| Some(*group) != workload.user));
    values.put_some(
        "stopGracePeriod",
        Some(workload.stop_grace_period).filter(|seconds| *seconds != STOP_GRACE_PERIOD),
    );
    values
}

fn port_of(workload: &Workload<'_>, port: Port) -> Map {
    let mut value = map([("name", workload.port_name(port).into()), ("port", port.number.into())]);
    value.put_some("protocol", (port.protocol == Protocol::Udp).then_some("UDP"));
    value
}

fn probe(workload: &Workload<'_>) -> Option<Map> {
    let mut probe = match workload.probe()? {
        Probe::Http(http) if Some(http) == HttpHealth::of_workflow().as_ref() => map([("http", true.into())]),
        Probe::Http(http) => {
            let mut probe = map([("path", http.health.as_str().into())]);
            probe.put_some("ready", http.ready.as_deref());
            probe.put_some("port", http.port);
            probe
        }
        Probe::Command(words) => map([("command", words.to_vec().into())]),
        Probe::Port => Map::default(),
    };
    let Timing { interval, timeout, retries, start_period } = workload.timing;
    for (key, number) in
        [("interval", interval), ("timeout", timeout), ("retries", retries), ("startPeriod", start_period)]
    {
        probe.put_some(key, number);
    }
    Some(probe)
}

fn image(workload: &Workload<'_>) -> Map {
    match &workload.image {
        WorkloadImage::Registry { repository, digest: Some(digest), .. } => {
            map([("repository", repository.into()), ("digest", digest.into())])
        }
        WorkloadImage::Registry { repository, tag, .. } => {
            map([("repository", repository.into()), ("tag", tag.unwrap_or_default().into())])
        }
        WorkloadImage::Local { tag } => {
            let (repository, tag) = local_parts(tag);
            map([("repository", repository.into()), ("tag", tag.into()), ("local", true.into())])
        }
    }
}
