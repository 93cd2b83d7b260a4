//! In what two images differ: documents, layers, packages, files, and the first differing byte of a file.
//!
//! Every layer is read once, as a stream; what is kept of a file is its hash. Files whose hashes differ are read a second
//! time to find where they begin to differ.

mod bytes;
mod files;
mod packages;
mod report;

use std::collections::BTreeMap;

use rayon::prelude::*;
use wainwright_base::{
    Error as ReadError, LayerFile, Listing, WholeImage, check_bytes, list, merge, open_whole,
};
use wainwright_oci::{Digest, Image, Layer, Place, Platform};
use wainwright_store::Store;

pub use self::report::{Change, Diff, FileChange, LayerChange, LayerDifference, PackageChange, PlatformDiff};
use wainwright_engine::{Error, ImageSource};

use crate::documents;
use crate::fields::Field;
use crate::pairs::pairs;

/// Compares two images, for one platform or for all that both have. Two images for one platform each are compared
/// whatever their platforms are.
///
/// The store lends scratch space: for archives that are compressed, and for files that are looked at twice.
pub fn diff(
    before: &ImageSource,
    after: &ImageSource,
    platform: Option<&Platform>,
    store: &Store,
) -> Result<Diff, Error> {
    let (whole_one, whole_two) = (open_whole(before, store)?, open_whole(after, store)?);
    let mut diff = Diff {
        is_same: false,
        before: None,
        after: None,
        index: Vec::new(),
        only_before: Vec::new(),
        only_after: Vec::new(),
        platforms: Vec::new(),
    };
    let chosen = match platform {
        Some(platform) => vec![(find(&whole_one, before, platform)?, find(&whole_two, after, platform)?)],
        None => {
            (diff.before, diff.after) = (whole_one.digest(), whole_two.digest());
            diff.index = changes(documents::indexes(whole_one.index.as_ref(), whole_two.index.as_ref()));
            common(&whole_one, &whole_two, &mut diff)
        }
    };
    for (one, two) in chosen {
        let mut platform = compare((one, before), (two, after), store)?;
        if !(whole_one.has_manifests && whole_two.has_manifests) {
            // One has none, and nothing can be said of it.
            platform.manifest.clear();
        }
        diff.platforms.push(platform);
    }
    let are_same = diff.platforms.iter().all(|platform| platform.before == platform.after);
    if let (true, [], Some(one), Some(two)) = (are_same, &diff.index[..], &whole_one.index, &whole_two.index)
    {
        // The images are the same, and what else the indexes list is not, as attestations.
        diff.index = changes(documents::all(one, two));
    }
    diff.is_same =
        are_same && diff.before == diff.after && diff.only_before.is_empty() && diff.only_after.is_empty();
    Ok(diff)
}

fn find<'a>(whole: &'a WholeImage, source: &ImageSource, wanted: &Platform) -> Result<&'a Image, Error> {
    let found = whole.images.iter().find(|image| image.platform == *wanted);
    found.ok_or_else(|| {
        let found = whole.images.iter().map(|image| image.platform.to_string()).collect();
        ReadError::Platform { path: source.path().to_owned(), wanted: wanted.clone(), found }.into()
    })
}

/// The images for platforms that both have; the others are noted.
fn common<'a>(one: &'a WholeImage, two: &'a WholeImage, diff: &mut Diff) -> Vec<(&'a Image, &'a Image)> {
    if let ([one], [two]) = (&one.images[..], &two.images[..]) {
        return vec![(one, two)];
    }
    let twin = |image: &Image, whole: &'a WholeImage| {
        whole.images.iter().find(|other| other.platform == image.platform)
    };
    let alone = |here: &WholeImage, there: &'a WholeImage| -> Vec<Platform> {
        let alone = here.images.iter().filter(|image| twin(image, there).is_none());
        alone.map(|image| image.platform.clone()).collect()
    };
    diff.only_before = alone(one, two);
    diff.only_after = alone(two, one);
    one.images.iter().filter_map(|image| Some((image, twin(image, two)?))).collect()
}

/// An image and where it comes from.
type Sourced<'a> = (&'a Image, &'a ImageSource);

