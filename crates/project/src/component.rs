//! What the wheel of a project holds, found without running its build backend.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::document::{Source, Table};
use crate::read::stays_below;
use crate::{Error, Project, SourceKind, SourceTree, dist_info};

/// A file of a component, by its path in a wheel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentFile {
    /// What it holds.
    pub content: ComponentContent,
    /// Whether anybody may execute it.
    pub is_executable: bool,
}

/// What a file of a component holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ComponentContent {
    /// What this file holds.
    Disk(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// Why only its build backend knows what is in the wheel of a project, as half a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotStatic(pub String);

/// What a build backend that is known here puts into a wheel.
struct Backend {
    /// The name in `build-backend`.
    names: &'static [&'static str],
    /// Its table below `[tool]`, and the keys there that change no file of a wheel or that we follow.
    table: &'static [&'static str],
    known: &'static [&'static str],
    /// Whether it takes every package that it finds, not only the one of the project's name.
    takes_all: bool,
}

const BACKENDS: &[Backend] = &[
    Backend {
        names: &["hatchling.build"],
        table: &["hatch"],
        known: &[
            "version",
            "metadata.allow-direct-references",
            "envs",
            "build.targets.sdist",
            "build.targets.wheel.packages",
        ],
        takes_all: false,
    },
    Backend {
        names: &["uv_build"],
        table: &["uv", "build-backend"],
        known: &["module-root", "module-name", "source-include", "source-exclude"],
        takes_all: false,
    },
    Backend {
        names: &["flit_core.buildapi", "flit.buildapi"],
        table: &["flit"],
        known: &["sdist"],
        takes_all: false,
    },
    Backend {
        names: &["poetry.core.masonry.api", "poetry.masonry.api"],
        table: &["poetry"],
        known: &[
            "name",
            "version",
            "description",
            "authors",
            "maintainers",
            "license",
            "readme",
            "homepage",
            "repository",
            "documentation",
            "keywords",
            "classifiers",
            "urls",
            "dependencies",
            "dev-dependencies",
            "group",
            "extras",
            "scripts",
            "plugins",
            "source",
            "package-mode",
            "requires-poetry",
            "packages",
            "requires-plugins",
        ],
        takes_all: false,
    },
    Backend {
        names: &["pdm.backend"],
        table: &["pdm"],
        known: &[
            "distribution",
            "dev-dependencies",
            "scripts",
            "source",
            "resolution",
            "version.source",
            "version.path",
            "build.package-dir",
        ],
        takes_all: true,
    },
    Backend {
        names: &["setuptools.build_meta"],
        table: &["setuptools"],
        known: &[
            "package-dir",
            "packages.find.where",
            "dynamic.version",
            "dynamic.readme",
            "zip-safe",
            "include-package-data",
        ],
        takes_all: true,
    },
];

/// Fields that a backend works out, and that decide nothing that is installed but its metadata.
const HARMLESS: [&str; 9] = [
    "version",
    "description",
    "readme",
    "license",
    "license-files",
    "authors",
    "maintainers",
    "classifiers",
    "keywords",
];

/// The files of the wheel of a project whose build backend is known, and told nothing that only it understands.
///
/// The packages are those that the project itself would have; every file in their folders belongs to them, but for what
/// [`crate::list_sources`] leaves out. The `.dist-info` is made from `[project]`, without INSTALLER and RECORD.
pub fn component(
    project: &Project,
    tree: &SourceTree,
) -> Result<Result<BTreeMap<String, ComponentFile>, NotStatic>, Error> {
    let Some(source) = Source::read(&project.root, "pyproject.toml")? else {
        return Ok(Err(NotStatic("it has no pyproject.toml".into())));
    };
    let entries = source.parse()?;
    Ok(files(project, tree, &Table { source: &source, entries: &entries }))
}

