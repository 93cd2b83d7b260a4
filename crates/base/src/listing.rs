use std::io::Read;

use wainwright_oci::{Digest, Layer};
use wainwright_store::Store;

use crate::apply::Failure;
use crate::layer_stream::{self, LARGEST_IMAGE, Tar};
use crate::packages;
use crate::tar_stream::{Member, MemberKind, invalid};
use crate::{DebianPackage, Error};

/// Members of one layer; more is an attack on memory.
const MOST_MEMBERS: usize = 1_000_000;
/// Bytes of all paths and link targets of one layer.
const MOST_BYTES: usize = 256 << 20;
/// The package list of dpkg is read up to this size, in bytes.
const LARGEST_STATUS: u64 = 64 << 20;

/// Everything in one layer, in the order of its tar, and what its bytes are.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The digest of the bytes; compare it with the descriptor.
    pub digest: Digest,
    /// How many bytes there are.
    pub size: u64,
    /// The digest of the tar inside; compare it with the config.
    pub diff_id: Digest,
    /// The members as they stand in the tar, whiteouts among them.
    pub files: Vec<LayerFile>,
}

/// A member of a layer: a file, a directory, a link or a whiteout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFile {
    /// Without slashes at its ends; a `..` in it is left as it is.
    pub path: Vec<u8>,
    /// What it is and holds.
    pub kind: FileKind,
    /// Permission bits and the bits above them.
    pub mode: u32,
    /// Numeric user and group.
    pub owner: (u64, u64),
    /// Modification time, in seconds since 1970.
    pub mtime: u64,
    /// The digest of extended attributes and access lists; `None` without any.
    pub attributes: Option<Digest>,
    /// The packages it lists, if it is a list of Debian packages.
    pub packages: Vec<DebianPackage>,
}

/// What a member of a layer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A directory.
    Directory,
    /// A regular file.
    File {
        /// In bytes.
        size: u64,
        /// The sha256 of its content.
        digest: Digest,
    },
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// Another name of a file, and that file's path.
    Hardlink(Vec<u8>),
    /// A device, a pipe, or something no reader knows.
    Other,
}

impl LayerFile {
    /// What a whiteout deletes from the layers below: a path, or with `true` everything in a directory.
    /// (OCI image-spec, "Whiteouts".)
    pub fn deletes(&self) -> Option<(Vec<u8>, bool)> {
        let slash = self.path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
        let (folder, name) = self.path.split_at_checked(slash)?;
        let hidden = name.strip_prefix(b".wh.")?;
        match hidden {
            b".wh..opq" => Some((folder.strip_suffix(b"/").unwrap_or(folder).to_vec(), true)),
            hidden => Some(([folder, hidden].concat(), false)),
        }
    }
}

/// Lists a layer: one pass that inflates it, and hashes the bytes, the tar and every file in it.
///
/// Unlike [`crate::inspect`] it refuses no path and compares no digest: the caller wants to know what is there, whatever
/// it is. `position` counts from 1 and is for messages. Fails when the layer cannot be read to its end; when the bytes
/// are not those of the descriptor, that is what the error says.
pub fn list(layer: &Layer, position: usize, store: &Store) -> Result<Listing, Error> {
    let mut left = LARGEST_IMAGE;
    let mut passed = layer_stream::pass(layer, position, store, &mut left, read)?;
    match std::mem::replace(&mut passed.tar, Ok((Vec::new(), layer.diff_id.0))) {
        Ok((files, diff_id)) => Ok(Listing { digest: passed.digest, size: passed.size, diff_id, files }),
        Err(failure) => {
            passed.check(layer, position, store)?;
            Err(failure.in_layer(layer, position))
        }
    }
}

/// Shows the content of every regular file of a layer, in the order of its tar, with its path as [`list`] has it.
///
/// What `see` does not read is passed over. For second looks at a layer that was listed before; nothing is compared.
pub fn each_file(
    layer: &Layer,
    position: usize,
    store: &Store,
    mut see: impl FnMut(&[u8], &mut dyn Read) -> std::io::Result<()>,
) -> Result<(), Error> {
    let mut left = LARGEST_IMAGE;
    let passed = layer_stream::pass(layer, position, store, &mut left, |stream| {
        while let Some(member) = stream.next().map_err(Failure::Tar)? {
            if member.kind == MemberKind::File {
                see(&clean(&member.path), stream).map_err(Failure::Tar)?;
            }
        }
        Ok(())
    })?;
    passed.tar.map(|_| ()).map_err(|failure| failure.in_layer(layer, position))
}

