use std::collections::{BTreeMap, BTreeSet, VecDeque};

use wainwright_python::{ExtraName, PackageName, Target};

use super::graph::{Edge, Graph, Item, Package, Wanted};
use crate::{Error, MarkerEnvironment, Selection, marker_environment};

/// The packages a target needs, by index, and who needs each of them.
#[derive(Debug, Default)]
pub(super) struct Needed {
    pub(super) why: BTreeMap<usize, BTreeSet<PackageName>>,
    pub(super) roots: BTreeSet<usize>,
}

/// The dependencies a package has by itself, for an extra, or for a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Itself,
    Extra(ExtraName),
    Group(PackageName),
}

/// Walks from the project to everything the selection and the target make necessary.
pub(super) fn walk(graph: &Graph, selection: &Selection, target: &Target) -> Result<Needed, Error> {
    let mut environment = marker_environment(target);
    if !graph.supported.is_empty() && !graph.supported.iter().any(|marker| marker.applies(&environment)) {
        return Err(Error::Platform {
            file: graph.file.clone(),
            architecture: target.architecture.clone(),
            python: target.python.to_string(),
        });
    }
    let roots = roots(graph, selection)?;
    check_offered(graph, selection, &roots)?;

    let mut start = Vec::new();
    let mut active = BTreeSet::new();
    for &root in &roots {
        let package = &graph.packages[root];
        if selection.include_project_deps {
            start.push((root, Part::Itself));
            active.insert(Item::Project(package.name.clone()));
        }
        for extra in package.extras.keys().filter(|extra| selection.wants_extra(extra)) {
            start.push((root, Part::Extra(extra.clone())));
            active.insert(Item::Extra(package.name.clone(), extra.clone()));
        }
        for group in package.groups.keys().filter(|group| selection.wants_group(group)) {
            start.push((root, Part::Group(group.clone())));
            active.insert(Item::Group(package.name.clone(), group.clone()));
        }
    }
    let mut needed = Needed::default();
    if selection.project.is_none() {
        for wanted in own_requirements(graph, selection) {
            let is_needed = wanted.marker.as_ref().is_none_or(|marker| marker.applies(&environment));
            if let Some(index) = is_needed.then(|| choose(graph, wanted, &environment)).transpose()? {
                needed.why.entry(index).or_default();
                start.push((index, Part::Itself));
                start.extend(wanted.extras.iter().map(|extra| (index, Part::Extra(extra.clone()))));
            }
        }
    }

    // Markers may ask whether an extra is on that a later edge turns on, so all extras are found out first.
    if !graph.conflicts.is_empty() {
        environment.extras = active.iter().filter_map(Item::marker_name).collect();
        follow(graph, &start, |package, edge| {
            let turned_on: Vec<_> =
                edge.extras.iter().map(|extra| Item::Extra(package.name.clone(), extra.clone())).collect();
            let mut trial = environment.clone();
            trial.extras.extend(turned_on.iter().filter_map(Item::marker_name));
            let is_needed = edge.marker.as_ref().is_none_or(|marker| marker.applies(&trial));
            if is_needed && !turned_on.is_empty() {
                environment = trial;
                active.extend(turned_on);
            }
            is_needed
        });
        check_conflicts(graph, &active)?;
    }
    let edges = follow(graph, &start, |_, edge| {
        edge.marker.as_ref().is_none_or(|marker| marker.applies(&environment))
    });
    for (from, to) in edges {
        needed.why.entry(to).or_default().insert(graph.packages[from].name.clone());
    }
    needed.roots = if selection.include_project_deps { roots.into_iter().collect() } else { BTreeSet::new() };
    Ok(needed)
}

/// Follows every edge `is_needed` says yes to, once for each part of a package; returns the edges taken.
fn follow(
    graph: &Graph,
    start: &[(usize, Part)],
    mut is_needed: impl FnMut(&Package, &Edge) -> bool,
) -> BTreeSet<(usize, usize)> {
    let mut queue: VecDeque<_> = start.iter().cloned().collect();
    let mut seen: BTreeSet<_> = start.iter().cloned().collect();
    let mut taken = BTreeSet::new();
    while let Some((from, part)) = queue.pop_front() {
        let package = &graph.packages[from];
        let edges = match &part {
            Part::Itself => Some(&package.dependencies),
            Part::Extra(extra) => package.extras.get(extra),
            Part::Group(group) => package.groups.get(group),
        };
        for edge in edges.into_iter().flatten() {
            if !is_needed(&graph.packages[edge.to], edge) {
                continue;
            }
            taken.insert((from, edge.to));
            let extras = edge.extras.iter().map(|extra| Part::Extra(extra.clone()));
            for part in [Part::Itself].into_iter().chain(extras) {
                if seen.insert((edge.to, part.clone())) {
                    queue.push_back((edge.to, part));
                }
            }
        }
    }
    taken
}

