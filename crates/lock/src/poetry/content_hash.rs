use toml::{Table, Value};
use wainwright_oci::Digest;

use crate::python_json::{SPACED, dump, dump_table};

/// Whether `hash` is the `content-hash` of a `pyproject.toml`: of its requirements as Python writes them.
///
/// What belongs to the requirements was decided thrice: at first `[tool.poetry]` alone, then `[project]` as well, then
/// `[dependency-groups]` as well.
pub(super) fn accepts(pyproject: &Table, hash: &str) -> bool {
    let hash = hash.strip_prefix("sha256:").unwrap_or(hash);
    let contents = [
        content(pyproject, &["project", "dependency-groups"]),
        content(pyproject, &["project"]),
        content(pyproject, &[]),
    ];
    // What cannot be written cannot be compared.
    contents.iter().any(|content| content.as_ref().is_none_or(|content| Digest::of(content).hex() == hash))
}

fn content(pyproject: &Table, parts: &[&str]) -> Option<String> {
    let table = |key: &str| pyproject.get(key).and_then(Value::as_table).filter(|_| parts.contains(&key));
    let mut relevant = Table::new();
    let mut project = Table::new();
    for key in ["requires-python", "dependencies", "optional-dependencies"] {
        if let Some(value) = table("project").and_then(|project| project.get(key)) {
            project.insert(key.into(), value.clone());
        }
    }
    if !project.is_empty() {
        relevant.insert("project".into(), project.into());
    }
    if let Some(groups) = table("dependency-groups").filter(|groups| !groups.is_empty()) {
        relevant.insert("dependency-groups".into(), groups.clone().into());
    }
    let poetry = pyproject.get("tool").and_then(|tool| tool.get("poetry"));
    let value = |key: &'static str| (key, poetry.and_then(|poetry| poetry.get(key)));
    let mut fields: Vec<_> = ["dependencies", "source", "extras", "dev-dependencies"].map(value).into();
    fields.extend([value("group")].into_iter().filter(|(_, group)| group.is_some()));
    if relevant.is_empty() {
        return dump_table(&fields, SPACED);
    }
    let poetry: Table =
        fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.clone()))).collect();
    let tool: Table = [("poetry".to_owned(), poetry.into())].into_iter().collect();
    relevant.insert("tool".into(), tool.into());
    dump(&relevant.into(), SPACED)
}
