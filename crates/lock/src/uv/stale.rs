use std::collections::{BTreeMap, BTreeSet};

use wainwright_python::{ExtraName, PackageName, Version, VersionSpecifiers};

use super::graph::{Graph, Wanted};
use crate::marker::Comparison;
use crate::{Error, Marker, MarkerEnvironment, ProjectRequirements, Requirement};

/// More than this only fills the screen.
const SHOWN: usize = 10;

/// Compares what the lock was made from with what the project asks for now.
pub(super) fn check(graph: &Graph, project: &ProjectRequirements) -> Result<(), Error> {
    let locals = graph.packages.iter().filter(|package| graph.is_local(package));
    let root = match &project.name {
        Some(name) => match locals.into_iter().find(|package| package.name == *name) {
            Some(root) => Some(root),
            None => return Err(stale(graph, vec![format!("the project `{name}` is missing from it")])),
        },
        None => None,
    };
    let (requires, groups): (&[Wanted], _) = match root {
        Some(package) => (&package.metadata.requires, &package.metadata.groups),
        None => (&[], &graph.groups),
    };
    let environments = environments(graph);
    let mut differences = Vec::new();
    if !project.is_dynamic {
        let mut asked: Vec<_> = project.dependencies.iter().map(|one| Asked::project(one, None)).collect();
        for (extra, list) in &project.extras {
            asked.extend(list.iter().map(|one| Asked::project(one, Some(extra))));
        }
        let locked = requires.iter().map(Asked::lock).collect();
        compare("", asked, locked, &project.pointed, &environments, &mut differences);
    }
    let names: BTreeSet<_> = project.groups.keys().chain(groups.keys()).collect();
    for name in names {
        let asked = project.groups.get(name).into_iter().flatten().map(|one| Asked::project(one, None));
        let locked = groups.get(name).into_iter().flatten().map(Asked::lock);
        let group = format!(" in dependency group `{name}`");
        let (asked, locked) = (asked.collect(), locked.collect());
        compare(&group, asked, locked, &project.pointed, &environments, &mut differences);
    }
    // A workspace is locked for what all its members have in common.
    if let (true, Some(now), Some(then)) =
        (graph.members.is_empty(), &project.requires_python, &graph.requires_python)
        && versions([now, then]).iter().any(|version| now.contains(version) != then.contains(version))
    {
        differences.push(format!("it is locked for Python {then}, the project requires {now}"));
    }
    if differences.is_empty() { Ok(()) } else { Err(stale(graph, differences)) }
}

fn stale(graph: &Graph, mut differences: Vec<String>) -> Error {
    if differences.len() > SHOWN {
        let more = differences.len() - SHOWN;
        differences.truncate(SHOWN);
        differences.push(format!("and {more} more"));
    }
    Error::Stale { file: graph.file.clone(), differences }
}

/// One requirement, from either side.
struct Asked<'a> {
    name: &'a PackageName,
    extras: BTreeSet<&'a ExtraName>,
    specifiers: &'a VersionSpecifiers,
    marker: Option<&'a Marker>,
    /// The extra of the project it is for; uv puts that into the marker.
    extra: Option<&'a ExtraName>,
    is_pointed: bool,
}

impl<'a> Asked<'a> {
    fn project(requirement: &'a Requirement, extra: Option<&'a ExtraName>) -> Self {
        Self {
            name: &requirement.name,
            extras: requirement.extras.iter().collect(),
            specifiers: &requirement.specifiers,
            marker: requirement.marker.as_ref(),
            extra,
            is_pointed: requirement.url.is_some(),
        }
    }

    fn lock(wanted: &'a Wanted) -> Self {
        Self {
            name: &wanted.name,
            extras: wanted.extras.iter().collect(),
            specifiers: &wanted.specifiers,
            marker: wanted.marker.as_ref(),
            extra: None,
            is_pointed: wanted.is_pointed,
        }
    }

    /// What is wanted, whatever the condition. Of what is pointed elsewhere uv keeps the name only.
    fn text(&self, pointed: &BTreeSet<&PackageName>) -> String {
        let mut text = self.name.to_string();
        if pointed.contains(self.name) {
            return text;
        }
        if !self.extras.is_empty() {
            let extras: Vec<_> = self.extras.iter().map(|extra| extra.as_str()).collect();
            text += &format!("[{}]", extras.join(","));
        }
        let specifiers: BTreeSet<_> = self.specifiers.iter().map(ToString::to_string).collect();
        text + &specifiers.into_iter().collect::<Vec<_>>().join(",")
    }

    fn applies(&self, environment: &MarkerEnvironment) -> bool {
        self.extra.is_none_or(|extra| environment.extras.contains(extra))
            && self.marker.is_none_or(|marker| marker.applies(environment))
    }

    /// The extras its condition speaks of.
    fn mentioned(&self) -> impl Iterator<Item = ExtraName> {
        let comparisons = self.marker.map(Marker::comparisons).unwrap_or_default();
        let named = comparisons.into_iter().filter_map(|comparison| match comparison {
            Comparison::Extra(extra, _) => Some(extra.clone()),
            _ => None,
        });
        named.chain(self.extra.cloned())
    }
}

