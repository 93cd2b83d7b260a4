//! `[tool.poetry]` of projects that have no `[project]`: the same facts in Poetry's older words.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wainwright_python::{ExtraName, PackageName, VersionRanges, VersionSpecifiers};

use crate::Error;
use crate::document::{Item, Table};
use crate::layout::Layout;
use crate::python_project::{License, Person, PythonProject, Readme, named_text, text_type};
use crate::scripts::{read_entry_points_of, read_scripts};
use crate::settings::image_name;

/// Reads `[tool.poetry]`; `None` when there is none, or when it only says how a folder is locked.
pub(crate) fn read(
    root: &Path,
    pyproject: &Table<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<PythonProject>, Error> {
    let Some(item) = pyproject.look(&["tool", "poetry"]) else { return Ok(None) };
    let poetry = item.table()?;
    let is_package = poetry.get("package-mode").map_or(Ok(true), |item| item.boolean())?;
    let Some(name_item) = poetry.get("name") else {
        if is_package {
            return Err(
                item.refuse_with("[tool.poetry] has no `name`", "add `name = \"...\"`, or a [project]")
            );
        }
        return Ok(None);
    };
    let name = image_name(&name_item)?;
    let line = |key: &str| match poetry.get(key) {
        Some(item) => item.line().map(|text| Some(text.to_owned())),
        None => Ok(None),
    };
    let (requires_python, dependencies, optional) = read_dependencies(&poetry)?;
    let scripts = poetry.get("scripts").map_or(Ok(BTreeMap::new()), |item| read_scripts(&item))?;
    Ok(Some(PythonProject {
        written_name: name_item.string()?.to_owned(),
        version: poetry.get("version").map(|item| item.parse()).transpose()?,
        requires_python,
        description: line("description")?,
        readme: read_readme(root, &poetry, warnings)?,
        license: line("license")?.map(License::Expression),
        authors: people(&poetry, "authors")?,
        maintainers: people(&poetry, "maintainers")?,
        keywords: poetry.get("keywords").map_or(Ok(Vec::new()), |item| item.strings())?,
        classifiers: poetry.get("classifiers").map_or(Ok(Vec::new()), |item| item.strings())?,
        urls: urls(&poetry)?,
        optional_dependencies: read_extras(&poetry, &optional)?,
        dependencies,
        dependency_groups: BTreeMap::new(),
        scripts,
        gui_scripts: BTreeMap::new(),
        entry_points: read_entry_points_of(poetry.get("plugins"))?,
        is_package,
        layout: Layout::find(root, &name, pyproject)?,
        name,
    }))
}

/// The Pythons, the requirements, and those that only an extra adds, by name.
type Dependencies = (Option<VersionSpecifiers>, Vec<String>, Vec<(PackageName, String)>);

fn read_dependencies(poetry: &Table<'_>) -> Result<Dependencies, Error> {
    let (mut python, mut always, mut optional) = (None, Vec::new(), Vec::new());
    let Some(item) = poetry.get("dependencies") else { return Ok((python, always, optional)) };
    for (name, (_, item)) in item.table()?.items() {
        if name == "python" {
            python = Some(item.parse::<VersionRanges>()?.hull());
            continue;
        }
        let name: PackageName = name.parse().map_err(|error| item.refuse(error))?;
        let several = if item.is_string() || item.table().is_ok() { vec![item] } else { item.array()? };
        for one in several {
            let (text, is_optional) = requirement(&name, &one)?;
            match is_optional {
                true => optional.push((name.clone(), text)),
                false => always.push(text),
            }
        }
    }
    Ok((python, always, optional))
}

/// One dependency in the words of PyPA, and whether only an extra adds it.
fn requirement(name: &PackageName, item: &Item<'_>) -> Result<(String, bool), Error> {
    if item.is_string() {
        return Ok((format!("{name}{}", versions(item)?), false));
    }
    let table = item.table()?;
    let mut text = name.to_string();
    if let Some(extras) = table.get("extras") {
        let read = |extra: &Item<'_>| extra.parse().map(|extra: ExtraName| extra.to_string());
        let extras: Vec<_> = extras.array()?.iter().map(read).collect::<Result<_, _>>()?;
        text += &format!("[{}]", extras.join(","));
    }
    match (table.get("git"), table.get("url"), table.get("version")) {
        (Some(git), _, _) => text += &format!(" @ git+{} ", git.line()?),
        (_, Some(url), _) => text += &format!(" @ {} ", url.line()?),
        (_, _, Some(range)) => text += &versions(&range)?,
        _ => {}
    }
    let mut conditions = Vec::new();
    if let Some(python) = table.get("python") {
        let range = python.parse::<VersionRanges>()?.hull();
        conditions.extend(range.iter().map(|one| {
            let version = one.to_string();
            let sign = version.len() - version.trim_start_matches(['<', '>', '=', '!', '~']).len();
            format!("python_full_version {} '{}'", &version[..sign], version[sign..].trim())
        }));
    }
    if let Some(platform) = table.get("platform") {
        conditions.push(format!("sys_platform == '{}'", platform.line()?.trim_start_matches('=')));
    }
    if let Some(marker) = table.get("markers") {
        conditions.push(format!("({})", marker.line()?));
    }
    if !conditions.is_empty() {
        text += &format!(" ; {}", conditions.join(" and "));
    }
    let is_optional = table.get("optional").map_or(Ok(false), |item| item.boolean())?;
    Ok((text, is_optional))
}

/// `>=1,<2` of `^1`; of several ranges what holds them all.
fn versions(item: &Item<'_>) -> Result<String, Error> {
    Ok(item.parse::<VersionRanges>()?.hull().to_string().replace(", ", ","))
}

fn read_extras(
    poetry: &Table<'_>,
    optional: &[(PackageName, String)],
) -> Result<BTreeMap<ExtraName, Vec<String>>, Error> {
    let Some(item) = poetry.get("extras") else { return Ok(BTreeMap::new()) };
    let mut extras = BTreeMap::new();
    for (extra, (_, item)) in item.table()?.items() {
        let extra: ExtraName = extra.parse().map_err(|error| item.refuse(error))?;
        let names: BTreeSet<PackageName> =
            item.array()?.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        let added = optional.iter().filter(|(name, _)| names.contains(name)).map(|(_, text)| text.clone());
        extras.insert(extra, added.collect());
    }
    Ok(extras)
}

fn read_readme(root: &Path, poetry: &Table<'_>, warnings: &mut Vec<String>) -> Result<Option<Readme>, Error> {
    let Some(item) = poetry.get("readme") else { return Ok(None) };
    let files = if item.is_string() { vec![item] } else { item.array()? };
    let Some(content_type) = files.first().map(|file| file.line().map(text_type)).transpose()? else {
        return Ok(None);
    };
    let mut texts = Vec::new();
    for file in &files {
        texts.extend(named_text(root, file, warnings)?);
    }
    let readme = Readme { text: texts.join("\n"), content_type: content_type.to_owned() };
    Ok((!texts.is_empty()).then_some(readme))
}

/// `Ann <ann@example.org>`.
fn people(poetry: &Table<'_>, key: &str) -> Result<Vec<Person>, Error> {
    let Some(item) = poetry.get(key) else { return Ok(Vec::new()) };
    let person = |item: &Item<'_>| {
        let text = item.line()?.trim();
        let (name, email) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, email)) => (name.trim(), Some(email.trim().to_owned())),
            None => (text, None),
        };
        Ok(Person { name: (!name.is_empty()).then(|| name.to_owned()), email })
    };
    item.array()?.iter().map(person).collect()
}

