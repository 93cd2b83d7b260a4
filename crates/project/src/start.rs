use std::collections::BTreeSet;

use crate::{Error, Project, SourceTree};

/// Where the virtual environment's programs are in an image of ours.
const BIN: &str = "/app/.venv/bin";

/// How a container starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// The program and its fixed arguments; empty when only a command was set.
    pub entrypoint: Vec<String>,
    /// Arguments that `docker run IMAGE ...` replaces.
    pub cmd: Vec<String>,
    /// Why it was chosen, as half a sentence.
    pub why: String,
}

/// Decides how the container starts: settings first; else the only console script (or the one named like the project);
/// else `python -m PACKAGE` when exactly one package can be run; else `main.py` or `app.py`.
///
/// Programs are named by absolute path: no shell and no search is needed. Fails with the choices when there are several.
pub fn start(project: &Project, tree: &SourceTree) -> Result<Start, Error> {
    let settings = &project.settings;
    let cmd = settings.cmd.clone().unwrap_or_default();
    if let Some(entrypoint) = settings.entrypoint.clone() {
        return Ok(Start { entrypoint, cmd, why: "`entrypoint` in the settings".into() });
    }
    if settings.cmd.is_some() {
        return Ok(Start { entrypoint: Vec::new(), cmd, why: "`cmd` in the settings".into() });
    }
    let begin = |words: &[&str], why: String| {
        let entrypoint = words.iter().map(|word| (*word).to_owned()).collect();
        Ok(Start { entrypoint, cmd: Vec::new(), why })
    };
    let python = format!("{BIN}/python");

    let scripts: Vec<&str> =
        project.python_project.iter().flat_map(|p| p.scripts.keys()).map(String::as_str).collect();
    let is_main =
        |script: &&&str| project.name.as_ref().is_some_and(|name| script.parse().as_ref() == Ok(name));
    if let [script] = scripts[..] {
        return begin(&[&format!("{BIN}/{script}")], format!("`{script}` is the only script of the project"));
    }
    if let Some(script) = scripts.iter().find(is_main) {
        return begin(
            &[&format!("{BIN}/{script}")],
            format!("the script `{script}` is named like the project"),
        );
    }
    let packages = runnable_packages(project, tree);
    if let ([package], []) = (&packages[..], &scripts[..]) {
        return begin(
            &[&python, "-m", package],
            format!("`{package}` is the only package with a `__main__.py`"),
        );
    }
    let files: Vec<&str> = ["main.py", "app.py"].into_iter().filter(|file| tree.has_file(file)).collect();
    if let ([file, ..], [], []) = (&files[..], &packages[..], &scripts[..]) {
        return begin(&[&python, &format!("/app/{file}")], format!("there is a file `{file}`"));
    }
    let mut choices: Vec<String> = scripts.iter().map(|script| format!("[\"{script}\"]")).collect();
    choices.extend(packages.iter().map(|package| format!("[\"python\", \"-m\", \"{package}\"]")));
    choices.extend(files.iter().map(|file| format!("[\"python\", \"{file}\"]")));
    let reason = match choices.is_empty() {
        true => "the project has no script, no package with a `__main__.py`, and no `main.py` or `app.py`",
        false => "there are several candidates",
    };
    Err(Error::Start { reason: reason.into(), choices })
}

