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
    std::fs::write(root.path().join("pyproject.toml"), "[project]\nname = \"a\"\nreadme = \"R.md\"").unwrap();
    let project = load(root.path()).unwrap();
    assert_eq!(project.warnings, ["`R.md`, named in pyproject.toml, does not exist"]);
    std::os::unix::fs::symlink("/etc/passwd", root.path().join("R.md")).unwrap();
    assert!(load(root.path()).unwrap_err().to_string().contains("is not inside the project"));
}
