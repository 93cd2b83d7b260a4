//! Writes deployment files to a folder: all or none, without loss of the user's changes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use wainwright_emit::Files;
use wainwright_oci::Digest;

/// The files of earlier calls: for each format the paths, for each path its possible digests.
type List = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The file with the [`List`].
const LIST: &str = ".wain-emit";
/// The folder for files before they are renamed. The holder of the lock may remove it.
const NEW: &str = ".wain-emit.new";

/// What was done in a folder.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// All files of this call.
    pub(crate) paths: Vec<PathBuf>,
    /// Removed files of earlier calls.
    pub(crate) removed: Vec<PathBuf>,
    /// Files of earlier calls that are no longer needed but were changed.
    pub(crate) kept: Vec<PathBuf>,
}

/// The reason why nothing was written.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Files that the user wrote or changed.
    NotOurs(Vec<PathBuf>),
    /// The file list is damaged.
    List(PathBuf),
    /// Another process is writing here.
    Busy(PathBuf),
    /// A failed action, its path and the cause.
    Disk(&'static str, PathBuf, io::Error),
}

/// Writes files into a folder.
///
/// An existing file is overwritten only if it is unchanged since an earlier call, or with `force`. Files of earlier calls for
/// the same format that are no longer needed are removed on the same condition. All files are on disk before the first is
/// renamed to its place.
pub(crate) fn write(folder: &Path, format: &str, files: &Files, force: bool) -> Result<Written, Refusal> {
    let disk = |what, path: &Path| {
        let path = path.to_owned();
        move |error| Refusal::Disk(what, path, error)
    };
    fs::create_dir_all(folder).map_err(disk("create the folder", folder))?;
    let lock = File::open(folder).map_err(disk("open", folder))?;
    // Some network file systems have no locks; parallel calls are unlikely there.
    if let Err(rustix::io::Errno::WOULDBLOCK) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        return Err(Refusal::Busy(folder.to_owned()));
    }
    let mut list = read_list(folder)?;
    let known = list.get(format).cloned().unwrap_or_default();
    let wanted: BTreeMap<&str, String> =
        files.iter().map(|file| (file.path.as_str(), Digest::of(&file.bytes).to_string())).collect();

    let is_ours = |path: &str, found: &str| {
        wanted.get(path).is_some_and(|digest| digest == found)
            || known.get(path).is_some_and(|digests| digests.contains(found))
    };
    let mut not_ours = Vec::new();
    for path in wanted.keys() {
        match look(folder, path).map_err(disk("read", &folder.join(path)))? {
            Found::Nothing => {}
            Found::File(found) if force || is_ours(path, &found) => {}
            Found::File(_) => not_ours.push(folder.join(path)),
            // A folder or a link is never overwritten, not even with `force`.
            Found::Other(place) => not_ours.push(place),
        }
    }
    if !not_ours.is_empty() {
        return Err(Refusal::NotOurs(not_ours));
    }

    let new = folder.join(NEW);
    let _ = fs::remove_dir_all(&new);
    let done = stage(&new, files).and_then(|()| {
        // Until the last file is in place, old and new contents both count as ours.
        let mut both = known.clone();
        for (path, digest) in &wanted {
            both.entry((*path).to_owned()).or_default().insert(digest.clone());
        }
        list.insert(format.to_owned(), both);
        write_list(folder, &new, &list)?;
        place(folder, &new, files)
    });
    let _ = fs::remove_dir_all(&new);
    done?;

    let mut written =
        Written { paths: wanted.keys().map(|path| folder.join(path)).collect(), ..Written::default() };
    let others: BTreeSet<&String> =
        list.iter().filter(|(other, _)| *other != format).flat_map(|(_, paths)| paths.keys()).collect();
    for path in known.keys().filter(|path| !wanted.contains_key(path.as_str()) && !others.contains(path)) {
        match look(folder, path).map_err(disk("read", &folder.join(path)))? {
            Found::File(found) if is_ours(path, &found) => {
                fs::remove_file(folder.join(path)).map_err(disk("remove", &folder.join(path)))?;
                // A folder that is now empty was created for this file.
                let _ = folder.join(path).parent().filter(|parent| *parent != folder).map(fs::remove_dir);
                written.removed.push(folder.join(path));
            }
            Found::Nothing => {}
            Found::File(_) | Found::Other(_) => written.kept.push(folder.join(path)),
        }
    }
    let now = wanted.into_iter().map(|(path, digest)| (path.to_owned(), BTreeSet::from([digest]))).collect();
    list.insert(format.to_owned(), now);
    let listed = write_list(folder, &new, &list);
    let _ = fs::remove_dir_all(&new);
    listed.map(|()| written)
}

