use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use wainwright_python::PackageName;

use crate::Error;
use crate::document::Table;
use crate::read::stays_below;
use crate::scripts::is_identifier;

/// Where a project keeps its packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The usual form it has.
    pub kind: LayoutKind,
    /// Folders to put on `sys.path`, relative to the project; `""` is the project itself. Most important first.
    pub import_roots: Vec<String>,
    /// Top-level packages, sorted.
    pub packages: Vec<String>,
    /// Top-level modules that are single files, without `.py`, sorted.
    pub modules: Vec<String>,
}

/// The usual forms of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutKind {
    /// Packages lie beside `pyproject.toml`.
    Flat,
    /// Packages lie in `src`.
    Src,
    /// A build tool was told to look elsewhere.
    Configured,
}

/// Folders beside `pyproject.toml` that are not packages, whatever is in them (as setuptools has it).
const NOT_PACKAGES: [&str; 24] = [
    "benchmark",
    "benchmarks",
    "bin",
    "build",
    "ci",
    "debian",
    "dist",
    "doc",
    "docs",
    "documentation",
    "env",
    "example",
    "examples",
    "htmlcov",
    "node_modules",
    "requirements",
    "scripts",
    "site_scons",
    "tasks",
    "test",
    "tests",
    "tools",
    "utils",
    "venv",
];

/// Files beside `pyproject.toml` that are not modules.
const NOT_MODULES: [&str; 8] =
    ["conftest", "dodo", "fabfile", "noxfile", "setup", "tasks", "toxfile", "wscript"];

impl Layout {
    /// Finds the layout: what a build tool was told, else what the folders look like.
    pub(crate) fn find(root: &Path, name: &PackageName, pyproject: &Table<'_>) -> Result<Self, Error> {
        if let Some(import_root) = configured_root(pyproject).filter(|path| stays_below_or_here(path)) {
            let import_root = import_root.trim_start_matches("./").trim_matches('/').to_owned();
            let kind = match import_root.as_str() {
                "" | "." => LayoutKind::Flat,
                "src" => LayoutKind::Src,
                _ => LayoutKind::Configured,
            };
            let import_root = if import_root == "." { String::new() } else { import_root };
            return Ok(Self::below(root, import_root, kind, name));
        }
        let src = Self::below(root, "src".into(), LayoutKind::Src, name);
        if src.packages.is_empty() && src.modules.is_empty() || root.join("src/__init__.py").is_file() {
            return Ok(Self::below(root, String::new(), LayoutKind::Flat, name));
        }
        Ok(src)
    }

    fn below(root: &Path, import_root: String, kind: LayoutKind, name: &PackageName) -> Self {
        let (mut packages, mut modules) = (BTreeSet::new(), BTreeSet::new());
        let is_top = import_root.is_empty();
        let escaped = name.escaped();
        for entry in fs::read_dir(root.join(&import_root)).into_iter().flatten().flatten() {
            let Ok(file_name) = entry.file_name().into_string() else { continue };
            let path = entry.path();
            if let Some(module) = file_name.strip_suffix(".py") {
                let is_module = is_identifier(module) && !(is_top && NOT_MODULES.contains(&module));
                if is_module && path.is_file() {
                    modules.insert(module.to_owned());
                }
            } else if is_identifier(&file_name) && path.is_dir() {
                // A folder without `__init__.py` is a package too, but beside `pyproject.toml` it may be anything.
                let is_package = path.join("__init__.py").is_file()
                    || file_name.eq_ignore_ascii_case(&escaped)
                    || (!is_top && holds_python(&path, 3));
                if is_package
                    && file_name != "__pycache__"
                    && !(is_top && NOT_PACKAGES.contains(&&*file_name))
                {
                    packages.insert(file_name);
                }
            }
        }
        modules.remove("__init__");
        Self {
            kind,
            import_roots: vec![import_root],
            packages: packages.into_iter().collect(),
            modules: modules.into_iter().collect(),
        }
    }
}