fn files(
    project: &Project,
    tree: &SourceTree,
    pyproject: &Table<'_>,
) -> Result<BTreeMap<String, ComponentFile>, NotStatic> {
    let no = |reason: String| Err(NotStatic(reason));
    let Some(python) = &project.python_project else { return no("it has no [project]".into()) };
    let backend = backend(project, pyproject)?;
    let dynamic =
        pyproject.look(&["project", "dynamic"]).and_then(|item| item.strings().ok()).unwrap_or_default();
    if let Some(field) = dynamic.iter().find(|field| !HARMLESS.contains(&field.as_str())) {
        return no(format!("its `{field}` is computed by its build backend"));
    }
    if python.version.is_none() {
        return no("its version is computed by its build backend".into());
    }
    let tops = tops(project, pyproject, backend)?;
    let mut found = BTreeMap::new();
    for (folder, top) in &tops {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = format!("{prefix}{top}");
        for file in &tree.files {
            let Ok(path) = std::str::from_utf8(file.path.as_bytes()) else {
                return no(format!("the name of `{}` is not UTF-8", file.path));
            };
            let is_inside =
                path == below || path.strip_prefix(&below).is_some_and(|rest| rest.starts_with('/'));
            let is_bytecode = path.ends_with(".pyc") || path.contains("__pycache__/");
            if !is_inside || is_bytecode {
                continue;
            }
            let is_executable = match &file.kind {
                SourceKind::Directory => continue,
                SourceKind::Symlink { .. } => {
                    return no(format!("`{path}` is a link, which wheels cannot contain"));
                }
                SourceKind::File { is_executable, .. } => *is_executable,
            };
            if [".pyx", ".c", ".cpp", ".rs"].iter().any(|end| path.ends_with(end)) && backend.takes_all {
                return no(format!("`{path}` may have to be compiled"));
            }
            let name = path.strip_prefix(&prefix).unwrap_or(path).to_owned();
            let content = ComponentContent::Disk(tree.disk(file));
            found.insert(name, ComponentFile { content, is_executable });
        }
    }
    for (path, bytes) in dist_info(python) {
        if !path.ends_with("/INSTALLER") {
            let content = ComponentContent::Bytes(bytes);
            found.insert(path, ComponentFile { content, is_executable: false });
        }
    }
    Ok(found)
}

