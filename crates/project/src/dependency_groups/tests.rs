use crate::project::load;
use crate::{Error, PythonProject};

fn read(text: &str) -> Result<PythonProject, Error> {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("pyproject.toml"), text).unwrap();
    load(root.path()).map(|project| project.python_project.unwrap())
}

fn refuse(text: &str) -> String {
    read(text).expect_err(text).to_string()
}

#[test]
fn cyclic_groups_are_rejected() {
    let text = "[project]\nname = \"a\"\n[dependency-groups]\n";
    let round = format!("{text}a = [{{include-group = \"b\"}}]\nb = [{{include-group = \"a\"}}]\n");
    assert!(refuse(&round).contains("includes itself"));
    assert!(refuse(&format!("{text}a = [{{include-group = \"x\"}}]")).contains("no dependency group `x`"));
    let mut bomb = format!("{text}g0 = [\"x\"]\n");
    for n in 1..200 {
        let below = n - 1;
        bomb += &format!("g{n} = [{{include-group = \"g{below}\"}}, {{include-group = \"g{below}\"}}]\n");
    }
    assert_eq!(read(&bomb).unwrap().dependency_groups[&"g199".parse().unwrap()], ["x"]);
}
