use std::collections::BTreeSet;

use wainwright_oci::ImagePath;

/// Checks a path of ours.
pub(crate) fn path(text: &str) -> Result<ImagePath, wainwright_oci::Error> {
    ImagePath::new(text)
}

/// Every folder above the given paths, sorted.
///
/// A layer names the folders it needs, so that it can be put on any base and unpacked alone.
pub(crate) fn directories<'a>(paths: impl IntoIterator<Item = &'a ImagePath>) -> BTreeSet<ImagePath> {
    let mut folders = BTreeSet::new();
    for path in paths {
        let mut above = path.parent();
        while let Some(folder) = above {
            above = folder.parent();
            if !folders.insert(folder) {
                break;
            }
        }
    }
    folders
}
