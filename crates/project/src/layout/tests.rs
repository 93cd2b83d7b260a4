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
