//! The virtual root: every path of the runtime once, with symbolic links followed as the kernel will follow them.

use std::collections::BTreeMap;
use std::sync::Arc;

use wainwright_blob::{Content, Entry, Kind};
use wainwright_oci::ImagePath;

use super::Error;
use super::groups::Group;
use super::member::{Member, MemberKind};

/// The root of an image in the making.
#[derive(Default)]
pub(super) struct Tree {
    nodes: BTreeMap<Vec<u8>, Node>,
}

/// One path.
pub(super) struct Node {
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    pub(super) kind: MemberKind,
    /// The layer it belongs to; `None` for a directory that only leads to others, and stands in each layer that needs it,
    /// and for whatever the image below has.
    pub(super) group: Option<Group>,
    /// Whether the image below has it, so that no layer names it again.
    pub(super) is_below: bool,
    /// The package that brought it; empty for ours.
    pub(super) package: String,
}

/// As many as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

impl Tree {
    /// All paths, sorted by bytes.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Node)> {
        self.nodes.iter().map(|(path, node)| (path.as_slice(), node))
    }

    /// What stands at a path itself, links not followed.
    pub(super) fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// A path of the image below, with its package where it is of one.
    pub(super) fn ground(&mut self, path: Vec<u8>, kind: MemberKind) {
        let node = Node { mode: 0, owner: (0, 0), kind, group: None, is_below: true, package: String::new() };
        self.nodes.insert(path, node);
    }

    /// Says whose a path of the image below is, if it is there and no directory.
    pub(super) fn own(&mut self, path: &[u8], package: &str) {
        if let Some(node) =
            self.nodes.get_mut(path).filter(|node| !matches!(node.kind, MemberKind::Directory))
        {
            package.clone_into(&mut node.package);
        }
    }

    /// Whether a path leads to a file, of ours or of the image below.
    pub(super) fn is_file(&self, path: &[u8]) -> bool {
        let real = self.resolve(path, true).ok();
        let node = real.and_then(|real| self.nodes.get(&real));
        node.is_some_and(|node| matches!(node.kind, MemberKind::File(_) | MemberKind::There))
    }

    /// The bytes of the file a path leads to, and its real path; `None` when there is no such file.
    pub(super) fn file(&self, path: &[u8]) -> Option<(Vec<u8>, &Arc<[u8]>)> {
        let real = self.resolve(path, true).ok()?;
        match &self.nodes.get(&real)?.kind {
            MemberKind::File(bytes) => Some((real, bytes)),
            _ => None,
        }
    }

    /// Follows the links in a path, and in its last component where asked to; never leaves the root.
    pub(super) fn resolve(&self, path: &[u8], follow_last: bool) -> Result<Vec<u8>, Error> {
        let mut done: Vec<u8> = Vec::new();
        let mut todo: Vec<&[u8]> = path.rsplit(|byte| *byte == b'/').collect();
        let mut links = 0;
        while let Some(component) = todo.pop() {
            match component {
                b"" | b"." => continue,
                b".." => {
                    let up = done.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                    done.truncate(up);
                    continue;
                }
                _ => {}
            }
            let parent = done.len();
            if parent > 0 {
                done.push(b'/');
            }
            done.extend_from_slice(component);
            let is_followed = follow_last || !todo.is_empty();
            if let Some(MemberKind::Symlink(target)) = self.nodes.get(&done).map(|node| &node.kind)
                && is_followed
            {
                links += 1;
                if links > MOST_LINKS {
                    return Err(Error::LinkLoop { path: path.escape_ascii().to_string() });
                }
                done.truncate(if target.starts_with(b"/") { 0 } else { parent });
                todo.extend(target.rsplit(|byte| *byte == b'/'));
            }
        }
        Ok(done)
    }

    /// Lays out a member of a package.
    ///
    /// A directory over a directory, or over a link that leads to one, is already there. A path with two owners is
    /// refused unless `replaces(new, old)` says which one wins, or both bring the same bytes. What the image below has
    /// gives way where nobody owns it, as with dpkg, but for configuration files.
    pub(super) fn install(
        &mut self,
        member: &Member,
        package: &str,
        group: Group,
        replaces: impl Fn(&str, &str) -> bool,
    ) -> Result<Laid, Error> {
        // A directory over a link is the directory the link leads to; anything else stands beside the link.
        let is_directory = matches!(member.kind, MemberKind::Directory);
        let path = self.resolve(member.path.as_bytes(), is_directory)?;
        self.make_parents(&path, package)?;
        let node = Node {
            mode: member.mode,
            owner: (0, 0),
            kind: member.kind.clone(),
            group: Some(group),
            is_below: false,
            package: package.to_owned(),
        };
        let Some(old) = self.nodes.get(&path) else {
            self.nodes.insert(path, node);
            return Ok(Laid::Placed);
        };
        if old.is_below {
            let laid = over(old, &node, &path, member.is_conffile, replaces)?;
            if !matches!(laid, Laid::Kept | Laid::Yielded) {
                self.nodes.insert(path, node);
            }
            return Ok(laid);
        }
        let is_settled = match (&old.kind, &node.kind) {
            (MemberKind::Directory, MemberKind::Directory) if old.group.is_none() => {
                // So far it only led to others; now somebody owns it.
                self.nodes.insert(path, node);
                return Ok(Laid::Placed);
            }
            (MemberKind::Directory, MemberKind::Directory) => true,
            (MemberKind::File(old), MemberKind::File(new)) => old == new,
            (MemberKind::Symlink(old), MemberKind::Symlink(new)) => {
                old.strip_prefix(b"/").unwrap_or(old) == new.strip_prefix(b"/").unwrap_or(new)
            }
            _ => false,
        };
        if is_settled || replaces(&old.package, package) {
            return Ok(Laid::Kept);
        }
        let is_leaf =
            !matches!(old.kind, MemberKind::Directory) && !matches!(node.kind, MemberKind::Directory);
        if is_leaf && replaces(package, &old.package) {
            self.nodes.insert(path, node);
            return Ok(Laid::Placed);
        }
        Err(Error::Clash {
            path: path.escape_ascii().to_string(),
            first: old.package.clone(),
            second: package.to_owned(),
        })
    }

    /// Puts something of ours, over whatever stands there.
    pub(super) fn put(&mut self, path: &str, mode: u32, kind: MemberKind, group: Group) -> Result<(), Error> {
        let path = self.resolve(path.as_bytes(), false)?;
        self.make_parents(&path, "")?;
        let node =
            Node { mode, owner: (0, 0), kind, group: Some(group), is_below: false, package: String::new() };
        self.nodes.insert(path, node);
        Ok(())
    }

    /// Changes the owner of a path that was put before.
    pub(super) fn chown(&mut self, path: &str, owner: (u32, u32)) {
        if let Some(node) = self.nodes.get_mut(path.as_bytes()) {
            node.owner = owner;
        }
    }

    /// Takes out everything below a directory, and the directory.
    pub(super) fn remove(&mut self, directory: &[u8]) {
        self.nodes.retain(|path, _| !super::keep::is_below(path, directory));
    }

    fn make_parents(&mut self, path: &[u8], package: &str) -> Result<(), Error> {
        for (end, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let parent = &path[..end];
            match self.nodes.get(parent) {
                Some(Node { kind: MemberKind::Directory, .. }) => {}
                // `path` is resolved, so a link here leads nowhere or to itself; a file cannot hold others.
                Some(node) if node.is_below => return Err(taken(node, parent, package)),
                Some(node) => {
                    return Err(Error::Clash {
                        path: parent.escape_ascii().to_string(),
                        first: node.package.clone(),
                        second: package.to_owned(),
                    });
                }
                None => {
                    let node = Node {
                        mode: 0o755,
                        owner: (0, 0),
                        kind: MemberKind::Directory,
                        group: None,
                        is_below: false,
                        package: package.to_owned(),
                    };
                    self.nodes.insert(parent.to_vec(), node);
                }
            }
        }
        Ok(())
    }

    /// The entries of one layer: what belongs to the group, and the directories on the way to it, sorted by path.
    ///
    /// Every layer names the same directories with the same mode, so their order cannot matter. Of files that share
    /// their bytes in the package the first becomes the file and the others hard links to it.
    pub(super) fn layer(&self, group: Group) -> Result<Vec<Entry>, Error> {
        let mut wanted: BTreeMap<&[u8], &Node> = BTreeMap::new();
        for (path, node) in &self.nodes {
            if node.group != Some(group) {
                continue;
            }
            wanted.insert(path, node);
            let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
            for (end, _) in slashes {
                if let Some(parent) = self.nodes.get(&path[..end]).filter(|parent| !parent.is_below) {
                    wanted.insert(&path[..end], parent);
                }
            }
        }
        let mut twins: BTreeMap<(*const u8, u32), ImagePath> = BTreeMap::new();
        let mut entries = Vec::with_capacity(wanted.len());
        for (path, node) in wanted {
            let path = ImagePath::new(path).map_err(|error| Error::Member {
                package: node.package.clone(),
                path: path.escape_ascii().to_string(),
                reason: error.to_string(),
            })?;
            let kind = match &node.kind {
                // Of the image below; no layer holds it.
                MemberKind::There => continue,
                MemberKind::Directory => Kind::Directory,
                MemberKind::Symlink(target) => Kind::Symlink(target.clone()),
                MemberKind::File(bytes) if bytes.is_empty() => Kind::File(Content::Bytes(Arc::clone(bytes))),
                MemberKind::File(bytes) => match twins.get(&(bytes.as_ptr(), node.mode)) {
                    Some(first) => Kind::Hardlink(first.clone()),
                    None => {
                        twins.insert((bytes.as_ptr(), node.mode), path.clone());
                        Kind::File(Content::Bytes(Arc::clone(bytes)))
                    }
                },
            };
            entries.push(Entry { path, mode: node.mode, owner: node.owner, kind });
        }
        Ok(entries)
    }
}

