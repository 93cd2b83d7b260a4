//! What no package ships and maintainer scripts, or an installer, would have made.

use super::groups::Group;
use super::member::MemberKind;
use super::package::Package;
use super::tree::Tree;
use super::{Error, RuntimeOptions, keep};

/// Links at the root that packages are unpacked through: the merged `/usr`, and `/var/run`, `/var/lock`.
///
/// Packages of bookworm still ship `/lib/x86_64-linux-gnu`; their files were moved to `usr` when they were read. Only
/// the links that somebody needs are made: `lib64` exists where the loader of the processor stands there.
pub(super) fn links(tree: &mut Tree, packages: &[Package]) -> Result<(), Error> {
    for directory in keep::MERGED {
        let inside = format!("usr/{directory}");
        let is_used = packages.iter().flat_map(|package| &package.members).any(|member| {
            let path = member.path.as_bytes();
            path == directory.as_bytes() || keep::is_below(path, inside.as_bytes())
        });
        if is_used || ["bin", "lib", "sbin"].contains(directory) {
            tree.put(&inside, 0o755, MemberKind::Directory, Group::System)?;
            tree.put(directory, 0o777, MemberKind::Symlink(inside.into_bytes()), Group::System)?;
        }
    }
    for (path, mode) in [("run", 0o755), ("run/lock", 0o1777), ("tmp", 0o1777), ("var/tmp", 0o1777)] {
        tree.put(path, mode, MemberKind::Directory, Group::System)?;
    }
    for (path, target) in [("var/run", "/run"), ("var/lock", "/run/lock")] {
        tree.put(path, 0o777, MemberKind::Symlink(target.into()), Group::System)?;
    }
    Ok(())
}

/// Directories the kernel or the container runtime mounts something over, and those of an administrator.
const DIRECTORIES: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("media", 0o755),
    ("mnt", 0o755),
    ("opt", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("srv", 0o755),
    ("sys", 0o755),
    ("usr/local/bin", 0o755),
    ("usr/local/lib", 0o755),
];

/// `/etc/localtime`, `/usr/bin/python3` and the directories of every root.
///
/// `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` are the container runtime's. There is no `/usr/bin/python`.
pub(super) fn files(tree: &mut Tree, options: &RuntimeOptions) -> Result<(), Error> {
    for (path, mode) in DIRECTORIES {
        if tree.get(path.as_bytes()).is_none_or(|node| node.group.is_none()) {
            tree.put(path, *mode, MemberKind::Directory, Group::System)?;
        }
    }
    let python = options.python.short();
    let links = [
        ("etc/localtime".to_owned(), "/usr/share/zoneinfo/Etc/UTC".to_owned(), Group::System),
        (format!("usr/bin/python{}", options.python.major), format!("python{python}"), Group::Python),
    ];
    for (path, target, group) in links {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        let leads_to = if target.starts_with('/') { target.clone() } else { format!("{directory}/{target}") };
        if tree.get(path.as_bytes()).is_none() && tree.file(leads_to.as_bytes()).is_some() {
            tree.put(&path, 0o777, MemberKind::Symlink(target.into_bytes()), group)?;
        }
    }
    Ok(())
}
