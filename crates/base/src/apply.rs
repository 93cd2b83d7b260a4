use std::io::{self, Read};
use std::sync::Arc;

use crate::keep::FactCollector;
use crate::tar_stream::{Member, MemberKind, TarStream};
use crate::tree::{Kind, Objection, Tree, push};

/// Deeper paths exist in no image; they make a hostile one slow.
const DEEPEST: usize = 256;
/// As on Linux (`PATH_MAX`).
const LONGEST: usize = 4096;
/// What stands before the name in a whiteout (OCI image-spec, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What aufs left in old layers; no runtime unpacks it.
const AUFS: &[u8] = b".wh..wh.";

/// Why a layer could not be applied.
pub(crate) enum Failure {
    /// The tar cannot be read.
    Tar(io::Error),
    /// A path is refused.
    Path { path: String, reason: Objection },
    /// What was read could not be written.
    Unwritten(wainwright_store::Error),
}

/// Applies the members of a layer to the tree.
///
/// Everything stays in memory. Whatever Docker, containerd and umoci understand in different ways is refused: an image
/// that is indexed here looks the same to all of them.
pub(crate) fn apply<R: Read>(
    stream: &mut TarStream<R>,
    layer: usize,
    tree: &mut Tree,
    keeper: &mut FactCollector,
) -> Result<(), Failure> {
    while let Some(member) = stream.next().map_err(Failure::Tar)? {
        let refuse = |reason| Failure::Path { path: member.path.escape_ascii().to_string(), reason };
        let parts = parts(&member.path).map_err(refuse)?;
        let Some((name, above)) = parts.split_last() else { continue };
        if parts[0].starts_with(AUFS) && parts[0] != OPAQUE {
            continue;
        }
        if above.iter().any(|part| part.starts_with(WHITEOUT)) {
            return Err(refuse("a whiteout has entries below it"));
        }
        if name.starts_with(WHITEOUT) {
            white_out(tree, above, name, layer).map_err(refuse)?;
            continue;
        }
        let directory = tree.directory(above, layer, true).map_err(refuse)?;
        let mut path = directory.unwrap_or_default();
        push(&mut path, name);
        let kind = match member.kind {
            MemberKind::Directory => Kind::Directory,
            MemberKind::Other => Kind::Other,
            MemberKind::Symlink => Kind::Symlink(target(&member).map_err(refuse)?),
            MemberKind::Hardlink => linked(tree, &member, layer).map_err(refuse)?,
            MemberKind::File => {
                let facts = keeper.facts(&path, &member, stream).map_err(Failure::Tar)?;
                Kind::File(Arc::new(facts))
            }
        };
        tree.put(path, kind, layer).map_err(refuse)?;
    }
    Ok(())
}

/// The parts of a path. A leading `/` or `./` is harmless: all unpackers see it from the root of the image.
fn parts(path: &[u8]) -> Result<Vec<&[u8]>, Objection> {
    if path.len() > LONGEST {
        return Err("it is longer than 4096 bytes");
    }
    let parts: Vec<&[u8]> =
        path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.iter().any(|part| *part == b"..") {
        return Err("it contains `..`");
    }
    if parts.len() > DEEPEST {
        return Err("it is more than 256 directories deep");
    }
    if parts.iter().any(|part| part.len() > 255) {
        return Err("a component is longer than 255 bytes");
    }
    Ok(parts)
}

fn white_out(tree: &mut Tree, above: &[&[u8]], name: &[u8], layer: usize) -> Result<(), Objection> {
    let hidden = match name {
        OPAQUE => None,
        name if name.starts_with(AUFS) => return Ok(()),
        name => match &name[WHITEOUT.len()..] {
            b"" | b"." | b".." => return Err("it is a whiteout without a name"),
            hidden => Some(hidden),
        },
    };
    let Some(mut path) = tree.directory(above, layer, false)? else { return Ok(()) };
    match hidden {
        None => tree.empty(&path, layer),
        Some(hidden) => {
            push(&mut path, hidden);
            tree.remove(&path, layer)
        }
    }
}

fn target(member: &Member) -> Result<Vec<u8>, Objection> {
    match member.link.len() {
        0 => Err("it is a link without a target"),
        length if length > LONGEST => Err("its target is longer than 4096 bytes"),
        _ => Ok(member.link.clone()),
    }
}