/// What became of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Laid {
    /// It stands where it should.
    Placed,
    /// What was there is as good: the same, a directory, or of a package that replaces this one.
    Kept,
    /// A configuration file was there that belongs to nobody, and stays.
    Yielded,
    /// It stands in the place of a file of the image below that belonged to nobody.
    OverNobody,
    /// It stands in the place of a file of this package of the image below, which it declares to replace.
    OverPackage(String),
}

/// Decides between a path of the image below and a member, as dpkg does when it unpacks.
fn over(
    old: &Node,
    new: &Node,
    path: &[u8],
    is_conffile: bool,
    replaces: impl Fn(&str, &str) -> bool,
) -> Result<Laid, Error> {
    let (owner, package) = (old.package.as_str(), new.package.as_str());
    let clash = || Err(taken(old, path, package));
    match (&old.kind, &new.kind) {
        // A directory stays one where a package has a link.
        (MemberKind::Directory, MemberKind::Directory | MemberKind::Symlink(_)) => Ok(Laid::Kept),
        (MemberKind::Directory, _) | (_, MemberKind::Directory) => clash(),
        (MemberKind::Symlink(old), MemberKind::Symlink(new)) if old == new => Ok(Laid::Kept),
        _ if owner.is_empty() || owner == package => Ok(match is_conffile {
            true => Laid::Yielded,
            false => Laid::OverNobody,
        }),
        _ if replaces(package, owner) => Ok(Laid::OverPackage(owner.to_owned())),
        _ if replaces(owner, package) => Ok(Laid::Kept),
        _ => clash(),
    }
}

