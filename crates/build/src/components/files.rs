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
                self.script(hook, component)?;
                self.add_code(&hook.script, &mut wanted)?;
            }
            for named in &component.files {
                let Some(path) = self.find(&named.path).filter(|path| self.leads_somewhere(path)) else {
                    return Err(self.missing(&named.path, named.at, component, Some(named.key)));
                };
                match path.ends_with(".py") {
                    true => self.add_code(path, &mut wanted)?,
                    false => self.add(path, &mut wanted),
                }
            }
        }
        for (kind, path) in PROMPTS {
            if components.iter().any(|component| component.kind.kind == kind) {
                wanted.extend(self.find(path));
            }
        }
        self.add_targets(&mut wanted)?;
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

    /// The path as the tree has it.
    fn find(&self, path: &str) -> Option<&'a str> {
        let path = path.trim_start_matches("./").trim_end_matches('/');
        self.by_path.get_key_value(path).map(|(path, _)| *path)
    }

    /// Demands that a script has its function; it is read and not run.
    fn script(&self, hook: &Hook, component: &Component) -> Result<(), Error> {
        let Some(path) = self.find(&hook.script).filter(|path| self.leads_somewhere(path)) else {
            return Err(self.missing(&hook.script, hook.at, component, None));
        };
        match defines(&self.read(path)?, &hook.function) {
            true => Ok(()),
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

    /// A Python file, and what it imports of the project, and what that imports.
    fn add_code(&self, path: &str, wanted: &mut BTreeSet<&'a str>) -> Result<(), Error> {
        let Some(first) = self.find(path) else { return Ok(()) };
        let mut open = vec![first];
        while let Some(path) = open.pop() {
            if !wanted.insert(path) || !path.ends_with(".py") || !self.leads_somewhere(path) {
                continue;
            }
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            for module in imports(&self.read(path)?) {
                // As Python looks for them: beside the script, then from the project down. Of a package all is taken.
                for root in BTreeSet::from([folder, ""]) {
                    let at = if root.is_empty() { module.clone() } else { format!("{root}/{module}") };
                    open.extend(self.find(&format!("{at}.py")));
                    open.extend(self.below(&at));
                }
            }
        }
        Ok(())
    }

    /// What links lead to.
    fn add_targets(&self, wanted: &mut BTreeSet<&'a str>) -> Result<(), Error> {
        let mut open: Vec<&str> = wanted.iter().copied().collect();
        while let Some(path) = open.pop() {
            let Some(target) = self.target(path) else { continue };
            let before = wanted.clone();
            match target.ends_with(".py") {
                true => self.add_code(&target, wanted)?,
                false => wanted.extend(self.find(&target).into_iter().chain(self.below(&target))),
            }
            open.extend(wanted.difference(&before));
        }
        Ok(())
    }

    /// Whether a path is no link, or one to something that goes into images too.
    fn leads_somewhere(&self, path: &str) -> bool {
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            if !self.by_path.contains_key(path.as_str()) {
                return false;
            }
            let Some(target) = self.target(&path) else { return true };
            path = target;
        }
        false
    }

    /// Where a link leads, as a path of the project.
    fn target(&self, path: &str) -> Option<String> {
        let SourceKind::Symlink { target } = &self.by_path.get(path)?.kind else { return None };
        let mut names: Vec<&str> = path.split('/').collect();
        names.pop();
        for name in std::str::from_utf8(target).ok()?.split('/') {
            match name {
                "" | "." => {}
                ".." => drop(names.pop()?),
                name => names.push(name),
            }
        }
        Some(names.join("/"))
    }

    /// A file, or a folder with all in it.
    fn add(&self, path: &'a str, wanted: &mut BTreeSet<&'a str>) {
        wanted.insert(path);
        wanted.extend(self.below(path));
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
            SourceKind::Symlink { .. } => {}
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
