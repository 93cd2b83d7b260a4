//! `update-alternatives --install`, where a script calls it with plain words.

use std::collections::BTreeMap;

use super::Error;
use super::groups::Group;
use super::member::MemberKind;
use super::package::Package;
use super::tree::Tree;

/// One `--install` with its `--slave` links.
#[derive(Debug, PartialEq, Eq)]
struct Alternative {
    /// (link, name, path); the first one is the master.
    links: Vec<[String; 3]>,
    priority: i64,
}

/// All alternatives of one name.
pub(super) struct Choices(Vec<Alternative>);

impl Choices {
    /// The one with the highest priority; of equals the first.
    fn best(&self) -> Option<&Alternative> {
        self.0.iter().rev().max_by_key(|alternative| alternative.priority)
    }

    /// What `update-alternatives` remembers of them: how the choice is made, the links, the alternatives.
    pub(super) fn record(&self) -> String {
        let Some([link, ..]) = self.0.first().and_then(|first| first.links.first()) else {
            return String::new();
        };
        let slaves: BTreeMap<&str, &str> = self
            .0
            .iter()
            .flat_map(|alternative| alternative.links.iter().skip(1))
            .map(|[link, name, _]| (name.as_str(), link.as_str()))
            .collect();
        let mut text = format!("auto\n{link}\n");
        slaves.iter().for_each(|(name, link)| text.push_str(&format!("{name}\n{link}\n")));
        text.push('\n');
        let mut paths: Vec<&Alternative> = self.0.iter().collect();
        paths.sort_by_key(|alternative| alternative.links.first().map(|[_, _, path]| path.as_str()));
        for Alternative { links, priority } in paths {
            let path = |name: Option<&str>| {
                let mut links = links.iter().enumerate();
                let found = links.find(|(at, link)| name.map_or(*at == 0, |name| *at > 0 && link[1] == name));
                found.map_or("", |(_, [_, _, path])| path.as_str())
            };
            text.push_str(&format!("{}\n{priority}\n", path(None)));
            slaves.keys().for_each(|name| text.push_str(&format!("{}\n", path(Some(name)))));
        }
        text.push('\n');
        text
    }
}

/// Makes the links of the alternative with the highest priority of each name, and gives all alternatives of those names.
///
/// A call with a shell variable in it is left alone; the note about the script stands either way. So is a name that is
/// in use already.
pub(super) fn apply(tree: &mut Tree, packages: &[Package]) -> Result<BTreeMap<String, Choices>, Error> {
    let mut all: BTreeMap<String, (Choices, Group)> = BTreeMap::new();
    for package in packages {
        for alternative in package.scripts.iter().flat_map(|script| read(&script.text)) {
            let Some([link, name, path]) = alternative.links.first() else { continue };
            let place = tree.resolve(link.trim_start_matches('/').as_bytes(), false).ok();
            let is_used = place.is_none_or(|place| tree.get(&place).is_some());
            if tree.file(path.as_bytes()).is_none() || is_used || !is_name(name) {
                continue;
            }
            let known = all.entry(name.clone()).or_insert((Choices(Vec::new()), package.group));
            // A script says the same in several branches.
            if !known.0.0.contains(&alternative) {
                known.0.0.push(alternative);
            }
            if known.0.best() == known.0.0.last() {
                known.1 = package.group;
            }
        }
    }
    for (choices, group) in all.values() {
        let links = choices.best().map(|best| best.links.as_slice()).unwrap_or_default();
        for [link, name, path] in links {
            let link = link.trim_start_matches('/');
            let Ok(place) = tree.resolve(link.as_bytes(), false) else { continue };
            let is_safe = wainwright_oci::ImagePath::new(link).is_ok() && is_name(name);
            if !is_safe || tree.get(&place).is_some() || tree.file(path.as_bytes()).is_none() {
                continue;
            }
            let group = *group;
            let middle = format!("etc/alternatives/{name}");
            if tree.get(middle.as_bytes()).is_some() {
                continue;
            }
            tree.put(&middle, 0o777, MemberKind::Symlink(path.clone().into_bytes()), group)?;
            tree.put(link, 0o777, MemberKind::Symlink(format!("/{middle}").into_bytes()), group)?;
        }
    }
    Ok(all.into_iter().map(|(name, (choices, _))| (name, choices)).collect())
}

/// A name becomes the name of a file.
fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('/') && name != "." && name != ".."
}

/// Finds the calls in a shell script.
fn read(script: &str) -> Vec<Alternative> {
    let joined = script.replace("\\\n", " ");
    joined.lines().filter_map(call).collect()
}

fn call(line: &str) -> Option<Alternative> {
    let (before, words) = line.split_once("update-alternatives ")?;
    let is_plain = !words.contains(['$', '`', '*', '?', '\\']) && !before.trim_start().starts_with('#');
    if !is_plain {
        return None;
    }
    let words = words.split([';', '|', '&', '>']).next()?;
    let words: Vec<&str> = words.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
    let triple = |at: usize| -> Option<[String; 3]> {
        let [link, name, path] = words.get(at + 1..at + 4)? else { return None };
        let is_absolute = link.starts_with('/') && path.starts_with('/');
        is_absolute.then(|| [(*link).to_owned(), (*name).to_owned(), (*path).to_owned()])
    };
    let install = words.iter().position(|word| *word == "--install")?;
    let mut links = vec![triple(install)?];
    let priority = words.get(install + 4)?.parse().ok()?;
    for (at, _) in words.iter().enumerate().filter(|(_, word)| **word == "--slave") {
        links.push(triple(at)?);
    }
    Some(Alternative { links, priority })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_update_alternatives_calls_are_parsed() {
        let script = "#!/bin/sh\nif [ \"$1\" = configure ]; then\n  update-alternatives --quiet --install \\\n    \
                      /usr/lib/libblas.so.3 \"libblas.so.3\" /usr/lib/blas/libblas.so.3 10 \\\n    \
                      --slave /usr/lib/libx.so libx.so /usr/lib/blas/libx.so || true\nfi\n\
                      update-alternatives --install $LINK name /path 3\n# update-alternatives --install /a b /c 1\n";
        let words = |words: [&str; 3]| words.map(str::to_owned);
        assert_eq!(
            read(script),
            [Alternative {
                links: vec![
                    words(["/usr/lib/libblas.so.3", "libblas.so.3", "/usr/lib/blas/libblas.so.3"]),
                    words(["/usr/lib/libx.so", "libx.so", "/usr/lib/blas/libx.so"]),
                ],
                priority: 10,
            }]
        );
    }
}
