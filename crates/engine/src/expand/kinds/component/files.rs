use std::collections::{BTreeMap, BTreeSet};

use wainwright_project::{SourceFile, SourceKind, SourceTree};
use wainwright_woodwork::{Component, Hook, Span, defines};

use super::imports::imports;
use crate::Error;

/// Finds the files of a project that components need.
pub(crate) struct Sources<'a> {
    tree: &'a SourceTree,
    /// The workflow file, for messages.
    file: &'a str,
    by_path: BTreeMap<&'a str, &'a SourceFile>,
}

/// How a path is reached: the links on the way, and what is at its end, which is none.
struct Way<'a> {
    links: Vec<&'a str>,
    place: &'a str,
}

impl<'a> Sources<'a> {
    pub(crate) fn new(tree: &'a SourceTree, file: &'a str) -> Self {
        let path = |file: &'a SourceFile| Some((std::str::from_utf8(file.path.as_bytes()).ok()?, file));
        Self { tree, file, by_path: tree.files.iter().filter_map(path).collect() }
    }

    /// The files that some components need: their scripts, what those import of the project, and what their keys name, with
    /// the folders above.
    ///
    /// # Errors
    ///
    /// When a file is not there, or a script has no such function.
    pub(crate) fn of(&self, components: &[&Component]) -> Result<SourceTree, Error> {
        let mut wanted: BTreeSet<&str> = BTreeSet::new();
        for component in components {
            for hook in component.hooks.iter().chain(&component.pipes) {
                let way = self.script(hook, component)?;
                self.add(way, true, &mut wanted)?;
            }
            for named in &component.files {
                let Some(way) = self.way(&named.path) else {
                    return Err(self.missing(&named.path, named.at, component, Some(named.key)));
                };
                let is_code = way.place.ends_with(".py");
                self.add(way, is_code, &mut wanted)?;
            }
        }
        for (kind, path) in PROMPTS {
            if components.iter().any(|component| component.kind.kind == kind)
                && let Some(way) = self.way(path)
            {
                self.add(way, false, &mut wanted)?;
            }
        }
        let folders: BTreeSet<&str> = wanted.iter().flat_map(|path| above(path)).collect();
        wanted.extend(folders);
        let files = wanted.into_iter().filter_map(|path| self.by_path.get(path)).map(|file| (*file).clone());
        Ok(SourceTree {
            root: self.tree.root.clone(),
            files: files.collect(),
            excluded: Vec::new(),
            warnings: Vec::new(),
        })
    }

    /// The way that the kernel takes to a path, through the links of the project (path_resolution(7)); `None` where it leads to
    /// nothing that goes into images.
    fn way(&self, path: &str) -> Option<Way<'a>> {
        let mut rest: Vec<&str> = path.split('/').rev().collect();
        let mut way = Way { links: Vec::new(), place: "" };
        while let Some(name) = rest.pop() {
            match name {
                "" | "." => continue,
                // No link leaves the project on its own; several together may.
                ".." if way.place.is_empty() => return None,
                ".." => {
                    way.place = way.place.rsplit_once('/').map_or("", |(folder, _)| folder);
                    continue;
                }
                _ => {}
            }
            let next = if way.place.is_empty() { name.to_owned() } else { format!("{}/{name}", way.place) };
            let (known, file) = self.by_path.get_key_value(next.as_str())?;
            match &file.kind {
                SourceKind::Symlink { .. } if way.links.len() == MOST_LINKS => return None,
                SourceKind::Symlink { target } => {
                    way.links.push(known);
                    rest.extend(std::str::from_utf8(target).ok()?.split('/').rev());
                }
                SourceKind::File { .. } | SourceKind::Directory => way.place = known,
            }
        }
        (!way.place.is_empty()).then_some(way)
    }

    /// Demands that a script has its function; it is read and not run.
    fn script(&self, hook: &Hook, component: &Component) -> Result<Way<'a>, Error> {
        let Some(way) = self.way(&hook.script) else {
            return Err(self.missing(&hook.script, hook.at, component, None));
        };
        match defines(&self.read(way.place)?, &hook.function) {
            true => Ok(way),
            false => Err(Error::NoFunction {
                file: self.file.to_owned(),
                line: hook.at.line,
                column: hook.at.column,
                script: hook.script.clone(),
                function: hook.function.clone(),
            }),
        }
    }

    fn missing(&self, path: &str, at: Span, component: &Component, key: Option<&'static str>) -> Error {
        Error::NoComponentFile {
            file: self.file.to_owned(),
            line: at.line,
            column: at.column,
            path: path.to_owned(),
            component: component.name.clone(),
            key,
            is_excluded: self
                .tree
                .excluded
                .iter()
                .any(|excluded| excluded.path.trim_end_matches('/') == path),
        }
    }

    /// A file, or a folder with all in it, and the links on the way there; of code also what it imports of the project.
    fn add(&self, first: Way<'a>, is_code: bool, wanted: &mut BTreeSet<&'a str>) -> Result<(), Error> {
        let mut open = vec![first];
        // What is wanted already may not have been looked at as code.
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        while let Some(Way { links, place }) = open.pop() {
            wanted.extend(links);
            wanted.insert(place);
            if !seen.insert(place) {
                continue;
            }
            for path in self.below(place) {
                match self.way(path) {
                    Some(way) => open.push(way),
                    // A link to nothing, beside what is wanted.
                    None => drop(wanted.insert(path)),
                }
            }
            if !is_code || !place.ends_with(".py") {
                continue;
            }
            let folder = place.rsplit_once('/').map_or("", |(folder, _)| folder);
            for module in imports(&self.read(place)?) {
                // As Python looks for them: beside the script, then from the project down. Of a package all is taken.
                for root in BTreeSet::from([folder, ""]) {
                    let at = if root.is_empty() { module.clone() } else { format!("{root}/{module}") };
                    open.extend(self.way(&format!("{at}.py")));
                    open.extend(self.way(&at).filter(|way| self.is_folder(way.place)));
                }
            }
        }
        Ok(())
    }

    fn is_folder(&self, path: &str) -> bool {
        self.by_path.get(path).is_some_and(|file| file.kind == SourceKind::Directory)
    }

    /// Everything in a folder; nothing for a file.
    fn below(&self, folder: &str) -> Vec<&'a str> {
        let is_below = |path: &&str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.by_path.keys().copied().filter(is_below).collect()
    }

    fn read(&self, path: &str) -> Result<String, Error> {
        let Some(file) = self.by_path.get(path) else { return Ok(String::new()) };
        match file.kind {
            SourceKind::File { size, .. } if size <= LARGEST_SCRIPT => {}
            _ => return Ok(String::new()),
        }
        let disk = self.tree.disk(file);
        let bytes = std::fs::read(&disk).map_err(|source| Error::Source { path: disk, source })?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What models and agents are told where nothing else is said; a project may have its own.
const PROMPTS: [(&str, &str); 2] =
    [("agent", "prompts/defaults/agent.txt"), ("llm", "prompts/defaults/llm.txt")];

/// Links that are followed one after the other; the kernel follows as many (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// A larger file is no script that somebody wrote.
const LARGEST_SCRIPT: u64 = 16 << 20;

/// The folders that a path is in.
fn above(path: &str) -> impl Iterator<Item = &str> {
    path.char_indices().filter(|(_, c)| *c == '/').filter_map(|(at, _)| path.get(..at))
}