fn stays_below_or_here(path: &str) -> bool {
    path.is_empty() || stays_below(path)
}

/// The folder of the packages, where the build tool's own table names it.
fn configured_root(pyproject: &Table<'_>) -> Option<String> {
    let text = |path: &[&str]| pyproject.look(path)?.string().ok().map(str::to_owned);
    let first = |path: &[&str]| pyproject.look(path)?.strings().ok()?.into_iter().next();
    let hatch = || {
        // `packages = ["src/shop"]`: what stands before the last name is left out of the wheel.
        let package = first(&["tool", "hatch", "build", "targets", "wheel", "packages"])?;
        Some(package.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned()))
    };
    let poetry = || {
        let packages = pyproject.look(&["tool", "poetry", "packages"])?.array().ok()?;
        let table = packages.first()?.table().ok()?;
        Some(table.get("from").map_or(Ok(""), |from| from.string()).ok()?.to_owned())
    };
    text(&["tool", "uv", "build-backend", "module-root"])
        .or_else(|| text(&["tool", "setuptools", "package-dir", ""]))
        .or_else(|| first(&["tool", "setuptools", "packages", "find", "where"]))
        .or_else(hatch)
        .or_else(poetry)
        .or_else(|| text(&["tool", "pdm", "build", "package-dir"]))
}

/// Whether there is a Python file in a folder, or a few folders below it.
fn holds_python(folder: &Path, depth: usize) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().take(1000).any(|entry| {
        let name = entry.file_name();
        match entry.file_type() {
            Ok(kind) if kind.is_file() => name.as_encoded_bytes().ends_with(b".py"),
            Ok(kind) if kind.is_dir() => depth > 0 && holds_python(&entry.path(), depth - 1),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::project::load;

    /// A project with these files, and what is thought of it: `root: packages; modules`.
    fn check(extra: &str, files: &[&str], expected: &str) {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let text = format!("[project]\nname = \"my-shop\"\n{extra}");
        std::fs::write(root.path().join("pyproject.toml"), text).unwrap();
        let layout = load(root.path()).unwrap().python_project.unwrap().layout;
        let (roots, packages) = (layout.import_roots.join(" "), layout.packages.join(" "));
        assert_eq!(format!("{:?} {roots}: {packages}; {}", layout.kind, layout.modules.join(" ")), expected);
    }

    #[test]
    fn packages_beside_the_project_file() {
        check(
            "",
            &["my_shop/__init__.py", "tests/__init__.py", "docs/conf.py", "setup.py", "main.py", "data/x.py"],
            "Flat : my_shop; main",
        );
        check("", &["my_shop/app.py"], "Flat : my_shop; ");
        check("", &[], "Flat : ; ");
    }

    #[test]
    fn packages_in_src() {
        check("", &["src/my_shop/__init__.py", "tools/__init__.py"], "Src src: my_shop; ");
        check("", &["src/google/cloud/x.py", "src/six.py", "src/my.egg-info/x"], "Src src: google; six");
        check("", &["src/main.c", "my_shop/__init__.py"], "Flat : my_shop; ");
        check("", &["src/__init__.py", "src/models.py"], "Flat : src; ");
    }

    #[test]
    fn packages_are_found_where_build_tool_is_configured() {
        let files = ["python/my_shop/__init__.py"];
        for table in [
            "[tool.setuptools.package-dir]\n\"\" = \"python\"",
            "[tool.setuptools.packages.find]\nwhere = [\"python\"]",
            "[tool.hatch.build.targets.wheel]\npackages = [\"python/my_shop\"]",
            "[tool.uv.build-backend]\nmodule-root = \"python\"",
            "[tool.poetry]\npackages = [{include = \"my_shop\", from = \"./python/\"}]",
            "[tool.pdm.build]\npackage-dir = \"python\"",
        ] {
            check(table, &files, "Configured python: my_shop; ");
        }
        check("[tool.uv.build-backend]\nmodule-root = \"../..\"", &files, "Flat : ; ");
    }
}
