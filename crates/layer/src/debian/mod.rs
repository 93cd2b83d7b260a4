//! The runtime layers of a base image made of Debian packages: no apt, no root, no maintainer script.
//!
//! All packages are laid out in one virtual root first, which is then cut into a few layers by package. What the
//! maintainer scripts would have done is done here: accounts, the certificate bundle, the loader cache, `/etc/localtime`,
//! literal alternatives. A check that every library can be loaded stands at the end.
//!
//! Packages are held in memory while they are laid out: a Python runtime unpacks to about 45 MB.

mod added;
mod alternatives;
mod ar;
mod architecture;
mod archive;
mod baked;
mod bytecode;
mod certificates;
mod character_sets;
mod control;
mod deb_file;
mod debian_tree;
mod error;
mod facts;
mod filters;
mod groups;
mod keep;
mod libraries;
mod loader_cache;
mod member;
mod nonroot;
mod notes;
mod offered;
mod options;
mod origins;
mod package;
mod records;
mod status;
mod synthesize;
#[cfg(test)]
mod tests;
mod tree;

use rayon::prelude::*;
use wainwright_blob::{Entry, try_map_ordered};

use self::architecture::Architecture;
use self::groups::{GROUPS, Group};
use self::member::MemberKind;
use self::package::{Package, Purpose};
use self::tree::Tree;

pub use self::added::{Added, add};
pub use self::bytecode::compile_stdlib;
pub use self::deb_file::DebFile;
pub use self::debian_tree::{DebianTree, DebianTreeKind};
pub use self::error::{Error, MissingLibrary};
pub use self::facts::{Facts, InstalledPackage};
pub use self::nonroot::{NONROOT, User};
pub use self::notes::Note;
pub use self::options::RuntimeOptions;
pub use self::origins::RuntimeOrigin;

/// Part of the cache key of every layer made here; raised when the same packages give other bytes.
pub const FORMAT: u32 = 1;

/// Layers of a runtime, and what is known about it.
pub struct Runtime {
    /// `system`, `libraries`, `python`, in this order; a layer nothing belongs to is left out.
    pub layers: Vec<RuntimeLayer>,
    /// What it offers.
    pub facts: Facts,
    tree: Tree,
}

/// One layer of a runtime.
#[derive(Clone, Debug)]
pub struct RuntimeLayer {
    /// `system`, `libraries`, `python` or `python-bytecode`.
    pub name: String,
    /// The packages in it, sorted. Ours (accounts, certificates, loader cache) are in `system` and `libraries`.
    pub packages: Vec<String>,
    /// Sorted by path; each layer holds the directories on the way to its files.
    pub entries: Vec<Entry>,
}

/// Turns packages into the layers of a runtime.
///
/// The order of `debs` does not matter. Refuses packages of several architectures, files that are not the package the
/// lock means, paths with two owners, and a set in which some library is missing.
pub fn assemble(debs: &[DebFile], options: &RuntimeOptions) -> Result<Runtime, Error> {
    let architecture = common_architecture(debs)?;
    let packages = read_all(debs, Purpose::Root { keep_docs: options.keep_docs })?;
    let (tree, notes) = lay_out(&packages, architecture, options)?;
    let layers = cut(&tree, &packages)?;
    let mut facts = facts::gather(debs, &packages, &tree, options, architecture)?;
    facts.notes.extend(notes);
    Ok(Runtime { layers, facts, tree })
}

fn common_architecture(debs: &[DebFile]) -> Result<&'static Architecture, Error> {
    let refuse = |reason: String| Err(Error::Architecture { reason });
    let mut names = debs.iter().map(|deb| deb.architecture.as_str()).filter(|name| *name != "all");
    let Some(first) = names.next() else { return refuse("none of them is for a processor".into()) };
    if let Some(other) = names.find(|name| *name != first) {
        return refuse(format!("some are for `{first}`, some for `{other}`"));
    }
    Architecture::find(first).map_or_else(|| refuse(format!("`{first}` is not supported")), Ok)
}

/// Reads the packages on all cores; `base-files` first, because it owns the directories, then by name.
fn read_all(debs: &[DebFile], purpose: Purpose<'_>) -> Result<Vec<Package>, Error> {
    let mut packages = try_map_ordered(debs.par_iter(), |deb| package::read(deb, purpose))?;
    packages.sort_by(|left, right| {
        let rank = |package: &Package| (package.name != "base-files", package.name.clone());
        rank(left).cmp(&rank(right))
    });
    match packages.windows(2).find(|pair| pair[0].name == pair[1].name) {
        Some(pair) => Err(Error::Twice { package: pair[0].name.clone() }),
        None => Ok(packages),
    }
}

fn lay_out(
    packages: &[Package],
    architecture: &Architecture,
    options: &RuntimeOptions,
) -> Result<(Tree, Vec<Note>), Error> {
    let mut tree = Tree::default();
    synthesize::links(&mut tree, packages)?;

    // Links first, and those nearer to the root before those below them: every later path then meets the final links.
    let is_link = |kind: &MemberKind| matches!(kind, MemberKind::Symlink(_));
    let mut links: Vec<_> = packages
        .iter()
        .flat_map(|package| package.members.iter().map(move |member| (package, member)))
        .filter(|(_, member)| is_link(&member.kind))
        .collect();
    links.sort_by_key(|(_, member)| member.path.as_bytes().iter().filter(|byte| **byte == b'/').count());
    let others = packages
        .iter()
        .flat_map(|package| package.members.iter().map(move |member| (package, member)))
        .filter(|(_, member)| !is_link(&member.kind));
    for (package, member) in links.into_iter().chain(others) {
        tree.install(member, &package.name, package.group, |new, old| replaces(packages, new, old))?;
    }

    alternatives::apply(&mut tree, packages)?;
    certificates::bundle(&mut tree, Group::System)?;
    character_sets::rewrite(&mut tree)?;
    status::write(&mut tree, packages, |package| package.group)?;
    baked::put(&mut tree)?;
    synthesize::files(&mut tree, options)?;

    let directories = libraries::directories(&tree, architecture);
    let notes = libraries::check(&mut tree, architecture, &directories)?;
    let cache = loader_cache::write(&tree, architecture, &directories);
    tree.put("etc/ld.so.cache", 0o644, MemberKind::File(cache.into()), Group::Libraries)?;
    Ok((tree, notes))
}

/// Whether the package `new` may take over files of the package `old`.
fn replaces(packages: &[Package], new: &str, old: &str) -> bool {
    let find = |name: &str| packages.iter().find(|package| package.name == name);
    let (Some(new), Some(old)) = (find(new), find(old)) else { return false };
    control::field(&new.control, "Replaces")
        .is_some_and(|field| control::replaces(field, &old.name, &old.version))
}

fn cut(tree: &Tree, packages: &[Package]) -> Result<Vec<RuntimeLayer>, Error> {
    let mut layers = Vec::new();
    for group in GROUPS {
        let entries = tree.layer(group)?;
        if entries.is_empty() {
            continue;
        }
        let mut names: Vec<String> = packages
            .iter()
            .filter(|package| Group::of(&package.name) == group)
            .map(|package| package.name.clone())
            .collect();
        names.sort();
        layers.push(RuntimeLayer { name: group.name().to_owned(), packages: names, entries });
    }
    Ok(layers)
}
