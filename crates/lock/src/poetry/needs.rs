use std::collections::{BTreeMap, BTreeSet};

use toml::{Table, Value};
use wainwright_python::{ExtraName, PackageName, VersionRanges};

use crate::table::{Need, Part};
use crate::text::Text;
use crate::{Error, Invalid, Marker, Place, ProjectRequirements};

/// What a `pyproject.toml` asks for.
#[derive(Default)]
pub(super) struct Project {
    pub(super) roots: Vec<(Part, Need)>,
    pub(super) groups: BTreeSet<PackageName>,
    /// `[[tool.poetry.source]]`: names and addresses.
    pub(super) sources: Vec<(String, String)>,
}

/// Reads `[tool.poetry]`, and `[project]` where that lists the dependencies.
pub(super) fn project(text: &Text) -> Result<Project, Error> {
    let document: Table = text.toml()?;
    let standard = ProjectRequirements::of(text)?;
    let mut project = Project::default();
    for (group, requirements) in standard.groups {
        let needs = requirements.into_iter().map(|one| (Part::Group(group.clone()), Need::of(one)));
        project.roots.extend(needs);
        project.groups.insert(group);
    }
    let has_own = !standard.dependencies.is_empty() || !standard.extras.is_empty();
    project.roots.extend(standard.dependencies.into_iter().map(|one| (Part::Itself, Need::of(one))));
    for (extra, requirements) in standard.extras {
        project.roots.extend(requirements.into_iter().map(|one| (Part::Extra(extra.clone()), Need::of(one))));
    }

    let empty = Table::new();
    let poetry = document.get("tool").and_then(|tool| tool.get("poetry")).and_then(Value::as_table);
    let poetry = poetry.unwrap_or(&empty);
    let table = |value: Option<&Value>| value.and_then(Value::as_table).cloned().unwrap_or_default();
    for source in poetry.get("source").and_then(Value::as_array).into_iter().flatten() {
        let word = |key: &str| source.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
        // The one without an address is PyPI.
        project.sources.extend(word("name").zip(word("url")));
    }
    if !has_own {
        let extras = extras(text, &table(poetry.get("extras")))?;
        for need in needs(text, "[tool.poetry.dependencies]", &table(poetry.get("dependencies")))? {
            if !need.is_optional {
                project.roots.push((Part::Itself, need));
                continue;
            }
            for (extra, _) in extras.iter().filter(|(_, names)| names.contains(&need.name)) {
                project.roots.push((Part::Extra(extra.clone()), need.clone()));
            }
        }
    }
    let mut groups = vec![("dev".to_owned(), table(poetry.get("dev-dependencies")))];
    for (group, value) in table(poetry.get("group")) {
        groups.push((group, table(value.get("dependencies"))));
    }
    for (group, dependencies) in groups {
        if group == "dev" && dependencies.is_empty() {
            continue;
        }
        let section = format!("[tool.poetry.group.{group}.dependencies]");
        let group: PackageName = group.parse().map_err(|error| wrong(text, &section, &error))?;
        let needs = needs(text, &section, &dependencies)?;
        project.roots.extend(needs.into_iter().map(|need| (Part::Group(group.clone()), need)));
        project.groups.insert(group);
    }
    Ok(project)
}

fn needs(text: &Text, section: &str, dependencies: &Table) -> Result<Vec<Need>, Error> {
    let mut needs = Vec::new();
    for (name, constraints) in dependencies.iter().filter(|(name, _)| *name != "python") {
        let place = text.place(text.text.find(section).unwrap_or(0));
        let name = name.parse().map_err(|error| wrong(text, section, &error))?;
        read(&place, &name, constraints, &mut needs)?;
    }
    Ok(needs)
}

fn extras(text: &Text, table: &Table) -> Result<BTreeMap<ExtraName, BTreeSet<PackageName>>, Error> {
    let section = "[tool.poetry.extras]";
    let mut extras = BTreeMap::new();
    for (extra, names) in table {
        let extra: ExtraName = extra.parse().map_err(|error| wrong(text, section, &error))?;
        let names = names.as_array().into_iter().flatten().filter_map(Value::as_str);
        extras.insert(extra, names.filter_map(first_name).collect());
    }
    Ok(extras)
}

fn wrong(text: &Text, section: &str, error: &wainwright_python::Error) -> Error {
    Error::Syntax { place: text.place(text.text.find(section).unwrap_or(0)), reason: error.to_string() }
}

/// The name at the beginning of `redis (>=5)`.
pub(super) fn first_name(line: &str) -> Option<PackageName> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    line.split(|letter| !is_name(letter)).next()?.parse().ok()
}

/// Reads `"^1.2"`, `{ version = "^1.2", extras = [...], markers = "..." }`, or several of them.
pub(super) fn read(
    place: &Place,
    name: &PackageName,
    constraints: &Value,
    needs: &mut Vec<Need>,
) -> Result<(), Error> {
    match constraints {
        Value::Array(several) => {
            for constraint in several {
                needs.push(read_one(place, name, constraint)?);
            }
        }
        one => needs.push(read_one(place, name, one)?),
    }
    Ok(())
}

fn read_one(place: &Place, name: &PackageName, constraint: &Value) -> Result<Need, Error> {
    let refuse =
        |reason: String| Error::Syntax { place: place.clone(), reason: format!("`{name}`: {reason}") };
    let ranges = |text: &str| text.parse::<VersionRanges>().map_err(|error| refuse(error.to_string()));
    let text = |key: &str| constraint.get(key).and_then(Value::as_str);
    let versions = match constraint {
        Value::String(versions) => Some(versions.as_str()),
        Value::Table(_) => text("version"),
        _ => return Err(refuse("expected a version or a table".into())),
    };
    let mut conditions: Vec<String> =
        text("markers").map(|marker| format!("({marker})")).into_iter().collect();
    if let Some(platform) = text("platform") {
        let any: Vec<_> =
            platform.split('|').map(str::trim).filter(|one| !one.is_empty()).map(condition).collect();
        conditions.push(format!("({})", any.join(" or ")));
    }
    let marker = (!conditions.is_empty()).then(|| conditions.join(" and ").parse::<Marker>());
    let marker = marker.transpose().map_err(|error: Invalid| refuse(error.to_string()))?;
    let extras = constraint.get("extras").and_then(Value::as_array).into_iter().flatten();
    let extras = extras.filter_map(Value::as_str).map(str::parse).collect::<Result<_, _>>();
    Ok(Need {
        name: name.clone(),
        extras: extras.map_err(|error: wainwright_python::Error| refuse(error.to_string()))?,
        versions: versions.map_or(Ok(VersionRanges::all()), ranges)?,
        marker,
        python: text("python").map_or(Ok(VersionRanges::all()), ranges)?,
        is_optional: constraint.get("optional").and_then(Value::as_bool).unwrap_or(false),
    })
}

/// `win32` or `!=win32`.
fn condition(platform: &str) -> String {
    match platform.strip_prefix("!=") {
        Some(other) => format!("sys_platform != '{}'", other.trim()),
        None => format!("sys_platform == '{}'", platform.trim_start_matches("==").trim()),
    }
}