/// Finds requirements that one side has and the other has not, or has under another condition.
///
/// uv rewrites conditions, so they are compared by what they mean: they have to agree in every environment.
fn compare(
    scope: &str,
    asked: Vec<Asked>,
    locked: Vec<Asked>,
    sources: &BTreeSet<PackageName>,
    environments: &[MarkerEnvironment],
    differences: &mut Vec<String>,
) {
    let pointed_by = |one: &&Asked| one.is_pointed;
    let mut pointed: BTreeSet<_> = sources.iter().collect();
    pointed.extend(asked.iter().chain(&locked).filter(pointed_by).map(|one| one.name));

    let mut both: BTreeMap<String, [Vec<&Asked>; 2]> = BTreeMap::new();
    for (side, list) in [&asked, &locked].into_iter().enumerate() {
        for one in list {
            both.entry(one.text(&pointed)).or_default()[side].push(one);
        }
    }
    for (text, [asked, locked]) in &both {
        let is_named_only = asked.iter().chain(locked).any(|one| pointed.contains(one.name));
        if is_named_only && asked.is_empty() == locked.is_empty() || agree(asked, locked, environments) {
            continue;
        }
        differences.push(match (asked.is_empty(), locked.is_empty()) {
            (false, true) => format!("`{text}`{scope} is missing from it"),
            (true, false) => format!("`{text}`{scope} is no longer in the project"),
            _ => format!("`{text}`{scope} has other conditions in the project"),
        });
    }
}

/// Whether both sides want the same in every environment and for every extra they speak of.
fn agree(asked: &[&Asked], locked: &[&Asked], environments: &[MarkerEnvironment]) -> bool {
    let is_always = |side: &[&Asked]| side.iter().any(|one| one.marker.is_none() && one.extra.is_none());
    if is_always(asked) && is_always(locked) {
        return true;
    }
    let mentioned: BTreeSet<_> = asked.iter().chain(locked).flat_map(|one| one.mentioned()).collect();
    let choices = [None].into_iter().chain(mentioned.into_iter().map(Some));
    let wants =
        |side: &[&Asked], environment: &MarkerEnvironment| side.iter().any(|one| one.applies(environment));
    choices.into_iter().all(|extra| {
        environments.iter().all(|environment| {
            let mut environment = environment.clone();
            environment.extras.extend(extra.clone());
            wants(asked, &environment) == wants(locked, &environment)
        })
    })
}

/// The environments the lock is for, on all platforms projects usually tell apart.
fn environments(graph: &Graph) -> Vec<MarkerEnvironment> {
    let platforms: [(&str, &str, &str, &[&str]); 3] = [
        ("linux", "Linux", "posix", &["x86_64", "aarch64", "armv7l", "i686", "ppc64le", "s390x", "riscv64"]),
        ("darwin", "Darwin", "posix", &["x86_64", "arm64"]),
        ("win32", "Windows", "nt", &["AMD64", "ARM64", "x86"]),
    ];
    let implementations = [("CPython", "cpython"), ("PyPy", "pypy")];
    let mut environments = Vec::new();
    for version in versions(&graph.requires_python) {
        if graph.requires_python.as_ref().is_some_and(|requires| !requires.contains(&version)) {
            continue;
        }
        for (sys_platform, system, os_name, machines) in platforms {
            for machine in machines {
                for (implementation, name) in implementations {
                    environments.push(MarkerEnvironment {
                        os_name: os_name.into(),
                        sys_platform: sys_platform.into(),
                        platform_machine: (*machine).into(),
                        platform_python_implementation: implementation.into(),
                        platform_release: String::new(),
                        platform_system: system.into(),
                        platform_version: String::new(),
                        python_version: Version::new(version.release().iter().copied().take(2)),
                        python_full_version: version.clone(),
                        implementation_name: name.into(),
                        implementation_version: version.clone(),
                        extras: BTreeSet::new(),
                        groups: BTreeSet::new(),
                    });
                }
            }
        }
    }
    environments.retain(|environment| {
        graph.supported.is_empty() || graph.supported.iter().any(|marker| marker.applies(environment))
    });
    environments
}

/// The first and a late release of each Python, and the releases that are named.
fn versions<'a>(named: impl IntoIterator<Item = &'a VersionSpecifiers>) -> BTreeSet<Version> {
    let mut versions: BTreeSet<_> =
        (0..20).flat_map(|minor| [0, 99].map(|patch| Version::new([3, minor, patch]))).collect();
    for specifier in named.into_iter().flat_map(|specifiers| specifiers.iter()) {
        if let [major, minor, patch, ..] = *specifier.version().release() {
            versions.insert(Version::new([major, minor, patch]));
            versions.insert(Version::new([major, minor, patch.saturating_add(1)]));
        }
    }
    versions
}
