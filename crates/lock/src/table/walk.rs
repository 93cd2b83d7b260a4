use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wainwright_python::{ExtraName, PackageName, VersionRanges};

use super::list::{Need, Package, Part, Table};
use crate::{Error, MarkerEnvironment, Place, Selection};

/// What is asked for: a name, with the extras that have an entry of their own.
type Key<'a> = (&'a PackageName, BTreeSet<ExtraName>);

/// What was found out about one of them.
#[derive(Default)]
struct Asked<'a> {
    versions: Vec<&'a VersionRanges>,
    extras: BTreeSet<&'a ExtraName>,
    why: BTreeSet<&'a PackageName>,
    chosen: Option<&'a Package>,
    /// The extras whose needs were followed already; `None` is the package itself.
    followed: BTreeSet<Option<&'a ExtraName>>,
}

/// Walks from what the project asks for to everything that is necessary, and who needs each of them.
///
/// Of several versions the one that all ranges fit is taken; a choice that is still open waits until everything
/// else is known, and then the highest version wins, as it did when the lock was made.
pub(super) fn chosen<'a>(
    table: &'a Table,
    roots: &'a [(Part, Need)],
    selection: &Selection,
    environment: &MarkerEnvironment,
) -> Result<Vec<(&'a Package, Vec<PackageName>)>, Error> {
    let mut by_name: BTreeMap<&PackageName, Vec<&Package>> = BTreeMap::new();
    for package in &table.packages {
        by_name.entry(&package.name).or_default().push(package);
    }
    let wanted = roots.iter().filter(|(part, _)| part.is_wanted(selection));
    let mut needs: VecDeque<(Option<&PackageName>, &Need)> = wanted
        .map(|(_, need)| need)
        .filter(|need| need.applies(environment))
        .map(|need| (None, need))
        .collect();
    let mut asked: BTreeMap<Key, Asked> = BTreeMap::new();
    loop {
        while let Some((from, need)) = needs.pop_front() {
            let named = by_name.get(&need.name).map_or(&[][..], Vec::as_slice);
            let own_entry = named.iter().any(|package| package.extras == need.extras);
            let extras = if own_entry { need.extras.clone() } else { BTreeSet::new() };
            let one = asked.entry((&need.name, extras.clone())).or_default();
            one.versions.push(&need.versions);
            one.why.extend(from);
            if !own_entry {
                one.extras.extend(&need.extras);
            }
            if one.chosen.is_none() {
                let fitting = fitting(named, &extras, one, environment);
                match fitting[..] {
                    [] => return Err(not_locked(table, need, from)),
                    [only] => one.chosen = Some(only),
                    _ => {}
                }
            }
            follow(one, environment, &mut needs);
        }
        let open = asked.iter_mut().find(|(_, one)| one.chosen.is_none());
        let Some(((name, extras), one)) = open else { break };
        let named = by_name.get(name).map_or(&[][..], Vec::as_slice);
        one.chosen = fitting(named, extras, one, environment).into_iter().max_by_key(|found| &found.version);
        if one.chosen.is_none() {
            let reason = format!("no locked version of `{name}` satisfies all its dependents");
            return Err(Error::Syntax { place: top(table), reason });
        }
        follow(one, environment, &mut needs);
    }
    let mut chosen = Vec::with_capacity(asked.len());
    for one in asked.into_values() {
        let Some(package) = one.chosen else { continue };
        if let Some(range) = one.versions.iter().find(|range| !holds(range, package)) {
            let version = package.version.as_ref().map_or_else(|| "its source".into(), ToString::to_string);
            let reason = format!("`{}` is locked as {version}, but `{range}` is required", package.name);
            return Err(Error::Syntax { place: package.place.clone(), reason });
        }
        chosen.push((package, one.why.into_iter().filter(|why| **why != package.name).cloned().collect()));
    }
    Ok(chosen)
}

/// The entries that will do, as far as is known.
fn fitting<'a>(
    named: &[&'a Package],
    extras: &BTreeSet<ExtraName>,
    asked: &Asked<'a>,
    environment: &MarkerEnvironment,
) -> Vec<&'a Package> {
    let fits = |package: &&&Package| {
        package.extras == *extras
            && package.python.contains(&environment.python_full_version)
            && asked.versions.iter().all(|versions| holds(versions, package))
    };
    let fitting: Vec<_> = named.iter().filter(fits).copied().collect();
    // Where nothing runs on this Python, the one that does not is named.
    match (&fitting[..], named) {
        ([], [only]) if only.extras == *extras => vec![only],
        _ => fitting,
    }
}

fn holds(versions: &VersionRanges, package: &Package) -> bool {
    package.version.as_ref().is_none_or(|version| versions.contains(version))
}

/// Asks for what a chosen package needs, by itself and for its extras, once for each.
fn follow<'a>(
    asked: &mut Asked<'a>,
    environment: &MarkerEnvironment,
    needs: &mut VecDeque<(Option<&'a PackageName>, &'a Need)>,
) {
    let Some(package) = asked.chosen else { return };
    for extra in [None].into_iter().chain(asked.extras.iter().copied().map(Some)) {
        if !asked.followed.insert(extra) {
            continue;
        }
        let mut environment = environment.clone();
        environment.extras = extra.into_iter().cloned().collect();
        let is_added = |need: &Need| {
            extra
                .and_then(|extra| package.by_extra.get(extra))
                .is_some_and(|names| names.contains(&need.name))
        };
        let applying = package.needs.iter().filter(|need| {
            let is_on = !need.is_optional || is_added(need) || mentions_extra(need);
            is_on && need.applies(&environment)
        });
        needs.extend(applying.map(|need| (Some(&package.name), need)));
    }
}

/// Whether the condition itself asks for an extra.
fn mentions_extra(need: &Need) -> bool {
    let comparisons = need.marker.iter().flat_map(crate::Marker::comparisons);
    comparisons.into_iter().any(|one| matches!(one, crate::marker::Comparison::Extra(..)))
}

fn not_locked(table: &Table, need: &Need, from: Option<&PackageName>) -> Error {
    let who = from.map_or_else(|| "the project".to_owned(), |from| format!("`{from}`"));
    let versions = need.versions.to_string();
    let what = if versions.is_empty() { need.name.to_string() } else { format!("{} {versions}", need.name) };
    Error::Syntax {
        place: top(table),
        reason: format!("{who} needs `{what}`, which is not locked for this target"),
    }
}

fn top(table: &Table) -> Place {
    Place { file: table.file.clone(), line: 1, column: None }
}
