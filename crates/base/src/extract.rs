use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wainwright_oci::Layer;
use wainwright_store::Store;

use crate::Error;
use crate::apply::Failure;
use crate::facts::Facts;
use crate::keep::FactCollector;
use crate::layer_stream::{self, LARGEST_IMAGE};
use crate::listing::clean;
use crate::tar_stream::{MemberKind, invalid};
use crate::tree::{Kind, Tree};

/// All that is written, in bytes; a Python with its libraries has 60 MB.
const LARGEST: u64 = 1 << 30;
/// So much of a file is read before it is written, in bytes.
const PIECE: usize = 64 << 10;

/// Writes some files of an image below a folder: those whose path, without a leading slash, is wanted.
///
/// Links become the files they lead to, so that nothing below the folder leads out of it. Files can be read and run by their
/// owner, whatever they were. Reading verifies every layer, as [`crate::inspect`] does.
pub fn extract(
    layers: &[Layer],
    store: &Store,
    is_wanted: impl Fn(&str) -> bool,
    into: &Path,
) -> Result<(), Error> {
    let (mut tree, mut keeper, mut left) = (Tree::default(), FactCollector::for_packages(), LARGEST_IMAGE);
    for (index, layer) in layers.iter().enumerate() {
        layer_stream::read(layer, index + 1, store, &mut left, &mut tree, &mut keeper)?;
    }
    let places = places(&tree, is_wanted);
    let (mut left, mut room) = (LARGEST_IMAGE, LARGEST);
    for (index, layer) in layers.iter().enumerate() {
        let passed = layer_stream::pass(layer, index + 1, store, &mut left, |stream| {
            while let Some(member) = stream.next().map_err(Failure::Tar)? {
                if member.kind != MemberKind::File {
                    continue;
                }
                let path = clean(&member.path);
                let is_last = tree.get(&path).is_some_and(|node| node.layer == index + 1);
                let Some(targets) = places.get(&path).filter(|_| is_last) else { continue };
                room = room
                    .checked_sub(member.size.saturating_mul(targets.len() as u64))
                    .ok_or_else(|| Failure::Tar(invalid("the files of its Python are too large")))?;
                write(stream, targets, into, member.size)?;
            }
            Ok(())
        })?;
        passed.tar.map(drop).map_err(|failure| failure.in_layer(layer, index + 1))?;
    }
    Ok(())
}

/// For every file that has to be read, the paths where it has to be written: its own, those of links to it, and those of
/// other names of the same file.
fn places(tree: &Tree, is_wanted: impl Fn(&str) -> bool) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let mut names: BTreeMap<*const Facts, Vec<&[u8]>> = BTreeMap::new();
    for (path, kind) in tree.iter() {
        if let Kind::File(facts) = kind {
            names.entry(Arc::as_ptr(facts)).or_default().push(path);
        }
    }
    let mut places: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for (path, kind) in tree.iter() {
        let is_named = std::str::from_utf8(path).is_ok_and(&is_wanted);
        if !is_named || matches!(kind, Kind::Directory | Kind::Other) {
            continue;
        }
        let Some(real) = tree.resolve(path) else { continue };
        let Some(Kind::File(facts)) = tree.get(&real).map(|node| &node.kind) else { continue };
        // Only one of the names is a regular file of the tar, and the tree does not know which.
        for name in names.get(&Arc::as_ptr(facts)).into_iter().flatten() {
            places.entry(name.to_vec()).or_default().push(path.to_vec());
        }
    }
    places
}

/// Writes a file of a layer to where it belongs. What the disk does not take is no fault of the layer.
fn write(stream: &mut impl io::Read, targets: &[Vec<u8>], into: &Path, size: u64) -> Result<(), Failure> {
    let mut first: Option<PathBuf> = None;
    for target in targets {
        let place = into.join(Path::new(std::ffi::OsStr::from_bytes(target)));
        let unwritten =
            |source| Failure::Unwritten(wainwright_store::Error::not_written(&place, Some(size), source));
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).map_err(unwritten)?;
        }
        if let Some(first) = &first {
            fs::copy(first, &place).map_err(unwritten)?;
            continue;
        }
        let mut file = File::create(&place).map_err(unwritten)?;
        let mut buffer = vec![0; PIECE];
        loop {
            let read = stream.read(&mut buffer).map_err(Failure::Tar)?;
            let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
            file.write_all(piece).map_err(unwritten)?;
        }
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).map_err(unwritten)?;
        first = Some(place);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;
    use wainwright_oci::Platform;

    use super::*;
    use crate::testing::{Bench, raw};
    use crate::{Source, open};

    #[test]
    fn wanted_files_are_written_and_links_with_them() {
        let lower = raw()
            .symlink("lib", "usr/lib")
            .file("usr/lib/libz.so.1.3", b"old")
            .symlink("usr/lib/libz.so.1", "libz.so.1.3")
            .file("usr/bin/python3.13", b"program")
            .hardlink("usr/bin/python3", "usr/bin/python3.13")
            .symlink("usr/lib/out.so", "/../../etc/passwd")
            .file("etc/passwd", b"root")
            .file("usr/lib/gone.so", b"");
        let upper = raw().file("usr/lib/libz.so.1.3", b"new").file("usr/lib/.wh.gone.so", b"");
        let bench = Bench::simple(vec![lower, upper]);
        let source = Source::Layout { dir: bench.layout(), name: None, digest: None };
        let base = open(&source, &Platform::linux("amd64"), &bench.store).unwrap();
        let into = tempfile::tempdir().unwrap();
        let is_wanted = |path: &str| path.starts_with("usr/lib/") || path == "usr/bin/python3";
        extract(&base.image.layers, &bench.store, is_wanted, into.path()).unwrap();
        let mut found: Vec<String> = Vec::new();
        for folder in ["usr/lib", "usr/bin"] {
            for file in fs::read_dir(into.path().join(folder)).unwrap() {
                let file = file.unwrap();
                assert!(!file.file_type().unwrap().is_symlink());
                let text = fs::read_to_string(file.path()).unwrap();
                found.push(format!("{folder}/{} = {text}", file.file_name().to_str().unwrap()));
            }
        }
        found.sort();
        assert_eq!(
            found,
            [
                "usr/bin/python3 = program",
                "usr/lib/libz.so.1 = new",
                "usr/lib/libz.so.1.3 = new",
                "usr/lib/out.so = root",
            ]
        );
        assert!(!into.path().join("etc").exists());
    }

    #[test]
    fn disk_error_is_not_a_layer_error() {
        let bench = Bench::simple(vec![raw().file("usr/bin/python3", b"program")]);
        let source = Source::Layout { dir: bench.layout(), name: None, digest: None };
        let base = open(&source, &Platform::linux("amd64"), &bench.store).unwrap();
        let into = tempfile::tempdir().unwrap();
        fs::write(into.path().join("usr"), "a file in the place of a folder").unwrap();
        let error = extract(&base.image.layers, &bench.store, |_| true, into.path()).unwrap_err();
        assert!(matches!(error, Error::Store(_)) && error.is_outside(), "{error:?}");
        assert!(error.to_string().contains("usr/bin/python3"), "{error}");
    }
}