fn compare(before: Sourced<'_>, after: Sourced<'_>, store: &Store) -> Result<PlatformDiff, Error> {
    let (one, two) = (before.0, after.0);
    let listings = listings([before, after], store)?;
    let layers = |image: &Image| -> Vec<&[LayerFile]> {
        let files = image.layers.iter().filter_map(|layer| listings.get(&layer.descriptor.digest));
        files.map(|listing| listing.files.as_slice()).collect()
    };
    let (merged_one, merged_two) = (merge(layers(one)), merge(layers(two)));
    let (mut changed, unequal) = files::compare(&merged_one, &merged_two);
    bytes::find(&mut changed, &unequal, one, two, store)?;
    Ok(PlatformDiff {
        platform: one.platform.clone(),
        before: one.manifest.digest(),
        after: two.manifest.digest(),
        manifest: changes(documents::manifests(&one.manifest, &two.manifest)),
        config: changes(documents::configs(&one.config, &two.config)),
        layers: layer_changes(one, two),
        packages: packages::compare(&merged_one, &merged_two),
        files: changed,
    })
}

/// Reads all layers of both images. Of several that go by one digest the first is listed, and the bytes of all are
/// compared with it: a name is no proof.
fn listings(images: [Sourced<'_>; 2], store: &Store) -> Result<BTreeMap<Digest, Listing>, Error> {
    let mut copies: BTreeMap<Digest, Vec<Copy>> = BTreeMap::new();
    for (image, source) in images {
        for (at, layer) in image.layers.iter().enumerate() {
            let copy = Copy { position: at + 1, layer, source };
            copies.entry(layer.descriptor.digest).or_default().push(copy);
        }
    }
    let read = copies.into_par_iter().filter_map(|(digest, copies)| {
        let (first, others) = copies.split_first()?;
        Some(read_layer(first, others, store).map(|listing| (digest, listing)))
    });
    read.collect()
}

/// A layer of one of the images.
struct Copy<'a> {
    /// Counted from 1.
    position: usize,
    layer: &'a Layer,
    source: &'a ImageSource,
}

impl Copy<'_> {
    fn unusable(&self, source: ReadError) -> Error {
        Error::Compare { position: self.position, image: self.source.to_string(), source }
    }
}

fn read_layer(first: &Copy<'_>, others: &[Copy<'_>], store: &Store) -> Result<Listing, Error> {
    let listing = list(first.layer, first.position, store).map_err(|error| first.unusable(error))?;
    if listing.digest != first.layer.descriptor.digest {
        let (path, what) = (first.source.path().to_owned(), format!("layer {}", first.position));
        let (expected, found) = (first.layer.descriptor.digest, listing.digest);
        return Err(first.unusable(ReadError::Mismatch { path, what, expected, found }));
    }
    let mut read: Vec<&Place> = vec![&first.layer.place];
    for copy in others {
        if !read.contains(&&copy.layer.place) {
            check_bytes(copy.layer, copy.position, store).map_err(|error| copy.unusable(error))?;
            read.push(&copy.layer.place);
        }
    }
    for copy in [first].into_iter().chain(others) {
        let (position, expected) = (copy.position, copy.layer.diff_id.0);
        if listing.diff_id != expected {
            return Err(copy.unusable(ReadError::DiffId { position, expected, found: listing.diff_id }));
        }
    }
    Ok(listing)
}

fn layer_changes(one: &Image, two: &Image) -> Vec<LayerChange> {
    let ids = |image: &Image| image.layers.iter().map(|layer| layer.diff_id.0).collect::<Vec<_>>();
    let change = |(before, after): (Option<usize>, Option<usize>)| {
        let old = before.and_then(|at| one.layers.get(at));
        let new = after.and_then(|at| two.layers.get(at));
        let state = match (old, new) {
            (Some(old), Some(new)) if old.descriptor.digest == new.descriptor.digest => LayerDifference::Same,
            (Some(old), Some(new)) if old.diff_id == new.diff_id => LayerDifference::Recompressed,
            (Some(_), Some(_)) => LayerDifference::Changed,
            (None, _) => LayerDifference::Added,
            (Some(_), None) => LayerDifference::Removed,
        };
        let digest = |layer: Option<&Layer>| layer.map(|layer| layer.descriptor.digest);
        let size = |layer: Option<&Layer>| layer.map(|layer| layer.descriptor.size);
        LayerChange {
            state,
            before: before.map(|at| at + 1),
            before_digest: digest(old),
            before_size: size(old),
            after: after.map(|at| at + 1),
            after_digest: digest(new),
            after_size: size(new),
        }
    };
    pairs(&ids(one), &ids(two)).into_iter().map(change).collect()
}

fn changes(fields: Vec<Field>) -> Vec<Change> {
    let change = |field: Field| Change { name: field.field, before: field.expected, after: field.found };
    fields.into_iter().map(change).collect()
}
