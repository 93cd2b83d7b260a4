//! `requirements.txt` with hashes, as `uv pip compile --generate-hashes`, `uv export`, `pip-compile` and
//! `poetry export` write it (pip, "Requirements File Format").

mod entry;
mod lines;
mod parse;
mod pin;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wainwright_python::{PackageName, Target};

use crate::content::Content;
use crate::text::Text;
use crate::{Error, Indexes, LocalMember, LockedPackage, Selection, marker_environment};
use entry::Entry;
use parse::Parsed;

#[derive(Debug)]
struct Requirements {
    file: PathBuf,
    parsed: Parsed,
}

/// Reads the text of a requirements file, and the files it includes.
pub(crate) fn read(text: Text) -> Result<Box<dyn Content>, Error> {
    let parsed = parse::parse(&text)?;
    Ok(Box::new(Requirements { file: text.file, parsed }))
}

impl Content for Requirements {
    fn packages(&self, selection: &Selection, target: &Target) -> Result<Vec<LockedPackage>, Error> {
        for (what, names) in [("extra", &selection.extras), ("dependency group", &selection.groups)] {
            if let Some(name) = names.first() {
                let (file, name, offered) = (self.file.clone(), name.clone(), Vec::new());
                return Err(Error::NotOffered { file, what, name, offered });
            }
        }
        let environment = marker_environment(target);
        // All lines about one name have to agree; constraints count for names that are required.
        let mut by_name: BTreeMap<&PackageName, (&Entry, Vec<&Entry>)> = BTreeMap::new();
        for entry in self.parsed.requirements.iter().filter(|entry| entry.folder.is_none()) {
            if entry.requirement.applies(&environment) {
                by_name
                    .entry(&entry.requirement.name)
                    .and_modify(|(_, more)| more.push(entry))
                    .or_insert((entry, Vec::new()));
            }
        }
        for entry in &self.parsed.constraints {
            if let Some((_, more)) = by_name.get_mut(&entry.requirement.name)
                && entry.requirement.applies(&environment)
            {
                more.push(entry);
            }
        }
        by_name.into_values().map(|(first, more)| pin::pin(first, &more)).collect()
    }

    fn local_members(&self, _: &Selection, target: &Target) -> Result<Vec<LocalMember>, Error> {
        let environment = marker_environment(target);
        let applying = self.parsed.requirements.iter();
        let applying = applying.filter(|entry| entry.requirement.applies(&environment));
        let mut by_name: BTreeMap<&PackageName, &Entry> = BTreeMap::new();
        for entry in applying {
            let name = &entry.requirement.name;
            let first = by_name.entry(name).or_insert(entry);
            if first.folder != entry.folder {
                let reason =
                    format!("`{name}` is required twice, from different sources (first at {})", first.place);
                return Err(Error::Syntax { place: entry.place.clone(), reason });
            }
        }
        let project = self.file.parent().unwrap_or(Path::new(""));
        let members = by_name.into_iter().filter_map(|(name, entry)| {
            let folder = entry.folder.as_ref()?;
            let is_root = folder == project || folder.canonicalize().ok() == project.canonicalize().ok();
            Some(LocalMember {
                name: name.clone(),
                version: None,
                path: if is_root { project.into() } else { folder.clone() },
                is_package: true,
                is_root,
                origin: entry.place.clone(),
            })
        });
        Ok(members.collect())
    }

    fn indexes(&self) -> Indexes {
        self.parsed.indexes.clone()
    }
}
