use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use wainwright_layer::Error::Clash;
use wainwright_oci::{Digest, ImagePath, one_below_another};
use wainwright_store::CacheKey;
use wainwright_wheel::Layout;

use crate::choose::ChosenWheel;
use crate::plan::{Recipe, layout_facts};
use crate::wheels::{Fetches, facts, facts_key, open_all};
use crate::{Error, ImagePlan, Tools};

/// Notes about shared paths beyond this number are counted only.
const MOST_NOTES: usize = 20;

/// Looks at the wheels of an image together, whatever layers they are in: refuses those that own one path with different
/// contents, and gives what is odd about each and about all of them.
///
/// What was found once is remembered, and told again by the builds that need not look.
pub(crate) async fn compare(image: &ImagePlan, tools: &Arc<Tools>) -> Result<Vec<String>, Error> {
    let wheels: Vec<(&ChosenWheel, &Layout)> = image
        .layers
        .iter()
        .filter_map(|layer| match &layer.recipe {
            Recipe::Wheels(wheels, layout) => Some(wheels.iter().map(move |wheel| (wheel, layout))),
            Recipe::Entries(_) => None,
        })
        .flatten()
        .collect();
    let Some((_, layout)) = wheels.first() else { return Ok(Vec::new()) };
    let mut digests: Vec<Digest> = wheels.iter().map(|(wheel, _)| wheel.wanted.digest).collect();
    digests.sort();
    let together = json!({ "format": 1, "wheels": digests, "layout": layout_facts(layout) });
    let key = CacheKey::of("wheels-together", &together)?;
    if let Some(notes) = tools.store.recall(&key)? {
        return Ok(texts(&notes));
    }
    let mut notes = Vec::new();
    let mut owners = Owners::default();
    for (wheel, layout) in &wheels {
        let known = match tools.store.recall(&facts_key(wheel.wanted.digest, layout)?)? {
            Some(known) => known,
            None => {
                // Its layer was made earlier, and the memo is lost.
                Fetches::default().fetch(wheel, tools).await?;
                let opened = open_all(std::slice::from_ref(*wheel), layout, &tools.store)?;
                opened.first().map(|file| facts(file, layout)).transpose()?.unwrap_or_default()
            }
        };
        notes.extend(texts(&known["notes"]));
        for (path, content) in known["paths"].as_object().into_iter().flatten() {
            let content = content.as_str().unwrap_or_default();
            owners
                .add(path, Owner { wheel: wheel.wanted.filename.to_string(), content: content.to_owned() })?;
        }
    }
    owners.check_folders()?;
    notes.append(&mut owners.notes());
    tools.store.remember(&key, &json!(notes))?;
    Ok(notes)
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|text| Some(text.as_str()?.to_owned())).collect()
}

/// Who owns which path, and which paths have two owners.
#[derive(Default)]
struct Owners {
    by_path: BTreeMap<String, Owner>,
    shared: Vec<(String, String, String)>,
}

struct Owner {
    wheel: String,
    /// Digest and mode; empty where the digest is not known.
    content: String,
}

impl Owners {
    fn add(&mut self, path: &str, owner: Owner) -> Result<(), Error> {
        match self.by_path.get(path) {
            Some(first) if first.content == owner.content && !owner.content.is_empty() => {
                self.shared.push((path.to_owned(), first.wheel.clone(), owner.wheel));
                Ok(())
            }
            Some(first) => Err(clash(path, first, &owner)),
            None => {
                self.by_path.insert(path.to_owned(), owner);
                Ok(())
            }
        }
    }

    /// The folder of one wheel would take the place of the file of another.
    fn check_folders(&self) -> Result<(), Error> {
        let Some((above, below)) = one_below_another(self.by_path.keys().map(String::as_bytes)) else {
            return Ok(());
        };
        let owner = |path: &[u8]| self.by_path.iter().find(|(known, _)| known.as_bytes() == path);
        match (owner(above), owner(below)) {
            (Some((path, first)), Some((_, second))) => Err(clash(path, first, second)),
            _ => Ok(()),
        }
    }

    fn notes(self) -> Vec<String> {
        let count = self.shared.len();
        let mut notes: Vec<String> = self
            .shared
            .into_iter()
            .take(MOST_NOTES)
            .map(|(path, first, second)| {
                format!("W-CLASH: `{path}` is in both `{first}` and `{second}`, with the same contents (`wain explain W-CLASH`)")
            })
            .collect();
        if count > MOST_NOTES {
            notes.push(format!("W-CLASH: and {} more paths with two owners", count - MOST_NOTES));
        }
        notes
    }
}

fn clash(path: &str, first: &Owner, second: &Owner) -> Error {
    match ImagePath::new(path.as_bytes()) {
        Ok(path) => Clash { path, first: first.wheel.clone(), second: second.wheel.clone() }.into(),
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn together(files: &[(&str, &str, &str)]) -> Result<Vec<String>, String> {
        let mut owners = Owners::default();
        for (wheel, path, content) in files {
            let owner = Owner { wheel: (*wheel).into(), content: (*content).into() };
            owners.add(path, owner).map_err(|error| error.to_string())?;
        }
        owners.check_folders().map_err(|error| error.to_string())?;
        Ok(owners.notes())
    }

    #[test]
    fn one_path_has_one_content() {
        assert_eq!(together(&[("one", "a/b", "1"), ("two", "a/c", "1")]), Ok(vec![]));
        insta::assert_snapshot!(together(&[("one", "a/b", "1"), ("two", "a/b", "2")]).unwrap_err(), @"E-CLASH: `a/b` is in both `one` and `two`, with different contents");
        insta::assert_snapshot!(together(&[("one", "a/b", "1"), ("two", "a/b", "1")]).unwrap().join("\n"), @"W-CLASH: `a/b` is in both `one` and `two`, with the same contents (`wain explain W-CLASH`)");
        assert!(
            together(&[("one", "a/b", ""), ("two", "a/b", "")]).is_err(),
            "unknown contents are not the same"
        );
    }

    #[test]
    fn a_file_and_a_folder_do_not_share_a_path() {
        insta::assert_snapshot!(together(&[("one", "a/b/c", "1"), ("two", "a/b", "2")]).unwrap_err(), @"E-CLASH: `a/b` is in both `two` and `one`, with different contents");
    }

    #[test]
    fn many_shared_paths_are_counted() {
        let paths: Vec<String> = (0..30).map(|number| format!("a/{number}")).collect();
        let files: Vec<_> =
            paths.iter().flat_map(|path| [("one", path.as_str(), "1"), ("two", path, "1")]).collect();
        let notes = together(&files).unwrap();
        assert_eq!((notes.len(), notes[20].as_str()), (21, "W-CLASH: and 10 more paths with two owners"));
    }
}
