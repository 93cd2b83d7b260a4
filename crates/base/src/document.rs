use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use serde_json::Value;
use wainwright_oci::{Descriptor, Digest, Platform, media_type};

use crate::Error;

/// Manifests, indexes and configs above this size are refused: 4 MiB, as registries do.
pub(crate) const LARGEST: u64 = 4 << 20;

/// What a document behind a descriptor turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Index,
    Manifest,
}

/// A place in a document, for messages: which file, which document.
#[derive(Clone, Copy)]
pub(crate) struct Where<'a> {
    pub(crate) path: &'a Path,
    pub(crate) what: &'a str,
}

impl Where<'_> {
    pub(crate) fn refuse<T>(self, reason: impl Into<String>) -> Result<T, Error> {
        Err(Error::document(self.path, self.what, reason))
    }
}

/// Decides whether a document is an index or a manifest; refuses what one reader would take for the one and another
/// for the other (CVE-2021-41190).
pub(crate) fn form(at: Where<'_>, promised: &str, json: &Value) -> Result<Form, Error> {
    if json.get("fsLayers").is_some() || json.get("schemaVersion") == Some(&Value::from(1)) {
        return Err(Error::Document {
            path: at.path.to_owned(),
            what: at.what.to_owned(),
            reason: "it is a Docker schema 1 manifest, which does not name its layers' diff IDs".into(),
            hint: Some("convert the image, for example with `skopeo copy --format v2s2`"),
        });
    }
    if json.get("schemaVersion") != Some(&Value::from(2)) {
        return at.refuse("its `schemaVersion` is not 2");
    }
    let stated = match json.get("mediaType") {
        None => "",
        Some(Value::String(stated)) => stated,
        Some(_) => return at.refuse("its `mediaType` is not a string"),
    };
    if !stated.is_empty() && !promised.is_empty() && stated != promised {
        return at.refuse(format!("its `mediaType` is `{stated}`, but its descriptor says `{promised}`"));
    }
    let has = |field: &str| json.get(field).is_some();
    let (is_index, is_manifest) = (has("manifests"), has("layers") || has("config"));
    let form = match if stated.is_empty() { promised } else { stated } {
        media_type::INDEX | media_type::DOCKER_INDEX => Form::Index,
        media_type::MANIFEST | media_type::DOCKER_MANIFEST => Form::Manifest,
        "" if is_index => Form::Index,
        "" if is_manifest => Form::Manifest,
        "" => return at.refuse("it is neither an index nor a manifest"),
        other => return at.refuse(format!("`{other}` is neither an index nor a manifest")),
    };
    match form {
        _ if is_index && is_manifest => at.refuse("it is both an index and a manifest"),
        Form::Index if !is_index => at.refuse("it is an index without `manifests`"),
        Form::Manifest if !is_manifest => at.refuse("it is a manifest without `config` and `layers`"),
        form => Ok(form),
    }
}

/// The descriptors in an array of a document.
pub(crate) fn descriptors(at: Where<'_>, json: &Value, field: &str) -> Result<Vec<Descriptor>, Error> {
    let Some(values) = json.get(field).and_then(Value::as_array) else {
        return at.refuse(format!("its `{field}` is not a list"));
    };
    let one = |(index, value)| descriptor(at, value, &format!("{field}[{index}]"));
    values.iter().enumerate().map(one).collect()
}

/// The most bytes of anything that a document names: far more than any has, and so few that all sizes in documents of 64 MiB
/// can be added up.
const LARGEST_BLOB: u64 = 1 << 40;

/// Reads a descriptor; nothing of it becomes a path before it is known to be a digest.
pub(crate) fn descriptor(at: Where<'_>, value: &Value, field: &str) -> Result<Descriptor, Error> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let digest: Digest = match text("digest").unwrap_or_default().parse() {
        Ok(digest) => digest,
        Err(error) => return at.refuse(format!("`{field}.digest`: {error}")),
    };
    let Some(size) = value.get("size").and_then(Value::as_u64) else {
        return at.refuse(format!("`{field}.size` is not a number of bytes"));
    };
    if size > LARGEST_BLOB {
        return at.refuse(format!("`{field}.size` is {size}; the limit is 1 TiB"));
    }
    if let Some(data) = value.get("data") {
        let bytes =
            data.as_str().and_then(|data| base64::engine::general_purpose::STANDARD.decode(data).ok());
        if bytes.is_none_or(|bytes| bytes.len() as u64 != size || Digest::of(&bytes) != digest) {
            return at.refuse(format!("`{field}.data` does not have the descriptor's digest and size"));
        }
    }
    let annotations = match value.get("annotations") {
        Some(Value::Object(map)) => {
            let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
            map.iter().filter_map(pair).collect()
        }
        _ => BTreeMap::new(),
    };
    let media_type = text("mediaType").unwrap_or_default().to_owned();
    let platform = value.get("platform").and_then(platform);
    Ok(Descriptor { media_type, digest, size, annotations, platform })
}

