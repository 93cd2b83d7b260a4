//! The libraries that a runtime offers to those who are installed into it.

use std::collections::BTreeMap;

use super::architecture::Architecture;
use super::{Runtime, libraries};

impl Runtime {
    /// Every library the loader finds on its own, by the names it finds it under, with the symbol versions it offers.
    pub fn libraries(&self) -> BTreeMap<String, Vec<String>> {
        let Some(architecture) = Architecture::find(&self.facts.architecture) else { return BTreeMap::new() };
        let places: Vec<Vec<u8>> = libraries::directories(&self.tree, architecture)
            .iter()
            .filter_map(|directory| self.tree.resolve(directory.as_bytes(), true).ok())
            .collect();
        let mut found = BTreeMap::new();
        for (path, _) in self.tree.iter() {
            let Some(slash) = path.iter().rposition(|byte| *byte == b'/') else { continue };
            if !places.iter().any(|place| place.as_slice() == &path[..slash]) {
                continue;
            }
            let Some((_, bytes)) = self.tree.file(path) else { continue };
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
}
