use std::path::Path;

use wainwright_lock::{Error, ProjectRequirements};

use crate::fixture;

/// Changes one text in the project file and compares it with the lock; returns what differs.
fn differences(project: &str, from: &str, to: &str) -> Vec<String> {
    let text = std::fs::read_to_string(fixture(&format!("{project}/pyproject.toml"))).unwrap();
    assert!(text.contains(from));
    let dir = tempfile::tempdir().unwrap();
    let pyproject = dir.path().join("pyproject.toml");
    std::fs::write(&pyproject, text.replacen(from, to, 1)).unwrap();
    let asked = ProjectRequirements::read(&pyproject).unwrap();
    let lock = wainwright_lock::read(&fixture(&format!("{project}/uv.lock"))).unwrap();
    match lock.check_matches(&asked) {
        Ok(()) => Vec::new(),
        Err(Error::Stale { differences, .. }) => differences,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn fresh_locks_match() {
    for project in ["shop", "forks", "conflicts"] {
        assert_eq!(differences(project, "", ""), [""; 0], "{project}");
    }
    let lib = ProjectRequirements::read(&fixture("conflicts/lib/pyproject.toml")).unwrap();
    let lock = wainwright_lock::read(&fixture("conflicts/uv.lock")).unwrap();
    lock.check_matches(&lib).unwrap();
}

#[test]
fn stale_check_ignores_name_spelling() {
    for (from, to) in [
        ("SQLAlchemy ~= 2.0", "sqlalchemy~=2.0"),
        (">=0.110,<1", "<1, >=0.110"),
        ("python_version < '3.11'", "'3.11' > python_full_version"),
        ("\"numpy\"", "\"numpy ; python_version > '3'\""),
        ("lint = [", "unused = []\nlint = ["),
    ] {
        assert_eq!(differences("shop", from, to), [""; 0], "{to}");
    }
}

#[test]
fn every_kind_of_change_is_seen() {
    let check = |from: &str, to: &str, expected: &[&str]| {
        assert_eq!(differences("shop", from, to), expected, "{from} -> {to}");
    };
    check("\"numpy\",", "\"numpy\", \"six\",", &["`six` is missing from it"]);
    check("\"numpy\",", "", &["`numpy` is no longer in the project"]);
    check(
        "redis>=5",
        "redis>=6",
        &["`redis>=5` is no longer in the project", "`redis>=6` is missing from it"],
    );
    check("< '3.11'", "< '3.12'", &["`tomli` has other conditions in the project"]);
    check(
        "psycopg[binary]",
        "psycopg",
        &["`psycopg>=3.1` is missing from it", "`psycopg[binary]>=3.1` is no longer in the project"],
    );
    check(
        "lint = [\"ruff\"]",
        "lint = []",
        &[
            "`ruff` in dependency group `dev` is no longer in the project",
            "`ruff` in dependency group `lint` is no longer in the project",
        ],
    );
    check(">=3.10", ">=3.11", &["it is locked for Python >=3.10, the project requires >=3.11"]);
    check("name = \"web-shop\"", "name = \"shop\"", &["the project `shop` is missing from it"]);
}

#[test]
fn stale_check_ignores_source_details() {
    assert_eq!(differences("conflicts", "report-lib[old]", "report-lib>=7"), [""; 0]);
    assert_eq!(
        differences("conflicts", "\"report-lib[old]\"", "\"other\""),
        ["`other` is missing from it"],
        "the name is still there for the other extra"
    );
}

#[test]
fn groups_that_include_each_other_end() {
    let dir = tempfile::tempdir().unwrap();
    let read = |text: &str| {
        let path = dir.path().join("pyproject.toml");
        std::fs::write(&path, text).unwrap();
        ProjectRequirements::read(&path).unwrap_err().to_string().replace(dir.path().to_str().unwrap(), "")
    };
    let path = Path::new("/pyproject.toml").display();
    assert_eq!(
        read("[dependency-groups]\na = [{include-group = 'b'}]\nb = [{include-group = 'A'}]"),
        format!("{path}:1: dependency group `a` includes itself")
    );
    assert_eq!(
        read("[project]\nname = 'x'\ndependencies = ['ok',\n 'not ok']"),
        format!("{path}:4: `not ok` is not a requirement: `ok` is not a version range")
    );
}
