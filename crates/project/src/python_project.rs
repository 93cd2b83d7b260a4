use std::collections::BTreeMap;
use std::path::Path;

use wainwright_python::{ExtraName, Version};

use crate::Error;
use crate::document::{Item, Table};
use crate::layout::Layout;
use crate::metadata::{License, Person, PythonProject, Readme};
use crate::scripts::{read_entry_points, read_scripts};
use crate::settings::image_name;
use crate::texts::{named_text, text_type};
use crate::values::cut;
use crate::{dependency_groups, poetry, static_version};

impl PythonProject {
    /// Reads `[project]`, else `[tool.poetry]`; `None` when there is neither.
    ///
    /// Keys that the specification does not know are left to those who wrote them.
    pub(crate) fn read(
        root: &Path,
        pyproject: &Table<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Self>, Error> {
        let Some(item) = pyproject.get("project") else { return poetry::read(root, pyproject, warnings) };
        let project = item.table()?;
        let Some(name_item) = project.get("name") else {
            return Err(item.refuse_with("[project] has no `name`", "add `name = \"...\"`"));
        };
        let name = image_name(&name_item)?;
        let layout = Layout::find(root, &name, pyproject)?;
        let list = |key| project.get(key).map_or(Ok(Vec::new()), |item| lines(&item));
        let scripts = |key| project.get(key).map_or(Ok(BTreeMap::new()), |item| read_scripts(&item));
        let people = |key| project.get(key).map_or(Ok(Vec::new()), |item| read_people(&item));
        Ok(Some(Self {
            written_name: name_item.string()?.to_owned(),
            version: read_version(root, pyproject, &project, &layout)?,
            requires_python: project.get("requires-python").map(|item| item.parse()).transpose()?,
            description: project
                .get("description")
                .map(|item| item.string().map(str::to_owned))
                .transpose()?,
            readme: project.get("readme").map_or(Ok(None), |item| read_readme(root, &item, warnings))?,
            license: project.get("license").map_or(Ok(None), |item| read_license(root, &item, warnings))?,
            authors: people("authors")?,
            maintainers: people("maintainers")?,
            keywords: list("keywords")?,
            classifiers: list("classifiers")?,
            urls: read_urls(&project)?,
            dependencies: list("dependencies")?,
            optional_dependencies: read_extras(&project)?,
            dependency_groups: dependency_groups::read(pyproject)?,
            scripts: scripts("scripts")?,
            gui_scripts: scripts("gui-scripts")?,
            entry_points: read_entry_points(&project)?,
            is_package: match pyproject.look(&["tool", "uv", "package"]) {
                Some(item) => item.boolean()?,
                None => pyproject.get("build-system").is_some(),
            },
            name,
            layout,
        }))
    }
}

fn lines(item: &Item<'_>) -> Result<Vec<String>, Error> {
    item.array()?.iter().map(|item| item.line().map(str::to_owned)).collect()
}

fn read_version(
    root: &Path,
    pyproject: &Table<'_>,
    project: &Table<'_>,
    layout: &Layout,
) -> Result<Option<Version>, Error> {
    let is_dynamic = match project.get("dynamic") {
        Some(item) => item.strings()?.iter().any(|name| name == "version"),
        None => false,
    };
    match project.get("version") {
        Some(item) if is_dynamic => Err(item.refuse("`version` is set and also listed as dynamic")),
        Some(item) => item.parse().map(Some),
        None if is_dynamic => static_version::find(root, pyproject, layout),
        None => Ok(None),
    }
}

/// A readme that is not there costs a description, not the build.
fn read_readme(root: &Path, item: &Item<'_>, warnings: &mut Vec<String>) -> Result<Option<Readme>, Error> {
    if item.is_string() {
        let content_type = text_type(item.line()?);
        let text = named_text(root, item, warnings)?;
        return Ok(text.map(|text| Readme { text, content_type: content_type.into() }));
    }
    let table = item.table()?;
    let Some(content_type) = table.get("content-type") else {
        return Err(item.refuse("`readme` needs a `content-type`"));
    };
    let content_type = content_type.line()?.to_owned();
    let text = match (table.get("text"), table.get("file")) {
        (Some(text), None) => Some(text.string()?.to_owned()),
        (None, Some(file)) => named_text(root, &file, warnings)?,
        _ => return Err(item.refuse("`readme` needs either `file` or `text`")),
    };
    Ok(text.map(|text| Readme { text, content_type }))
}

fn read_license(root: &Path, item: &Item<'_>, warnings: &mut Vec<String>) -> Result<Option<License>, Error> {
    if item.is_string() {
        return Ok(Some(License::Expression(item.line()?.to_owned())));
    }
    let table = item.table()?;
    match (table.get("text"), table.get("file")) {
        (Some(text), None) => Ok(Some(License::Text(text.string()?.to_owned()))),
        (None, Some(file)) => Ok(named_text(root, &file, warnings)?.map(License::Text)),
        _ => Err(item.refuse("`license` needs either `file` or `text`")),
    }
}

fn read_people(item: &Item<'_>) -> Result<Vec<Person>, Error> {
    let field = |table: &Table<'_>, key| match table.get(key) {
        Some(item) => item.line().map(|text| Some(text.to_owned())),
        None => Ok(None),
    };
    let read = |item: &Item<'_>| {
        let table = item.table()?;
        Ok(Person { name: field(&table, "name")?, email: field(&table, "email")? })
    };
    item.array()?.iter().map(read).collect()
}

fn read_urls(project: &Table<'_>) -> Result<BTreeMap<String, String>, Error> {
    let Some(item) = project.get("urls") else { return Ok(BTreeMap::new()) };
    let mut urls = BTreeMap::new();
    for (label, (_, item)) in item.table()?.items() {
        if label.contains(|letter: char| letter == ',' || letter.is_control()) {
            return Err(item.refuse("the label of a URL cannot contain commas or control characters"));
        }
        urls.insert(label.to_owned(), item.line()?.to_owned());
    }
    Ok(urls)
}

fn read_extras(project: &Table<'_>) -> Result<BTreeMap<ExtraName, Vec<String>>, Error> {
    let Some(item) = project.get("optional-dependencies") else { return Ok(BTreeMap::new()) };
    let mut extras = BTreeMap::new();
    for (name, (_, item)) in item.table()?.items() {
        let extra: ExtraName = name.parse().map_err(|error| item.refuse(error))?;
        if extras.insert(extra, lines(&item)?).is_some() {
            return Err(item.refuse(format!("the extra `{}` is defined twice", cut(name))));
        }
    }
    Ok(extras)
}

#[cfg(test)]
mod tests;
