use serde_json::Value;

use crate::{Descriptor, Digest, Error, check_document};

/// A JSON document whose bytes are the truth: a manifest, an index or an image config.
///
/// The parsed form is for reading; writing goes through [`Document::write`], which decides the bytes once.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Media type, digest and size of `bytes`.
    pub descriptor: Descriptor,
    /// What the bytes say; unknown fields included.
    pub json: Value,
    bytes: Vec<u8>,
}

impl Document {
    /// Takes bytes somebody else wrote, unchanged.
    pub fn read(what: &'static str, media_type: &str, bytes: Vec<u8>) -> Result<Self, Error> {
        let json: Value = serde_json::from_slice(&bytes)
            .map_err(|error| Error::Document { what, reason: error.to_string() })?;
        if !json.is_object() {
            return Err(Error::Document { what, reason: "it is not a JSON object".into() });
        }
        Ok(Self { descriptor: Descriptor::of(media_type, &bytes), json, bytes })
    }

    /// Writes a document of ours with [`canonical_json`]; a debug build has oci-spec read it back.
    pub fn write(media_type: &str, json: Value) -> Self {
        debug_assert_eq!(check_document(media_type, &json), Ok(()));
        let bytes = canonical_json(&json);
        Self { descriptor: Descriptor::of(media_type, &bytes), json, bytes }
    }

    /// The bytes to store or send.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The digest of the bytes.
    pub fn digest(&self) -> Digest {
        self.descriptor.digest
    }
}

/// Writes JSON so that equal values give equal bytes: object keys sorted, no white space.
///
/// The keys are sorted here because any dependency may switch on serde_json's `preserve_order`.
pub fn canonical_json(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_value(value, &mut bytes);
    bytes
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort_unstable();
            out.push(b'{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(Value::from(key.as_str()).to_string().as_bytes());
                out.push(b':');
                write_value(&map[key], out);
            }
            out.push(b'}');
        }
        Value::Array(values) => {
            out.push(b'[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(value, out);
            }
            out.push(b']');
        }
        leaf => out.extend_from_slice(leaf.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let value = json!({"b": [{"z": 1, "a": "\u{1}\"é"}], "a": null});
        assert_eq!(
            String::from_utf8(canonical_json(&value)).unwrap(),
            r#"{"a":null,"b":[{"a":"\u0001\"é","z":1}]}"#
        );
    }

    #[test]
    fn path_keeps_non_utf8_bytes() {
        let bytes = b"{ \"b\": 1, \"a\": 2 }".to_vec();
        let document = Document::read("image manifest", "x", bytes.clone()).unwrap();
        assert_eq!(document.bytes(), bytes);
        assert!(Document::read("image manifest", "x", b"[]".to_vec()).is_err());
    }
}
