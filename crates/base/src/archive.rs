use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use wainwright_store::{Store, TempDir};

use crate::Error;
use crate::gzip::Gzip;
use crate::span::Span;
use crate::tar_stream::{MemberKind, TarStream, invalid};

/// An archive with more members than this is no image.
const MOST_MEMBERS: usize = 100_000;
/// A compressed archive that unpacks to more than this is a bomb: 128 GiB.
const LARGEST_UNPACKED: u64 = 128 << 30;
/// Longer names are not looked for by anybody.
const LONGEST_NAME: usize = 4096;
/// How many links between members are followed.
const MOST_LINKS: usize = 8;

/// The members of an image archive, by name.
#[derive(Debug)]
pub(crate) struct Members {
    /// The tar; a scratch file where the archive is compressed.
    path: PathBuf,
    found: BTreeMap<String, Found>,
    repeated: BTreeSet<String>,
    shown: PathBuf,
}

#[derive(Debug)]
enum Found {
    File { offset: u64, size: u64 },
    Link(String),
}

/// How a file is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
    Zstd,
    /// A kind we know by sight and do not read.
    Foreign(&'static str),
}

impl Packing {
    pub(crate) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Foreign("xz"),
            [b'B', b'Z', b'h', ..] => Self::Foreign("bzip2"),
            _ => Self::Plain,
        }
    }
}

/// Lists an archive; a compressed one is unpacked into the scratch folder that is returned with it.
pub(crate) fn open(file: &Path, store: &Store) -> Result<(Members, Option<TempDir>), Error> {
    let refuse = |reason: String, hint| {
        Err(Error::Kind { path: file.to_owned(), expected: "an image archive", reason, hint })
    };
    let found = file.metadata().map_err(Error::disk("read", file))?;
    if found.is_dir() {
        return refuse("it is a folder".into(), Some("read a folder with `layout:`"));
    }
    if !found.is_file() {
        return refuse("it is not a regular file".into(), None);
    }
    let whole = Span { path: file.to_owned(), offset: 0, size: found.len() };
    match Packing::of(&whole.head(8).map_err(Error::disk("read", file))?) {
        Packing::Plain => Ok((Members::list(file, file)?, None)),
        Packing::Foreign(kind) => {
            let hint = "decompress it first, or compress it with gzip or zstd";
            refuse(format!("it is compressed with {kind}"), Some(hint))
        }
        packing => {
            let scratch = store.scratch()?;
            let unpacked = scratch.path().join("image.tar");
            unpack(file, packing, &unpacked)?;
            Ok((Members::list(&unpacked, file)?, Some(scratch)))
        }
    }
}

fn unpack(file: &Path, packing: Packing, to: &Path) -> Result<(), Error> {
    let damaged = |source| Error::Archive { path: file.to_owned(), source };
    let input = BufReader::with_capacity(256 * 1024, File::open(file).map_err(Error::disk("read", file))?);
    let mut output = File::create_new(to).map_err(Error::disk("write", to))?;
    let mut input: Box<dyn Read> = match packing {
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(input).map_err(damaged)?),
        _ => Box::new(Gzip::new(input)),
    };
    let mut buffer = vec![0; 256 * 1024];
    let mut total = 0;
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(damaged(error)),
        };
        total += count as u64;
        if total > LARGEST_UNPACKED {
            return Err(damaged(invalid("it unpacks to more than 128 GiB")));
        }
        output.write_all(&buffer[..count]).map_err(Error::disk("write", to))?;
    }
}

