//! The modules of a crate, which of them use which, and where they use each other in a circle.
//!
//! A module is a file: `a/b.rs` and `a/b/mod.rs` are both `a::b`, the root is `crate`, and `mod tests { ... }` belongs to
//! the file that it stands in. One module *uses* another when a path in it, test code and macro arguments included, leads to
//! an item that the other one **defines**:
//!
//! * `crate::`, `super::`, `self::`, names of child modules, imported names and names that a glob imports are followed;
//! * a re-export is a signpost: `crate::Layer` leads to the module that defines `Layer`, and `pub use` alone is no use;
//! * naming a module is no use, only naming something in it is; `mod child;` is no use either;
//! * items of other crates are no use, also when they are re-exported here.
//!
//! A parent may therefore use its children, and children may use their brothers through the parent. A child that uses an
//! item defined in its parent's own file, while the parent uses the child, is a circle: the item belongs into a file below
//! both. `error.rs` counts like every other file, so what an error names is plain data of modules that return no error of
//! this crate, or of other crates.
//!
//! What types do without a name being written, methods for example, is not seen. A type has to be named somewhere, though.

mod examples;
mod names;
mod source;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The module that `lib.rs` or `main.rs` is.
pub(crate) const ROOT: &str = "crate";

/// Which modules of a crate use which.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    /// By user and used: a path as it stands in the user's file.
    uses: BTreeMap<String, BTreeMap<String, String>>,
}

/// One module that names an item of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use<'a> {
    pub(crate) user: &'a str,
    pub(crate) used: &'a str,
    /// One of the paths that say so, as it stands in the file.
    pub(crate) path: &'a str,
}

impl Modules {
    /// Reads the crate whose `lib.rs` or `main.rs` lies in a folder.
    pub(crate) fn read(folder: &Path) -> Self {
        Self::of(&source::files(folder))
    }

    /// Reads a crate of files by their paths relative to the root's folder.
    pub(crate) fn of(files: &BTreeMap<PathBuf, String>) -> Self {
        let mut modules = Self::default();
        for (user, used, path) in names::uses(&source::scopes(files)) {
            if user != used {
                modules.uses.entry(user).or_default().entry(used).or_insert(path);
            }
        }
        modules
    }

    /// Every use, sorted.
    pub(crate) fn uses(&self) -> impl Iterator<Item = Use<'_>> {
        self.uses
            .iter()
            .flat_map(|(user, used)| used.iter().map(move |(used, path)| Use { user, used, path }))
    }

    /// The same with whole folders below the root as modules: `plan::view` and `plan` are both `plan`.
    pub(crate) fn rooms(&self) -> Self {
        let room = |module: &str| module.split("::").next().unwrap_or_default().to_owned();
        let mut rooms = Self::default();
        for Use { user, used, path } in self.uses() {
            if room(user) != room(used) {
                let path = format!("{path} in {user}");
                rooms.uses.entry(room(user)).or_default().entry(room(used)).or_insert(path);
            }
        }
        rooms
    }

    /// The sets of modules of which each uses each, over others or at once; the largest first.
    pub(crate) fn cycles(&self) -> Vec<BTreeSet<&str>> {
        let reached: BTreeMap<&str, BTreeSet<&str>> =
            self.uses.keys().map(|module| (module.as_str(), self.reached(module))).collect();
        let mut cycles: Vec<BTreeSet<&str>> = Vec::new();
        for (module, far) in &reached {
            if far.contains(module) && !cycles.iter().any(|cycle| cycle.contains(module)) {
                let leads_back = |other: &&str| reached.get(other).is_some_and(|back| back.contains(module));
                cycles.push(far.iter().copied().filter(leads_back).collect());
            }
        }
        cycles.sort_by_key(|cycle| std::cmp::Reverse(cycle.len()));
        cycles
    }

    /// The cycles as text with the paths inside each; empty where there is none.
    pub(crate) fn cycles_in_words(&self) -> String {
        let mut text = String::new();
        for cycle in self.cycles() {
            let modules: Vec<_> = cycle.iter().copied().collect();
            writeln!(text, "{} modules use each other in a circle: {}", modules.len(), modules.join(", "))
                .unwrap();
            for Use { user, used, path } in self.uses() {
                if cycle.contains(user) && cycle.contains(used) {
                    writeln!(text, "  {user} -> {used}: {path}").unwrap();
                }
            }
        }
        text
    }

    /// Everything that a module uses, over others or at once.
    fn reached(&self, module: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut next = VecDeque::from([module]);
        while let Some(module) = next.pop_front() {
            for used in self.uses.get(module).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(used.as_str()) {
                    next.push_back(used);
                }
            }
        }
        reached
    }
}
