use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;
use wainwright_python::{ExtraName, PackageName, VersionSpecifiers};

use crate::text::Text;
use crate::{Error, Invalid, Marker, Requirement};

/// What a `pyproject.toml` asks for: what a lockfile has to agree with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProjectRequirements {
    /// `[project] name`; none in a workspace root that is no package.
    pub name: Option<PackageName>,
    /// `[project] requires-python`.
    pub requires_python: Option<VersionSpecifiers>,
    /// `[project] dependencies`.
    pub dependencies: Vec<Requirement>,
    /// `[project.optional-dependencies]`.
    pub extras: BTreeMap<ExtraName, Vec<Requirement>>,
    /// `[dependency-groups]`, with included groups put in their places, and `dev-dependencies` of `[tool.uv]`.
    pub groups: BTreeMap<PackageName, Vec<Requirement>>,
    /// The names `[tool.uv.sources]` points elsewhere.
    pub pointed: BTreeSet<PackageName>,
    /// Whether the build backend works out dependencies or extras (`[project] dynamic`).
    pub is_dynamic: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Document {
    project: Option<Project>,
    #[serde(default)]
    dependency_groups: BTreeMap<PackageName, Vec<GroupItem>>,
    #[serde(default)]
    tool: Tool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Project {
    name: PackageName,
    requires_python: Option<VersionSpecifiers>,
    #[serde(default)]
    dependencies: Vec<String>,
    #[serde(default)]
    optional_dependencies: BTreeMap<ExtraName, Vec<String>>,
    #[serde(default)]
    dynamic: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum GroupItem {
    Requirement(String),
    Include {
        #[serde(rename = "include-group")]
        group: PackageName,
    },
}

#[derive(Default, Deserialize)]
struct Tool {
    #[serde(default)]
    uv: Uv,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Uv {
    #[serde(default)]
    dev_dependencies: Vec<String>,
    #[serde(default)]
    sources: BTreeMap<PackageName, toml::Value>,
    #[serde(default)]
    dependency_groups: BTreeMap<PackageName, GroupSettings>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct GroupSettings {
    requires_python: Option<VersionSpecifiers>,
}

impl ProjectRequirements {
    /// Reads them from a `pyproject.toml`.
    pub fn read(pyproject: &Path) -> Result<Self, Error> {
        Self::of(&Text::read(pyproject, None)?)
    }

    pub(crate) fn of(text: &Text) -> Result<Self, Error> {
        let document: Document = text.toml()?;
        let read = |texts: &[String]| -> Result<Vec<Requirement>, Error> {
            texts.iter().map(|line| requirement(text, line)).collect()
        };
        let mut requirements = Self::default();
        if let Some(project) = &document.project {
            requirements.name = Some(project.name.clone());
            requirements.requires_python = project.requires_python.clone();
            requirements.dependencies = read(&project.dependencies)?;
            for (extra, texts) in &project.optional_dependencies {
                requirements.extras.insert(extra.clone(), read(texts)?);
            }
            let is_ours = |field: &String| field == "dependencies" || field == "optional-dependencies";
            requirements.is_dynamic = project.dynamic.iter().any(is_ours);
        }
        for name in document.dependency_groups.keys() {
            let mut group = Vec::new();
            expand(text, &document, name, &mut Vec::new(), &mut group)?;
            requirements.groups.insert(name.clone(), group);
        }
        let legacy = read(&document.tool.uv.dev_dependencies)?;
        if !legacy.is_empty()
            && let Ok(dev) = "dev".parse()
        {
            requirements.groups.entry(dev).or_default().extend(legacy);
        }
        requirements.pointed = document.tool.uv.sources.into_keys().collect();
        Ok(requirements)
    }
}

/// Puts the requirements of a group and of the groups it includes into `found`.
fn expand<'a>(
    text: &Text,
    document: &'a Document,
    name: &'a PackageName,
    path: &mut Vec<&'a PackageName>,
    found: &mut Vec<Requirement>,
) -> Result<(), Error> {
    let wrong = |reason| Error::Syntax { place: text.place(0), reason };
    if path.contains(&name) {
        return Err(wrong(format!("dependency group `{name}` includes itself")));
    }
    // Groups that include each other again and again multiply.
    if path.len() > 32 || found.len() > 10_000 {
        return Err(wrong(format!("dependency group `{name}` includes too much")));
    }
    let items = document
        .dependency_groups
        .get(name)
        .ok_or_else(|| wrong(format!("dependency group `{name}` does not exist")))?;
    let begin = found.len();
    path.push(name);
    for item in items {
        match item {
            GroupItem::Requirement(line) => found.push(requirement(text, line)?),
            GroupItem::Include { group } => expand(text, document, group, path, found)?,
        }
    }
    path.pop();
    let settings = document.tool.uv.dependency_groups.get(name);
    if let Some(python) = settings.and_then(|settings| settings.requires_python.as_ref()) {
        for requirement in found.iter_mut().skip(begin) {
            requirement.marker = Some(Marker::on_python(python, requirement.marker.take()));
        }
    }
    Ok(())
}

fn requirement(text: &Text, line: &str) -> Result<Requirement, Error> {
    line.parse().map_err(|error: Invalid| {
        // TOML has been read already; the line is where the text stands, if it stands there unescaped.
        let offset = text.text.find(line).unwrap_or(0);
        Error::Syntax { place: text.place(offset), reason: error.to_string() }
    })
}
