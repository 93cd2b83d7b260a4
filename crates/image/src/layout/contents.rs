use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde_json::{Map, Value, json};
use wainwright_oci::{Descriptor, canonical_json, media_type};

use super::names::{INDEX, MARK, blob_path};
use crate::name::{self, IMAGE_NAME, REF_NAME};
use crate::{Error, Release, draft};

/// The most bytes a document may have to be read: what registries and other tools accept, too.
const MOST: u64 = 4 << 20;

/// What a layout says about itself. Descriptors stay JSON, so that nothing others wrote into them is lost.
pub(super) struct Contents {
    /// Whether there is an `oci-layout` file.
    pub(super) is_marked: bool,
    index: Map<String, Value>,
}

/// What a release changes in `index.json`.
pub(super) struct Change {
    /// The descriptors from now on.
    pub(super) manifests: Vec<Value>,
    /// The descriptors that have to go.
    pub(super) replaced: Vec<Value>,
    /// Whether this differs from what is there in more than order.
    pub(super) is_needed: bool,
}

impl Contents {
    /// Reads a layout, an empty folder, or what an interrupted delivery left. Refuses everything else.
    pub(super) fn read(dir: &Path) -> Result<Self, Error> {
        let is_marked = match read_small(&dir.join(MARK))? {
            Some(bytes) => {
                check_mark(&dir.join(MARK), &bytes)?;
                true
            }
            None if is_empty(dir)? => false,
            None => return Err(refuse(dir, format!("it contains other files and no `{MARK}`"))),
        };
        let path = dir.join(INDEX);
        let index = match read_small(&path)? {
            Some(bytes) => read_index(&path, &bytes)?,
            None => Map::from_iter([
                ("schemaVersion".to_owned(), json!(2)),
                ("mediaType".to_owned(), json!(media_type::INDEX)),
            ]),
        };
        Ok(Self { is_marked, index })
    }

    fn manifests(&self) -> &[Value] {
        self.index.get("manifests").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// What it takes to let this release, and no other, have its names.
    pub(super) fn change(&self, dir: &Path, release: &Release) -> Change {
        let mut ours = name::named_descriptors(release);
        ours.append(&mut name::platform_descriptors(release, &ours));
        let annotation = |descriptor: &Descriptor, key| descriptor.annotations.get(key).cloned();
        let mut ref_names: BTreeSet<String> =
            ours.iter().filter_map(|descriptor| annotation(descriptor, REF_NAME)).collect();
        let image_names: BTreeSet<String> =
            ours.iter().filter_map(|descriptor| annotation(descriptor, IMAGE_NAME)).collect();
        let is_named = |entry: &Value, key, names: &BTreeSet<String>| {
            entry["annotations"][key].as_str().is_some_and(|name| names.contains(name))
        };
        // An index that is replaced takes the names of its platforms along.
        let gone = self.manifests().iter().filter(|entry| is_named(entry, REF_NAME, &ref_names));
        let of_platforms: Vec<String> = gone.flat_map(|entry| self.names_of_platforms(dir, entry)).collect();
        ref_names.extend(of_platforms);
        let (replaced, mut manifests): (Vec<Value>, Vec<Value>) =
            self.manifests().iter().cloned().partition(|entry| {
                is_named(entry, REF_NAME, &ref_names) || is_named(entry, IMAGE_NAME, &image_names)
            });
        manifests.extend(ours.iter().map(|descriptor| json!(descriptor)));
        let is_needed = sorted(&manifests) != sorted(self.manifests());
        Change { manifests, replaced, is_needed }
    }

    /// The names that we gave to the platforms of an index in this layout, and that still stand for them.
    fn names_of_platforms(&self, dir: &Path, entry: &Value) -> Vec<String> {
        let Some(name) = entry["annotations"][REF_NAME].as_str() else { return Vec::new() };
        let Some(index) = document(dir, entry) else { return Vec::new() };
        let children = index["manifests"].as_array().cloned().unwrap_or_default();
        let children = children.into_iter().filter_map(|child| serde_json::from_value(child).ok());
        let named = children.filter_map(|child: Descriptor| {
            let name = name::name_for_platform(name, child.platform.as_ref()?);
            let is_ours = |entry: &&Value| {
                entry["annotations"][REF_NAME] == json!(name) && entry["digest"] == json!(child.digest)
            };
            self.manifests().iter().any(|entry| is_ours(&entry)).then_some(name)
        });
        named.collect()
    }

    /// The bytes of `index.json` with other descriptors; fields that others put there are kept.
    pub(super) fn index_with(&self, manifests: &[Value]) -> Vec<u8> {
        let mut index = self.index.clone();
        index.insert("manifests".into(), manifests.into());
        canonical_json(&index.into())
    }
}

/// The document a descriptor names, if it is in the layout and can be read.
pub(super) fn document(dir: &Path, descriptor: &Value) -> Option<Value> {
    let digest = descriptor["digest"].as_str()?.parse().ok()?;
    let bytes = read_small(&blob_path(dir, &digest)).ok()??;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

fn sorted(entries: &[Value]) -> Vec<Vec<u8>> {
    let mut entries: Vec<Vec<u8>> = entries.iter().map(canonical_json).collect();
    entries.sort();
    entries
}

fn check_mark(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mark: Value = serde_json::from_slice(bytes).unwrap_or_default();
    match mark["imageLayoutVersion"].as_str() {
        Some("1.0.0") => Ok(()),
        Some(other) => Err(refuse(path, format!("its version is `{other}`; only `1.0.0` is supported"))),
        None => Err(refuse(path, "it has no `imageLayoutVersion`".into())),
    }
}

fn read_index(path: &Path, bytes: &[u8]) -> Result<Map<String, Value>, Error> {
    let index: Value =
        serde_json::from_slice(bytes).map_err(|error| refuse(path, format!("it is not JSON ({error})")))?;
    match index {
        Value::Object(index)
            if index.get("schemaVersion") == Some(&json!(2))
                && index
                    .get("manifests")
                    .is_none_or(|manifests| manifests.is_array() || manifests.is_null()) =>
        {
            Ok(index)
        }
        _ => Err(refuse(path, "it is not an image index".into())),
    }
}

fn read_small(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let unreadable = |source| Error::disk("read", path, source);
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(unreadable(source)),
        Ok(found) if !found.is_file() => return Err(refuse(path, "it is not a file".into())),
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > MOST {
        return Err(refuse(path, format!("it is larger than {MOST} bytes")));
    }
    Ok(Some(bytes))
}

/// Whether a folder holds nothing but unfinished work of ours.
fn is_empty(dir: &Path) -> Result<bool, Error> {
    let unreadable = |source| Error::disk("read", dir, source);
    for entry in fs::read_dir(dir).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if !name.as_encoded_bytes().starts_with(draft::PREFIX.as_bytes()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn refuse(path: &Path, reason: String) -> Error {
    Error::Layout { path: path.to_owned(), reason }
}
