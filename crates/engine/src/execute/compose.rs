use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use wainwright_oci::{Descriptor, Document, Image, Layer, Platform, media_type, rfc3339};

use crate::Config;

/// A layer with the line it gets in the image's history.
#[derive(Clone, Debug)]
pub(crate) struct NamedLayer {
    pub(crate) layer: Layer,
    pub(crate) created_by: String,
}

/// The search path of programs where the base does not set one.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Writes config and manifest over a base (its config, its layers) and layers of ours.
///
/// Fields of the base's config that we do not know stay as they are.
pub(crate) fn compose(
    platform: &Platform,
    base_config: Option<&Document>,
    base_layers: &[Layer],
    layers: &[NamedLayer],
    config: &Config,
    annotations: &BTreeMap<String, String>,
    epoch: u64,
) -> Image {
    let created = rfc3339(epoch);
    let mut json = base_config.map_or_else(|| json!({}), |document| document.json.clone());
    json["os"] = platform.os.as_str().into();
    json["architecture"] = platform.architecture.as_str().into();
    if let Some(variant) = &platform.variant {
        json["variant"] = variant.as_str().into();
    }
    json["created"] = created.as_str().into();
    let mut diff_ids: Vec<Value> = base_layers.iter().map(|layer| json!(layer.diff_id)).collect();
    diff_ids.extend(layers.iter().map(|layer| json!(layer.layer.diff_id)));
    json["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
    let mut history = base_history(&json, base_layers.len());
    history.extend(
        layers
            .iter()
            .map(|layer| json!({ "created": created, "created_by": format!("wain: {}", layer.created_by) })),
    );
    json["history"] = history.into();
    // Facts of the container that once made the base say nothing about this image.
    if let Some(map) = json.as_object_mut() {
        for stale in ["container", "container_config", "docker_version", "id", "parent"] {
            map.remove(stale);
        }
    }
    let mut inner = json.get("config").and_then(Value::as_object).cloned().unwrap_or_default();
    edit(&mut inner, config);
    json["config"] = inner.into();

    let config = Document::write(media_type::CONFIG, json);
    let all: Vec<Layer> =
        base_layers.iter().cloned().chain(layers.iter().map(|layer| layer.layer.clone())).collect();
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type::MANIFEST,
        "config": config.descriptor,
        "layers": all.iter().map(|layer| oci_descriptor(&layer.descriptor)).collect::<Vec<_>>(),
    });
    if !annotations.is_empty() {
        manifest["annotations"] = json!(annotations);
    }
    let manifest = Document::write(media_type::MANIFEST, manifest);
    Image { platform: platform.clone(), manifest, config, layers: all }
}

/// Writes an index over several images (OCI image-spec, "Image Index").
pub(crate) fn index<'a>(
    images: impl Iterator<Item = &'a Image>,
    annotations: &BTreeMap<String, String>,
) -> Document {
    let manifests: Vec<Descriptor> = images
        .map(|image| {
            let mut descriptor = image.manifest.descriptor.clone();
            descriptor.platform = Some(image.platform.clone());
            descriptor
        })
        .collect();
    let mut json = json!({ "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": manifests });
    if !annotations.is_empty() {
        json["annotations"] = json!(annotations);
    }
    Document::write(media_type::INDEX, json)
}

/// An OCI manifest names layers by their OCI media types; the bytes are the same as under Docker's names.
fn oci_descriptor(descriptor: &Descriptor) -> Descriptor {
    let media_type = match descriptor.media_type.as_str() {
        media_type::DOCKER_LAYER_GZIP => media_type::LAYER_GZIP,
        media_type::DOCKER_LAYER_TAR => media_type::LAYER_TAR,
        other => other,
    };
    Descriptor { media_type: media_type.into(), ..descriptor.clone() }
}

/// The base's history, if it fits its layers; else one line for each layer.
fn base_history(json: &Value, layers: usize) -> Vec<Value> {
    let history = json.get("history").and_then(Value::as_array).cloned().unwrap_or_default();
    let with_layer = history.iter().filter(|line| line.get("empty_layer") != Some(&Value::Bool(true)));
    if with_layer.count() == layers {
        return history;
    }
    (0..layers).map(|_| json!({ "created_by": "base image" })).collect()
}

