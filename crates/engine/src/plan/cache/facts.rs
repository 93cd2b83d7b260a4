use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use wainwright_oci::{Digest, canonical_json};
use wainwright_store::Store;
use wainwright_wheel::Layout;

use crate::Error;
use crate::model::cache::WheelFacts;
use crate::model::findings::{NATIVE_FACTS, native_files_key};
use crate::model::wheel::{ChosenWheel, FACTS, recall};

/// What a blob of facts is; it is compressed with gzip.
pub(crate) const MEDIA_TYPE: &str = "application/vnd.wainwright.cache.facts.v1+gzip";
/// No blob of facts is larger, compressed.
pub(crate) const LARGEST: u64 = 16 << 20;
/// And unpacked.
const LARGEST_UNPACKED: u64 = 128 << 20;

/// What is known of the wheels of a layer: what would be found out by opening them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// The form of the facts, which the makers of memos decide.
    formats: [u32; 2],
    pub(crate) wheels: BTreeMap<Digest, WheelFacts>,
}

const FORMATS: [u32; 2] = [FACTS, NATIVE_FACTS];

impl Facts {
    /// What the store knows of some wheels; `None` when it does not know of one.
    pub(crate) fn recall(
        wheels: &[ChosenWheel],
        layout: &Layout,
        store: &Store,
    ) -> Result<Option<Self>, Error> {
        let mut known = BTreeMap::new();
        for wheel in wheels {
            let digest = wheel.wanted.digest;
            let Some(owned) = recall(digest, layout, store)? else { return Ok(None) };
            let native = store.recall(&native_files_key(digest, layout)?)?;
            known.insert(digest, WheelFacts { owned, native });
        }
        Ok(Some(Self { formats: FORMATS, wheels: known }))
    }

    /// The blob; `None` when it would be larger than anybody reads.
    pub(crate) fn write(&self) -> Option<Vec<u8>> {
        let text = canonical_json(&serde_json::to_value(self).ok()?);
        if text.len() as u64 > LARGEST_UNPACKED {
            return None;
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
        encoder.write_all(&text).ok()?;
        encoder.finish().ok().filter(|blob| blob.len() as u64 <= LARGEST)
    }

    /// Reads a blob; the error says what is wrong with it.
    pub(crate) fn read(blob: &[u8]) -> Result<Self, String> {
        let mut text = Vec::new();
        let mut decoder = GzDecoder::new(blob).take(LARGEST_UNPACKED + 1);
        decoder
            .read_to_end(&mut text)
            .map_err(|error| format!("facts about wheels do not unpack: {error}"))?;
        if text.len() as u64 > LARGEST_UNPACKED {
            return Err("facts about wheels unpack to more than 128 MiB".into());
        }
        let facts: Self = serde_json::from_slice(&text)
            .map_err(|error| format!("facts about wheels do not read: {error}"))?;
        if facts.formats != FORMATS {
            return Err("facts about wheels are those of another wain".into());
        }
        Ok(facts)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wainwright_layer::NativeFiles;

    use super::*;

    fn pack(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn facts_are_written_and_read() {
        let owned = serde_json::from_value(json!({"files": "12x a/b\n", "notes": ["W-X"]})).unwrap();
        let wheel = WheelFacts { owned, native: Some(NativeFiles::default()) };
        let facts = Facts { formats: FORMATS, wheels: BTreeMap::from([(Digest::of("w"), wheel)]) };
        let blob = facts.write().unwrap();
        assert_eq!(Facts::read(&blob).unwrap(), facts);
        assert!(Facts::read(&blob[..blob.len() - 9]).is_err(), "cut");
        let mut text = String::from_utf8(canonical_json(&json!(facts))).unwrap();
        assert!(Facts::read(&pack(text.as_bytes())).is_ok());
        text = text.replace("\"notes\"", "\"nots\"");
        assert!(Facts::read(&pack(text.as_bytes())).unwrap_err().contains("missing field"));
        let other = format!(r#"{{"formats":[{},99],"wheels":{{}}}}"#, FORMATS[0]);
        assert!(Facts::read(&pack(other.as_bytes())).unwrap_err().contains("another wain"));
    }

    #[test]
    fn a_bomb_is_no_fact() {
        let bomb = pack(&vec![b' '; LARGEST_UNPACKED as usize + 2]);
        assert!(bomb.len() < 1 << 20);
        assert_eq!(Facts::read(&bomb).unwrap_err(), "facts about wheels unpack to more than 128 MiB");
    }
}
