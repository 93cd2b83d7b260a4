//! `update-alternatives --install`, where a script calls it with plain words.

use std::collections::BTreeMap;

use super::Error;
use super::groups::Group;
use super::package::{MemberKind, Package};
use super::tree::Tree;

/// One `--install` with its `--slave` links.
#[derive(Debug, PartialEq, Eq)]
struct Alternative {
    /// (link, name, path); the first one is the master.
    links: Vec<[String; 3]>,
    priority: i64,
}

/// Makes the links of the alternative with the highest priority of each name.
///
/// A call with a shell variable in it is left alone; the note about the script stands either way.
pub(super) fn apply(tree: &mut Tree, packages: &[Package]) -> Result<(), Error> {
    let mut best: BTreeMap<String, (Alternative, Group)> = BTreeMap::new();
    for package in packages {
        for alternative in package.scripts.iter().flat_map(|script| read(&script.text)) {
            let Some([_, name, path]) = alternative.links.first() else { continue };
            if tree.file(path.as_bytes()).is_none() {
                continue;
            }
            let is_better = best.get(name).is_none_or(|(known, _)| known.priority < alternative.priority);
            if is_better {
                best.insert(name.clone(), (alternative, Group::of(&package.name)));
            }
        }
    }
    for (alternative, group) in best.into_values() {
        for [link, name, path] in &alternative.links {
            let link = link.trim_start_matches('/');
            let is_safe = wainwright_oci::ImagePath::new(link).is_ok() && !name.contains('/') && name != "..";
            if !is_safe || tree.get(link.as_bytes()).is_some() || tree.file(path.as_bytes()).is_none() {
                continue;
            }
            let middle = format!("etc/alternatives/{name}");
            tree.put(&middle, 0o777, MemberKind::Symlink(path.clone().into_bytes()), group)?;
            tree.put(link, 0o777, MemberKind::Symlink(format!("/{middle}").into_bytes()), group)?;
        }
    }
    Ok(())
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
    fn plain_calls_are_read() {
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
