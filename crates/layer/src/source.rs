use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use wainwright_blob::{Content, Entry, Kind, try_map_ordered};
use wainwright_oci::{Digest, Hasher};
use wainwright_project::{Project, SourceKind, SourceTree, dist_info};
use wainwright_wheel::{Layout, install_generated};

use crate::environment::app;
use crate::layout::directories;
use crate::{Error, wheels};

/// Files up to this size are kept in memory once they were read; larger ones are read again and checked.
const KEPT: u64 = 1 << 20;
/// So much of them is kept at most, or a project of many files would need as much memory as disk.
const KEPT_TOGETHER: u64 = 32 << 20;

/// The project's own layer: its files under `/app`, and what makes it an installed package.
///
/// Nothing of the project is run. A project is made importable by a `.pth` file that names its import roots, as an
/// editable install does; its scripts and `.dist-info` are written from `[project]`.
pub fn source_entries(project: &Project, tree: &SourceTree, layout: &Layout) -> Result<Vec<Entry>, Error> {
    let room = AtomicU64::new(KEPT_TOGETHER);
    let mut entries = try_map_ordered(tree.files.par_iter(), |file| {
        let path = app().join(file.path.as_bytes()).map_err(|source| Error::Path { source })?;
        if path.starts_with(&layout.prefix) {
            return Err(Error::Environment { path });
        }
        Ok(match &file.kind {
            SourceKind::Directory => Entry::directory(path),
            SourceKind::Symlink { target } => Entry::symlink(path, target.clone()),
            SourceKind::File { size, is_executable } => {
                Entry::file(path, *is_executable, content(&tree.disk(file), *size, &room)?)
            }
        })
    })?;
    if let Some(python) = &project.python_project {
        let mut files = dist_info(python);
        let roots = python.layout.import_roots.iter().map(|root| match root.as_str() {
            "" => "/app\n".to_owned(),
            root => format!("/app/{root}\n"),
        });
        files.push((format!("_{}.pth", python.name.escaped()), roots.collect::<String>().into_bytes()));
        let installed = install_generated(layout, &python.name, files)?;
        let mut folders = directories(installed.iter().map(|file| &file.path));
        folders.retain(|folder| folder.starts_with(&layout.prefix));
        entries.extend(folders.into_iter().map(Entry::directory));
        entries.extend(installed.into_iter().filter_map(wheels::generated_entry));
    }
    Ok(entries)
}

/// Everything that decides the bytes of the layer, as one digest: paths, modes, links and contents.
pub fn fingerprint(entries: &[Entry]) -> Digest {
    let mut order: Vec<&Entry> = entries.iter().collect();
    order.sort_by(|a, b| a.path.cmp(&b.path));
    let mut hasher = Hasher::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for entry in order {
        field(entry.path.as_bytes());
        field(&entry.mode.to_le_bytes());
        field(&entry.owner.0.to_le_bytes());
        field(&entry.owner.1.to_le_bytes());
        match &entry.kind {
            Kind::Directory => field(b"directory"),
            Kind::Symlink(target) => {
                field(b"link");
                field(target);
            }
            Kind::Hardlink(target) => {
                field(b"hard link");
                field(target.as_bytes());
            }
            Kind::File(content) => {
                field(b"file");
                match content {
                    Content::Bytes(bytes) => field(Digest::of(bytes).as_bytes()),
                    Content::Disk { digest, .. } | Content::Stored { digest, .. } => {
                        field(digest.as_ref().map_or(&[], |digest| &digest.as_bytes()[..]));
                    }
                    Content::Deflated(deflated) => {
                        field(deflated.digest.as_ref().map_or(&[], |digest| &digest.as_bytes()[..]));
                    }
                }
            }
        }
    }
    hasher.finish()
}

/// Reads a file once: small ones are kept while there is room, others are remembered by their hash.
fn content(disk: &Path, size: u64, room: &AtomicU64) -> Result<Content, Error> {
    let read = |source| Error::Read { path: disk.to_owned(), source };
    // One byte more than there should be would show that the file has grown.
    let mut file = File::open(disk).map_err(read)?.take(size + 1);
    let on_disk = |digest| Content::Disk { path: PathBuf::from(disk), size, digest: Some(digest) };
    let content = if size > KEPT {
        on_disk(Digest::of_reader(&mut file).map_err(read)?)
    } else {
        let mut bytes = Vec::with_capacity(size as usize + 1);
        file.read_to_end(&mut bytes).map_err(read)?;
        let take = |left: u64| left.checked_sub(size);
        match room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Content::Bytes(bytes.into()),
            Err(_) => on_disk(Digest::of(&bytes)),
        }
    };
    match file.limit() {
        1 => Ok(content),
        _ => Err(Error::Changed { path: disk.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_files_are_read_again_with_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("file");
        std::fs::write(&disk, "1234567").unwrap();
        let read = |room: &AtomicU64| content(&disk, 7, room).unwrap();
        let room = AtomicU64::new(10);
        let (kept, left) = (read(&room), read(&room));
        assert!(matches!(&kept, Content::Bytes(bytes) if bytes[..] == *b"1234567"));
        assert!(matches!(&left, Content::Disk { size: 7, digest: Some(_), .. }));
        let fingerprint = |content| fingerprint(&[Entry::file(app(), false, content)]);
        assert_eq!(fingerprint(kept), fingerprint(left));
    }
}
