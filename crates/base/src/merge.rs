use std::collections::BTreeMap;
use std::ops::Bound;

use crate::listing::{FileKind, LayerFile};

/// What a container sees of an image: the members of its layers that no later layer replaces or deletes, by path.
///
/// Each comes with the number of its layer, counted from 0. Paths are taken as they are written: links in them are not
/// followed, since two images are compared and not run.
pub fn merge<'a>(
    layers: impl IntoIterator<Item = &'a [LayerFile]>,
) -> BTreeMap<&'a [u8], (usize, &'a LayerFile)> {
    let mut merged: BTreeMap<&[u8], (usize, &LayerFile)> = BTreeMap::new();
    for (number, layer) in layers.into_iter().enumerate() {
        // Whiteouts delete from the layers below, wherever they stand in the tar.
        for (path, is_all_below) in layer.iter().filter_map(LayerFile::deletes) {
            remove_below(&mut merged, &path);
            if !is_all_below {
                merged.remove(path.as_slice());
            }
        }
        for file in layer.iter().filter(|file| file.deletes().is_none()) {
            if file.kind != FileKind::Directory {
                remove_below(&mut merged, &file.path);
            }
            merged.insert(&file.path, (number, file));
        }
    }
    merged
}

fn remove_below(merged: &mut BTreeMap<&[u8], (usize, &LayerFile)>, folder: &[u8]) {
    // `0` is the byte behind `/`.
    let (start, end) = match folder {
        b"" => return merged.clear(),
        folder => ([folder, b"/"].concat(), [folder, b"0"].concat()),
    };
    let range = (Bound::Excluded(start.as_slice()), Bound::Excluded(end.as_slice()));
    let below: Vec<&[u8]> = merged.range::<[u8], _>(range).map(|(path, _)| *path).collect();
    for path in below {
        merged.remove(path);
    }
}

#[cfg(test)]
mod tests {
    use wainwright_oci::Digest;

    use super::*;

    fn layer(paths: &[&str]) -> Vec<LayerFile> {
        let file = |path: &&str| LayerFile {
            path: path.trim_end_matches('/').into(),
            kind: match path.ends_with('/') {
                true => FileKind::Directory,
                false => FileKind::File { size: 0, digest: Digest::of("") },
            },
            mode: 0o644,
            owner: (0, 0),
            mtime: 0,
            attributes: None,
            packages: Vec::new(),
        };
        paths.iter().map(file).collect()
    }

    fn check(layers: &[&[&str]], expected: &[&str]) {
        let layers: Vec<Vec<LayerFile>> = layers.iter().map(|paths| layer(paths)).collect();
        let merged = merge(layers.iter().map(Vec::as_slice));
        let lines: Vec<String> = merged
            .iter()
            .map(|(path, (layer, _))| format!("{} {layer}", String::from_utf8_lossy(path)))
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn later_layers_replace_and_delete() {
        check(&[&["a/", "a/x", "b"], &["a/x", "c"]], &["a 0", "a/x 1", "b 0", "c 1"]);
        check(&[&["a/", "a/x", "a0"], &[".wh.a"]], &["a0 0"]);
        check(&[&["a/", "a/x"], &["a/new", "a/.wh..wh..opq"]], &["a 0", "a/new 1"]);
        check(&[&["a/", "a/x"], &["a"]], &["a 1"]);
        check(&[&["a", "b"], &[".wh..wh..opq", "c"]], &["c 1"]);
    }
}
