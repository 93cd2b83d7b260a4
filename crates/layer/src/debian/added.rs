//! Packages on top of an image that is there already, as apt and dpkg would put them there, without either.
//!
//! Paths lead through the links the image has. What it has is not named again, no file of one package takes the place of
//! another's unless both agree, and no installed package is replaced. Its dpkg and its loader are told of the new packages.

use std::collections::{BTreeMap, BTreeSet};

use wainwright_blob::Entry;

use super::architecture::Architecture;
use super::debian_tree::{DebianTree, Lists};
use super::groups::Group;
use super::member::{Member, MemberKind};
use super::notes::{self, Note};
use super::origins::{self, RuntimeOrigin};
use super::package::{Package, Purpose};
use super::records::Taken;
use super::tree::{Laid, Tree};
use super::{
    DebFile, Error, RuntimeLayer, alternatives, certificates, common_architecture, control, keep, libraries,
    loader_cache, offered, read_all, records, status,
};

/// What packages add to an image.
pub struct Added {
    /// `system packages`, and `package list`, which alone depends on what the image had before.
    pub layers: Vec<RuntimeLayer>,
    /// What somebody should know.
    pub notes: Vec<Note>,
    architecture: &'static Architecture,
    pub(super) tree: Tree,
}

impl Added {
    /// Every library that the loader finds now and did not before, by name, with the symbol versions it offers.
    pub fn libraries(&self) -> BTreeMap<String, Vec<String>> {
        offered::libraries(&self.tree, self.architecture)
    }

    /// Where every path of the layers comes from, sorted by path.
    pub fn origins(&self) -> impl Iterator<Item = (&[u8], RuntimeOrigin)> {
        origins::of(&self.tree)
    }
}

/// Lays packages out on top of an image. The order of `debs` does not matter.
///
/// Refuses what [`super::assemble`] refuses of a single package, files that belong to another package, and an image that
/// does not say which packages it has. A library that nobody has is a note: dpkg would not have asked either.
pub fn add(debs: &[DebFile], ground: &DebianTree) -> Result<Added, Error> {
    let lists = ground.lists()?;
    let architecture = common_architecture(debs)?;
    let filters = ground.filters();
    let packages = read_all(
        debs,
        match lists {
            Lists::Dpkg => Purpose::Dpkg(&filters),
            Lists::Plain => Purpose::Plain,
        },
    )?;
    let names: BTreeSet<&[u8]> =
        packages.iter().flat_map(|package| &package.members).map(|member| member.path.file_name()).collect();
    let mut tree = ground.tree(&names);
    let list = ground.package_list()?;
    let below = DebianTree::stanzas(&list);
    let mut notes = notes::gather(&packages);
    let taken = unpack(&mut tree, &packages, &below, ground, &mut notes)?;

    let new: BTreeSet<&[u8]> = tree.iter().filter(|(_, node)| !node.is_below).map(|(path, _)| path).collect();
    for (path, package) in ground.triggers() {
        let place = tree.resolve(path.trim_start_matches('/').as_bytes(), true).unwrap_or_default();
        let mut behind = new.range(place.as_slice()..);
        if !place.is_empty() && behind.next().is_some_and(|found| keep::is_below(found, &place)) {
            notes.push(Note::TriggerNotRun { package, path });
        }
    }
    let links = alternatives::apply(&mut tree, &packages)?;
    if packages.iter().any(|package| package.name == "ca-certificates") {
        certificates::bundle(&mut tree, Group::Added)?;
    }
    match lists {
        Lists::Plain => status::write(&mut tree, &packages, |_| Group::Records)?,
        Lists::Dpkg => records::write(&mut tree, ground, &packages, &taken, &links)?,
    }
    let directories = libraries::directories(&tree, architecture);
    let missing = libraries::find_missing(&tree, architecture, &directories)?;
    notes.extend(missing.into_iter().map(Note::LibraryMissing));
    let known = ground.bytes("etc/ld.so.cache").unwrap_or_default();
    let cache = loader_cache::write_more(&tree, architecture, &directories, known);
    tree.put("etc/ld.so.cache", 0o644, MemberKind::File(cache.into()), Group::Records)?;

    let mut names: Vec<String> = packages.iter().map(|package| package.name.clone()).collect();
    names.sort();
    let mut layers = Vec::new();
    for (group, packages) in [(Group::Added, names), (Group::Records, Vec::new())] {
        let entries: Vec<Entry> = tree.layer(group)?;
        if !entries.is_empty() {
            layers.push(RuntimeLayer { name: group.name().to_owned(), packages, entries });
        }
    }
    Ok(Added { layers, notes, architecture, tree })
}

fn unpack(
    tree: &mut Tree,
    packages: &[Package],
    below: &BTreeMap<&str, &str>,
    ground: &DebianTree,
    notes: &mut Vec<Note>,
) -> Result<Taken, Error> {
    let replaces = |new: &str, old: &str| {
        let control = |name: &str| {
            let ours =
                packages.iter().find(|package| package.name == name).map(|package| package.control.as_str());
            ours.or_else(|| below.get(name).copied())
        };
        let version = control(old).and_then(|control| control::field(control, "Version")).unwrap_or_default();
        let field = control(new).and_then(|control| control::field(control, "Replaces"));
        field.is_some_and(|field| control::replaces(field, old, version))
    };
    let diversions = ground.diversions();
    let diverted = |tree: &Tree, member: &Member, package: &str| -> Option<Vec<u8>> {
        let resolved = |path: &[u8]| tree.resolve(path, false).ok();
        let rules = diversions.get(member.path.file_name())?;
        let place = resolved(member.path.as_bytes());
        let rule =
            rules.iter().find(|[from, _, owner]| owner != package && resolved(from.as_bytes()) == place)?;
        resolved(rule[1].as_bytes())
    };
    let mut taken = Taken::new();
    let is_link = |member: &Member| matches!(member.kind, MemberKind::Symlink(_));
    // Links first, and those nearer to the root before those below them: every later path then meets the final links.
    let mut members: Vec<(&Package, &Member)> = packages
        .iter()
        .flat_map(|package| package.members.iter().map(move |member| (package, member)))
        .collect();
    members.sort_by_key(|(_, member)| {
        let depth = member.path.as_bytes().iter().filter(|byte| **byte == b'/').count();
        if is_link(member) { (0, depth) } else { (1, 0) }
    });
    for (package, member) in members {
        let mut member = std::borrow::Cow::Borrowed(member);
        if let Some(path) = diverted(tree, &member, &package.name) {
            let path = wainwright_oci::ImagePath::new(path).map_err(|error| Error::Member {
                package: package.name.clone(),
                path: member.path.to_string(),
                reason: error.to_string(),
            })?;
            notes.push(Note::Diverted { package: package.name.clone(), path: path.to_string() });
            member.to_mut().path = path;
        }
        let path = member.path.to_string();
        let note = match tree.install(&member, &package.name, Group::Added, replaces)? {
            Laid::Placed | Laid::Kept => continue,
            Laid::Yielded => Note::ConfigurationKept { package: package.name.clone(), path },
            Laid::OverNobody => Note::StrayReplaced { package: package.name.clone(), path },
            Laid::OverPackage(owner) => {
                taken.push((tree.resolve(member.path.as_bytes(), false)?, owner.clone()));
                Note::FileTaken { package: package.name.clone(), path, owner }
            }
        };
        notes.push(note);
    }
    Ok(taken)
}
