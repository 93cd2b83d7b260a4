//! The `[dependency-groups]` of `pyproject.toml` (PyPA, "Dependency Groups"), included groups put in.

use std::collections::{BTreeMap, BTreeSet};

use wainwright_python::PackageName;

use crate::Error;
use crate::document::Table;
use crate::values::cut;

/// One entry of a dependency group.
enum GroupEntry {
    Requirement(String),
    Include(PackageName),
}

/// Reads all groups: name -> requirements as written.
pub(crate) fn read(pyproject: &Table<'_>) -> Result<BTreeMap<PackageName, Vec<String>>, Error> {
    let Some(all) = pyproject.get("dependency-groups") else { return Ok(BTreeMap::new()) };
    let mut groups: BTreeMap<PackageName, Vec<GroupEntry>> = BTreeMap::new();
    for (name, (_, item)) in all.table()?.items() {
        let group = name.parse().map_err(|error| item.refuse(error))?;
        let mut entries = Vec::new();
        for entry in item.array()? {
            entries.push(if entry.is_string() {
                GroupEntry::Requirement(entry.line()?.to_owned())
            } else {
                let table = entry.table()?;
                table.allow_only(&["include-group"])?;
                let Some(include) = table.get("include-group") else {
                    return Err(entry.refuse("expected a requirement or `{include-group = \"...\"}`"));
                };
                GroupEntry::Include(include.parse()?)
            });
        }
        if groups.insert(group, entries).is_some() {
            return Err(item.refuse(format!("the group `{}` is defined twice", cut(name))));
        }
    }
    let flatten = |name: &PackageName| flatten(name, &groups).map(|list| (name.clone(), list));
    groups.keys().map(flatten).collect::<Result<_, String>>().map_err(|what| all.refuse(what))
}

/// The requirements of a group, with those of the groups it includes. Each group is put in once, so that a hundred
/// groups that include each other twice do not become 2^100 lines.
fn flatten(
    name: &PackageName,
    groups: &BTreeMap<PackageName, Vec<GroupEntry>>,
) -> Result<Vec<String>, String> {
    let mut list = Vec::new();
    let mut done = BTreeSet::new();
    let mut open = vec![(name, 0)];
    while let Some((name, at)) = open.pop() {
        let entries = groups.get(name).ok_or_else(|| format!("there is no dependency group `{name}`"))?;
        match entries.get(at) {
            None => {
                done.insert(name);
            }
            Some(entry) => {
                open.push((name, at + 1));
                match entry {
                    GroupEntry::Requirement(text) => list.push(text.clone()),
                    GroupEntry::Include(other) if done.contains(other) => {}
                    GroupEntry::Include(other) if open.iter().any(|(name, _)| *name == other) => {
                        return Err(format!("the dependency group `{other}` includes itself"));
                    }
                    GroupEntry::Include(other) => open.push((other, 0)),
                }
            }
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use crate::project::load;
    use crate::{Error, PythonProject};

    fn read(text: &str) -> Result<PythonProject, Error> {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("pyproject.toml"), text).unwrap();
        load(root.path()).map(|project| project.python_project.unwrap())
    }

    fn refuse(text: &str) -> String {
        read(text).expect_err(text).to_string()
    }

    #[test]
    fn cyclic_groups_are_rejected() {
        let text = "[project]\nname = \"a\"\n[dependency-groups]\n";
        let round = format!("{text}a = [{{include-group = \"b\"}}]\nb = [{{include-group = \"a\"}}]\n");
        assert!(refuse(&round).contains("includes itself"));
        assert!(
            refuse(&format!("{text}a = [{{include-group = \"x\"}}]")).contains("no dependency group `x`")
        );
        let mut bomb = format!("{text}g0 = [\"x\"]\n");
        for n in 1..200 {
            let below = n - 1;
            bomb += &format!("g{n} = [{{include-group = \"g{below}\"}}, {{include-group = \"g{below}\"}}]\n");
        }
        assert_eq!(read(&bomb).unwrap().dependency_groups[&"g199".parse().unwrap()], ["x"]);
    }
}
