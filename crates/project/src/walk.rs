use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, DirEntry, FileType, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use unicode_normalization::UnicodeNormalization;
use wainwright_oci::ImagePath;

use crate::deny::{is_build_output, is_image_archive, is_junk, is_junk_folder, secret};
use crate::dockerignore::{DockerIgnore, Inherited};
use crate::gitignore::GitIgnore;
use crate::place::{as_path, show};
use crate::rules::Rules;
use crate::{Error, Excluded, Project, SourceFile, SourceKind, SourceTree, Warning};

/// What a walk knows everywhere.
struct Walk<'a> {
    root: &'a Path,
    real_root: PathBuf,
    include: Rules,
    exclude: Rules,
    docker: DockerIgnore,
    outputs: HashSet<Vec<u8>>,
    files: Vec<SourceFile>,
    excluded: Vec<Excluded>,
    warnings: Vec<Warning>,
}

/// A folder still to be read. Kept on a stack of our own: trees can be deeper than the machine's.
struct Folder {
    /// Relative to the project; empty for the project itself.
    path: Vec<u8>,
    git: Option<Rc<GitIgnore>>,
    docker: Inherited,
    state: State,
}

/// What a folder hands down to its entries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Rules decide.
    Open,
    /// `include` named it: the ignore files have no say inside.
    Taken,
    /// It is left out: inside, only what `include` names is taken.
    Out,
}

/// Lists the files of a project that go into an image.
///
/// Left out is, in this order: what `exclude` names; what looks like a secret (listed in [`SourceTree::excluded`]); what
/// belongs to tools; what a `.gitignore` or the `.dockerignore` names. What `include` names is taken all the same,
/// except over `exclude`; a secret must be named itself, not only its folder.
///
/// Links are never followed. Refuses sockets, pipes and devices, links that leave the project, names that cannot stand
/// in an image, and what cannot be read. The result does not depend on the order of folders, umask, times or owners.
pub fn list_sources(project: &Project) -> Result<SourceTree, Error> {
    list_sources_except(project, &[])
}

/// As [`list_sources`], leaving out files and folders that this build itself will write.
pub fn list_sources_except(project: &Project, outputs: &[&Path]) -> Result<SourceTree, Error> {
    let root = project.root.as_path();
    let real_root = root.canonicalize().map_err(|source| Error::read(root, source))?;
    let rules = |patterns: &[String], key| {
        let patterns = patterns.iter().map(String::as_str);
        Rules::new(b"", patterns).map_err(|(_, reason)| Error::NotText { file: key, reason })
    };
    let mut walk = Walk {
        root,
        include: rules(&project.settings.include, "include".into())?,
        exclude: rules(&project.settings.exclude, "exclude".into())?,
        docker: DockerIgnore::read(root)?,
        outputs: outputs.iter().filter_map(|output| below(&real_root, output)).collect(),
        files: Vec::new(),
        excluded: Vec::new(),
        warnings: Vec::new(),
        real_root,
    };
    let docker = walk.docker.inherited();
    let mut stack = vec![Folder { path: Vec::new(), git: None, docker, state: State::Open }];
    while let Some(folder) = stack.pop() {
        walk.read_folder(&folder, &mut stack)?;
    }
    let mut files = walk.files;
    add_folders(&mut files);
    files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    walk.excluded.sort_unstable();
    Ok(SourceTree { root: root.to_owned(), files, excluded: walk.excluded, warnings: walk.warnings })
}

/// An output as a path relative to the project, if it is inside.
fn below(real_root: &Path, output: &Path) -> Option<Vec<u8>> {
    // The output itself may not be there yet.
    let name = output.file_name()?;
    let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let path = parent.canonicalize().ok()?.join(name);
    Some(path.strip_prefix(real_root).ok()?.as_os_str().as_bytes().to_vec())
}