impl Members {
    /// Lists the members of the tar `path`; messages name `shown`.
    fn list(path: &Path, shown: &Path) -> Result<Self, Error> {
        let damaged = |source| Error::Archive { path: shown.to_owned(), source };
        let mut file = File::open(path).map_err(Error::disk("read", path))?;
        let end = file.seek(SeekFrom::End(0)).map_err(Error::disk("read", path))?;
        file.rewind().map_err(Error::disk("read", path))?;
        let mut stream = TarStream::seeking(file);
        let (mut found, mut repeated) = (BTreeMap::new(), BTreeSet::new());
        let mut count = 0;
        while let Some(member) = stream.next().map_err(damaged)? {
            count += 1;
            if count > MOST_MEMBERS {
                return Err(damaged(invalid("it has more than 100,000 members")));
            }
            if member.offset.checked_add(member.size).is_none_or(|last| last > end) {
                return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
            }
            let Some(name) = clean(&member.path, "") else { continue };
            let entry = match member.kind {
                MemberKind::File if member.is_sparse => continue,
                MemberKind::File => Found::File { offset: member.offset, size: member.size },
                // `docker save` links a layer that stands in the archive already, from the folder of the link; hard
                // links name the member itself.
                MemberKind::Symlink => {
                    match clean(&member.link, name.rsplit_once('/').map_or("", |(dir, _)| dir)) {
                        Some(target) => Found::Link(target),
                        None => continue,
                    }
                }
                MemberKind::Hardlink => match clean(&member.link, "") {
                    Some(target) => Found::Link(target),
                    None => continue,
                },
                MemberKind::Directory | MemberKind::Other => continue,
            };
            if found.insert(name.clone(), entry).is_some() {
                repeated.insert(name);
            }
        }
        Ok(Self { path: path.to_owned(), found, repeated, shown: shown.to_owned() })
    }

    pub(crate) fn find(&self, name: &str) -> Result<Option<Span>, Error> {
        // Some readers take the first of two members with one name, others the last; all others are checked by digest.
        let is_root = matches!(name, "oci-layout" | "index.json" | "manifest.json");
        if is_root && self.repeated.contains(name) {
            return Err(Error::document(&self.shown, name, "it appears twice in the archive"));
        }
        let mut name = name;
        for _ in 0..MOST_LINKS {
            match self.found.get(name) {
                None => return Ok(None),
                Some(Found::Link(target)) => name = target,
                Some(Found::File { offset, size }) => {
                    return Ok(Some(Span { path: self.path.clone(), offset: *offset, size: *size }));
                }
            }
        }
        Ok(None)
    }
}

/// A name from the top of the archive, seen from `folder`; `None` for names that leave the archive or are no text.
fn clean(name: &[u8], folder: &str) -> Option<String> {
    let name = std::str::from_utf8(name).ok().filter(|name| name.len() <= LONGEST_NAME)?;
    let mut parts: Vec<&str> = match name.starts_with('/') {
        true => Vec::new(),
        false => folder.split('/').filter(|part| !part.is_empty()).collect(),
    };
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, gzip, raw};

    fn members(bytes: &[u8]) -> Result<Members, String> {
        let bench = Bench::new();
        let path = bench.write_archive(bytes);
        open(&path, &bench.store).map(|(members, _)| members).map_err(|error| match error {
            Error::Archive { source, .. } => source.to_string(),
            other => other.to_string(),
        })
    }

    #[test]
    fn links_between_members_are_followed() {
        let tar = raw()
            .file("./one/layer.tar", b"12345")
            .symlink("two/layer.tar", "../one/layer.tar")
            .hardlink("three", "one/layer.tar")
            .symlink("loop", "loop")
            .symlink("out", "../../etc/passwd")
            .file("../outside", b"x");
        let members = members(&tar.bytes()).unwrap();
        let one = members.find("one/layer.tar").unwrap().unwrap();
        assert_eq!((one.offset, one.size), (512, 5));
        for name in ["two/layer.tar", "three"] {
            assert_eq!(members.find(name).unwrap().as_ref(), Some(&one), "{name}");
        }
        for name in ["loop", "out", "outside", "etc/passwd"] {
            assert_eq!(members.find(name).unwrap(), None, "{name}");
        }
    }

    #[test]
    fn a_name_that_stands_twice_is_refused_unless_it_is_a_digest() {
        let members =
            members(&raw().file("index.json", b"1").file("blobs/x", b"2").file("index.json", b"").bytes())
                .unwrap();
        assert!(members.find("index.json").unwrap_err().to_string().contains("twice"));
        assert!(members.find("blobs/x").unwrap().is_some());
    }

    #[test]
    fn archives_that_end_early_are_refused() {
        let tar = raw().file("a", &[1; 2000]).bytes();
        assert!(members(&tar[..1000]).is_err());
        let packed = gzip(&tar);
        assert!(members(&packed).is_ok());
        assert!(members(&packed[..packed.len() - 5]).is_err());
        assert!(members(&[&packed[..], b"garbage"].concat()).is_err(), "bytes behind the gzip data");
        assert!(members(b"no tar at all, but text that goes on ".repeat(20).as_slice()).is_err());
        assert!(members(&[0xfd, b'7', b'z', b'X', b'Z', 0, 0]).unwrap_err().contains("xz"));
    }
}