/// Where to start: the member asked for, else the project in the folder of the lockfile, else all members.
fn roots(graph: &Graph, selection: &Selection) -> Result<Vec<usize>, Error> {
    let local = (0..graph.packages.len()).filter(|&index| graph.is_local(&graph.packages[index]));
    if let Some(project) = &selection.project {
        let found: Vec<_> = local.filter(|&index| graph.packages[index].name == *project).collect();
        return if found.is_empty() {
            Err(Error::NoProject { file: graph.file.clone(), wanted: format!("named `{project}`") })
        } else {
            Ok(found)
        };
    }
    let local: Vec<_> = local.collect();
    let here = local.iter().copied().find(|&index| graph.packages[index].source.folder() == Some("."));
    match here {
        Some(index) => Ok(vec![index]),
        None if local.is_empty() && graph.requirements.is_empty() && graph.groups.is_empty() => {
            Err(Error::NoProject { file: graph.file.clone(), wanted: "in its own folder".into() })
        }
        None => Ok(local),
    }
}

/// Refuses extras and groups that none of the roots has.
fn check_offered(graph: &Graph, selection: &Selection, roots: &[usize]) -> Result<(), Error> {
    let roots = || roots.iter().map(|&root| &graph.packages[root]);
    let extras: BTreeSet<_> = roots().flat_map(|package| package.extras.keys()).collect();
    let mut groups: BTreeSet<_> = roots().flat_map(|package| package.groups.keys()).collect();
    if selection.project.is_none() {
        groups.extend(graph.groups.keys());
    }
    for (what, asked, offered) in
        [("extra", &selection.extras, extras), ("dependency group", &selection.groups, groups)]
    {
        if let Some(name) = asked.iter().find(|name| !offered.contains(name)) {
            let offered = offered.into_iter().cloned().collect();
            return Err(Error::NotOffered { file: graph.file.clone(), what, name: name.clone(), offered });
        }
    }
    Ok(())
}

/// What a script or a workspace root that is no package asks for by itself.
fn own_requirements<'a>(graph: &'a Graph, selection: &'a Selection) -> impl Iterator<Item = &'a Wanted> {
    let requirements = graph.requirements.iter().filter(|_| selection.include_project_deps);
    let groups = graph.groups.iter().filter(|(group, _)| selection.wants_group(group));
    requirements.chain(groups.flat_map(|(_, wanted)| wanted))
}

/// The package a bare name means: of several, the one whose fork of the resolution fits the target.
fn choose(graph: &Graph, wanted: &Wanted, environment: &MarkerEnvironment) -> Result<usize, Error> {
    let named = graph.by_name.get(&wanted.name).into_iter().flatten().copied();
    let mut fitting = named.filter(|&index| {
        let forks = &graph.packages[index].forks;
        forks.is_empty() || forks.iter().any(|marker| marker.applies(environment))
    });
    match (fitting.next(), fitting.next()) {
        (Some(index), None) => Ok(index),
        (first, _) => {
            let count = if first.is_none() { "no package" } else { "several packages" };
            let reason = format!("the dependency `{}` matches {count} in the lockfile", wanted.name);
            Err(Error::Syntax {
                place: crate::Place { file: graph.file.clone(), line: 1, column: None },
                reason,
            })
        }
    }
}

fn check_conflicts(graph: &Graph, active: &BTreeSet<Item>) -> Result<(), Error> {
    let describe = |item: &Item| match item {
        Item::Project(project) => format!("`{project}`"),
        Item::Extra(project, extra) => format!("extra `{extra}` of `{project}`"),
        Item::Group(project, group) => format!("dependency group `{group}` of `{project}`"),
    };
    for set in &graph.conflicts {
        let mut both = set.iter().filter(|item| active.contains(item));
        if let (Some(first), Some(second)) = (both.next(), both.next()) {
            return Err(Error::Excluded {
                file: graph.file.clone(),
                first: describe(first),
                second: describe(second),
            });
        }
    }
    Ok(())
}
