use std::collections::BTreeMap;
use std::path::Path;

use wainwright_python::{ExtraName, PackageName, Version, VersionSpecifiers};

use crate::Error;
use crate::document::{Item, Table};
use crate::layout::Layout;
use crate::read::read_named;
use crate::scripts::{read_entry_points, read_scripts};
use crate::settings::image_name;
use crate::values::cut;
use crate::{dependency_groups, poetry, static_version};

/// A readme or license text larger than this is a mistake.
const TEXT_LIMIT: u64 = 4 * 1024 * 1024;

/// The `[project]` table of `pyproject.toml` (PyPA, "pyproject.toml specification") and what belongs to it.
#[derive(Clone, Debug)]
pub struct PythonProject {
    /// The normalized name.
    pub name: PackageName,
    /// The name as written, for `METADATA`.
    pub written_name: String,
    /// The version: as written, or found without running code when it is dynamic; else absent.
    pub version: Option<Version>,
    /// Which Python versions it runs on.
    pub requires_python: Option<VersionSpecifiers>,
    /// One line.
    pub description: Option<String>,
    /// The long description.
    pub readme: Option<Readme>,
    /// The license.
    pub license: Option<License>,
    /// Who wrote it.
    pub authors: Vec<Person>,
    /// Who looks after it.
    pub maintainers: Vec<Person>,
    /// Words to find it by.
    pub keywords: Vec<String>,
    /// Trove classifiers.
    pub classifiers: Vec<String>,
    /// Addresses by label.
    pub urls: BTreeMap<String, String>,
    /// Requirements (PEP 508), as written.
    pub dependencies: Vec<String>,
    /// Requirements by extra, as written.
    pub optional_dependencies: BTreeMap<ExtraName, Vec<String>>,
    /// Requirements by dependency group, included groups put in (PyPA, "Dependency Groups").
    pub dependency_groups: BTreeMap<PackageName, Vec<String>>,
    /// Console scripts: name -> `package.module:function`.
    pub scripts: BTreeMap<String, String>,
    /// Scripts that open windows.
    pub gui_scripts: BTreeMap<String, String>,
    /// Other entry points: group -> name -> object.
    pub entry_points: BTreeMap<String, BTreeMap<String, String>>,
    /// Whether it means to be installed (uv's rule: `tool.uv.package`, else whether there is a `[build-system]`).
    pub is_package: bool,
    /// Where its packages are.
    pub layout: Layout,
}

/// A person or group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Name, if given.
    pub name: Option<String>,
    /// E-mail address, if given.
    pub email: Option<String>,
}

/// A long description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readme {
    /// The text.
    pub text: String,
    /// `text/markdown`, `text/x-rst` or `text/plain`.
    pub content_type: String,
}

/// A license, in one of two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum License {
    /// An SPDX expression (PEP 639).
    Expression(String),
    /// Free text.
    Text(String),
}

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

