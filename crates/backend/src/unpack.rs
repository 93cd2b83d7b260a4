use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use tar::{Archive, EntryType};

use crate::Error;

/// Files and folders of a source distribution; the largest known have some ten thousand.
const MOST_ENTRIES: u64 = 500_000;
/// Bytes of all its files together.
const MOST_BYTES: u64 = 4 << 30;
/// Bytes of the tar: headers and padding are besides.
const MOST_TAR: u64 = MOST_BYTES + MOST_ENTRIES * 2048;

/// Unpacks a source distribution (PyPA, "Source distribution format") whose digest was checked, and gives the folder of
/// its source.
///
/// Names stay below `into`, links lead to what is below it, and nothing is written through a link. What is neither a
/// file nor a folder nor such a link is refused.
pub fn unpack(archive: File, name: &str, into: &Path) -> Result<PathBuf, Error> {
    let refuse = |reason: String| Error::Archive { file: name.to_owned(), reason };
    if !(name.ends_with(".tar.gz") || name.ends_with(".tgz")) {
        return Err(refuse("it is neither .tar.gz nor .tgz".into()));
    }
    let broken = |error: io::Error| refuse(error.to_string());
    let mut archive = Archive::new(GzDecoder::new(archive).take(MOST_TAR));
    let mut links: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    let (mut count, mut total) = (0, 0u64);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let raw = entry.path_bytes().into_owned();
        let shown = String::from_utf8_lossy(&raw).escape_debug().to_string();
        let odd = |what: &str| refuse(format!("`{shown}` {what}"));
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            continue;
        }
        count += 1;
        if count > MOST_ENTRIES {
            return Err(refuse(format!("it has more than {MOST_ENTRIES} entries")));
        }
        let path =
            inside(Path::new(std::ffi::OsStr::from_bytes(&raw))).ok_or_else(|| odd("points outside it"))?;
        if path.as_os_str().is_empty() {
            continue;
        }
        if path.ancestors().any(|above| links.contains_key(above)) {
            return Err(odd("is below a link"));
        }
        let disk = into.join(&path);
        let written = |source| Error::Write { path: disk.clone(), source };
        match kind {
            EntryType::Directory => fs::create_dir_all(&disk).map_err(written)?,
            EntryType::Regular | EntryType::Continuous => {
                total = total.saturating_add(entry.size());
                if total > MOST_BYTES {
                    return Err(refuse(format!("its files are larger than {MOST_BYTES} bytes in total")));
                }
                let mode = if entry.header().mode().unwrap_or(0) & 0o111 == 0 { 0o644 } else { 0o755 };
                write(&mut entry, &disk, mode).map_err(|failure| match failure {
                    Failure::Read(error) => broken(error),
                    Failure::Write(source) => written(source),
                })?;
            }
            EntryType::Symlink | EntryType::Link => {
                let target = entry.link_name_bytes().ok_or_else(|| odd("is a dangling link"))?;
                let target = Path::new(std::ffi::OsStr::from_bytes(&target)).to_owned();
                // Hard links are named from the top of the archive, soft ones from where they are.
                let from = match kind {
                    EntryType::Symlink => path.parent().unwrap_or(Path::new("")).join(&target),
                    _ => target,
                };
                let end = inside(&from).ok_or_else(|| odd("is a link that points outside it"))?;
                if disk.symlink_metadata().is_ok() {
                    return Err(odd("appears twice"));
                }
                links.insert(path, end);
            }
            _ => return Err(odd("is neither a file nor a folder nor a link")),
        }
    }
    place_links(&links, into, &refuse)?;
    source_folder(into, &refuse)
}

/// The path without `.` and `..`; `None` where it leads above its start.
pub(crate) fn inside(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !plain.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(plain)
}

enum Failure {
    Read(io::Error),
    Write(io::Error),
}

fn write(content: &mut impl Read, disk: &Path, mode: u32) -> Result<(), Failure> {
    if let Some(folder) = disk.parent() {
        fs::create_dir_all(folder).map_err(Failure::Write)?;
    }
    let mut out =
        File::options().write(true).create_new(true).mode(mode).open(disk).map_err(Failure::Write)?;
    let mut piece = vec![0; 1 << 16];
    loop {
        let length = content.read(&mut piece).map_err(Failure::Read)?;
        if length == 0 {
            break;
        }
        io::Write::write_all(&mut out, piece.get(..length).unwrap_or_default()).map_err(Failure::Write)?;
    }
    // Whatever the umask is.
    out.set_permissions(Permissions::from_mode(mode)).map_err(Failure::Write)
}

