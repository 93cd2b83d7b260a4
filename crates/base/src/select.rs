use std::collections::BTreeSet;

use serde_json::Value;
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

const REF_NAME: &str = "org.opencontainers.image.ref.name";

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
mod tests {
    use serde_json::json;
    use wainwright_fault::Classify;

    use super::*;
    use crate::testing::{Bench, TestImage, raw};
    use crate::{Source, open};

    /// Opens the layout and gives the name of what was chosen, or the refusal.
    fn check(bench: &Bench, name: Option<&str>, platform: &str, expected: &str) {
        check_pinned(bench, name, None, platform, expected);
    }

    fn check_pinned(bench: &Bench, name: Option<&str>, pin: Option<&str>, platform: &str, expected: &str) {
        let digest = pin.map(|pin| pin.parse().unwrap());
        let source = Source::Layout { dir: bench.layout(), name: name.map(Into::into), digest };
        let found = match open(&source, &platform.parse().unwrap(), &bench.store) {
            Ok(base) => {
                let architecture = &base.image.config.json["architecture"];
                format!("{} {}", base.name.unwrap_or_default(), architecture.as_str().unwrap())
            }
            Err(error) => {
                assert!(error.hint().is_some() && !error.is_outside(), "{error:?}");
                error.to_string().replace(&format!("`{}`", bench.layout().display()), "it")
            }
        };
        assert_eq!(found, expected);
    }

    fn image(bench: &Bench, architecture: &str, content: &str) -> Value {
        bench.image(&TestImage::new(architecture, vec![raw().file("x", content.as_bytes())]))
    }

    fn with(mut descriptor: Value, field: &str, value: Value) -> Value {
        descriptor[field] = value;
        descriptor
    }

    fn named(descriptor: Value, name: &str) -> Value {
        with(descriptor, "annotations", json!({REF_NAME: name}))
    }

    fn for_platform(descriptor: Value, os: &str, architecture: &str, variant: Option<&str>) -> Value {
        let platform = match variant {
            Some(variant) => json!({"os": os, "architecture": architecture, "variant": variant}),
            None => json!({"os": os, "architecture": architecture}),
        };
        with(descriptor, "platform", platform)
    }

    fn index(bench: &Bench, entries: &[Value]) -> Value {
        let json = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": entries});
        bench.json_blob(media_type::INDEX, &json)
    }

    #[test]
    fn a_nested_index_is_searched_for_the_platform() {
        let bench = Bench::new();
        let attestation = for_platform(image(&bench, "amd64", "attestation"), "unknown", "unknown", None);
        let nested = index(
            &bench,
            &[
                for_platform(image(&bench, "amd64", ""), "linux", "amd64", None),
                for_platform(image(&bench, "arm64", ""), "linux", "arm64", Some("v8")),
                for_platform(image(&bench, "arm", ""), "linux", "arm", Some("v7")),
                attestation,
            ],
        );
        bench.write_index(&[named(nested, "1.4")]);
        check(&bench, None, "linux/amd64", "1.4 amd64");
        check(&bench, Some("1.4"), "linux/arm64", "1.4 arm64");
        check(&bench, None, "linux/arm", "1.4 arm");
        let held = "it contains linux/amd64, linux/arm/v7, linux/arm64/v8";
        check(&bench, None, "linux/s390x", &format!("it contains no image for linux/s390x; {held}"));
        check(&bench, None, "linux/arm/v6", &format!("it contains no image for linux/arm/v6; {held}"));
        check(&bench, Some("2"), "linux/amd64", "it contains no image named `2`; it contains 1.4");
    }

    #[test]
    fn entries_without_a_platform_are_asked() {
        let bench = Bench::new();
        let artifact = json!({
            "schemaVersion": 2,
            "config": with(bench.blob("application/vnd.oci.empty.v1+json", b"{}"), "size", json!(2)),
            "layers": [],
        });
        let artifact = bench.json_blob(media_type::MANIFEST, &artifact);
        bench.write_index(&[image(&bench, "amd64", ""), image(&bench, "arm64", ""), artifact]);
        check(&bench, None, "linux/arm64", " arm64");
        check(
            &bench,
            None,
            "linux/386",
            "it contains no image for linux/386; it contains linux/amd64, linux/arm64",
        );
    }

    #[test]
    fn two_that_fit_are_refused_and_listed() {
        let bench = Bench::new();
        let (one, two) = (image(&bench, "amd64", "1"), image(&bench, "amd64", "2"));
        bench.write_index(&[named(one.clone(), "1"), named(one.clone(), "again"), named(two.clone(), "2")]);
        let digest = |descriptor: &Value| descriptor["digest"].as_str().unwrap().to_owned();
        let found = format!("1 ({}), 2 ({})", digest(&one), digest(&two));
        check(&bench, None, "linux/amd64", &format!("it contains several images for linux/amd64: {found}"));
        check(&bench, Some("2"), "linux/amd64", "2 amd64");
        check_pinned(&bench, None, Some(&digest(&one)), "linux/amd64", "1 amd64");
        let expected = format!("it contains no image named `2@{}`; it contains 1, 2, again", digest(&one));
        check_pinned(&bench, Some("2"), Some(&digest(&one)), "linux/amd64", &expected);
    }

    #[test]
    fn a_digest_may_name_an_index_or_what_is_in_it() {
        let bench = Bench::new();
        let manifest = image(&bench, "amd64", "");
        let nested = index(&bench, std::slice::from_ref(&manifest));
        bench.write_index(std::slice::from_ref(&nested));
        for descriptor in [manifest, nested] {
            check_pinned(&bench, None, descriptor["digest"].as_str(), "linux/amd64", " amd64");
        }
    }

    #[test]
    fn depth_and_number_of_entries_are_bounded() {
        let bench = Bench::new();
        let mut entry = image(&bench, "amd64", "");
        for depth in 1..=5 {
            entry = index(&bench, &[entry]);
            bench.write_index(&[entry.clone()]);
            let deep = "invalid image index in it: indexes are nested more than 4 levels deep";
            check(&bench, None, "linux/amd64", if depth > 4 { deep } else { " amd64" });
        }
        let many = vec![for_platform(image(&bench, "amd64", ""), "linux", "amd64", None); MOST_ENTRIES + 1];
        bench.write_index(&many[1..]);
        check(&bench, None, "linux/amd64", " amd64");
        bench.write_index(&many);
        let reason = format!("invalid image index in it: it has more than {MOST_ENTRIES} entries");
        check(&bench, None, "linux/amd64", &reason);
    }

    #[test]
    fn a_config_may_not_contradict_the_index() {
        let bench = Bench::new();
        bench.write_index(&[for_platform(image(&bench, "arm64", ""), "linux", "amd64", None)]);
        let reason = "invalid image config in it: it is for linux/arm64, not for linux/amd64";
        check(&bench, None, "linux/amd64", reason);
    }

    #[test]
    fn an_empty_layout_says_so() {
        let bench = Bench::new();
        bench.write_index(&[]);
        check(&bench, None, "linux/amd64", "it contains no image for linux/amd64; it contains no images");
    }
}