fn edit(inner: &mut Map<String, Value>, config: &Config) {
    let mut env: Vec<(String, String)> = inner
        .get("Env")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|line| line.as_str()?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut set = |name: &str, value: &str| match env.iter_mut().find(|(known, _)| known == name) {
        Some((_, old)) => value.clone_into(old),
        None => env.push((name.to_owned(), value.to_owned())),
    };
    for (name, value) in &config.env {
        set(name, value);
    }
    // A PATH that the user sets is the user's; the base's is extended.
    if !config.env.contains_key("PATH") {
        let old = env.iter().find(|(name, _)| name == "PATH").map_or(PATH, |(_, value)| value.as_str());
        let new = config.path.iter().map(String::as_str).chain([old]).collect::<Vec<_>>().join(":");
        match env.iter_mut().find(|(name, _)| name == "PATH") {
            Some((_, value)) => *value = new,
            None => env.insert(0, ("PATH".into(), new)),
        }
    }
    inner.insert("Env".into(), env.iter().map(|(name, value)| format!("{name}={value}")).collect());
    let list = |words: &[String]| Value::from(words.to_vec());
    if config.entrypoint.is_empty() {
        inner.remove("Entrypoint");
    } else {
        inner.insert("Entrypoint".into(), list(&config.entrypoint));
    }
    if config.cmd.is_empty() {
        inner.remove("Cmd");
    } else {
        inner.insert("Cmd".into(), list(&config.cmd));
    }
    inner.insert("User".into(), config.user.as_str().into());
    inner.insert("WorkingDir".into(), config.working_dir.as_str().into());
    if let Some(signal) = &config.stop_signal {
        inner.insert("StopSignal".into(), signal.as_str().into());
    }
    let mut add = |key: &str, names: &[String]| {
        if names.is_empty() {
            return;
        }
        let mut map = inner.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        map.extend(names.iter().map(|name| (name.clone(), json!({}))));
        inner.insert(key.into(), map.into());
    };
    add("ExposedPorts", &config.ports);
    add("Volumes", &config.volumes);
    if !config.labels.is_empty() {
        let mut labels = inner.get("Labels").and_then(Value::as_object).cloned().unwrap_or_default();
        labels.extend(config.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())));
        inner.insert("Labels".into(), labels.into());
    }
    for stale in ["Image", "Hostname", "Domainname"] {
        inner.remove(stale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(base: Value, config: &Config) -> Value {
        let base = Document::write(media_type::CONFIG, base);
        compose(&Platform::linux("amd64"), Some(&base), &[], &[], config, &BTreeMap::new(), 0).config.json
    }

    #[test]
    fn what_the_base_says_stays_unless_it_is_ours_to_say() {
        let config = Config {
            entrypoint: vec!["/x".into()],
            path: vec!["/app/.venv/bin".into()],
            env: [("A".to_owned(), "2=3".to_owned())].into(),
            user: "65532".into(),
            working_dir: "/app".into(),
            ports: vec!["80/tcp".into()],
            ..Config::default()
        };
        let json = composed(
            json!({
                "config": {
                    "Env": ["PATH=/bin", "A=1", "B=b"], "Healthcheck": {"Test": ["NONE"]}, "Cmd": ["python3"],
                    "ExposedPorts": {"90/tcp": {}}, "Image": "sha256:old",
                },
                "os.features": ["x"], "container": "abc",
            }),
            &config,
        );
        assert_eq!(json["config"]["Env"], json!(["PATH=/app/.venv/bin:/bin", "A=2=3", "B=b"]));
        assert_eq!(json["config"]["Healthcheck"], json!({"Test": ["NONE"]}));
        assert_eq!(json["config"]["ExposedPorts"], json!({"80/tcp": {}, "90/tcp": {}}));
        assert_eq!(json["config"].get("Cmd"), None);
        assert_eq!(json["config"].get("Image"), None);
        assert_eq!(json["os.features"], json!(["x"]));
        assert_eq!(json.get("container"), None);
    }

    #[test]
    fn a_base_without_history_gets_one_that_fits() {
        assert_eq!(base_history(&json!({"history": [{"empty_layer": true}, {}]}), 1).len(), 2);
        assert_eq!(base_history(&json!({}), 2).len(), 2);
        assert_eq!(base_history(&json!({"history": [{}]}), 2).len(), 2);
    }
}
