use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::facts::Facts;
use crate::links::{self, Step};

/// Paths of one image; more is an attack on memory.
const MOST_PATHS: usize = 1_000_000;
/// Bytes of all paths and link targets together.
const MOST_BYTES: usize = 256 << 20;
/// Steps of work for one image: a hostile layer could otherwise have the same directories searched again and again.
const MOST_WORK: u64 = 50_000_000;
/// What following a link may cost, in steps.
const STEPS_OF_LINK: u64 = 200;

/// What the layers seen so far make of the root file system: paths and kinds, no contents.
///
/// Paths have no leading slash; the root itself is not listed. Every listed path has its parents listed.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: BTreeMap<Vec<u8>, Node>,
    bytes: usize,
    work: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// The layer that put it there, counted from 1.
    pub(crate) layer: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Directory,
    /// Hard links share their facts.
    File(Arc<Facts>),
    Symlink(Vec<u8>),
    Other,
}

/// Why something cannot be put into the tree, as half a sentence.
pub(crate) type Objection = &'static str;

impl Tree {
    pub(crate) fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(path)
    }

    pub(crate) fn is_directory(&self, path: &[u8]) -> bool {
        path.is_empty() || matches!(self.get(path), Some(Node { kind: Kind::Directory, .. }))
    }

    /// All paths in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Kind)> {
        self.nodes.iter().map(|(path, node)| (path.as_slice(), &node.kind))
    }

    /// What lies below a directory, at any depth.
    pub(crate) fn below(&self, directory: &[u8]) -> impl Iterator<Item = (&[u8], &Kind)> {
        self.nodes.range(range_below(directory)).map(|(path, node)| (path.as_slice(), &node.kind))
    }

    /// Follows all links; see [`links::resolve`].
    pub(crate) fn resolve(&self, path: &[u8]) -> Option<Vec<u8>> {
        links::resolve(path, |path| {
            Some(match &self.get(path)?.kind {
                Kind::Directory => Step::Directory,
                Kind::Symlink(target) => Step::Link(target),
                Kind::File(_) | Kind::Other => Step::Leaf,
            })
        })
    }

    /// What is known of the regular file that a path leads to.
    pub(crate) fn file(&self, path: &[u8]) -> Option<&Facts> {
        match &self.get(&self.resolve(path)?)?.kind {
            Kind::File(facts) => Some(facts),
            _ => None,
        }
    }

    /// The kept content of a file, links followed.
    pub(crate) fn text(&self, path: &[u8]) -> Option<Cow<'_, str>> {
        Some(String::from_utf8_lossy(self.file(path)?.text.as_deref()?))
    }

    /// Where entries of a directory go that `layer` names with the parts of a path; its links are followed.
    ///
    /// With `create`, directories that are missing are made, as every unpacker does; without, `None` is returned.
    pub(crate) fn directory(
        &mut self,
        parts: &[&[u8]],
        layer: usize,
        create: bool,
    ) -> Result<Option<Vec<u8>>, Objection> {
        let mut here = Vec::new();
        for part in parts {
            self.count(1)?;
            let mut next = here.clone();
            push(&mut next, part);
            here = match self.get(&next) {
                Some(Node { kind: Kind::Directory, .. }) => next,
                Some(Node { kind: Kind::Symlink(_), layer: other }) if *other != layer => {
                    // Docker unpacks each layer for itself, where the link is not seen and becomes a directory;
                    // containerd unpacks on top of the others and follows it.
                    return Err(
                        "it is below a link of a lower layer, which some runtimes follow and others replace",
                    );
                }
                Some(Node { kind: Kind::Symlink(_), .. }) => {
                    self.count(STEPS_OF_LINK)?;
                    match self.resolve(&next) {
                        Some(found) if self.is_directory(&found) => found,
                        _ => return Err("it is below a link that does not point to a directory"),
                    }
                }
                Some(_) => return Err("it is below something that is not a directory"),
                None if create => {
                    self.insert(next.clone(), Kind::Directory, layer)?;
                    next
                }
                None => return Ok(None),
            };
        }
        Ok(Some(here))
    }

    /// Puts something at a path whose parent is there. A directory stays what it holds, everything else is replaced.
    pub(crate) fn put(&mut self, path: Vec<u8>, kind: Kind, layer: usize) -> Result<(), Objection> {
        let keeps = matches!(kind, Kind::Directory) && self.is_directory(&path);
        if !keeps && self.is_directory(&path) {
            self.clear(&path)?;
        }
        self.insert(path, kind, layer)
    }

    /// Removes a path that lower layers put there, and all below it (OCI image-spec, "Whiteouts").
    pub(crate) fn remove(&mut self, path: &[u8], layer: usize) -> Result<(), Objection> {
        const SAME: Objection = "the layer deletes its own files, which depends on the order of unpacking";
        match self.get(path) {
            None => return Ok(()),
            Some(node) if node.layer == layer => return Err(SAME),
            Some(_) => {}
        }
        if self.nodes.range(range_below(path)).any(|(_, node)| node.layer == layer) {
            return Err(SAME);
        }
        self.clear(path)?;
        self.forget(path);
        Ok(())
    }

    /// Removes what lower layers put below a directory and keeps what this layer has put there.
    pub(crate) fn empty(&mut self, directory: &[u8], layer: usize) -> Result<(), Objection> {
        let mut kept = BTreeSet::new();
        let mut lower = Vec::new();
        let mut steps = 0;
        for (path, node) in self.nodes.range(range_below(directory)) {
            steps += 1;
            if node.layer != layer {
                lower.push(path.clone());
                continue;
            }
            let slashes = (directory.len() + 1..path.len()).rev().filter(|at| path[*at] == b'/');
            for parent in slashes.map(|at| &path[..at]) {
                // Whoever is kept has their parents kept already.
                if !kept.insert(parent.to_vec()) {
                    break;
                }
            }
        }
        self.count(steps)?;
        for path in lower {
            match kept.contains(&path) {
                false => self.forget(&path),
                true => {
                    if let Some(node) = self.nodes.get_mut(&path) {
                        node.layer = layer;
                    }
                }
            }
        }
        Ok(())
    }

    fn clear(&mut self, directory: &[u8]) -> Result<(), Objection> {
        let paths: Vec<Vec<u8>> =
            self.nodes.range(range_below(directory)).map(|(path, _)| path.clone()).collect();
        self.count(paths.len() as u64)?;
        paths.iter().for_each(|path| self.forget(path));
        Ok(())
    }

    fn insert(&mut self, path: Vec<u8>, kind: Kind, layer: usize) -> Result<(), Objection> {
        self.forget(&path);
        self.bytes += size(&path, &kind);
        if self.bytes > MOST_BYTES || self.nodes.len() >= MOST_PATHS {
            return Err("the image has too many paths");
        }
        self.nodes.insert(path, Node { kind, layer });
        Ok(())
    }

    fn forget(&mut self, path: &[u8]) {
        if let Some(node) = self.nodes.remove(path) {
            self.bytes -= size(path, &node.kind);
        }
    }

    fn count(&mut self, steps: u64) -> Result<(), Objection> {
        self.work += steps;
        if self.work > MOST_WORK { Err("the image has too many links to follow") } else { Ok(()) }
    }
}

/// Adds a part to a path.
pub(crate) fn push(path: &mut Vec<u8>, part: &[u8]) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(part);
}

fn size(path: &[u8], kind: &Kind) -> usize {
    path.len() + if let Kind::Symlink(target) = kind { target.len() } else { 0 }
}

/// All paths that begin with `directory/`: `0` is the byte behind `/`.
fn range_below(directory: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    match directory {
        b"" => (Bound::Unbounded, Bound::Unbounded),
        directory => {
            let (start, end) = ([directory, b"/"].concat(), [directory, b"0"].concat());
            (Bound::Excluded(start), Bound::Excluded(end))
        }
    }
}