impl Walk<'_> {
    fn read_folder(&mut self, folder: &Folder, stack: &mut Vec<Folder>) -> Result<(), Error> {
        let disk = self.root.join(as_path(&folder.path));
        let is_top = folder.path.is_empty();
        let read = |source| Error::read(&disk, source);
        let mut entries: Vec<DirEntry> =
            fs::read_dir(&disk).map_err(read)?.collect::<Result<_, _>>().map_err(read)?;
        entries.sort_unstable_by_key(DirEntry::file_name);
        let find = |name: &str| {
            entries.binary_search_by(|entry| entry.file_name().as_os_str().cmp(OsStr::new(name)))
        };

        let mut state = folder.state;
        if !is_top && state == State::Open && is_junk_folder(|name| find(name).is_ok()) {
            state = State::Out;
        }
        if state == State::Out && !is_top && !self.include.may_fit_below(&folder.path) {
            return Ok(());
        }
        // As for git itself, a `.gitignore` that is a link does not count.
        let ignore_file = find(".gitignore").ok().filter(|index| is_regular(&entries[*index]));
        let git = match ignore_file {
            Some(_) if state == State::Open => GitIgnore::read(self.root, &folder.path, folder.git.clone())?,
            _ => folder.git.clone(),
        };
        let mut names = Names::default();
        let first_below = stack.len();
        for entry in &entries {
            let mut path = folder.path.clone();
            if !is_top {
                path.push(b'/');
            }
            path.extend_from_slice(entry.file_name().as_bytes());
            let kind = entry.file_type().map_err(|source| Error::read(&entry.path(), source))?;
            let is_folder = kind.is_dir();
            let above = Above { state, git: git.as_deref(), docker: &folder.docker, folder: &folder.path };
            let (state, docker) = self.judge(&path, is_folder, &above, entry);
            let Some(state) = state else { continue };
            if is_folder && (state != State::Out || self.include.may_fit_below(&path)) {
                stack.push(Folder { path: path.clone(), git: git.clone(), docker, state });
            }
            if state != State::Out {
                if !is_folder {
                    self.take(&path, kind, entry)?;
                }
                names.add(path, &mut self.warnings);
            }
        }
        // The stack gives back the last first; read in order, of several mistakes the same one is always reported.
        stack[first_below..].reverse();
        Ok(())
    }

    /// What becomes of an entry, and what it hands down; `None`: nothing in it can be taken.
    fn judge(
        &mut self,
        path: &[u8],
        is_folder: bool,
        above: &Above<'_>,
        entry: &DirEntry,
    ) -> (Option<State>, Inherited) {
        let name = entry.file_name();
        let name = name.as_bytes();
        let is_top = above.folder.is_empty();
        if self.exclude.fits(path, is_folder) || self.outputs.contains(path) {
            return (None, above.docker.clone());
        }
        let is_named = match above.state {
            State::Out => self.include.fits_anchored(path, is_folder),
            _ => self.include.fits(path, is_folder),
        };
        let out = (Some(State::Out), above.docker.clone());
        if above.state == State::Out && !is_named {
            return out;
        }
        if is_named && !is_folder {
            return (Some(State::Taken), above.docker.clone());
        }
        let is_junk = is_junk(name, is_folder, is_top)
            || (is_top && is_folder && is_build_output(name, &entry.path()))
            || (!is_folder && is_image_archive(name, &entry.path()));
        if is_junk && !is_named {
            return out;
        }
        let is_taken = is_named || above.state == State::Taken;
        if !is_taken && above.git.is_some_and(|git| git.ignores(path, is_folder)) {
            return out;
        }
        let (is_ignored, docker) = self.docker.judge(path, above.docker);
        let is_ignored = is_ignored && !is_taken;
        let folder_name = above.folder.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if let Some(why) = secret(folder_name, name, is_folder).filter(|_| !is_named) {
            if !is_ignored {
                let path = show(path) + if is_folder { "/" } else { "" };
                self.excluded.push(Excluded { path, why });
            }
            return out;
        }
        // In a folder that `.dockerignore` leaves out, a later `!` pattern may take something back.
        if is_ignored && !(is_folder && self.docker.takes_back()) {
            return out;
        }
        (Some(if is_taken { State::Taken } else { State::Open }), docker)
    }

    /// Adds a file or link to the list, after looking at everything that could be wrong with it.
    fn take(&mut self, path: &[u8], kind: FileType, entry: &DirEntry) -> Result<(), Error> {
        let special = |kind| Err(Error::Special { path: show(path), kind });
        let kind = if kind.is_symlink() {
            SourceKind::Symlink { target: self.link_target(path, &entry.path())? }
        } else if kind.is_file() {
            let found = entry.metadata().map_err(|source| Error::read(&entry.path(), source))?;
            check_readable(&entry.path(), &found)?;
            if found.mode() & 0o6000 != 0 {
                self.warnings.push(Warning::SetId { path: image_path(path)? });
            }
            SourceKind::File { size: found.len(), is_executable: found.mode() & 0o111 != 0 }
        } else if kind.is_fifo() {
            return special("named pipe");
        } else if kind.is_socket() {
            return special("socket");
        } else {
            return special("device");
        };
        self.files.push(SourceFile { path: image_path(path)?, kind });
        Ok(())
    }

    /// Where a link points, relative to itself; refuses one that leaves the project.
    fn link_target(&self, path: &[u8], disk: &Path) -> Result<Vec<u8>, Error> {
        let target = fs::read_link(disk).map_err(|source| Error::read(disk, source))?;
        let leads_out = || Error::LinkOut { path: show(path), target: show(target.as_os_str().as_bytes()) };
        let depth = path.iter().filter(|byte| **byte == b'/').count();
        let inside = if target.is_absolute() {
            // An absolute path would name something else in the image, and on every other machine.
            let inside = target.strip_prefix(self.root).or_else(|_| target.strip_prefix(&self.real_root));
            let mut relative = b"../".repeat(depth);
            relative.extend_from_slice(inside.map_err(|_| leads_out())?.as_os_str().as_bytes());
            relative
        } else {
            target.as_os_str().as_bytes().to_vec()
        };
        let mut depth = depth;
        for part in inside.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => depth = depth.checked_sub(1).ok_or_else(leads_out)?,
                _ => depth += 1,
            }
        }
        Ok(if inside.is_empty() { b".".to_vec() } else { inside })
    }
}

