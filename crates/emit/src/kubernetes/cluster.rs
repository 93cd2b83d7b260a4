use crate::labels::{slug, version_label};
use crate::workload::{Workload, secrets};
use crate::yaml::{Map, map};
use crate::{Options, Port, Protocol, Release, head};

/// What all objects share.
pub(crate) struct Cluster<'a> {
    pub(super) head: String,
    /// The project's name as objects are called.
    pub(super) project: String,
    pub(super) version: String,
    pub(super) namespace: Option<&'a str>,
    /// The Secret that has the values of all secrets.
    pub(super) secret: String,
    pub(super) image_pull_secrets: &'a [String],
}

impl<'a> Cluster<'a> {
    pub(super) fn new(release: &'a Release, options: &'a Options) -> Self {
        Self {
            head: head(release, "kubernetes"),
            project: slug(&release.project),
            version: version_label(&release.version),
            namespace: release.namespace.as_deref(),
            secret: secret_name(release, options),
            image_pull_secrets: &options.image_pull_secrets,
        }
    }

    /// The metadata of an object; `part` is what it belongs to, or nothing for what all share.
    pub(super) fn metadata(&self, name: &str, part: Option<&Workload<'_>>) -> Map {
        let mut metadata = map([("name", name.into())]);
        metadata.put_some("namespace", self.namespace);
        metadata.put("labels", self.labels(part));
        metadata
    }

    /// The labels that Kubernetes recommends.
    pub(super) fn labels(&self, part: Option<&Workload<'_>>) -> Map {
        let mut labels = part.map_or_else(
            || map([("app.kubernetes.io/name", self.project.as_str().into())]),
            |part| map([("app.kubernetes.io/name", part.host.into())]),
        );
        labels.put("app.kubernetes.io/instance", &self.project);
        labels.put("app.kubernetes.io/version", &self.version);
        labels.put_some("app.kubernetes.io/component", part.map(Workload::kind));
        labels.put("app.kubernetes.io/part-of", &self.project);
        labels.put("app.kubernetes.io/managed-by", "wainwright");
        labels
    }

    /// What never changes for a part, so that selectors can rely on it.
    pub(super) fn selector(&self, host: &str) -> Map {
        map([
            ("app.kubernetes.io/name", host.into()),
            ("app.kubernetes.io/instance", self.project.as_str().into()),
        ])
    }

    pub(super) fn object(&self, api: &str, kind: &str, name: &str, part: Option<&Workload<'_>>) -> Map {
        map([
            ("apiVersion", api.into()),
            ("kind", kind.into()),
            ("metadata", self.metadata(name, part).into()),
        ])
    }

    pub(super) fn namespace(&self, name: &str) -> Map {
        let mut labels = self.labels(None);
        for mode in ["enforce", "warn", "audit"] {
            labels.put(format!("pod-security.kubernetes.io/{mode}"), "restricted");
        }
        map([
            ("apiVersion", "v1".into()),
            ("kind", "Namespace".into()),
            ("metadata", map([("name", name.into()), ("labels", labels.into())]).into()),
        ])
    }

    pub(super) fn service_account(&self) -> Map {
        let mut account = self.object("v1", "ServiceAccount", &self.project, None);
        account.put("automountServiceAccountToken", false);
        account
    }

    pub(super) fn secret(&self, workloads: &[Workload<'_>]) -> Option<Map> {
        let names = secrets(workloads);
        let mut secret = self.object("v1", "Secret", &self.secret, None);
        secret.put("type", "Opaque");
        secret.put("stringData", names.iter().map(|name| (*name, "REPLACE_ME")).collect::<Map>());
        (!names.is_empty()).then_some(secret)
    }
}

/// The Secret that has the values of all secrets.
pub(crate) fn secret_name(release: &Release, options: &Options) -> String {
    options.existing_secret.clone().unwrap_or_else(|| format!("{}-secrets", slug(&release.project)))
}

/// A protocol as Kubernetes names it.
pub(super) fn protocol(port: Port) -> &'static str {
    match port.protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
    }
}
