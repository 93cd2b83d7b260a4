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
    let error = read("[tool.poetry]\nname = \"a\"\n[tool.poetry.dependencies]\nb = \"new\"\n").unwrap_err();
    assert!(error.to_string().starts_with("pyproject.toml:4:5: `new` is not a version range"), "{error}");
}
