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
    let mut folders: BTreeSet<ImagePath> = BTreeSet::new();
    // Files of one folder come together, and most of them tell nothing new.
    let mut before: &[u8] = b"";
    for path in paths {
        let bytes = path.as_bytes();
        let folder = bytes.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |slash| &bytes[..slash]);
        if std::mem::replace(&mut before, folder) == folder {
            continue;
        }
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
