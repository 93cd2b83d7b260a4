use std::collections::BTreeSet;

use serde_json::Value;
use wainwright_oci::annotation::REF_NAME;
use wainwright_oci::{Descriptor, Digest, Platform, media_type};

use crate::Error;
use crate::blobs::Blobs;
use crate::document::{self, Form};
use crate::source::is_same_name;

/// How deep an index may lie in other indexes.
const DEEPEST: usize = 4;
/// How many entries of indexes are looked at.
const MOST_ENTRIES: usize = 5000;

/// What the user asked for.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) digest: Option<&'a Digest>,
    pub(crate) platform: &'a Platform,
}

/// A manifest that an index names.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) descriptor: Descriptor,
    /// The name on the entry of `index.json` it was reached through.
    pub(crate) name: Option<String>,
    /// From the entry, else from the config.
    pub(crate) platform: Option<Platform>,
}

/// Walks from `index.json` to the one manifest that fits.
pub(crate) fn select(blobs: &Blobs, index: &Value, wish: Wish<'_>) -> Result<Candidate, Error> {
    let found = collect(blobs, index, wish)?;
    let wanted = normal(wish.platform);
    let path = || blobs.shown.clone();
    let mut digests = BTreeSet::new();
    let fitting: Vec<&Candidate> = found
        .iter()
        .filter(|candidate| candidate.platform.as_ref().map(normal).as_ref() == Some(&wanted))
        .filter(|candidate| digests.insert(candidate.descriptor.digest))
        .collect();
    match fitting[..] {
        [one] => Ok(one.clone()),
        [] => {
            let platform =
                |c: &Candidate| c.platform.as_ref().map_or("an unknown platform".into(), |p| p.to_string());
            let platforms: BTreeSet<String> = found.iter().map(platform).collect();
            let wanted = wish.platform.clone();
            Err(Error::Platform { path: path(), wanted, found: platforms.into_iter().collect() })
        }
        _ => {
            let label = |candidate: &&Candidate| {
                let digest = candidate.descriptor.digest;
                candidate.name.as_ref().map_or(digest.to_string(), |name| format!("{name} ({digest})"))
            };
            let found = fitting.iter().map(label).collect();
            Err(Error::Ambiguous { path: path(), wanted: wish.platform.clone(), found })
        }
    }
}

/// The usual spellings of a platform made one: `arm64/v8` is `arm64`, `amd64/v1` is `amd64`, `arm` is `arm/v7`.
fn normal(platform: &Platform) -> Platform {
    let mut platform = platform.clone();
    platform.variant = match (platform.architecture.as_str(), platform.variant.as_deref()) {
        ("arm64", Some("v8")) | ("amd64", Some("v1")) => None,
        ("arm", None) => Some("v7".into()),
        (_, variant) => variant.map(Into::into),
    };
    platform
}

/// The platform, with the variant that is meant by none, is the same.
pub(crate) fn is_same_machine(a: &Platform, b: &Platform) -> bool {
    (&a.os, &a.architecture) == (&b.os, &b.architecture)
}

struct Walk<'a> {
    blobs: &'a Blobs,
    digest: Option<&'a Digest>,
    entries: usize,
    seen: BTreeSet<(Digest, bool)>,
    found: Vec<Candidate>,
}

/// The images that carry the wanted name and digest, for every platform.
fn collect(blobs: &Blobs, index: &Value, wish: Wish<'_>) -> Result<Vec<Candidate>, Error> {
    let at = blobs.at("index.json");
    if document::form(at, "", index)? != Form::Index {
        return at.refuse("it is not an index");
    }
    let mut walk = Walk { blobs, digest: wish.digest, entries: 0, seen: BTreeSet::new(), found: Vec::new() };
    let mut names = BTreeSet::new();
    for entry in document::descriptors(at, index, "manifests")? {
        let name = entry_name(&entry);
        let is_wanted = match (wish.name, &name) {
            (None, _) => true,
            (Some(wanted), name) => {
                let names = name.iter().chain(entry.annotations.get(REF_NAME));
                names.into_iter().any(|name| is_same_name(name, wanted))
            }
        };
        names.extend(name.clone());
        if is_wanted {
            walk.entry(entry, name.as_ref(), wish.digest.is_none(), 1)?;
        }
    }
    if walk.found.is_empty() && (wish.name.is_some() || wish.digest.is_some()) {
        let asked = [wish.name.map(Into::into), wish.digest.map(ToString::to_string)];
        let name = asked.into_iter().flatten().collect::<Vec<_>>().join("@");
        return Err(Error::Name { path: blobs.shown.clone(), name, found: names.into_iter().collect() });
    }
    Ok(walk.found)
}

