use oci_spec::image::{ImageConfiguration, ImageIndex, ImageManifest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::media_type;

/// Reads a manifest, an index or a config back with the types of oci-spec, and compares.
///
/// Whatever oci-spec reads must be what the document says; fields that oci-spec does not know pass. Other media types
/// pass too. The error is for developers: a document of ours that does not fit is our bug.
pub fn check_document(media_type: &str, json: &Value) -> Result<(), String> {
    match media_type {
        media_type::MANIFEST | media_type::DOCKER_MANIFEST => {
            let manifest: ImageManifest = read_back(json)?;
            check_head(
                media_type,
                manifest.schema_version(),
                manifest.media_type().as_ref().map(AsRef::as_ref),
            )
        }
        media_type::INDEX | media_type::DOCKER_INDEX => {
            let index: ImageIndex = read_back(json)?;
            check_head(media_type, index.schema_version(), index.media_type().as_ref().map(AsRef::as_ref))
        }
        media_type::CONFIG | media_type::DOCKER_CONFIG => read_back(json).map(|_: ImageConfiguration| ()),
        _ => Ok(()),
    }
}

fn check_head(media_type: &str, version: u32, inside: Option<&str>) -> Result<(), String> {
    match (version, inside) {
        (2, Some(inside)) if inside == media_type => Ok(()),
        _ => Err(format!("{media_type}: it says version {version} of {inside:?}")),
    }
}

fn read_back<T: DeserializeOwned + Serialize>(json: &Value) -> Result<T, String> {
    let theirs: T = serde_json::from_value(json.clone()).map_err(|error| format!("{error}: {json}"))?;
    let kept = serde_json::to_value(&theirs).map_err(|error| error.to_string())?;
    match difference(&kept, json) {
        None => Ok(theirs),
        Some(path) => Err(format!("oci-spec reads something else at `{path}`: {json}")),
    }
}

/// Where a value that was kept is not the one that was written.
fn difference(kept: &Value, written: &Value) -> Option<String> {
    match (kept, written) {
        (Value::Object(kept), Value::Object(written)) => kept.iter().find_map(|(key, kept)| {
            let below = difference(kept, written.get(key).unwrap_or(&Value::Null))?;
            Some(format!("/{key}{below}"))
        }),
        (Value::Array(kept), Value::Array(written)) if kept.len() == written.len() => {
            kept.iter().zip(written).enumerate().find_map(|(index, (kept, written))| {
                let below = difference(kept, written)?;
                Some(format!("/{index}{below}"))
            })
        }
        _ => (kept != written).then(String::new),
    }
}

#[cfg(test)]
mod tests {
    use oci_spec::image::{MediaType, ToDockerV2S2 as _};
    use serde_json::json;

    use super::*;
    use crate::Digest;

    #[test]
    fn media_types_are_those_of_oci_spec() {
        for (ours, theirs) in [
            (media_type::INDEX, MediaType::ImageIndex),
            (media_type::MANIFEST, MediaType::ImageManifest),
            (media_type::CONFIG, MediaType::ImageConfig),
            (media_type::EMPTY, MediaType::EmptyJSON),
            (media_type::LAYER_GZIP, MediaType::ImageLayerGzip),
            (media_type::LAYER_ZSTD, MediaType::ImageLayerZstd),
            (media_type::LAYER_TAR, MediaType::ImageLayer),
            (media_type::KEPT_LAYER_GZIP, MediaType::ImageLayerNonDistributableGzip),
            (media_type::KEPT_LAYER_ZSTD, MediaType::ImageLayerNonDistributableZstd),
            (media_type::KEPT_LAYER_TAR, MediaType::ImageLayerNonDistributable),
        ] {
            assert_eq!(ours, theirs.as_ref());
        }
        for (ours, theirs) in [
            (media_type::DOCKER_INDEX, MediaType::ImageIndex),
            (media_type::DOCKER_MANIFEST, MediaType::ImageManifest),
            (media_type::DOCKER_CONFIG, MediaType::ImageConfig),
            (media_type::DOCKER_LAYER_GZIP, MediaType::ImageLayerGzip),
        ] {
            assert_eq!(Ok(ours), theirs.to_docker_v2s2());
        }
    }

    fn manifest() -> Value {
        let blob =
            |media_type: &str| json!({ "mediaType": media_type, "size": 2, "digest": Digest::of("{}") });
        json!({
            "schemaVersion": 2,
            "mediaType": media_type::MANIFEST,
            "config": blob(media_type::CONFIG),
            "layers": [blob(media_type::LAYER_GZIP)],
            "annotations": { "a": "b" },
        })
    }

    fn index() -> Value {
        let child = json!({
            "mediaType": media_type::MANIFEST,
            "size": 2,
            "digest": Digest::of("{}"),
            "platform": { "os": "linux", "architecture": "arm", "variant": "v7" },
        });
        json!({ "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [child] })
    }

    /// A config as Docker writes it.
    fn config() -> Value {
        json!({
            "architecture": "amd64",
            "os": "linux",
            "created": "1980-01-01T00:00:01Z",
            "rootfs": { "type": "layers", "diff_ids": [Digest::of("a")] },
            "history": [{ "created_by": "wain: a" }],
            "config": {
                "User": "65532", "Env": ["A=b"], "Cmd": ["x"], "WorkingDir": "/app", "Labels": { "a": "b" },
                "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/data": {} }, "StopSignal": "SIGINT",
                "Healthcheck": { "Test": ["CMD", "x"], "Interval": 5_000_000_000_u64 },
                "Shell": ["/bin/sh", "-c"], "OnBuild": ["RUN x"], "ArgsEscaped": true, "Hostname": "x",
            },
            "moby.buildkit.buildinfo.v1": "e30=",
        })
    }

    #[test]
    fn document_that_oci_spec_reads_otherwise_fails() {
        assert_eq!(check_document(media_type::MANIFEST, &manifest()), Ok(()));
        assert_eq!(check_document(media_type::INDEX, &index()), Ok(()));
        assert_eq!(check_document(media_type::CONFIG, &config()), Ok(()));
        assert!(check_document(media_type::INDEX, &manifest()).is_err());
        assert!(check_document(media_type::DOCKER_MANIFEST, &manifest()).is_err());
        for (key, odd) in [("schemaVersion", json!(1)), ("config", json!({})), ("layers", Value::Null)] {
            let mut manifest = manifest();
            manifest[key] = odd;
            assert!(check_document(media_type::MANIFEST, &manifest).is_err(), "{key}");
        }
        // As Docker writes them.
        for key in ["Env", "Cmd", "Entrypoint", "Labels", "ExposedPorts", "Volumes", "OnBuild", "Healthcheck"]
        {
            let mut config = config();
            config["config"][key] = Value::Null;
            assert_eq!(check_document(media_type::CONFIG, &config), Ok(()));
        }
        for (key, odd) in [("rootfs", Value::Null), ("os", json!(1)), ("history", json!({}))] {
            let mut config = config();
            config[key] = odd;
            assert!(check_document(media_type::CONFIG, &config).is_err(), "{key}");
        }
    }

    /// Paths of what is written and not kept.
    fn lost(kept: &Value, written: &Value, at: &str, found: &mut Vec<String>) {
        let Value::Object(written) = written else { return };
        for (key, value) in written {
            match kept.get(key) {
                Some(kept) => lost(kept, value, &format!("{at}{key}/"), found),
                None => found.push(format!("{at}{key}")),
            }
        }
    }

    /// Why configs are edited as JSON maps: what a base says must be in the image, whether oci-spec knows it or not.
    #[test]
    fn config_loses_fields_in_oci_spec() {
        let theirs: ImageConfiguration = read_back(&config()).unwrap();
        let mut found = Vec::new();
        lost(&serde_json::to_value(&theirs).unwrap(), &config(), "", &mut found);
        found.sort();
        let expected = ["ArgsEscaped", "Healthcheck", "Hostname", "OnBuild", "Shell"];
        let mut expected: Vec<String> = expected.iter().map(|key| format!("config/{key}")).collect();
        expected.push("moby.buildkit.buildinfo.v1".into());
        assert_eq!(found, expected);
    }

    /// Why documents are written by [`crate::canonical_json`]: oci-spec's maps have the order of a hash map.
    #[test]
    fn maps_of_oci_spec_have_no_order() {
        let mut config = config();
        for number in 0..20 {
            config["config"]["Labels"][format!("label{number}")] = "x".into();
        }
        let texts: std::collections::BTreeSet<String> = (0..8)
            .map(|_| serde_json::to_string(&read_back::<ImageConfiguration>(&config).unwrap()).unwrap())
            .collect();
        assert!(texts.len() > 1);
    }
}
