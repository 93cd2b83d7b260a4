use std::collections::BTreeMap;

use wainwright_base::{FileKind, LayerFile};
use wainwright_oci::Digest;

use super::report::FileChange;
use crate::describe_file::{describe, shown};

/// What a container sees: paths with the number of their layer.
pub(super) type Merged<'a> = BTreeMap<&'a [u8], (usize, &'a LayerFile)>;

/// A file whose content changed: its number in the list of changes, its path, and its layers before and after.
pub(super) struct Unequal<'a> {
    pub(super) number: usize,
    pub(super) path: &'a [u8],
    pub(super) before: usize,
    pub(super) after: usize,
}

/// How many hard links lead from one to another at most.
const MOST_LINKS: usize = 8;

/// Everything that came, went or changed, sorted by path; and which of them are files with another content.
pub(super) fn compare<'a>(one: &Merged<'a>, two: &Merged<'a>) -> (Vec<FileChange>, Vec<Unequal<'a>>) {
    let mut paths: Vec<&[u8]> = one.keys().chain(two.keys()).copied().collect();
    paths.sort_unstable();
    paths.dedup();
    let (mut changes, mut unequal) = (Vec::new(), Vec::new());
    for path in paths {
        let (before, after) = (one.get(path), two.get(path));
        let mut what = Vec::new();
        if let (Some((from, old)), Some((to, new))) = (before, after) {
            what = differences((one, old), (two, new));
            if what.is_empty() {
                continue;
            }
            let is_file = |file: &LayerFile| matches!(file.kind, FileKind::File { .. });
            if what.contains(&"content") && is_file(old) && is_file(new) {
                unequal.push(Unequal { number: changes.len(), path, before: *from, after: *to });
            }
        }
        changes.push(FileChange {
            path: shown(path),
            what,
            before: before.map(|(_, file)| describe(file)),
            after: after.map(|(_, file)| describe(file)),
            first_difference: None,
        });
    }
    (changes, unequal)
}

fn differences(
    (one, old): (&Merged<'_>, &LayerFile),
    (two, new): (&Merged<'_>, &LayerFile),
) -> Vec<&'static str> {
    let mut what = Vec::new();
    let mut note = |is_other, word| {
        if is_other {
            what.push(word);
        }
    };
    match (&old.kind, &new.kind) {
        (FileKind::Symlink(old), FileKind::Symlink(new)) => note(old != new, "target"),
        (FileKind::Directory, FileKind::Directory) | (FileKind::Other, FileKind::Other) => {}
        // A second name of a file is that file.
        (old, new) => match (content(one, old), content(two, new)) {
            (Some((old_size, old)), Some((new_size, new))) => {
                note(old_size != new_size, "size");
                note(old != new, "content");
            }
            (None, None) => note(old != new, "target"),
            _ => note(true, "kind"),
        },
    }
    let is_link = |file: &LayerFile| matches!(file.kind, FileKind::Symlink(_));
    // The mode of a link means nothing.
    note(old.mode != new.mode && !(is_link(old) && is_link(new)), "mode");
    note(old.owner != new.owner, "owner");
    note(old.attributes != new.attributes, "attributes");
    note(old.mtime != new.mtime, "time");
    what
}

/// Size and digest of a regular file, by whatever name.
fn content(merged: &Merged<'_>, kind: &FileKind) -> Option<(u64, Digest)> {
    let mut kind = kind;
    for _ in 0..MOST_LINKS {
        match kind {
            FileKind::File { size, digest } => return Some((*size, *digest)),
            FileKind::Hardlink(target) => kind = &merged.get(target.as_slice())?.1.kind,
            _ => return None,
        }
    }
    None
}
