use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::json;
use wainwright_image::Release;
use wainwright_oci::{Descriptor, Document, Held, Place, Tree};
use wainwright_store::CacheKey;

use crate::{Error, Session};

/// Raised when what is remembered changes its form.
const FORMAT: u32 = 1;

/// What is remembered of a project.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Remembered {
    Image(Last),
    /// It made several images, of which none is meant.
    Workflow {
        workflow: bool,
    },
}

/// A build as it is remembered: documents as text, and where the blobs were.
#[derive(Serialize, Deserialize)]
struct Last {
    root: Kept,
    children: Vec<Kept>,
    configs: Vec<Kept>,
    blobs: Vec<(Descriptor, Where)>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    media_type: String,
    text: String,
}

#[derive(Serialize, Deserialize)]
enum Where {
    Store,
    File(std::path::PathBuf, u64),
    Registry(String),
}

/// Remembers in the store what a project was built to. Not being able to costs `wain push last`, and no more.
pub(crate) fn remember(release: &Release, project: &Path, session: &Session) {
    let Some(tree) = Tree::of_images(release.index.as_ref(), &release.images) else { return };
    let Some(key) = key(project) else { return };
    keep(&key, &Remembered::Image(Last::of(&tree)), session);
}

/// Remembers that a project was built to the images of a workflow.
pub(crate) fn remember_set(project: &Path, session: &Session) {
    let Some(key) = key(project) else { return };
    keep(&key, &Remembered::Workflow { workflow: true }, session);
}

fn keep(key: &CacheKey, what: &Remembered, session: &Session) {
    let Ok(value) = serde_json::to_value(what) else { return };
    if session.store.recall(key).ok().flatten().as_ref() != Some(&value) {
        let _ = session.store.remember(key, &value);
    }
}

/// What was built last from a project.
pub(crate) fn recall(project: &Path, session: &Session) -> Result<Tree, Error> {
    let refuse = |reason: &str| Error::Last { folder: project.to_owned(), reason: reason.to_owned() };
    let last: Option<Remembered> = match key(project) {
        Some(key) => session.store.recall(&key)?,
        None => return Err(refuse("there is no such folder")),
    };
    let last = match last.ok_or_else(|| refuse("the cache remembers no build of it"))? {
        Remembered::Image(last) => last,
        Remembered::Workflow { .. } => return Err(Error::LastWorkflow { folder: project.to_owned() }),
    };
    let tree = last.tree()?;
    for held in &tree.blobs {
        let Descriptor { digest, size, .. } = &held.descriptor;
        let is_there = match &held.place {
            Place::Store => session.store.contains(digest, Some(*size)),
            Place::File { path, .. } => path.is_file(),
            Place::Registry(_) => true,
        };
        if !is_there {
            return Err(refuse(&format!("its layer {digest} is not there any more")));
        }
    }
    Ok(tree)
}

fn key(project: &Path) -> Option<CacheKey> {
    let path = project.canonicalize().ok()?;
    let facts = json!({ "format": FORMAT, "path": path.as_os_str().as_encoded_bytes() });
    CacheKey::of("last-build", &facts).ok()
}

impl Last {
    fn of(tree: &Tree) -> Self {
        let keep = |document: &Document| Kept {
            media_type: document.descriptor.media_type.clone(),
            text: String::from_utf8_lossy(document.bytes()).into_owned(),
        };
        let place = |held: &Held| {
            let place = match &held.place {
                Place::Store => Where::Store,
                Place::File { path, offset } => {
                    // A relative path is relative to where the build was.
                    Where::File(path.canonicalize().unwrap_or_else(|_| path.clone()), *offset)
                }
                Place::Registry(reference) => Where::Registry(reference.to_string()),
            };
            (held.descriptor.clone(), place)
        };
        Self {
            root: keep(&tree.root),
            children: tree.children.iter().map(keep).collect(),
            configs: tree.configs.iter().map(keep).collect(),
            blobs: tree.blobs.iter().map(place).collect(),
        }
    }

    fn tree(self) -> Result<Tree, Error> {
        let open = |kept: Kept| Document::read("document", &kept.media_type, kept.text.into_bytes());
        let held = |(descriptor, place): (Descriptor, Where)| {
            let place = match place {
                Where::Store => Place::Store,
                Where::File(path, offset) => Place::File { path, offset },
                Where::Registry(reference) => Place::Registry(reference.parse()?),
            };
            Ok(Held { descriptor, place })
        };
        Ok(Tree {
            root: open(self.root)?,
            children: self.children.into_iter().map(open).collect::<Result<_, _>>()?,
            configs: self.configs.into_iter().map(open).collect::<Result<_, _>>()?,
            blobs: self.blobs.into_iter().map(held).collect::<Result<_, wainwright_oci::Error>>()?,
        })
    }
}
