//! The files of a deployment in their folder: all or none of them, and nobody else's work lost.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use wainwright_emit::Files;
use wainwright_oci::Digest;

/// What was written here before: for each format the paths, for each path the digests it may have.
type List = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The file with the [`List`].
const LIST: &str = ".wain-emit";
/// Where files are written before they are renamed. Whoever holds the lock may remove it.
const NEW: &str = ".wain-emit.new";

/// What became of a folder.
#[derive(Debug, Default)]
pub(crate) struct Written {
    /// Every file that is there now.
    pub(crate) paths: Vec<PathBuf>,
    /// What was written earlier and is no longer made.
    pub(crate) removed: Vec<PathBuf>,
    /// The same, but somebody has changed it.
    pub(crate) kept: Vec<PathBuf>,
}

/// Why nothing was written.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Files that somebody else wrote, or changed.
    NotOurs(Vec<PathBuf>),
    /// The list is not one.
    List(PathBuf),
    /// Somebody else is writing here.
    Busy(PathBuf),
    /// What could not be done, where, and why.
    Disk(&'static str, PathBuf, io::Error),
}

/// Writes files into a folder.
///
/// A file that stands there is written over when it is as an earlier call left it, or with `force`. What an earlier call made
/// for the same format and is no longer made is removed on the same condition. All files are on the disk before the first is
/// renamed to its place.
pub(crate) fn write(folder: &Path, format: &str, files: &Files, force: bool) -> Result<Written, Refusal> {
    let disk = |what, path: &Path| {
        let path = path.to_owned();
        move |error| Refusal::Disk(what, path, error)
    };
    fs::create_dir_all(folder).map_err(disk("create the folder", folder))?;
    let lock = File::open(folder).map_err(disk("open", folder))?;
    // Some network file systems have no locks; two at a time are unlikely there, too.
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
            // Neither a folder nor a link to somewhere else is written over, whatever is said.
            Found::Other(place) => not_ours.push(place),
        }
    }
    if !not_ours.is_empty() {
        return Err(Refusal::NotOurs(not_ours));
    }

    let new = folder.join(NEW);
    let _ = fs::remove_dir_all(&new);
    let done = stage(&new, files).and_then(|()| {
        // Until the last file is in its place, both what was and what will be is ours.
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
                // A folder that is empty now was there for its sake.
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

/// Refuses what [`write()`] will refuse whatever the images turn out to be; `files` are as they will be, but for the digests of
/// images. Writes nothing.
pub(crate) fn foresee(folder: &Path, format: &str, files: &Files, force: bool) -> Result<(), Refusal> {
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

/// Whether a file has certain bytes, but for digests.
fn is_alike(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    if fs::metadata(path)?.len() != bytes.len() as u64 {
        return Ok(false);
    }
    Ok(without_digests(&fs::read(path)?) == without_digests(bytes))
}

/// Bytes with all digests made the same; each keeps its length.
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
    /// Something else, here or on the way there.
    Other(PathBuf),
}

/// Looks at a path below a folder, and follows no link on the way.
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
    // What it names is removed one day: it has to be a path of ours.
    let is_plain = |path: &String| path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    match list.values().flat_map(BTreeMap::keys).all(is_plain) {
        true => Ok(list),
        false => Err(Refusal::List(path)),
    }
}

/// Writes every file to a folder of its own beside its place.
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
    fn only_what_is_refused_whatever_the_digests_are_is_foreseen() {
        let folder = tempfile::tempdir().unwrap();
        let foresee = |force| foresee(folder.path(), "docker-compose", &files('0'), force).is_ok();
        assert!(foresee(false), "an empty folder");
        write(folder.path(), "docker-compose", &files('a'), false).unwrap();
        assert!(foresee(false), "what was written before");
        fs::remove_file(folder.path().join(LIST)).unwrap();
        assert!(foresee(false), "what may be the same in the end");
        fs::write(folder.path().join("compose.yaml"), "image: shop:1\n").unwrap();
        assert!(!foresee(false) && foresee(true), "what is somebody else's");
        fs::write(folder.path().join(LIST), "none").unwrap();
        assert!(!foresee(true), "a list that is none");
    }

    #[test]
    fn digests_alone_make_no_difference() {
        let shown = |text: &str| String::from_utf8(without_digests(text.as_bytes())).unwrap();
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let text = format!("{} sha256:12 {}", digest("a"), digest("b"));
        assert_eq!(shown(&text), format!("{} sha256:12 {}", digest("0"), digest("0")));
        assert_eq!(shown("sha256:"), "sha256:");
    }
}
