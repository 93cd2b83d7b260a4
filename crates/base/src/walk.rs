use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;
use wainwright_oci::{Descriptor, Digest, Document, media_type};

use crate::Error;
use crate::document::{self, Form, Where};

/// How deep an index may lie in other indexes.
const DEEPEST: usize = 4;
/// How many manifests and indexes one tree may have.
const MOST_DOCUMENTS: usize = 5000;
/// How many bytes they may have together.
const MOST_BYTES: u64 = 64 << 20;

/// Layers that only their makers may give away: their bytes stay where the `urls` say (image-spec, "Non-Distributable
/// Layers").
const NOT_DISTRIBUTED: [&str; 2] = [media_type::DOCKER_KEPT_LAYER_TAR, media_type::KEPT_LAYER_TAR];

/// Finds everything below an index or manifest, without knowing where documents come from: it says which it wants next,
/// and is given them.
///
/// Every document is compared with its descriptor, and refused when one reader could take it for something else than
/// another does.
#[derive(Debug)]
pub struct Walk {
    /// What the user named, for messages.
    shown: PathBuf,
    root: Document,
    /// The documents below the root, and how deep they lie at most.
    found: BTreeMap<Digest, (usize, usize, Document)>,
    wanted: Vec<Descriptor>,
    depth: usize,
    bytes: u64,
    blobs: Vec<Descriptor>,
    kept_back: Vec<Descriptor>,
    seen: BTreeSet<Digest>,
}

/// What a [`Walk`] found.
#[derive(Debug)]
pub struct Parts {
    /// The index or manifest that it began with.
    pub root: Document,
    /// Indexes and manifests below it. What is named comes before what names it.
    pub children: Vec<Document>,
    /// Configs and layers, each once, in the order in which they are named.
    pub blobs: Vec<Descriptor>,
    /// Layers that are not given away, and so are not among the blobs.
    pub kept_back: Vec<Descriptor>,
}

impl Walk {
    /// Begins at an index or manifest. `shown` is what it is called in messages.
    pub fn begin(shown: impl Into<PathBuf>, root: Document) -> Result<Self, Error> {
        let mut walk = Self {
            shown: shown.into(),
            root: root.clone(),
            found: BTreeMap::new(),
            wanted: Vec::new(),
            depth: 0,
            bytes: 0,
            blobs: Vec::new(),
            kept_back: Vec::new(),
            seen: BTreeSet::new(),
        };
        walk.root = walk.read(root)?;
        Ok(walk)
    }

    /// The documents to give it next; none: it is complete.
    pub fn wanted(&self) -> &[Descriptor] {
        &self.wanted
    }

    /// Takes the bytes of what was wanted, in that order.
    pub fn take(&mut self, all: Vec<Vec<u8>>) -> Result<(), Error> {
        let wanted = std::mem::take(&mut self.wanted);
        self.depth += 1;
        for (descriptor, bytes) in wanted.iter().zip(all) {
            let what = "manifest";
            let found = Digest::of(&bytes);
            let (path, expected) = (self.shown.clone(), descriptor.digest);
            if bytes.len() as u64 != descriptor.size {
                let (expected, found) = (descriptor.size, bytes.len() as u64);
                return Err(Error::Size { path, what: what.into(), expected, found });
            }
            if found != expected {
                return Err(Error::Mismatch { path, what: what.into(), expected, found });
            }
            let document = Document::read(what, &descriptor.media_type, bytes)
                .or_else(|error| self.at().refuse(error.to_string()))?;
            let document = self.read(document)?;
            let order = self.found.len();
            self.found.insert(expected, (self.depth, order, document));
        }
        Ok(())
    }

    /// What was found, when nothing is wanted any more.
    pub fn finish(self) -> Parts {
        let mut found: Vec<_> = self.found.into_values().collect();
        found.sort_by_key(|(depth, order, _)| (std::cmp::Reverse(*depth), *order));
        let children = found.into_iter().map(|(_, _, document)| document).collect();
        Parts { root: self.root, children, blobs: self.blobs, kept_back: self.kept_back }
    }

