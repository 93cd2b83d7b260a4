use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wainwright_oci::{Digest, Hasher};
use wainwright_project::{Project, SourceKind, SourceTree, list_sources, refuse_leaks};

use crate::{Error, Event, Session};

/// A folder of source on this disk, as it is now.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    pub(crate) project: Arc<Project>,
    pub(crate) tree: Arc<SourceTree>,
    /// Of all paths, modes, links and contents.
    pub(crate) digest: Digest,
    /// Its path as the lockfile has it.
    pub(crate) shown: String,
}

impl Folder {
    /// Reads a folder by the rules for projects: secrets and what belongs to tools are left out, links must not lead out.
    pub(crate) async fn read(path: &Path, shown: String, session: &Session) -> Result<Self, Error> {
        let (path, passwords) = (path.to_owned(), session.passwords());
        let job = move || {
            let project = wainwright_project::load(&path)?;
            let tree = list_sources(&project)?;
            refuse_leaks(&project, &tree, &passwords)?;
            let digest = digest(&tree)?;
            Ok((project, tree, digest))
        };
        let (project, tree, digest) = session.compute(job).await?;
        for excluded in &tree.excluded {
            let message = format!("`{}` of `{shown}` is left out: {}", excluded.path, excluded.why);
            session.report(Event::Warned { message });
        }
        Ok(Self { project: Arc::new(project), tree: Arc::new(tree), digest, shown })
    }

    /// Copies what was read, for a backend to work in.
    pub(crate) fn copy(&self, into: &Path) -> Result<(), Error> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Source { path, source }
        };
        fs::create_dir(into).map_err(failed(into))?;
        for file in &self.tree.files {
            let to = into.join(std::ffi::OsStr::from_bytes(file.path.as_bytes()));
            match &file.kind {
                SourceKind::Directory => fs::create_dir_all(&to).map_err(failed(&to))?,
                SourceKind::Symlink { target } => {
                    symlink(std::ffi::OsStr::from_bytes(target), &to).map_err(failed(&to))?;
                }
                SourceKind::File { is_executable, .. } => {
                    let from = self.tree.disk(file);
                    fs::copy(&from, &to).map_err(failed(&from))?;
                    let mode = if *is_executable { 0o755 } else { 0o644 };
                    fs::set_permissions(&to, fs::Permissions::from_mode(mode)).map_err(failed(&to))?;
                }
            }
        }
        Ok(())
    }
}

fn digest(tree: &SourceTree) -> Result<Digest, Error> {
    let mut hasher = Hasher::new();
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for file in &tree.files {
        field(file.path.as_bytes());
        match &file.kind {
            SourceKind::Directory => field(b"directory"),
            SourceKind::Symlink { target } => {
                field(b"link");
                field(target);
            }
            SourceKind::File { is_executable, .. } => {
                let path: PathBuf = tree.disk(file);
                let read = |source| Error::Source { path: path.clone(), source };
                let content = Digest::of_reader(fs::File::open(&path).map_err(read)?).map_err(read)?;
                field(if *is_executable { b"program" } else { b"file" });
                field(content.as_bytes());
            }
        }
    }
    Ok(hasher.finish())
}