/// The platform in a descriptor or a config; `None` where it does not say.
pub(crate) fn platform(value: &Value) -> Option<Platform> {
    let text = |key: &str| value.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let (os, architecture) = (text("os")?, text("architecture")?);
    Some(Platform { os, architecture, variant: text("variant") })
}

/// The diff IDs in a config: one for each layer.
pub(crate) fn diff_ids(at: Where<'_>, config: &Value, layers: usize) -> Result<Vec<Digest>, Error> {
    let Some(values) = config.pointer("/rootfs/diff_ids").and_then(Value::as_array) else {
        return at.refuse("it has no `rootfs.diff_ids`");
    };
    if values.len() != layers {
        return at.refuse(format!("it has {} diff IDs, but the image has {layers} layers", values.len()));
    }
    values
        .iter()
        .map(|value| match value.as_str().unwrap_or_default().parse() {
            Ok(digest) => Ok(digest),
            Err(error) => at.refuse(format!("`rootfs.diff_ids`: {error}")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;

    use super::*;
    use serde_json::json;

    fn at() -> Where<'static> {
        Where { path: Path::new("x"), what: "image manifest" }
    }

    fn form_of(promised: &str, json: Value) -> String {
        match form(at(), promised, &json) {
            Ok(form) => format!("{form:?}"),
            Err(error) => error.to_string().replace("invalid image manifest in `x`: ", ""),
        }
    }

    #[test]
    fn documents_are_told_apart_by_type_then_by_structure() {
        let manifest = json!({"schemaVersion": 2, "config": {}, "layers": []});
        assert_eq!(form_of(media_type::MANIFEST, manifest.clone()), "Manifest");
        assert_eq!(form_of("", manifest), "Manifest");
        let index = json!({"schemaVersion": 2, "mediaType": media_type::DOCKER_INDEX, "manifests": []});
        assert_eq!(form_of(media_type::DOCKER_INDEX, index.clone()), "Index");
        assert_eq!(form_of("", index), "Index");
    }

    #[test]
    fn ambiguous_document_is_rejected() {
        let both = json!({"schemaVersion": 2, "layers": [], "config": {}, "manifests": []});
        for promised in ["", media_type::MANIFEST, media_type::INDEX] {
            assert_eq!(form_of(promised, both.clone()), "it is both an index and a manifest");
        }
        let index = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": []});
        assert!(
            form_of(media_type::MANIFEST, index)
                .starts_with("its `mediaType` is `application/vnd.oci.image.index")
        );
        assert!(form_of("", json!({"schemaVersion": 1, "fsLayers": []})).contains("schema 1"));
        assert!(form_of("", json!({"schemaVersion": 2})).contains("neither"));
        assert!(form_of("text/html", json!({"schemaVersion": 2, "layers": []})).contains("`text/html`"));
        assert!(form_of("", json!({"layers": []})).contains("`schemaVersion` is not 2"));
    }

    #[test]
    fn schema_1_says_how_to_convert() {
        let error = form(at(), "", &json!({"schemaVersion": 1})).unwrap_err();
        assert!(error.hint().unwrap().contains("skopeo copy"));
    }

    #[test]
    fn wrong_descriptors_are_rejected() {
        let digest = Digest::of("{}").to_string();
        let read =
            |value: Value| descriptor(at(), &value, "config").map(|d| d.size).map_err(|e| e.to_string());
        assert_eq!(read(json!({"digest": digest, "size": 2, "data": "e30="})), Ok(2));
        for (value, reason) in [
            (json!({"digest": digest, "size": -1}), "`config.size` is not a number of bytes"),
            (json!({"digest": digest, "size": 1u64 << 63}), "the limit is 1 TiB"),
            (json!({"digest": digest, "size": (1u64 << 40) + 1}), "the limit is 1 TiB"),
            (json!({"digest": digest, "size": 2.5}), "`config.size` is not a number of bytes"),
            (json!({"digest": digest, "size": 3, "data": "e30="}), "`config.data` does not have"),
            (json!({"digest": digest, "size": 2, "data": "W10="}), "`config.data` does not have"),
            (
                json!({"digest": "sha256:../../x", "size": 2}),
                "`config.digest`: `sha256:../../x` is not a sha256 digest",
            ),
            (json!({"digest": "md5:00", "size": 2}), "is not a sha256 digest"),
            (json!({"digest": digest.to_uppercase(), "size": 2}), "is not a sha256 digest"),
            (json!({"size": 2}), "is not a sha256 digest"),
            (json!("x"), "is not a sha256 digest"),
        ] {
            let error = read(value).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn each_layer_has_a_diff_id() {
        let config = json!({"rootfs": {"diff_ids": [Digest::of("a")]}});
        assert_eq!(diff_ids(at(), &config, 1).unwrap(), [Digest::of("a")]);
        let error = diff_ids(at(), &config, 2).unwrap_err().to_string();
        assert!(error.ends_with("it has 1 diff IDs, but the image has 2 layers"), "{error}");
        assert!(diff_ids(at(), &json!({}), 0).is_err());
        assert!(diff_ids(at(), &json!({"rootfs": {"diff_ids": ["sha256:x"]}}), 1).is_err());
    }
}