fn read(stream: &mut Tar<'_>) -> Result<Vec<LayerFile>, Failure> {
    let mut files = Vec::new();
    let mut bytes = 0;
    while let Some(member) = stream.next().map_err(Failure::Tar)? {
        bytes += member.path.len() + member.link.len();
        if files.len() >= MOST_MEMBERS || bytes > MOST_BYTES {
            return Err(Failure::Tar(invalid("the layer has too many paths")));
        }
        let path = clean(&member.path);
        // The root itself, which some tars name.
        if path.is_empty() && member.kind == MemberKind::Directory {
            continue;
        }
        let mut packages = Vec::new();
        let kind = match member.kind {
            MemberKind::Directory => FileKind::Directory,
            MemberKind::Symlink => FileKind::Symlink(member.link),
            MemberKind::Hardlink => FileKind::Hardlink(clean(&member.link)),
            MemberKind::Other => FileKind::Other,
            MemberKind::File => {
                let digest = match listed_packages(&path, &member) {
                    None => Digest::of_reader(&mut *stream).map_err(Failure::Tar)?,
                    Some(read) => {
                        let mut text = Vec::new();
                        stream.read_to_end(&mut text).map_err(Failure::Tar)?;
                        packages = read(&String::from_utf8_lossy(&text));
                        Digest::of(&text)
                    }
                };
                FileKind::File { size: member.size, digest }
            }
        };
        let attributes = attributes(&member.attributes);
        let (mode, owner, mtime) = (member.mode, member.owner, member.mtime);
        files.push(LayerFile { path, kind, mode, owner, mtime, attributes, packages });
    }
    Ok(files)
}

/// How to read a list of Debian packages, if a file is one.
fn listed_packages(path: &[u8], member: &Member) -> Option<fn(&str) -> Vec<DebianPackage>> {
    let is_one =
        path.strip_prefix(b"var/lib/dpkg/status.d/").is_some_and(|name| !name.ends_with(b".md5sums"));
    match path {
        b"var/lib/dpkg/status" if member.size <= LARGEST_STATUS => {
            Some(|text| packages::installed(text).collect())
        }
        _ if is_one && member.size <= 1 << 20 => Some(|text| packages::package(text).into_iter().collect()),
        _ => None,
    }
}

/// A path from the root of the image, however the tar writes it.
pub(crate) fn clean(path: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    parts.join(&b'/')
}

fn attributes(records: &[(Vec<u8>, Vec<u8>)]) -> Option<Digest> {
    if records.is_empty() {
        return None;
    }
    let mut records: Vec<_> = records.iter().collect();
    records.sort();
    let mut all = Vec::new();
    for field in records.into_iter().flat_map(|(key, value)| [key, value]) {
        all.extend_from_slice(&(field.len() as u64).to_le_bytes());
        all.extend_from_slice(field);
    }
    Some(Digest::of(all))
}

#[cfg(test)]
mod tests {
    use wainwright_oci::{Descriptor, DiffId, Place, media_type};

    use super::*;
    use crate::testing::{Bench, RawTar, gzip, raw};

    /// A layer of the store, and the store.
    fn layer(tar: &[u8], blob: &[u8], media_type: &str) -> (Bench, Layer) {
        let bench = Bench::new();
        let digest = bench.store.put(blob).unwrap();
        let descriptor = Descriptor::new(media_type, digest, blob.len() as u64);
        (bench, Layer { descriptor, diff_id: DiffId(Digest::of(tar)), place: Place::Store })
    }

    fn check(tar: RawTar, expected: &[&str]) {
        let tar = tar.bytes();
        let zstd = zstd::encode_all(&tar[..], 1).unwrap();
        for (blob, media_type) in [
            (tar.clone(), media_type::LAYER_TAR),
            (gzip(&tar), media_type::LAYER_GZIP),
            (zstd, media_type::LAYER_ZSTD),
        ] {
            let (bench, layer) = layer(&tar, &blob, media_type);
            let listing = list(&layer, 1, &bench.store).unwrap();
            assert_eq!((listing.digest, listing.diff_id), (layer.descriptor.digest, layer.diff_id.0));
            let lines: Vec<String> = listing.files.iter().map(line).collect();
            assert_eq!(lines, expected, "{media_type}");
        }
    }

