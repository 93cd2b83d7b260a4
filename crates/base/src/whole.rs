use std::collections::BTreeSet;
use std::path::Path;

use wainwright_oci::{Descriptor, Digest, Document, Image};
use wainwright_store::{Store, TempDir};

use crate::blobs::Blobs;
use crate::{Error, Source, archive, docker_archive, image, layout, select};

/// An image for all its platforms.
#[derive(Debug)]
pub struct WholeImage {
    /// Lists the images, where there is one.
    pub index: Option<Document>,
    /// One for each platform, sorted by platform.
    pub images: Vec<Image>,
    /// Whether the manifests are the image's own. `docker save` writes none, and those here are stand-ins: such an image is
    /// named by the digest of its config.
    pub has_manifests: bool,
    /// Where a compressed archive was unpacked, and the layers are.
    _scratch: Option<TempDir>,
}

impl WholeImage {
    /// What names it: the digest of its index, or of its only image. `None` for several images without an index.
    pub fn digest(&self) -> Option<Digest> {
        match (&self.index, &self.images[..]) {
            (Some(index), _) => Some(index.digest()),
            (None, [image]) => Some(self.name(image)),
            _ => None,
        }
    }

    /// The digest that names one of its images: that of the manifest, or of the config where there is no manifest.
    pub fn name(&self, image: &Image) -> Digest {
        if self.has_manifests { image.manifest.digest() } else { image.config.digest() }
    }
}

/// Finds an image with all its platforms in a layout or an archive.
///
/// Where a layout holds an index and, under other names, the images in it, the index is meant. Documents are checked as
/// [`crate::open`] checks them; of the layers only presence and size are looked at.
pub fn open_whole(source: &Source, store: &Store) -> Result<WholeImage, Error> {
    let Files { blobs, scratch, name, digest, is_layout } = files(source, store)?;
    let (index, mut images) = match is_layout {
        true => of_layout(&blobs, name, digest)?,
        false => (None, docker_archive::all(&blobs, &image::docker_manifest(&blobs)?, name)?),
    };
    images.sort_by(|a, b| a.platform.cmp(&b.platform));
    if let Some(pair) = images.windows(2).find(|pair| pair[0].platform == pair[1].platform) {
        let found = pair.iter().map(|image| image.manifest.digest().to_string()).collect();
        return Err(Error::Ambiguous { path: blobs.shown.clone(), wanted: pair[0].platform.clone(), found });
    }
    Ok(WholeImage { index, images, has_manifests: is_layout, _scratch: scratch })
}

/// An opened layout or archive, and which image of it is meant.
pub(crate) struct Files<'a> {
    pub(crate) blobs: Blobs,
    /// Where a compressed archive was unpacked.
    pub(crate) scratch: Option<TempDir>,
    pub(crate) name: Option<&'a str>,
    pub(crate) digest: Option<&'a Digest>,
    /// Otherwise it is what `docker save` writes.
    pub(crate) is_layout: bool,
}

pub(crate) fn files<'a>(source: &'a Source, store: &Store) -> Result<Files<'a>, Error> {
    match source {
        Source::Layout { dir, name, digest } => {
            image::check_folder(dir)?;
            let (blobs, name, digest) = (Blobs::folder(dir), name.as_deref(), digest.as_ref());
            Ok(Files { blobs, scratch: None, name, digest, is_layout: true })
        }
        Source::Archive { file, name } => {
            let (members, scratch) = archive::open(file, store)?;
            let blobs = Blobs::archive(file, members);
            let is_layout = image::holds_layout(&blobs)?;
            Ok(Files { blobs, scratch, name: name.as_deref(), digest: None, is_layout })
        }
    }
}