/// The images and indexes that `index.json` itself names, each once; `true` beside an index.
///
/// With a digest: the one that has it.
pub(crate) fn roots(
    blobs: &Blobs,
    index: &Value,
    name: Option<&str>,
    digest: Option<&Digest>,
) -> Result<Vec<(Descriptor, bool)>, Error> {
    let at = blobs.at("index.json");
    if document::form(at, "", index)? != Form::Index {
        return at.refuse("it is not an index");
    }
    let (mut roots, mut names) = (Vec::new(), BTreeSet::new());
    let mut seen = BTreeSet::new();
    for entry in document::descriptors(at, index, "manifests")? {
        let entry_name = entry_name(&entry);
        let known = [entry_name.as_ref(), entry.annotations.get(REF_NAME)];
        let is_wanted =
            name.is_none_or(|wanted| known.into_iter().flatten().any(|name| is_same_name(name, wanted)));
        names.extend(entry_name);
        let is_pinned = digest.is_none_or(|digest| *digest == entry.digest);
        if !is_wanted || !is_pinned || seen.contains(&entry.digest) {
            continue;
        }
        let is_index = match entry.media_type.as_str() {
            media_type::INDEX | media_type::DOCKER_INDEX => true,
            media_type::MANIFEST | media_type::DOCKER_MANIFEST => false,
            "" => {
                let what = "image index or manifest";
                document::form(blobs.at(what), "", &blobs.document(what, &entry)?.json)? == Form::Index
            }
            _ => continue,
        };
        seen.insert(entry.digest);
        roots.push((entry, is_index));
    }
    if roots.is_empty() && (name.is_some() || digest.is_some()) {
        let asked = [name.map(Into::into), digest.map(ToString::to_string)];
        let name = asked.into_iter().flatten().collect::<Vec<_>>().join("@");
        return Err(Error::Name { path: blobs.shown.clone(), name, found: names.into_iter().collect() });
    }
    Ok(roots)
}

/// All images that some entries name, directly or through indexes.
pub(crate) fn candidates(blobs: &Blobs, entries: Vec<Descriptor>) -> Result<Vec<Candidate>, Error> {
    let mut walk = Walk { blobs, digest: None, entries: 0, seen: BTreeSet::new(), found: Vec::new() };
    for entry in entries {
        let name = entry_name(&entry);
        walk.entry(entry, name.as_ref(), true, 1)?;
    }
    Ok(walk.found)
}

/// What to call an entry of `index.json`.
pub(crate) fn label(entry: &Descriptor) -> String {
    entry_name(entry).map_or(entry.digest.to_string(), |name| format!("{name} ({})", entry.digest))
}

/// containerd and Docker put the whole reference beside the tag.
fn entry_name(entry: &Descriptor) -> Option<String> {
    ["io.containerd.image.name", REF_NAME].iter().find_map(|key| entry.annotations.get(*key)).cloned()
}

impl Walk<'_> {
    /// `is_pinned`: this entry or one above it has the digest that was asked for, or none was.
    fn entry(
        &mut self,
        entry: Descriptor,
        name: Option<&String>,
        is_pinned: bool,
        depth: usize,
    ) -> Result<(), Error> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return self.blobs.at("image index").refuse(format!("it has more than {MOST_ENTRIES} entries"));
        }
        let is_pinned = is_pinned || self.digest == Some(&entry.digest);
        // An index that names itself, or is named twice, is walked once.
        if !self.seen.insert((entry.digest, is_pinned)) {
            return Ok(());
        }
        match entry.media_type.as_str() {
            media_type::INDEX | media_type::DOCKER_INDEX => self.index(&entry, name, is_pinned, depth),
            media_type::MANIFEST | media_type::DOCKER_MANIFEST if is_pinned => self.manifest(entry, name),
            "" => {
                let document = self.blobs.document("image index or manifest", &entry)?;
                match document::form(self.blobs.at("image index or manifest"), "", &document.json)? {
                    Form::Index => self.index(&entry, name, is_pinned, depth),
                    Form::Manifest if is_pinned => self.manifest(entry, name),
                    Form::Manifest => Ok(()),
                }
            }
            // Something else that is kept beside images (image-spec, "Image Index": unknown types are ignored).
            _ => Ok(()),
        }
    }

    fn index(
        &mut self,
        entry: &Descriptor,
        name: Option<&String>,
        is_pinned: bool,
        depth: usize,
    ) -> Result<(), Error> {
        let at = self.blobs.at("image index");
        if depth > DEEPEST {
            return at.refuse(format!("indexes are nested more than {DEEPEST} levels deep"));
        }
        let document = self.blobs.document("image index", entry)?;
        document::form(at, &entry.media_type, &document.json)?;
        for entry in document::descriptors(at, &document.json, "manifests")? {
            self.entry(entry, name, is_pinned, depth + 1)?;
        }
        Ok(())
    }

    fn manifest(&mut self, entry: Descriptor, name: Option<&String>) -> Result<(), Error> {
        let is_unknown = |platform: &Platform| platform.os == "unknown" && platform.architecture == "unknown";
        let is_attestation = entry.annotations.get("vnd.docker.reference.type").map(String::as_str)
            == Some("attestation-manifest")
            || entry.platform.as_ref().is_some_and(is_unknown);
        if is_attestation {
            return Ok(());
        }
        let platform = match &entry.platform {
            Some(platform) => Some(platform.clone()),
            None => match self.platform_of_config(&entry)? {
                Some(platform) => platform,
                None => return Ok(()),
            },
        };
        self.found.push(Candidate { descriptor: entry, name: name.cloned(), platform });
        Ok(())
    }

    /// What the config says; `None` where the manifest is not of an image but of some other artifact.
    fn platform_of_config(&self, entry: &Descriptor) -> Result<Option<Option<Platform>>, Error> {
        let at = self.blobs.at("image manifest");
        let manifest = self.blobs.document("image manifest", entry)?;
        document::form(at, &entry.media_type, &manifest.json)?;
        let config = document::descriptor(at, &manifest.json["config"], "config")?;
        if !is_config(&config.media_type) {
            return Ok(None);
        }
        Ok(Some(document::platform(&self.blobs.document("image config", &config)?.json)))
    }
}

/// Whether a media type is that of an image's config; some manifests do not say.
pub fn is_config(kind: &str) -> bool {
    matches!(kind, media_type::CONFIG | media_type::DOCKER_CONFIG | "")
}

#[cfg(test)]
mod tests;
