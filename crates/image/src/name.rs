use std::collections::BTreeSet;

pub(crate) use wainwright_oci::annotation::REF_NAME;
use wainwright_oci::{Descriptor, Platform, Reference};

use crate::Release;
use crate::release::manifest_descriptor;

/// Annotation of a descriptor in `index.json`: the name containerd and podman give the image.
///
/// With `ref.name` alone podman would call it `localhost/<tag>`.
pub(crate) const IMAGE_NAME: &str = "io.containerd.image.name";

/// What a reference is called everywhere: registry, repository and tag, without a digest.
pub(crate) fn full_name(reference: &Reference) -> String {
    format!("{}/{}:{}", reference.registry(), reference.repository(), tag(reference))
}

fn tag(reference: &Reference) -> &str {
    reference.tag().unwrap_or("latest")
}

/// The full names of a release, in the order given, each once.
pub(crate) fn full_names(tags: &[Reference]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    tags.iter().map(full_name).filter(|name| seen.insert(name.clone())).collect()
}

/// The descriptors `index.json` lists for a release: one for each name.
///
/// `ref.name` is the tag (`1`), which is what people type behind `oci:folder:`; a second name with the same tag, in another
/// repository, goes by its full name. Without any name it is `latest`.
pub(crate) fn named_descriptors(release: &Release) -> Vec<Descriptor> {
    let Some(root) = release.root() else { return Vec::new() };
    let named = |ref_name: &str, image_name: Option<String>| {
        let mut descriptor = root.clone();
        descriptor.annotations.insert(REF_NAME.into(), ref_name.into());
        descriptor.annotations.extend(image_name.map(|name| (IMAGE_NAME.to_owned(), name)));
        descriptor
    };
    if release.tags.is_empty() {
        return vec![named("latest", None)];
    }
    let mut taken = BTreeSet::new();
    let mut descriptors = Vec::new();
    for name in full_names(&release.tags) {
        // The tag is what follows the last colon: a full name always has one.
        let tag = name.rsplit(':').next().unwrap_or(&name).to_owned();
        let ref_name = if taken.insert(tag.clone()) { tag } else { name.clone() };
        descriptors.push(named(&ref_name, Some(name)));
    }
    descriptors
}

/// The descriptors `index.json` lists besides, so that each platform of an index has a name of its own.
///
/// umoci 0.4.7 does not choose: it calls a name ambiguous that leads to more than one manifest.
pub(crate) fn platform_descriptors(release: &Release, named: &[Descriptor]) -> Vec<Descriptor> {
    if release.index.is_none() {
        return Vec::new();
    }
    let mut taken: BTreeSet<String> = named.iter().filter_map(ref_name).map(Into::into).collect();
    let mut descriptors = Vec::new();
    for name in named.iter().filter_map(ref_name) {
        for image in &release.images {
            let name = name_for_platform(name, &image.platform);
            if taken.insert(name.clone()) {
                let mut descriptor = manifest_descriptor(image);
                descriptor.annotations.insert(REF_NAME.into(), name);
                descriptors.push(descriptor);
            }
        }
    }
    descriptors
}

/// `1-linux-arm64` for `1` and `linux/arm64`.
pub(crate) fn name_for_platform(name: &str, platform: &Platform) -> String {
    format!("{name}-{}", platform.to_string().replace('/', "-"))
}

fn ref_name(descriptor: &Descriptor) -> Option<&str> {
    descriptor.annotations.get(REF_NAME).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    /// The names in `index.json`: `ref.name`, and containerd's behind an arrow.
    fn names(architectures: &[&str], tags: &[&str]) -> Vec<String> {
        let release = Sample::new().release(architectures, tags);
        let named = named_descriptors(&release);
        let extra = platform_descriptors(&release, &named);
        let show = |descriptor: &Descriptor| match descriptor.annotations.get(IMAGE_NAME) {
            Some(image_name) => format!("{} -> {image_name}", ref_name(descriptor).unwrap()),
            None => ref_name(descriptor).unwrap().to_owned(),
        };
        named.iter().chain(&extra).map(show).collect()
    }

    #[test]
    fn names_are_written_out_in_full() {
        assert_eq!(names(&["amd64"], &["api:1"]), ["1 -> docker.io/library/api:1"]);
        assert_eq!(
            names(&["amd64"], &["localhost:5000/demo/api"]),
            ["latest -> localhost:5000/demo/api:latest"]
        );
        assert_eq!(names(&["amd64"], &[]), ["latest"]);
    }

    #[test]
    fn a_digest_is_no_part_of_a_name() {
        let pinned = format!("demo/api:1@sha256:{}", "0".repeat(64));
        assert_eq!(names(&["amd64"], &[&pinned]), ["1 -> docker.io/demo/api:1"]);
    }

    #[test]
    fn equal_tags_of_two_repositories_stay_apart() {
        assert_eq!(
            names(&["amd64"], &["demo/api:1", "ghcr.io/acme/api:1", "demo/api:1", "demo/api:2"]),
            [
                "1 -> docker.io/demo/api:1",
                "ghcr.io/acme/api:1 -> ghcr.io/acme/api:1",
                "2 -> docker.io/demo/api:2"
            ]
        );
    }

    #[test]
    fn each_platform_of_an_index_has_a_name() {
        assert_eq!(
            names(&["amd64", "arm64"], &["demo/api:1", "demo/api:1-linux-arm64"]),
            [
                "1 -> docker.io/demo/api:1",
                "1-linux-arm64 -> docker.io/demo/api:1-linux-arm64",
                "1-linux-amd64",
                "1-linux-arm64-linux-amd64",
                "1-linux-arm64-linux-arm64"
            ]
        );
    }
}