/// What a file holds, by the end of its name.
pub(crate) fn text_type(file: &str) -> &'static str {
    match Path::new(&file.to_lowercase()).extension().and_then(|end| end.to_str()) {
        Some("md") => "text/markdown",
        Some("rst") => "text/x-rst",
        _ => "text/plain",
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

/// The text of a file that is named in `pyproject.toml`; a warning when it is not there.
pub(crate) fn named_text(
    root: &Path,
    item: &Item<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<String>, Error> {
    let file = item.line()?;
    let text = read_named(root, file, TEXT_LIMIT).map_err(|error| match error {
        Error::Read { .. } => error,
        error => item.refuse(error),
    })?;
    if text.is_none() {
        warnings.push(format!("`{}`, named in pyproject.toml, does not exist", cut(file)));
    }
    Ok(text)
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
mod tests {
    use wainwright_fault::Classify;

    use super::*;
    use crate::project::load;
    use insta::assert_snapshot;

    fn read(text: &str) -> Result<PythonProject, Error> {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("pyproject.toml"), text).unwrap();
        std::fs::write(root.path().join("README.md"), "# Shop\n").unwrap();
        load(root.path()).map(|project| project.python_project.unwrap())
    }

    fn refuse(text: &str) -> String {
        let error = read(text).expect_err(text);
        assert!(!error.is_outside());
        error.to_string()
    }

    #[test]
    fn a_whole_project_is_read() {
        let project = read(
            r#"
            [build-system]
            requires = ["hatchling"]
            [project]
            name = "My.Shop"
            version = "1.0rc1"
            requires-python = ">=3.11"
            readme = "README.md"
            license = "MIT"
            authors = [{name = "A", email = "a@example.org"}, {name = "B"}]
            dependencies = ["flask>=3", "tomli; python_version < '3.11'"]
            scripts = { shop = "my.shop:main" }
            [project.optional-dependencies]
            Fast_Path = ["orjson"]
            [project.entry-points."flask.commands"]
            hello = "my.shop.cli:hello [fast]"
            [dependency-groups]
            Test = ["pytest"]
            dev = [{include-group = "test"}, "ruff"]
            "#,
        )
        .unwrap();
        assert_eq!((project.name.as_str(), project.written_name.as_str()), ("my-shop", "My.Shop"));
        assert_eq!(project.version.unwrap().to_string(), "1.0rc1");
        assert_eq!(project.readme.unwrap().content_type, "text/markdown");
        assert_eq!(project.optional_dependencies.keys().next().unwrap().as_str(), "fast-path");
        assert_eq!(project.dependency_groups[&"dev".parse().unwrap()], ["pytest", "ruff"]);
        assert!(project.is_package);
        assert!(!read("[project]\nname = \"a\"").unwrap().is_package);
    }

    #[test]
    fn mistakes_are_pointed_at() {
        assert_snapshot!(refuse("[project]\nname = \"a\"\nscripts = { run = \"a.b\" }"), @r#"
        pyproject.toml:3:19: `a.b` is not a function to call
          |
        3 | scripts = { run = "a.b" }
          |                   ^^^^^
        "#);
        assert_snapshot!(refuse("[project]\nversion = \"1\"\n"), @r"
        pyproject.toml:1:1: [project] has no `name`
          |
        1 | [project]
          | ^^^^^^^^^
        ");
        assert_snapshot!(refuse("[project]\nname = \"a\"\nversion = \"one\"\n"), @r#"
        pyproject.toml:3:11: expected version to start with a number, but no leading ASCII digits were found
          |
        3 | version = "one"
          |           ^^^^^
        "#);
        for rest in [
            "readme = \"../x\"",
            "readme = \"/etc/passwd\"",
            "scripts = { python3 = \"a:b\" }",
            "scripts = { \"../x\" = \"a:b\" }",
            "scripts = { x = \"a:b;import os\" }",
            "scripts = { x = \"a:b\\nimport os\" }",
            "version = \"1\"\ndynamic = [\"version\"]",
            "dependencies = \"flask\"",
            "dependencies = [\"a\\nb\"]",
            "requires-python = \"three\"",
            "license = {}",
            "entry-points.console_scripts = {}",
            "entry-points.\"a b\" = {}",
        ] {
            let message = refuse(&format!("[project]\nname = \"a\"\n{rest}"));
            assert!(message.starts_with("pyproject.toml:"), "{rest}: {message}");
        }
    }

    #[test]
    fn a_missing_readme_is_a_warning() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("pyproject.toml"), "[project]\nname = \"a\"\nreadme = \"R.md\"")
            .unwrap();
        let project = load(root.path()).unwrap();
        assert_eq!(project.warnings, ["`R.md`, named in pyproject.toml, does not exist"]);
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("R.md")).unwrap();
        assert!(load(root.path()).unwrap_err().to_string().contains("is not inside the project"));
    }
}