/// What the folder of an entry hands down to it.
struct Above<'a> {
    state: State,
    git: Option<&'a GitIgnore>,
    docker: &'a Inherited,
    folder: &'a [u8],
}

fn is_regular(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_file())
}

/// Fails now rather than in the middle of a layer; asks the system only where the mode leaves a doubt.
fn check_readable(disk: &Path, found: &Metadata) -> Result<(), Error> {
    if found.mode() & 0o444 == 0o444 {
        return Ok(());
    }
    rustix::fs::access(disk, rustix::fs::Access::READ_OK).map_err(|error| Error::read(disk, error.into()))
}

fn image_path(path: &[u8]) -> Result<ImagePath, Error> {
    ImagePath::new(path).map_err(|error| {
        let is_whiteout = path.split(|byte| *byte == b'/').any(|name| name.starts_with(b".wh."));
        match error {
            _ if is_whiteout => Error::Whiteout { path: show(path) },
            wainwright_oci::Error::Path { reason, .. } => {
                Error::Path { path: show(path), reason: reason.into() }
            }
            error => Error::Path { path: show(path), reason: error.to_string() },
        }
    })
}

/// The names of one folder, folded as some file systems do it.
#[derive(Default)]
struct Names(HashMap<String, Vec<u8>>);

impl Names {
    fn add(&mut self, path: Vec<u8>, warnings: &mut Vec<Warning>) {
        let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        let Ok(name) = std::str::from_utf8(&path[start..]) else { return };
        let folded =
            if name.is_ascii() { name.to_ascii_lowercase() } else { name.to_lowercase().nfc().collect() };
        match self.0.entry(folded) {
            Entry::Vacant(entry) => {
                entry.insert(path);
            }
            Entry::Occupied(entry) => {
                let (first, second) = (ImagePath::new(entry.get().clone()), ImagePath::new(path));
                if let (Ok(first), Ok(second)) = (first, second) {
                    warnings.push(Warning::AlmostEqual { first, second });
                }
            }
        }
    }
}

/// Adds the folders that hold something.
fn add_folders(files: &mut Vec<SourceFile>) {
    let mut seen = HashSet::new();
    let mut folders = Vec::new();
    for file in files.iter() {
        let mut parent = file.path.parent();
        while let Some(folder) = parent.filter(|folder| !seen.contains(folder)) {
            seen.insert(folder.clone());
            parent = folder.parent();
            folders.push(SourceFile { path: folder, kind: SourceKind::Directory });
        }
    }
    files.append(&mut folders);
}