fn urls(poetry: &Table<'_>) -> Result<BTreeMap<String, String>, Error> {
    let mut urls = BTreeMap::new();
    for (key, label) in
        [("homepage", "Homepage"), ("repository", "Repository"), ("documentation", "Documentation")]
    {
        if let Some(item) = poetry.get(key) {
            urls.insert(label.to_owned(), item.line()?.to_owned());
        }
    }
    if let Some(item) = poetry.get("urls") {
        for (label, (_, item)) in item.table()?.items() {
            urls.insert(label.to_owned(), item.line()?.to_owned());
        }
    }
    Ok(urls)
}

#[cfg(test)]
mod tests {
    use crate::project::load;

    fn read(text: &str) -> Result<crate::Project, crate::Error> {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("pyproject.toml"), text).unwrap();
        std::fs::create_dir_all(root.path().join("src/my_shop")).unwrap();
        std::fs::write(root.path().join("src/my_shop/__init__.py"), "").unwrap();
        load(root.path())
    }

    #[test]
    fn a_whole_project_is_read() {
        let project = read(
            r#"
            [tool.poetry]
            name = "My.Shop"
            version = "1.2.0"
            authors = ["Ann Smith <ann@example.org>", "Bob"]
            packages = [{ include = "my_shop", from = "src" }]
            homepage = "https://example.org"
            [tool.poetry.dependencies]
            python = ">=3.9,<3.14"
            flask = "^3.0"
            uvicorn = { version = "~0.30", extras = ["standard"] }
            numpy = [{ version = "<2", python = "<3.12" }, { version = "^2 || ^3", python = ">=3.12" }]
            redis = { version = "*", optional = true }
            colorama = { version = "*", platform = "win32", markers = "python_version < '4'" }
            [tool.poetry.extras]
            Cache = ["redis"]
            [tool.poetry.scripts]
            shop = "my_shop:main"
            [tool.poetry.plugins."flask.commands"]
            hello = "my_shop:hello"
            "#,
        )
        .unwrap();
        assert_eq!(project.warnings, [""; 0]);
        let python = project.python_project.unwrap();
        assert_eq!((python.name.as_str(), python.version.unwrap().to_string()), ("my-shop", "1.2.0".into()));
        assert_eq!(python.requires_python.unwrap().to_string(), ">=3.9, <3.14");
        assert_eq!(
            python.dependencies,
            [
                "colorama ; sys_platform == 'win32' and (python_version < '4')",
                "flask>=3.0,<4",
                "numpy<2 ; python_full_version < '3.12'",
                "numpy>=2,<4 ; python_full_version >= '3.12'",
                "uvicorn[standard]>=0.30,<0.31",
            ]
        );
        assert_eq!(python.optional_dependencies[&"cache".parse().unwrap()], ["redis"]);
        assert_eq!(python.authors[0].email.as_deref(), Some("ann@example.org"));
        assert_eq!(python.authors[1].name.as_deref(), Some("Bob"));
        assert_eq!((python.layout.import_roots.join(" "), python.is_package), ("src".into(), true));
        assert_eq!(python.scripts["shop"], "my_shop:main");
        assert_eq!(python.entry_points["flask.commands"]["hello"], "my_shop:hello");
    }

    #[test]
    fn folder_without_build_system_is_not_a_package() {
        let project = read("[tool.poetry]\npackage-mode = false\n").unwrap();
        assert!(project.python_project.is_none());
        let error = read("[tool.poetry]\nversion = \"1\"\n").unwrap_err().to_string();
        assert!(error.starts_with("pyproject.toml:1:1: [tool.poetry] has no `name`"), "{error}");
        let error =
            read("[tool.poetry]\nname = \"a\"\n[tool.poetry.dependencies]\nb = \"new\"\n").unwrap_err();
        assert!(error.to_string().starts_with("pyproject.toml:4:5: `new` does not say"), "{error}");
    }
}