    fn at(&self) -> Where<'_> {
        Where { path: &self.shown, what: "manifest" }
    }

    /// Learns what a document names, and completes its media type.
    fn read(&mut self, mut document: Document) -> Result<Document, Error> {
        self.bytes += document.descriptor.size;
        if self.bytes > MOST_BYTES {
            return self.at().refuse("its manifests are larger than 64 MiB in total");
        }
        let form = document::form(self.at(), &document.descriptor.media_type, &document.json)?;
        if document.descriptor.media_type.is_empty() {
            let stated = document.json.get("mediaType").and_then(Value::as_str);
            document.descriptor.media_type = stated
                .unwrap_or(match form {
                    Form::Index => media_type::INDEX,
                    Form::Manifest => media_type::MANIFEST,
                })
                .to_owned();
        }
        match form {
            Form::Index => self.index(&document)?,
            Form::Manifest => self.manifest(&document)?,
        }
        Ok(document)
    }

    fn index(&mut self, document: &Document) -> Result<(), Error> {
        if self.depth >= DEEPEST {
            return self.at().refuse(format!("indexes are nested more than {DEEPEST} levels deep"));
        }
        for entry in document::descriptors(self.at(), &document.json, "manifests")? {
            let kinds = [
                "",
                media_type::INDEX,
                media_type::MANIFEST,
                media_type::DOCKER_INDEX,
                media_type::DOCKER_MANIFEST,
            ];
            if !kinds.contains(&entry.media_type.as_str()) {
                let reason =
                    format!("it lists `{}`, which is neither an index nor a manifest", entry.media_type);
                return self.at().refuse(reason);
            }
            // Named again further down, it has to come even earlier; and all that it names.
            if !self.wanted.iter().any(|wanted| wanted.digest == entry.digest) {
                self.wanted.push(entry);
            }
            if self.found.len() + self.wanted.len() > MOST_DOCUMENTS {
                return self.at().refuse(format!("it has more than {MOST_DOCUMENTS} manifests"));
            }
        }
        Ok(())
    }

    fn manifest(&mut self, document: &Document) -> Result<(), Error> {
        let config = document::descriptor(self.at(), &document.json["config"], "config")?;
        let layers = document::descriptors(self.at(), &document.json, "layers")?;
        for blob in [config].into_iter().chain(layers) {
            if !self.seen.insert(blob.digest) {
                continue;
            }
            match NOT_DISTRIBUTED.iter().any(|kind| blob.media_type.starts_with(kind)) {
                true => self.kept_back.push(blob),
                false => self.blobs.push(blob),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn manifest(layer: &str) -> Document {
        let json = json!({
            "schemaVersion": 2, "mediaType": media_type::MANIFEST,
            "config": Descriptor::of(media_type::CONFIG, b"{}"),
            "layers": [Descriptor::of(media_type::LAYER_TAR, layer.as_bytes())],
        });
        Document::write(media_type::MANIFEST, json)
    }

    fn index(below: &[&Document]) -> Document {
        let manifests: Vec<_> = below.iter().map(|document| &document.descriptor).collect();
        let json = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": manifests});
        Document::write(media_type::INDEX, json)
    }

    /// Walks from the first document, with all to choose from.
    fn walk(all: &[&Document]) -> Result<Parts, Error> {
        let mut walk = Walk::begin("x", all[0].clone())?;
        while !walk.wanted().is_empty() {
            let find = |wanted: &Descriptor| {
                all.iter().find(|document| document.digest() == wanted.digest).unwrap().bytes().to_vec()
            };
            walk.take(walk.wanted().iter().map(find).collect())?;
        }
        Ok(walk.finish())
    }

    #[test]
    fn referenced_documents_come_first() {
        let (one, two) = (manifest("1"), manifest("2"));
        let inner = index(&[&one]);
        // `one` is named at two depths.
        let outer = index(&[&one, &two, &inner]);
        let parts = walk(&[&outer, &one, &two, &inner]).unwrap();
        let digests: Vec<_> = parts.children.iter().map(Document::digest).collect();
        assert_eq!(digests, [one.digest(), two.digest(), inner.digest()]);
        // One config and two layers.
        assert_eq!(parts.blobs.len(), 3);
    }

    #[test]
    fn a_manifest_stands_alone() {
        let parts = walk(&[&manifest("1")]).unwrap();
        assert_eq!((parts.children.len(), parts.blobs.len()), (0, 2));
    }

    #[test]
    fn indexes_have_limits() {
        let mut chain = vec![index(&[])];
        for _ in 0..=DEEPEST {
            chain.insert(0, index(&[&chain[0]]));
        }
        let error = walk(&chain.iter().collect::<Vec<_>>()).unwrap_err();
        assert!(error.to_string().contains("more than 4 levels deep"), "{error}");
        let json = json!({"schemaVersion": 2, "manifests": [Descriptor::of("text/plain", b"")]});
        let odd = Document::read("index", media_type::INDEX, json.to_string().into()).unwrap();
        assert!(walk(&[&odd]).unwrap_err().to_string().contains("`text/plain`, which is neither"));
    }

    #[test]
    fn other_bytes_than_promised_are_refused() {
        let one = manifest("1");
        let begin = || Walk::begin("x", index(&[&one])).unwrap();
        let error = begin().take(vec![b"{}".to_vec()]).unwrap_err();
        assert!(matches!(error, Error::Size { .. }), "{error}");
        let mut bytes = one.bytes().to_vec();
        let last = bytes.len() - 2;
        bytes[last] = b' ';
        let error = begin().take(vec![bytes]).unwrap_err();
        assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    }

    #[test]
    fn layers_that_nobody_may_give_away_are_told_apart() {
        let foreign = format!("{}.gzip", NOT_DISTRIBUTED[0]);
        let json = json!({
            "schemaVersion": 2, "mediaType": media_type::DOCKER_MANIFEST,
            "config": Descriptor::of(media_type::DOCKER_CONFIG, b"{}"),
            "layers": [Descriptor::of(&foreign, b"windows")],
        });
        let parts = walk(&[&Document::write(media_type::DOCKER_MANIFEST, json)]).unwrap();
        assert_eq!((parts.blobs.len(), parts.kept_back.len()), (1, 1));
    }
}