/// Checks in advance whether [`write()`] will refuse, whatever the digests of images in `files` will be. Writes nothing.
pub(crate) fn check(folder: &Path, format: &str, files: &Files, force: bool) -> Result<(), Refusal> {
    let known = read_list(folder)?.remove(format).unwrap_or_default();
    let mut not_ours = Vec::new();
    for file in files {
        let place = folder.join(&file.path);
        let disk = |error| Refusal::Disk("read", place.clone(), error);
        match look(folder, &file.path).map_err(disk)? {
            Found::Nothing => {}
            Found::File(found)
                if force || known.get(&file.path).is_some_and(|digests| digests.contains(&found)) => {}
            Found::File(_) if is_alike(&place, &file.bytes).map_err(disk)? => {}
            Found::File(_) => not_ours.push(place),
            Found::Other(place) => not_ours.push(place),
        }
    }
    if not_ours.is_empty() { Ok(()) } else { Err(Refusal::NotOurs(not_ours)) }
}

/// Whether a file has these bytes, apart from digests.
fn is_alike(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    if fs::metadata(path)?.len() != bytes.len() as u64 {
        return Ok(false);
    }
    Ok(without_digests(&fs::read(path)?) == without_digests(bytes))
}

/// Replaces all digests by zeros.
fn without_digests(bytes: &[u8]) -> Vec<u8> {
    const BEFORE: &[u8] = b"sha256:";
    const LENGTH: usize = 64;
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..) {
        let Some(found) = rest.windows(BEFORE.len()).position(|part| part == BEFORE) else { break };
        let begin = found + BEFORE.len();
        if let Some(hex) = rest.get_mut(begin..begin + LENGTH)
            && hex.iter().all(u8::is_ascii_hexdigit)
        {
            hex.fill(b'0');
        }
        at += begin;
    }
    bytes
}

enum Found {
    Nothing,
    /// A file, and its digest.
    File(String),
    /// Something else, at this path or above it.
    Other(PathBuf),
}

/// Examines a path below a folder without following links.
fn look(folder: &Path, path: &str) -> io::Result<Found> {
    let mut place = folder.to_owned();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        place.push(part);
        let found = match fs::symlink_metadata(&place) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(error),
        };
        let is_last = parts.peek().is_none();
        if (is_last && !found.is_file()) || (!is_last && !found.is_dir()) {
            return Ok(Found::Other(place));
        }
    }
    Digest::of_reader(File::open(&place)?).map(|digest| Found::File(digest.to_string()))
}

fn read_list(folder: &Path) -> Result<List, Refusal> {
    let path = folder.join(LIST);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(List::new()),
        Err(error) => return Err(Refusal::Disk("read", path, error)),
    };
    let list: List = serde_json::from_slice(&text).map_err(|_| Refusal::List(path.clone()))?;
    // Listed files are removed later, so the list must not lead out of the folder.
    let is_plain = |path: &String| path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    match list.values().flat_map(BTreeMap::keys).all(is_plain) {
        true => Ok(list),
        false => Err(Refusal::List(path)),
    }
}

/// Writes all files to the folder for new files.
fn stage(new: &Path, files: &Files) -> Result<(), Refusal> {
    for file in files {
        write_whole(&new.join(&file.path), &file.bytes)?;
    }
    Ok(())
}

fn place(folder: &Path, new: &Path, files: &Files) -> Result<(), Refusal> {
    for file in files {
        let target = folder.join(&file.path);
        let renamed = target.parent().map_or(Ok(()), fs::create_dir_all);
        renamed
            .and_then(|()| fs::rename(new.join(&file.path), &target))
            .map_err(|error| Refusal::Disk("write", target, error))?;
    }
    Ok(())
}

fn write_list(folder: &Path, new: &Path, list: &List) -> Result<(), Refusal> {
    let staged = new.join(LIST);
    let text = serde_json::to_string_pretty(list).unwrap_or_default();
    write_whole(&staged, format!("{text}\n").as_bytes())?;
    let target = folder.join(LIST);
    fs::rename(staged, &target).map_err(|error| Refusal::Disk("write", target, error))
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    let write = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_data()
    };
    write().map_err(|error| Refusal::Disk("write", path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(digest: char) -> Files {
        let text = format!("image: shop@sha256:{}\n", digest.to_string().repeat(64));
        vec![wainwright_emit::File { path: "compose.yaml".into(), bytes: text.into_bytes() }]
    }

    #[test]
    fn check_refuses_changed_files_and_ignores_digests() {
        let folder = tempfile::tempdir().unwrap();
        let accepts = |force| check(folder.path(), "docker-compose", &files('0'), force).is_ok();
        assert!(accepts(false), "an empty folder");
        write(folder.path(), "docker-compose", &files('a'), false).unwrap();
        assert!(accepts(false), "files of an earlier call");
        fs::remove_file(folder.path().join(LIST)).unwrap();
        assert!(accepts(false), "files that differ in digests only");
        fs::write(folder.path().join("compose.yaml"), "image: shop:1\n").unwrap();
        assert!(!accepts(false) && accepts(true), "a changed file");
        fs::write(folder.path().join(LIST), "none").unwrap();
        assert!(!accepts(true), "a damaged list");
    }

    #[test]
    fn digests_are_replaced_by_zeros() {
        let shown = |text: &str| String::from_utf8(without_digests(text.as_bytes())).unwrap();
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let text = format!("{} sha256:12 {}", digest("a"), digest("b"));
        assert_eq!(shown(&text), format!("{} sha256:12 {}", digest("0"), digest("0")));
        assert_eq!(shown("sha256:"), "sha256:");
    }
}