/// The backend of a project, if all that it is told is understood here.
fn backend(project: &Project, pyproject: &Table<'_>) -> Result<&'static Backend, NotStatic> {
    let no = |reason: String| Err(NotStatic(reason));
    let name = pyproject.look(&["build-system", "build-backend"]).and_then(|item| item.string().ok());
    let name = name.unwrap_or("setuptools.build_meta:__legacy__");
    let Some(backend) = BACKENDS.iter().find(|backend| backend.names.contains(&name)) else {
        return no(format!("its content depends on its build backend `{}`", name.escape_debug()));
    };
    if pyproject.look(&["build-system", "backend-path"]).is_some() {
        return no("it contains its own build backend".into());
    }
    let mut path = vec!["tool"];
    path.extend(backend.table);
    if let Some(table) = pyproject.look(&path).and_then(|item| item.table().ok())
        && let Some(key) = unknown(&table, "", backend.known)
    {
        return no(format!("its build backend interprets `{key}` in [{}]", path.join(".")));
    }
    let requires = pyproject.look(&["build-system", "requires"]).and_then(|item| item.strings().ok());
    let of_backend = [
        "hatchling",
        "uv_build",
        "uv-build",
        "flit_core",
        "flit-core",
        "poetry-core",
        "poetry",
        "pdm-backend",
        "setuptools",
        "wheel",
    ];
    for line in requires.iter().flatten() {
        let end =
            line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(line.len());
        if !of_backend.contains(&line[..end].to_ascii_lowercase().as_str()) {
            return no(format!("its build requires `{}`", line[..end].escape_debug()));
        }
    }
    let others = ["setup.py", "setup.cfg", "MANIFEST.in"];
    let other = others.iter().find(|file| project.root.join(file).exists());
    match other.filter(|_| backend.names == ["setuptools.build_meta"]) {
        Some(file) => no(format!("`{file}` affects its build")),
        None => Ok(backend),
    }
}

/// The first key of a table that is not known, neither by itself nor by one above it.
fn unknown(table: &Table<'_>, above: &str, known: &[&str]) -> Option<String> {
    table.items().into_iter().find_map(|(key, (_, item))| {
        let key = if above.is_empty() { key.to_owned() } else { format!("{above}.{key}") };
        if known.contains(&key.as_str()) {
            return None;
        }
        let is_way = known.iter().any(|one| one.strip_prefix(&key).is_some_and(|rest| rest.starts_with('.')));
        match item.table() {
            Ok(below) if is_way => unknown(&below, &key, known),
            _ => Some(key),
        }
    })
}

/// The packages and modules at the top of a wheel, each with the folder it lies in.
fn tops(
    project: &Project,
    pyproject: &Table<'_>,
    backend: &Backend,
) -> Result<Vec<(String, String)>, NotStatic> {
    let Some(python) = &project.python_project else { return Ok(Vec::new()) };
    let look = |path: &[&str]| pyproject.look(path);
    if let Some(item) = look(&["tool", "hatch", "build", "targets", "wheel", "packages"]) {
        let list = item.strings().unwrap_or_default();
        let split = |path: &String| {
            let path = path.trim_start_matches("./").trim_matches('/');
            let (folder, top) = path.rsplit_once('/').unwrap_or(("", path));
            (stays_below(path) && project.root.join(path).exists())
                .then(|| (folder.to_owned(), top.to_owned()))
        };
        let tops: Option<Vec<_>> = list.iter().map(split).collect();
        return tops.ok_or_else(|| NotStatic("its packages are not in the configured folder".into()));
    }
    if let Some(item) = look(&["tool", "poetry", "packages"]) {
        let mut tops = Vec::new();
        for one in item.array().unwrap_or_default() {
            let table = one.table().map_err(|_| NotStatic("its packages are not tables".into()))?;
            let text = |key: &str| table.get(key).and_then(|item| item.string().ok().map(str::to_owned));
            let from = text("from").unwrap_or_default();
            let include = text("include").unwrap_or_default();
            let is_plain = table.items().keys().all(|key| ["include", "from"].contains(key))
                && !include.is_empty()
                && include.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && (from.is_empty() || stays_below(&from));
            if !is_plain {
                return Err(NotStatic("its build backend interprets `packages` in [tool.poetry]".into()));
            }
            tops.push((from.trim_start_matches("./").trim_matches('/').to_owned(), include));
        }
        return Ok(tops);
    }
    let layout = &python.layout;
    let folder = layout.import_roots.first().cloned().unwrap_or_default();
    let all = |names: &[String], end: &str| -> Vec<(String, String)> {
        names.iter().map(|name| (folder.clone(), format!("{name}{end}"))).collect()
    };
    if backend.takes_all {
        if folder.is_empty() && layout.packages.len() > 1 {
            return Err(NotStatic("it has several top-level packages".into()));
        }
        let modules = if layout.packages.is_empty() || !folder.is_empty() {
            all(&layout.modules, ".py")
        } else {
            Vec::new()
        };
        return Ok([all(&layout.packages, ""), modules].concat());
    }
    let named = look(&["tool", "uv", "build-backend", "module-name"]);
    let named = match named {
        Some(item) if item.is_string() => item.string().ok().map(str::to_owned),
        Some(_) => return Err(NotStatic("it has several modules".into())),
        None => None,
    };
    let wanted = named.unwrap_or_else(|| python.name.escaped());
    let fits = |name: &&String| name.eq_ignore_ascii_case(&wanted);
    if let Some(package) = layout.packages.iter().find(fits) {
        return Ok(vec![(folder, package.clone())]);
    }
    match layout.modules.iter().find(fits) {
        Some(module) => Ok(vec![(folder, format!("{module}.py"))]),
        None => Err(NotStatic(format!("it has no package `{wanted}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{list_sources, load};

    /// The files of a component but for its metadata, or why only its backend knows them.
    fn check(backend: &str, extra: &str, files: &[&str]) -> String {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let version = if extra.contains("dynamic") { "" } else { "version = \"1.0\"\n" };
        let text = format!(
            "[build-system]\nrequires = []\nbuild-backend = \"{backend}\"\n[project]\nname = \"my-lib\"\n{version}{extra}"
        );
        std::fs::write(root.path().join("pyproject.toml"), text).unwrap();
        let project = load(root.path()).unwrap();
        match component(&project, &list_sources(&project).unwrap()).unwrap() {
            Err(NotStatic(reason)) => reason,
            Ok(files) => {
                let names = files.keys().filter(|name| !name.contains(".dist-info/"));
                assert!(files.contains_key("my_lib-1.0.dist-info/METADATA"));
                assert!(!files.keys().any(|name| name.ends_with("INSTALLER")));
                names.cloned().collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn known_backends_take_the_package_of_the_project() {
        let src = [
            "src/my_lib/__init__.py",
            "src/my_lib/data/a.txt",
            "src/my_lib/__pycache__/x.pyc",
            "tests/test.py",
        ];
        for backend in [
            "hatchling.build",
            "uv_build",
            "flit_core.buildapi",
            "poetry.core.masonry.api",
            "pdm.backend",
            "setuptools.build_meta",
        ] {
            assert_eq!(check(backend, "", &src), "my_lib/__init__.py my_lib/data/a.txt", "{backend}");
            assert_eq!(
                check(backend, "", &["my_lib/__init__.py", "main.py"]),
                "my_lib/__init__.py",
                "{backend}"
            );
        }
        assert_eq!(check("flit_core.buildapi", "", &["my_lib.py", "other.py"]), "my_lib.py");
        let packages = "[tool.hatch.build.targets.wheel]\npackages = [\"lib/core\"]\n";
        assert_eq!(check("hatchling.build", packages, &["lib/core/a.py", "lib/more/b.py"]), "core/a.py");
        let packages = "[tool.poetry]\npackages = [{include = \"core\", from = \"lib\"}]\n";
        assert_eq!(check("poetry.core.masonry.api", packages, &["lib/core/a.py"]), "core/a.py");
    }

    #[test]
    fn dynamic_metadata_is_named_in_error() {
        let src = ["src/my_lib/__init__.py"];
        for (backend, extra, files, reason) in [
            ("maturin", "", &src[..], "its content depends on its build backend `maturin`"),
            ("hatchling.build", "", &["src/other/__init__.py"], "it has no package `my_lib`"),
            (
                "hatchling.build",
                "[tool.hatch.build.hooks.custom]\n",
                &src,
                "its build backend interprets `build.hooks` in [tool.hatch]",
            ),
            (
                "hatchling.build",
                "[tool.hatch.build.targets.wheel.force-include]\na = \"b\"\n",
                &src,
                "its build backend interprets `build.targets.wheel.force-include` in [tool.hatch]",
            ),
            (
                "poetry.core.masonry.api",
                "[tool.poetry]\nbuild = \"build.py\"\n",
                &src,
                "its build backend interprets `build` in [tool.poetry]",
            ),
            (
                "setuptools.build_meta",
                "",
                &["src/my_lib/__init__.py", "setup.py"],
                "`setup.py` affects its build",
            ),
            (
                "setuptools.build_meta",
                "",
                &["src/my_lib/a.py", "src/my_lib/a.pyx"],
                "`src/my_lib/a.pyx` may have to be compiled",
            ),
            (
                "hatchling.build",
                "dynamic = [\"version\"]\n",
                &src,
                "its version is computed by its build backend",
            ),
            (
                "hatchling.build",
                "dynamic = [\"version\", \"dependencies\"]\n",
                &src,
                "its `dependencies` is computed by its build backend",
            ),
            (
                "setuptools.build_meta",
                "",
                &["one/__init__.py", "two/__init__.py"],
                "it has several top-level packages",
            ),
        ] {
            assert_eq!(check(backend, extra, files), reason);
        }
    }
}
