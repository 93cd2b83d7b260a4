//! Objects of Kubernetes: a file for each part, and what all of them share.

mod cluster;
mod objects;
mod pod;

pub(crate) use cluster::secret_name;
pub(crate) use pod::resources;

use crate::workload::{Workload, WorkloadImage, workloads};
use crate::yaml::{Map, map, write};
use crate::{Error, File, Files, Options, Release};
use cluster::Cluster;

/// The longest name of a StatefulSet: its pods carry it in a label, with a hash behind it.
const LONGEST_STATEFUL: usize = 52;
/// What a ConfigMap may hold, in bytes, with room for its labels.
const MOST_CONFIG: usize = (1 << 20) - (16 << 10);

/// Makes objects for Kubernetes 1.25 and later, and a `kustomization.yaml` that lists them.
///
/// They keep to the restricted Pod Security Standard. Secrets are referred to; `secrets.example.yaml` shows which are wanted
/// and is not part of the kustomization.
///
/// # Errors
/// When the release cannot be deployed, an image is in files alone, or would run as root.
pub fn kubernetes(release: &Release, options: &Options) -> Result<Files, Error> {
    let workloads = workloads(release)?;
    check(&workloads)?;
    check_kustomize(&workloads)?;
    let cluster = Cluster::new(release, options);
    let mut files = Vec::new();
    let mut add = |path: String, comment: &str, documents: &[Map]| {
        let text: Vec<String> = documents.iter().map(write).collect();
        let bytes = format!("{}{comment}{}", cluster.head, text.join("---\n")).into_bytes();
        files.push(File { path, bytes });
    };
    let mut resources = Vec::new();
    if let Some(namespace) = &release.namespace {
        resources.push("namespace.yaml".to_owned());
        add("namespace.yaml".into(), "", &[cluster.namespace(namespace)]);
    }
    resources.push("serviceaccount.yaml".into());
    add("serviceaccount.yaml".into(), "", &[cluster.service_account()]);
    for workload in &workloads {
        let folder = if workload.component.is_some() { "components" } else { "services" };
        let path = format!("{folder}/{}.yaml", workload.host);
        resources.push(path.clone());
        add(path, &comment_of(workload), &objects::of(workload, &cluster));
    }
    add(
        "kustomization.yaml".into(),
        "",
        &[map([
            ("apiVersion", "kustomize.config.k8s.io/v1beta1".into()),
            ("kind", "Kustomization".into()),
            ("resources", resources.into()),
        ])],
    );
    if let Some(secret) = cluster.secret(&workloads) {
        let text = write(&secret);
        let head = "# An example: fill in a copy, apply it by itself, and keep it out of version control. The kustomization does \
                    not\n# list it, so that no REPLACE_ME ever takes the place of a secret.\n";
        files.push(File { path: "secrets.example.yaml".into(), bytes: format!("{head}{text}").into_bytes() });
    }
    files.sort();
    Ok(files)
}

/// How an image gets into a cluster that cannot fetch it.
fn comment_of(workload: &Workload<'_>) -> String {
    match &workload.image {
        WorkloadImage::Registry { .. } => String::new(),
        WorkloadImage::Local { tag } => format!(
            "# The image is in no registry. Load it into the cluster first: `kind load docker-image {tag}`, `minikube image load {tag}`.\n"
        ),
    }
}

/// What a cluster asks for besides: images that it can have, users that are not root, and names that it takes.
pub(crate) fn check(workloads: &[Workload<'_>]) -> Result<(), Error> {
    let is_missing = |workload: &&Workload<'_>| {
        let is_loaded = workload.component.is_some_and(|component| component.image.loaded);
        matches!(workload.image, WorkloadImage::Local { .. }) && !is_loaded
    };
    let missing: Vec<String> =
        workloads.iter().filter(is_missing).map(|workload| workload.name.to_owned()).collect();
    if !missing.is_empty() {
        return Err(Error::NotPushed { components: missing });
    }
    for workload in workloads {
        let invalid = |reason: String, remedy: &str| Error::Invalid {
            place: format!("`{}`", workload.name),
            reason,
            remedy: Some(remedy.to_owned()),
        };
        // Kubernetes cannot verify that a named user is not root.
        if workload.component.is_some() && workload.user.is_none() {
            return Err(invalid(
                "its image runs as root, or as a user whose number is not known".into(),
                "set `user = 65532` in the settings and build again, or `user` in a file for --values",
            ));
        }
        if workload.is_stateful() && workload.host.len() > LONGEST_STATEFUL {
            return Err(invalid(
                format!(
                    "its host name has {} characters; with a volume, the limit is {LONGEST_STATEFUL}",
                    workload.host.len()
                ),
                "use a shorter name",
            ));
        }
        if workload.host == "kubernetes" {
            return Err(invalid(
                "the host name `kubernetes` is reserved for the cluster itself".into(),
                "use another name",
            ));
        }
        let size: usize = workload.environment.iter().map(|(name, value)| name.len() + value.len()).sum();
        if size > MOST_CONFIG {
            return Err(invalid(
                format!("its environment has {size} bytes; the limit of a ConfigMap is {MOST_CONFIG}"),
                "move large values into files of the project",
            ));
        }
    }
    Ok(())
}

