//! The libraries that a runtime offers to those who are installed into it.

use std::collections::BTreeMap;

use super::architecture::Architecture;
use super::tree::Tree;
use super::{Runtime, libraries as places};

impl Runtime {
    /// Every library the loader finds on its own, by the names it finds it under, with the symbol versions it offers.
    pub fn libraries(&self) -> BTreeMap<String, Vec<String>> {
        let architecture = Architecture::find(&self.facts.architecture);
        architecture.map(|architecture| libraries(&self.tree, architecture)).unwrap_or_default()
    }
}

/// The libraries of a tree whose bytes are here, by the names the loader finds them under, with the symbol versions they offer.
pub(super) fn libraries(tree: &Tree, architecture: &Architecture) -> BTreeMap<String, Vec<String>> {
    let places: Vec<Vec<u8>> = places::directories(tree, architecture)
        .iter()
        .filter_map(|directory| tree.resolve(directory.as_bytes(), true).ok())
        .collect();
    let mut found = BTreeMap::new();
    for (path, _) in tree.iter() {
        let Some(slash) = path.iter().rposition(|byte| *byte == b'/') else { continue };
        if !places.iter().any(|place| place.as_slice() == &path[..slash]) {
            continue;
        }
        let Some((_, bytes)) = tree.file(path) else { continue };
        let Ok(Some(elf)) = wainwright_elf::read(bytes.as_ref()) else { continue };
        if elf.machine.number != architecture.machine || elf.machine.is_64 != architecture.is_64 {
            continue;
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let offers: Vec<String> = elf.offers.iter().map(|version| text(version)).collect();
        found.insert(text(&path[slash + 1..]), offers);
    }
    found
}