fn of_layout(
    blobs: &Blobs,
    name: Option<&str>,
    digest: Option<&Digest>,
) -> Result<(Option<Document>, Vec<Image>), Error> {
    let root = layout::index(blobs)?;
    let roots = select::roots(blobs, &root.json, name, digest)?;
    let indexes: Vec<&Descriptor> =
        roots.iter().filter(|(_, is_index)| *is_index).map(|(root, _)| root).collect();
    let (index, wanted) = match indexes[..] {
        [] => (None, roots.iter().map(|(root, _)| root.clone()).collect()),
        [index] => (Some(blobs.document("image index", index)?), vec![index.clone()]),
        _ => {
            let found = roots.iter().map(|(root, _)| select::label(root)).collect();
            return Err(Error::Several { path: blobs.shown.clone(), found });
        }
    };
    let mut seen = BTreeSet::new();
    let mut images = Vec::new();
    for candidate in select::candidates(blobs, wanted)? {
        if !seen.insert(candidate.descriptor.digest) {
            continue;
        }
        let Some(platform) = &candidate.platform else {
            return blobs.at("image config").refuse("it has no `os` and `architecture`");
        };
        images.push(layout::read_image(blobs, &candidate.descriptor, platform)?);
    }
    if images.is_empty() {
        return Err(nothing(&blobs.shown));
    }
    Ok((index, images))
}

pub(crate) fn nothing(path: &Path) -> Error {
    Error::Kind {
        path: path.to_owned(),
        expected: "an image",
        reason: "it is empty".into(),
        hint: Some("build it first"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wainwright_oci::media_type;

    use super::*;
    use crate::testing::{Bench, TestImage, raw};

    fn image(bench: &Bench, architecture: &str, content: &str) -> Value {
        let mut descriptor =
            bench.image(&TestImage::new(architecture, vec![raw().file("x", content.as_bytes())]));
        descriptor["platform"] = json!({"os": "linux", "architecture": architecture});
        descriptor
    }

    fn named(mut descriptor: Value, name: &str) -> Value {
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        descriptor
    }

    fn check(bench: &Bench, name: Option<&str>, expected: &str) {
        let source = Source::Layout { dir: bench.layout(), name: name.map(Into::into), digest: None };
        let found = match open_whole(&source, &bench.store) {
            Ok(whole) => {
                let platforms: Vec<_> = whole.images.iter().map(|image| image.platform.to_string()).collect();
                let index = if whole.index.is_some() { "index of " } else { "" };
                format!("{index}{}", platforms.join(" "))
            }
            Err(error) => {
                let message = error.to_string();
                message.split_once("` ").map_or(message.clone(), |(_, rest)| rest.to_owned())
            }
        };
        assert!(found.starts_with(expected), "{found}");
    }

    #[test]
    fn the_index_is_meant_where_there_is_one() {
        let bench = Bench::new();
        let (one, two) = (image(&bench, "amd64", ""), image(&bench, "arm64", ""));
        let index = json!({
            "schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [two, one],
        });
        let index = bench.json_blob(media_type::INDEX, &index);
        bench.write_index(&[
            named(index.clone(), "1"),
            named(one.clone(), "1-linux-amd64"),
            named(two, "1-linux-arm64"),
        ]);
        check(&bench, None, "index of linux/amd64 linux/arm64");
        check(&bench, Some("1"), "index of linux/amd64 linux/arm64");
        check(&bench, Some("1-linux-amd64"), "linux/amd64");
        check(&bench, Some("2"), "contains no image named `2`; it contains 1, 1-linux-amd64, 1-linux-arm64");
        bench.write_index(&[]);
        check(&bench, None, "is not an image: it is empty");
        let other = bench.json_blob(
            media_type::INDEX,
            &json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": [one]}),
        );
        bench.write_index(&[named(index, "1"), named(other, "2")]);
        check(&bench, None, "contains several images: 1 (sha256:");
    }

    #[test]
    fn images_without_an_index_stand_side_by_side() {
        let bench = Bench::new();
        let (one, two) = (image(&bench, "amd64", ""), image(&bench, "arm64", ""));
        bench.write_index(&[one.clone(), two]);
        check(&bench, None, "linux/amd64 linux/arm64");
        bench.write_index(&[one, image(&bench, "amd64", "else")]);
        check(&bench, None, "contains several images for linux/amd64");
    }
}