/// kubectl writes and reads objects once more when it applies a kustomization, and these characters do not outlive it.
fn check_kustomize(workloads: &[Workload<'_>]) -> Result<(), Error> {
    let is_lost = |letter: char| matches!(letter, '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    for workload in workloads {
        let variables = workload.environment.iter().map(|(name, value)| (name.as_str(), value));
        let words = workload.health.unwrap_or_default().iter().map(|word| ("health", word));
        let mounts = workload.writable.iter().chain(&workload.volumes).map(|mount| mount.path.to_owned());
        let mounts: Vec<String> = mounts.collect();
        let paths = mounts.iter().map(|path| ("writable", path));
        let found = variables.chain(words).chain(paths).find(|(_, text)| text.contains(is_lost));
        if let Some((what, _)) = found {
            return Err(Error::Invalid {
                place: format!("`{}`, {what}", workload.name),
                reason: "it has a control character that `kubectl apply --kustomize` loses".into(),
                remedy: Some("remove it, or use the Helm chart".into()),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{sample, shop, shown, told, worker};

    #[test]
    fn the_sample_release() {
        let mut release = sample();
        release.namespace = Some("help-desk".into());
        insta::assert_snapshot!(shown(&kubernetes(&release, &Options::default()).unwrap()));
    }

    #[test]
    fn kubernetes_rejects_unrunnable_release() {
        let check = |change: fn(&mut Release)| {
            let mut release = sample();
            change(&mut release);
            told(&kubernetes(&release, &Options::default()).unwrap_err())
        };
        let local = check(|release| {
            for part in [0, 3] {
                release.components[part].image.repository = None;
                release.components[part].image.tag = Some("demo:1".into());
            }
        });
        insta::assert_snapshot!(local, @"
        the images of `out`, `tools` are not in a registry
          hint: build with `--push` (a workflow with `--registry HOST/PATH`), or with `--load` for a cluster on this machine
        ");
        let root = check(|release| release.components[4].user = None);
        insta::assert_snapshot!(root, @"
        `notes`: its image runs as root, or as a user whose number is not known
          hint: set `user = 65532` in the settings and build again, or `user` in a file for --values
        ");
        let long = check(|release| release.components[4].service = "n".repeat(53));
        insta::assert_snapshot!(long, @"
        `notes`: its host name has 53 characters; with a volume, the limit is 52
          hint: use a shorter name
        ");
        let cluster = check(|release| release.components[4].service = "kubernetes".into());
        insta::assert_snapshot!(cluster, @"
        `notes`: the host name `kubernetes` is reserved for the cluster itself
          hint: use another name
        ");
        let large = check(|release| {
            let value = "x".repeat(120_000);
            let variables = (0..9).map(|number| (format!("V{number}"), value.clone()));
            release.components[0].environment.extend(variables);
        });
        let control = check(|release| {
            release.components[0].environment.insert("BELL".into(), "a\u{7f}".into());
        });
        insta::assert_snapshot!(control, @"
        `out`, BELL: it has a control character that `kubectl apply --kustomize` loses
          hint: remove it, or use the Helm chart
        ");
        insta::assert_snapshot!(large, @"
        `out`: its environment has 1080085 bytes; the limit of a ConfigMap is 1032192
          hint: move large values into files of the project
        ");
    }

    #[test]
    fn project_with_postgres_and_redis() {
        insta::assert_snapshot!(shown(&kubernetes(&shop(), &Options::default()).unwrap()));
    }

    #[test]
    fn project_without_ports_gets_no_service() {
        let files = kubernetes(&worker(), &Options::default()).unwrap();
        let file = files.iter().find(|file| file.path == "components/worker.yaml").unwrap();
        insta::assert_snapshot!(String::from_utf8_lossy(&file.bytes));
    }

    #[test]
    fn image_in_docker_alone_is_never_pulled() {
        let mut release = sample();
        let image = &mut release.components[0].image;
        (image.repository, image.tag, image.loaded) = (None, Some("demo:1".into()), true);
        let text = shown(&kubernetes(&release, &Options::default()).unwrap());
        assert!(text.contains("`kind load docker-image demo:1`"), "{text}");
        assert!(text.contains("image: demo:1\n          imagePullPolicy: Never\n"), "{text}");
    }

    #[test]
    fn a_secret_of_another_name_and_registries_with_a_login() {
        let options = Options {
            existing_secret: Some("vault".into()),
            image_pull_secrets: vec!["registry-login".into()],
            ..Options::default()
        };
        let text = shown(&kubernetes(&sample(), &options).unwrap());
        assert!(text.contains("secretKeyRef:\n                  name: vault\n"), "{text}");
        assert!(text.contains("imagePullSecrets:\n        - name: registry-login\n"), "{text}");
    }
}