/// Links become what they lead to, last: a copy cannot lead anywhere later.
fn place_links(
    links: &BTreeMap<PathBuf, PathBuf>,
    into: &Path,
    refuse: &impl Fn(String) -> Error,
) -> Result<(), Error> {
    for (path, end) in links {
        // A link to a link is rare, and a ring of them has no end.
        let mut end = end;
        for _ in 0..8 {
            match links.get(end) {
                Some(next) => end = next,
                None => break,
            }
        }
        let (from, to) = (into.join(end), into.join(path));
        let failed = |source| Error::Write { path: to.clone(), source };
        let Ok(found) = from.symlink_metadata() else {
            return Err(refuse(format!("`{}` is a dangling link", path.display())));
        };
        if !found.is_file() {
            return Err(refuse(format!("`{}` is a link to something other than a file", path.display())));
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::copy(&from, &to).map_err(failed)?;
    }
    Ok(())
}

/// The one folder at the top of every source distribution.
fn source_folder(into: &Path, refuse: &impl Fn(String) -> Error) -> Result<PathBuf, Error> {
    let read = |source| Error::Read { path: into.to_owned(), source };
    let entries: Vec<_> = fs::read_dir(into).map_err(read)?.collect::<Result<_, _>>().map_err(read)?;
    match &entries[..] {
        [one] if one.path().is_dir() => Ok(one.path()),
        _ => Err(refuse("it does not have a single top-level folder".into())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, Write as _};

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, Header};

    use super::*;

    enum Content<'a> {
        File(&'a str, u32),
        Link(EntryType, &'a str),
        Odd(EntryType),
    }
    use Content::{File as Text, Link, Odd};

    fn check(members: &[(&str, Content)]) -> Result<Vec<String>, String> {
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, content) in members {
            let mut header = Header::new_ustar();
            // By hand: the library refuses to write what a stranger may send.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            let text = match content {
                Text(text, mode) => {
                    header.set_mode(*mode);
                    *text
                }
                Link(kind, target) => {
                    header.set_entry_type(*kind);
                    header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
                    ""
                }
                Odd(kind) => {
                    header.set_entry_type(*kind);
                    ""
                }
            };
            header.set_size(text.len() as u64);
            header.set_cksum();
            builder.append(&header, text.as_bytes()).unwrap();
        }
        let bytes = builder.into_inner().unwrap().finish().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        file.rewind().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let found = unpack(file, "foo-1.0.tar.gz", folder.path()).map_err(|error| error.to_string())?;
        let mut files = Vec::new();
        let mut folders = vec![found.clone()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => {
                        let mode = path.symlink_metadata().unwrap().permissions().mode() & 0o777;
                        let name = path.strip_prefix(&found).unwrap().display().to_string();
                        files.push(format!("{mode:o} {name} {}", fs::read_to_string(&path).unwrap()));
                    }
                }
            }
        }
        files.sort();
        Ok(files)
    }

    #[test]
    fn files_keep_their_bytes_and_whether_they_are_programs() {
        let members = [
            ("foo-1.0/pyproject.toml", Text("x", 0o600)),
            ("./foo-1.0/bin/../run.sh", Text("y", 0o4711)),
            ("foo-1.0/LICENSE.txt", Link(EntryType::Symlink, "pyproject.toml")),
            ("foo-1.0/sub/hard", Link(EntryType::Link, "foo-1.0/run.sh")),
        ];
        assert_eq!(
            check(&members).unwrap(),
            ["644 LICENSE.txt x", "644 pyproject.toml x", "755 run.sh y", "755 sub/hard y"]
        );
    }

    #[test]
    fn unpack_rejects_paths_outside() {
        for (members, reason) in [
            (vec![("../evil", Text("", 0))], "points outside it"),
            (vec![("/etc/evil", Text("", 0))], "points outside it"),
            (vec![("foo/../../evil", Text("", 0))], "points outside it"),
            (vec![("foo/a", Link(EntryType::Symlink, "/etc/passwd"))], "points outside it"),
            (vec![("foo/a", Link(EntryType::Symlink, "../../x"))], "points outside it"),
            (vec![("foo/a", Link(EntryType::Link, "../x"))], "points outside it"),
            (vec![("foo/a", Link(EntryType::Symlink, "b")), ("foo/a/evil", Text("", 0))], "is below a link"),
            (
                vec![("foo/a", Link(EntryType::Symlink, "b")), ("foo/b", Link(EntryType::Symlink, "a"))],
                "dangling link",
            ),
            (vec![("foo/pipe", Odd(EntryType::Fifo))], "neither a file"),
            (vec![("foo/device", Odd(EntryType::Char))], "neither a file"),
            (vec![("a", Text("", 0)), ("b", Text("", 0))], "not have a single top-level folder"),
            (vec![], "not have a single top-level folder"),
        ] {
            let error = check(&members).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_file_twice_and_a_damaged_archive_are_refused() {
        assert!(check(&[("foo/a", Text("1", 0)), ("foo/a", Text("2", 0))]).is_err());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"\x1f\x8b\x08 nothing that follows").unwrap();
        file.rewind().unwrap();
        let folder = tempfile::tempdir().unwrap();
        assert!(unpack(file, "foo-1.0.tar.gz", folder.path()).is_err());
        let zip = unpack(tempfile::tempfile().unwrap(), "foo-1.0.zip", folder.path());
        assert!(zip.unwrap_err().to_string().contains("neither .tar.gz nor .tgz"));
    }
}