/// What stands at a path of the image below is in the way of a package.
fn taken(old: &Node, path: &[u8], package: &str) -> Error {
    let owner = if old.package.is_empty() { "nobody" } else { &old.package };
    let (path, owner, package) = (path.escape_ascii().to_string(), owner.to_owned(), package.to_owned());
    Error::Taken { path, owner, package }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(path: &str, kind: MemberKind) -> Member {
        let mode = if matches!(kind, MemberKind::File(_)) { 0o644 } else { 0o755 };
        Member { path: ImagePath::new(path).unwrap(), mode, had_set_id: false, is_conffile: false, kind }
    }

    fn file(text: &str) -> MemberKind {
        MemberKind::File(text.as_bytes().into())
    }

    fn link(target: &str) -> MemberKind {
        MemberKind::Symlink(target.into())
    }

    fn install(tree: &mut Tree, package: &str, path: &str, kind: MemberKind) -> Result<Laid, Error> {
        tree.install(&member(path, kind), package, Group::System, |new, old| new == "new" && old == "old")
    }

    fn paths(tree: &Tree) -> Vec<String> {
        tree.iter().map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect()
    }

    #[test]
    fn a_file_below_a_link_lands_where_the_link_leads() {
        let mut tree = Tree::default();
        install(&mut tree, "base", "var/run", link("/run")).unwrap();
        install(&mut tree, "daemon", "var/run", MemberKind::Directory).unwrap();
        install(&mut tree, "daemon", "var/run/daemon/socket", file("")).unwrap();
        assert_eq!(paths(&tree), ["run", "run/daemon", "run/daemon/socket", "var", "var/run"]);
        assert!(matches!(tree.get(b"var/run").unwrap().kind, MemberKind::Symlink(_)));
    }

    #[test]
    fn links_cannot_leave_the_root_or_turn_in_circles() {
        let mut tree = Tree::default();
        install(&mut tree, "evil", "out", link("../../../../tmp")).unwrap();
        install(&mut tree, "evil", "out/file", file("x")).unwrap();
        assert!(tree.get(b"tmp/file").is_some());

        install(&mut tree, "evil", "a", link("b")).unwrap();
        install(&mut tree, "evil", "b", link("a")).unwrap();
        let error = install(&mut tree, "evil", "a/file", file("x")).unwrap_err();
        assert!(matches!(error, Error::LinkLoop { .. }), "{error}");
    }

    #[test]
    fn two_owners_of_one_path_must_agree() {
        let mut tree = Tree::default();
        install(&mut tree, "old", "etc/x", file("1")).unwrap();
        install(&mut tree, "other", "etc/x", file("1")).unwrap();
        let error = install(&mut tree, "other", "etc/x", file("2")).unwrap_err();
        assert_eq!(error.to_string(), "`etc/x` is in both `old` and `other`");
        install(&mut tree, "new", "etc/x", file("2")).unwrap();
        install(&mut tree, "old", "etc/x", file("1")).unwrap();
        assert_eq!(tree.file(b"etc/x").unwrap().1.as_ref(), b"2");

        assert!(install(&mut tree, "new", "etc", file("")).is_err(), "a file took the place of a directory");
        assert!(install(&mut tree, "new", "etc/x/y", file("")).is_err(), "a file became a directory");
    }

    #[test]
    fn hard_links_follow_their_file() {
        let mut tree = Tree::default();
        let shared = file("shared");
        install(&mut tree, "p", "usr/b", shared.clone()).unwrap();
        install(&mut tree, "p", "usr/a", shared).unwrap();
        install(&mut tree, "p", "usr/c", file("shared")).unwrap();
        let entries = tree.layer(Group::System).unwrap();
        let kinds: Vec<String> = entries
            .iter()
            .map(|entry| match &entry.kind {
                Kind::Hardlink(target) => format!("{} = {target}", entry.path),
                _ => entry.path.to_string(),
            })
            .collect();
        assert_eq!(kinds, ["usr", "usr/a", "usr/b = usr/a", "usr/c"]);
    }

    /// An image with a merged `/usr`, a file of `old`, and one of nobody.
    fn ground() -> Tree {
        let mut tree = Tree::default();
        for directory in ["etc", "usr", "usr/lib", "usr/share"] {
            tree.ground(directory.into(), MemberKind::Directory);
        }
        tree.ground("lib".into(), link("usr/lib"));
        for path in ["usr/lib/libold.so", "etc/x.conf", "usr/share/stray"] {
            tree.ground(path.into(), MemberKind::There);
        }
        tree.own(b"usr/lib/libold.so", "old");
        tree
    }

    #[test]
    fn libraries_of_the_base_are_not_listed_again() {
        let mut tree = ground();
        for (path, kind) in [
            ("lib", MemberKind::Directory),
            ("lib/sub", MemberKind::Directory),
            ("lib/sub/libnew.so", file("")),
            ("usr/share", link("elsewhere")),
        ] {
            install(&mut tree, "p", path, kind).unwrap();
        }
        let paths: Vec<String> =
            tree.layer(Group::System).unwrap().iter().map(|entry| entry.path.to_string()).collect();
        assert_eq!(paths, ["usr/lib/sub", "usr/lib/sub/libnew.so"]);
        assert!(tree.is_file(b"lib/libold.so") && tree.file(b"lib/libold.so").is_none());
    }

    #[test]
    fn base_files_are_replaced_as_in_dpkg() {
        let mut tree = ground();
        let conffile = Member { is_conffile: true, ..member("etc/x.conf", file("1")) };
        let none = |_: &str, _: &str| false;
        assert_eq!(tree.install(&conffile, "p", Group::System, none).unwrap(), Laid::Yielded);
        assert_eq!(install(&mut tree, "p", "usr/share/stray", file("1")).unwrap(), Laid::OverNobody);
        let error = install(&mut tree, "p", "lib/libold.so", file("1")).unwrap_err();
        assert_eq!(error.to_string(), "`p` would replace `usr/lib/libold.so`, a file of `old`");
        assert!(
            install(&mut tree, "p", "usr/lib", file("1")).is_err(),
            "a file took the place of a directory"
        );
        let error = install(&mut tree, "p", "lib/libold.so/sub/file", file("1")).unwrap_err();
        assert_eq!(error.to_string(), "`p` would replace `usr/lib/libold.so`, a file of `old`");
        tree.ground("usr/doc".into(), MemberKind::There);
        let error = install(&mut tree, "p", "usr/doc/p/copyright", file("1")).unwrap_err();
        assert_eq!(error.to_string(), "`p` would replace `usr/doc`, a file of `nobody`");
        let laid = install(&mut tree, "new", "lib/libold.so", file("1")).unwrap();
        assert_eq!(laid, Laid::OverPackage("old".into()));
        assert!(tree.get(b"etc/x.conf").unwrap().is_below);
    }
}