/// What a hard link becomes: the same as its target, which has to be there already.
fn linked(tree: &mut Tree, member: &Member, layer: usize) -> Result<Kind, Objection> {
    let parts = parts(&member.link).map_err(|_| "it is a hard link to a path outside the image")?;
    let Some((name, above)) = parts.split_last() else { return Err("it is a hard link without a target") };
    let Some(mut path) = tree.directory(above, layer, false)? else {
        return Err("it is a hard link to a file that does not exist yet");
    };
    push(&mut path, name);
    match tree.get(&path).map(|node| &node.kind) {
        None => Err("it is a hard link to a file that does not exist yet"),
        Some(Kind::Directory) => Err("it is a hard link to a directory"),
        Some(kind) => Ok(kind.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{RawTar, raw};

    /// Applies layers and lists what comes of them, or the refusal.
    fn check(layers: &[RawTar], expected: &[&str]) {
        let (mut tree, mut keeper) = (Tree::default(), FactCollector::default());
        for (index, layer) in layers.iter().enumerate() {
            let bytes = layer.clone().bytes();
            match apply(&mut TarStream::new(&bytes[..]), index + 1, &mut tree, &mut keeper) {
                Ok(()) => {}
                Err(Failure::Tar(error)) => return assert_eq!([error.to_string()], expected),
                Err(Failure::Path { path, reason }) => {
                    return assert_eq!([format!("{path}: {reason}")], expected);
                }
                Err(Failure::Unwritten(error)) => panic!("nothing is written here: {error}"),
            }
        }
        let lines: Vec<String> = tree
            .iter()
            .map(|(path, kind)| {
                let path = path.escape_ascii();
                match kind {
                    Kind::Directory => format!("{path}/"),
                    Kind::File(facts) => match &facts.text {
                        Some(text) => format!("{path} = {}", text.escape_ascii()),
                        None => path.to_string(),
                    },
                    Kind::Symlink(target) => format!("{path} -> {}", target.escape_ascii()),
                    Kind::Other => format!("{path} (other)"),
                }
            })
            .collect();
        assert_eq!(lines, expected);
    }

    #[test]
    fn whiteouts_delete_from_lower_layers_only() {
        let lower = raw().file("a/x", b"").file("a/y/z", b"").file("b", b"").file("a.txt", b"");
        check(&[lower.clone(), raw().file(".wh.a", b"")], &["a.txt", "b"]);
        check(
            &[lower.clone(), raw().file("a/.wh..wh..opq", b"").file("a/new", b"")],
            &["a/", "a.txt", "a/new", "b"],
        );
        let late = raw().file("a/y/new", b"").file("a/.wh..wh..opq", b"");
        check(&[lower.clone(), late], &["a/", "a.txt", "a/y/", "a/y/new", "b"]);
        check(
            &[lower, raw().file(".wh.nothing", b"").file("gone/.wh.x", b"")],
            &["a/", "a.txt", "a/x", "a/y/", "a/y/z", "b"],
        );
    }

    #[test]
    fn a_whiteout_of_the_same_layer_counts_only_where_order_does_not() {
        let lower = raw().file("a/x", b"");
        check(&[lower.clone(), raw().file(".wh.a", b"").file("a", b"")], &["a"]);
        let reason = "the layer deletes its own files, which depends on the order of unpacking";
        let file = raw().file("a", b"").file(".wh.a", b"");
        check(&[lower.clone(), file], &[&format!(".wh.a: {reason}")]);
        let below = raw().file("a/new", b"").file(".wh.a", b"");
        check(&[lower, below], &[&format!(".wh.a: {reason}")]);
    }

    #[test]
    fn odd_whiteouts_are_refused_or_ignored() {
        for name in [".wh.", ".wh..", ".wh...", "a/.wh."] {
            check(&[raw().file(name, b"")], &[&format!("{name}: it is a whiteout without a name")]);
        }
        check(&[raw().file(".wh.a/b", b"")], &[".wh.a/b: a whiteout has entries below it"]);
        check(
            &[raw().directory(".wh..wh.plnk/").file(".wh..wh.plnk/1.2", b"").file("a/.wh..wh.aufs", b"")],
            &[],
        );
    }

    #[test]
    fn a_path_may_not_leave_the_image() {
        check(&[raw().file("../x", b"")], &["../x: it contains `..`"]);
        check(&[raw().file("a/../x", b"")], &["a/../x: it contains `..`"]);
        check(&[raw().file("/etc/passwd", b"root")], &["etc/", "etc/passwd = root"]);
        check(&[raw().file("./x", b"").directory("./")], &["x"]);
        let out = "x: it is a hard link to a path outside the image";
        check(&[raw().hardlink("x", "../../etc/shadow")], &[out]);
    }

    #[test]
    fn links_of_the_same_layer_are_followed_in_the_virtual_root() {
        let layer = raw().directory("etc").symlink("a", "../../../etc").file("a/passwd", b"root");
        check(&[layer], &["a -> ../../../etc", "etc/", "etc/passwd = root"]);
        let reason = "it is below a link that does not point to a directory";
        check(&[raw().symlink("a", "b").file("a/x", b"")], &[&format!("a/x: {reason}")]);
        check(&[raw().symlink("a", "a").file("a/x", b"")], &[&format!("a/x: {reason}")]);
    }

    #[test]
    fn links_of_lower_layers_are_not() {
        let lower = raw().directory("usr/lib").symlink("lib", "usr/lib");
        let reason = "it is below a link of a lower layer, which some runtimes follow and others replace";
        check(&[lower.clone(), raw().file("lib/x", b"")], &[&format!("lib/x: {reason}")]);
        let replaced = raw().directory("lib/").file("lib/x", b"");
        check(&[lower, replaced], &["lib/", "lib/x", "usr/", "usr/lib/"]);
    }

    #[test]
    fn hard_links_share_what_is_known() {
        let layer = raw().file("etc/passwd", b"root").hardlink("copy", "etc/passwd");
        check(&[layer], &["copy = root", "etc/", "etc/passwd = root"]);
        let early = raw().hardlink("copy", "etc/passwd").file("etc/passwd", b"root");
        check(&[early], &["copy: it is a hard link to a file that does not exist yet"]);
        check(&[raw().directory("d").hardlink("x", "d")], &["x: it is a hard link to a directory"]);
    }

    #[test]
    fn later_members_replace_earlier_ones() {
        check(&[raw().file("etc/passwd", b"1").file("etc/passwd", b"2")], &["etc/", "etc/passwd = 2"]);
        check(&[raw().file("a/x", b""), raw().file("a", b"")], &["a"]);
        check(&[raw().file("a/x", b""), raw().directory("a")], &["a/", "a/x"]);
        check(
            &[raw().file("a", b""), raw().file("a/x", b"")],
            &["a/x: it is below something that is not a directory"],
        );
    }

    #[test]
    fn devices_are_listed_and_nothing_more() {
        check(
            &[raw().entry(b'3', "dev/null", "", b"").entry(b'6', "pipe", "", b"")],
            &["dev/", "dev/null (other)", "pipe (other)"],
        );
    }

    #[test]
    fn a_wanted_file_may_not_be_sparse() {
        let layer =
            raw().pax(&[("GNU.sparse.major", b"1"), ("GNU.sparse.name", b"etc/passwd")]).file("x", b"");
        check(&[layer], &["a required file is stored as a sparse file"]);
    }

    #[test]
    fn any_changed_byte_is_read_or_refused() {
        let layer = raw()
            .pax(&[("path", b"etc/os-release"), ("size", b"1")])
            .file("x", b"1")
            .gnu_name(b'L', b"a/b")
            .hardlink("x", "etc/os-release")
            .symlink("l", "a")
            .file("a/.wh..wh..opq", b"");
        let good = layer.bytes();
        let mut refused = 0;
        for (at, change) in (0..good.len()).zip([1, 0x80, 0xff].into_iter().cycle()) {
            let mut bytes = good.clone();
            bytes[at] ^= change;
            // A checksum that fits lets the change through to what is behind it.
            for header in bytes.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
                header[148..156].fill(b' ');
                let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
                header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
            }
            let (mut tree, mut keeper) = (Tree::default(), FactCollector::default());
            refused +=
                usize::from(apply(&mut TarStream::new(&bytes[..]), 1, &mut tree, &mut keeper).is_err());
        }
        assert!(refused > 100, "only {refused} of the changes were refused");
    }

    #[test]
    fn deep_paths_are_refused() {
        let deep = "d/".repeat(300);
        let layer = raw().pax(&[("path", deep.as_bytes())]).file("x", b"");
        check(&[layer], &[&format!("{deep}: it is more than 256 directories deep")]);
    }
}