    fn line(file: &LayerFile) -> String {
        let what = match &file.kind {
            FileKind::Directory => "directory".into(),
            FileKind::File { size, digest } => format!("{size} {}", &digest.hex()[..4]),
            FileKind::Symlink(target) => format!("-> {}", target.escape_ascii()),
            FileKind::Hardlink(target) => format!("= {}", target.escape_ascii()),
            FileKind::Other => "other".into(),
        };
        format!("{} {:o} {what}", file.path.escape_ascii(), file.mode)
    }

    #[test]
    fn everything_is_listed_with_its_hash() {
        let tar = raw()
            .directory("./a/")
            .program("/a/b", b"hello")
            .symlink("a/l", "../b")
            .hardlink("a/h", "./a/b")
            .entry(b'6', "pipe", "", b"")
            .file("../out", b"")
            .file("a/.wh.gone", b"");
        check(
            tar,
            &[
                "a 755 directory",
                "a/b 755 5 2cf2",
                "a/l 644 -> ../b",
                "a/h 644 = a/b",
                "pipe 644 other",
                "../out 644 0 e3b0",
                "a/.wh.gone 644 0 e3b0",
            ],
        );
    }

    #[test]
    fn whiteouts_say_what_they_delete() {
        let tar = raw().file("a/.wh.x", b"").file(".wh.y", b"").file("a/b/.wh..wh..opq", b"").file("z", b"");
        let tar = tar.bytes();
        let (bench, layer) = layer(&tar, &tar, media_type::LAYER_TAR);
        let files = list(&layer, 1, &bench.store).unwrap().files;
        let deletes: Vec<_> = files.iter().map(LayerFile::deletes).collect();
        let path = |path: &str, all| Some((path.as_bytes().to_vec(), all));
        assert_eq!(deletes, [path("a/x", false), path("y", false), path("a/b", true), None]);
    }

    #[test]
    fn owners_times_and_attributes_come_from_records_too() {
        let tar = raw()
            .pax(&[("uid", b"70000"), ("mtime", b"12.5"), ("SCHILY.xattr.security.capability", b"x")])
            .file("a", b"")
            .file("b", b"")
            .bytes();
        let (bench, layer) = layer(&tar, &tar, media_type::LAYER_TAR);
        let files = list(&layer, 1, &bench.store).unwrap().files;
        assert_eq!((files[0].owner, files[0].mtime), ((70000, 0), 12));
        assert!(files[0].attributes.is_some() && files[1].attributes.is_none());
    }

    #[test]
    fn lists_of_packages_are_read() {
        let tar = raw()
            .file(
                "var/lib/dpkg/status",
                b"Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nVersion: 2\n",
            )
            .file("var/lib/dpkg/status.d/c", b"Package: c\nVersion: 3\n")
            .file("var/lib/dpkg/status.d/c.md5sums", b"Package: d\nVersion: 3\n")
            .bytes();
        let (bench, layer) = layer(&tar, &tar, media_type::LAYER_TAR);
        let files = list(&layer, 1, &bench.store).unwrap().files;
        let names: Vec<_> = files.iter().flat_map(|file| &file.packages).map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
    }

    #[test]
    fn trailing_bytes_are_reported_and_damage_is_an_error() {
        let tar = raw().file("a", b"1").bytes();
        let (bench, mut layer) = layer(&tar, &gzip(&tar), media_type::LAYER_GZIP);
        let digest = layer.descriptor.digest;
        layer.diff_id = DiffId(Digest::of("else"));
        assert_eq!(list(&layer, 1, &bench.store).unwrap().diff_id, Digest::of(&tar));

        let blob = bench.store.path(&digest);
        let mut bytes = std::fs::read(&blob).unwrap();
        bytes[15] ^= 0xff;
        std::fs::remove_file(&blob).unwrap();
        std::fs::write(&blob, bytes).unwrap();
        layer.place = Place::File { path: blob.clone(), offset: 0 };
        let error = list(&layer, 3, &bench.store).unwrap_err().to_string();
        assert!(error.starts_with("the layer 3 in") && error.contains("has the digest"), "{error}");
        layer.place = Place::Store;
        let error = list(&layer, 3, &bench.store).unwrap_err();
        assert!(matches!(error, Error::Store(_)) && !blob.exists(), "our copy, and not the image: {error}");
    }
}
