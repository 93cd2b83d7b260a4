use serde_json::{Map, Value, json};

use crate::workload::{Workload, WorkloadImage, workloads};
use crate::{Error, Release};

/// Makes `.wain/deployment.json`: what programs ask that come later, such as schedulers, dashboards and auditors.
///
/// Each part by its host name: image, digest, platforms, ports, resources, who asks whom. A pure function of the release;
/// docs/emit.md describes the document.
///
/// # Errors
/// When the release cannot be deployed.
pub fn deployment(release: &Release) -> Result<Vec<u8>, Error> {
    let workloads = workloads(release)?;
    let edges: Vec<Value> = workloads
        .iter()
        .flat_map(|from| from.needs.iter().map(|to| json!({ "from": from.host, "to": to })))
        .collect();
    let parts = |is_component: bool| -> Value {
        let parts = workloads.iter().filter(|part| part.component.is_some() == is_component);
        parts.map(|part| (part.host.to_owned(), describe(part))).collect::<Map<_, _>>().into()
    };
    let document = json!({
        "schema": 1,
        "project": release.project,
        "version": release.version,
        "namespace": release.namespace,
        "bus": release.bus,
        "components": parts(true),
        "services": parts(false),
        "edges": edges,
    });
    Ok(format!("{document:#}\n").into_bytes())
}

fn describe(part: &Workload<'_>) -> Value {
    let digest = match &part.image {
        WorkloadImage::Local { .. } => part.component.map(|component| component.image.digest.to_string()),
        WorkloadImage::Registry { digest, .. } => digest.clone(),
    };
    json!({
        "name": part.name,
        "kind": part.component.map(|component| &component.kind),
        "type": part.component.map(|component| &component.type_),
        "image": part.image.reference(),
        "digest": digest,
        "in_registry": matches!(part.image, WorkloadImage::Registry { .. }),
        "platforms": part.component.map_or_else(|| json!([]), |component| json!(component.platforms)),
        "ports": part.ports,
        "published": part.published,
        "environment": part.environment.keys().collect::<Vec<_>>(),
        "secrets": part.wanted().collect::<Vec<_>>(),
        "volumes": part.volumes.iter().map(|volume| (volume.path, volume.size)).collect::<std::collections::BTreeMap<_, _>>(),
        "resources": part.resources,
        "replicas": part.replicas,
        "autoscale": part.autoscale,
        "disruption": part.disruption,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::sample;

    #[test]
    fn the_sample_release() {
        insta::assert_snapshot!(String::from_utf8(deployment(&sample()).unwrap()).unwrap());
    }
}