/// Top-level packages that `python -m` can run, sorted.
fn runnable_packages(project: &Project, tree: &SourceTree) -> Vec<String> {
    let layout = project.python_project.as_ref().map(|project| &project.layout);
    let roots = layout.map_or(vec![String::new(), "src".into()], |layout| layout.import_roots.clone());
    let mut packages = BTreeSet::new();
    for file in &tree.files {
        let Ok(path) = std::str::from_utf8(file.path.as_bytes()) else { continue };
        let Some(folder) = path.strip_suffix("/__main__.py") else { continue };
        for root in &roots {
            let below = if root.is_empty() { Some(folder) } else { folder.strip_prefix(root.as_str()) };
            let package = below.map(|below| below.trim_start_matches('/')).filter(|below| !below.is_empty());
            let is_known = |package: &&str| match layout {
                Some(layout) => layout.packages.iter().any(|known| known == package),
                None => !package.contains('/') && *package != "tests" && *package != "src",
            };
            packages.extend(package.filter(is_known).map(str::to_owned));
        }
    }
    packages.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use wainwright_fault::Classify;

    use super::*;
    use crate::{list_sources, load};
    use insta::assert_snapshot;

    fn starts(pyproject: &str, files: &[&str]) -> String {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        if !pyproject.is_empty() {
            std::fs::write(root.path().join("pyproject.toml"), pyproject).unwrap();
        }
        let project = load(root.path()).unwrap();
        let tree = list_sources(&project).unwrap();
        match start(&project, &tree) {
            Ok(start) => format!("{:?} {:?}: {}", start.entrypoint, start.cmd, start.why),
            Err(error) => format!("{error}\nhint: {}", error.hint().unwrap()),
        }
    }

    const PROJECT: &str = "[project]\nname = \"my-shop\"\n";

    #[test]
    fn settings_come_first() {
        let settings = "[tool.wainwright]\nentrypoint = [\"gunicorn\"]\ncmd = [\"-w\", \"2\"]\n";
        let text = format!("{PROJECT}scripts = {{ shop = \"shop:main\" }}\n{settings}");
        assert_snapshot!(starts(&text, &[]), @r#"["gunicorn"] ["-w", "2"]: `entrypoint` in the settings"#);
        assert_snapshot!(
            starts("[tool.wainwright]\ncmd = [\"sh\"]", &["main.py"]),
            @r#"[] ["sh"]: `cmd` in the settings"#
        );
    }

    #[test]
    fn a_script_comes_before_a_package() {
        let text = format!("{PROJECT}scripts = {{ shop = \"shop:main\" }}\n");
        assert_snapshot!(
            starts(&text, &["my_shop/__main__.py", "main.py"]),
            @r#"["/app/.venv/bin/shop"] []: `shop` is the only script of the project"#
        );
        let text = format!("{PROJECT}scripts = {{ my_shop = \"shop:main\", other = \"shop:other\" }}\n");
        assert_snapshot!(
            starts(&text, &[]),
            @r#"["/app/.venv/bin/my_shop"] []: the script `my_shop` is named like the project"#
        );
    }

    #[test]
    fn a_package_comes_before_a_file() {
        assert_snapshot!(
            starts(PROJECT, &["src/my_shop/__main__.py", "src/my_shop/cli/__main__.py", "main.py", "tests/__main__.py"]),
            @r#"["/app/.venv/bin/python", "-m", "my_shop"] []: `my_shop` is the only package with a `__main__.py`"#
        );
        assert_snapshot!(
            starts("", &["shop/__main__.py"]),
            @r#"["/app/.venv/bin/python", "-m", "shop"] []: `shop` is the only package with a `__main__.py`"#
        );
        assert_snapshot!(
            starts("", &["app.py", "other.py"]),
            @r#"["/app/.venv/bin/python", "/app/app.py"] []: there is a file `app.py`"#
        );
    }

    #[test]
    fn ambiguous_start_is_an_error() {
        let text = format!("{PROJECT}scripts = {{ a = \"shop:a\", b = \"shop:b\" }}\n");
        assert_snapshot!(starts(&text, &["main.py"]), @r#"
        cannot determine how the container starts: there are several candidates
        hint: set `entrypoint` in [tool.wainwright] to one of: ["a"], ["b"], ["python", "main.py"]
        "#);
        assert_snapshot!(starts(PROJECT, &["lib.py"]), @r#"
        cannot determine how the container starts: the project has no script, no package with a `__main__.py`, and no `main.py` or `app.py`
        hint: set `entrypoint` in [tool.wainwright], for example `entrypoint = ["python", "-m", "http.server"]`
        "#);
    }
}
