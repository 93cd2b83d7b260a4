use super::*;
use crate::project::load;

#[test]
fn assignments_are_found_by_reading() {
    for (line, expected) in [
        ("__version__ = \"1.0\"", Some("1.0")),
        ("__version__='1.0' # x", Some("1.0")),
        ("__version__: str = '1.0'", Some("1.0")),
        ("__version__ = version = \"1.0\"", Some("1.0")),
        ("  __version__ = '1.0'", None),
        ("__version__ = get()", None),
        ("__version__ = '1.0", None),
        ("print('__version__ = 2')", None),
        ("", None),
    ] {
        assert_eq!(assigned(line, "__version__"), expected, "{line}");
    }
}

fn check(extra: &str, file: &str, text: &str, expected: Option<&str>) {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("src/shop")).unwrap();
    std::fs::write(root.path().join("src/shop/__init__.py"), "").unwrap();
    std::fs::write(root.path().join(file), text).unwrap();
    let pyproject = format!("[project]\nname = \"shop\"\ndynamic = [\"version\"]\n{extra}");
    std::fs::write(root.path().join("pyproject.toml"), pyproject).unwrap();
    let version = load(root.path()).unwrap().python_project.unwrap().version;
    assert_eq!(version.map(|version| version.to_string()).as_deref(), expected, "{extra}");
}

#[test]
fn build_tools_say_where_the_version_is() {
    let about = "src/shop/about.py";
    let line = "__version__ = \"1.2\"\n";
    check("[tool.hatch.version]\npath = \"src/shop/about.py\"", about, line, Some("1.2"));
    check("[tool.hatch.version]\npath = \"src/shop/about.py\"", about, "VERSION = 'v1.2'", Some("1.2"));
    check("[tool.hatch.version]\nsource = \"vcs\"\npath = \"src/shop/about.py\"", about, line, None);
    check(
        "[tool.setuptools.dynamic]\nversion = {attr = \"shop.about.__version__\"}",
        about,
        line,
        Some("1.2"),
    );
    check("[tool.setuptools.dynamic]\nversion = {file = [\"VERSION\"]}", "VERSION", "1.2\n", Some("1.2"));
    check("", "src/shop/__init__.py", line, Some("1.2"));
    check("", about, line, None);
}
