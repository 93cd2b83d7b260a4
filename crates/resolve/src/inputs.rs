use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use wainwright_lock::Indexes;
use wainwright_oci::{Digest, canonical_json};
use wainwright_python::{ExtraName, PackageName};

use crate::requirements::{Requirements, read};
use crate::{Error, Recorded};

/// What a project asks for, where no lockfile says what that comes to.
pub struct Inputs {
    /// Which kind of file it is.
    pub kind: Kind,
    /// Changes when another resolution may be needed, and not when a comment does.
    pub digest: Digest,
    /// Where the file says packages are.
    pub indexes: Indexes,
    /// Extras of the project that are asked for; none for a requirements file.
    pub extras: BTreeSet<ExtraName>,
    /// Dependency groups that are asked for; none for a requirements file.
    pub groups: BTreeSet<PackageName>,
}

/// The kinds of files that can be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `requirements.txt` without hashes.
    Requirements,
    /// `pyproject.toml` with dependencies.
    Project,
}

impl Kind {
    /// The name of the file.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Requirements => "requirements.txt",
            Self::Project => "pyproject.toml",
        }
    }
}

impl Inputs {
    /// Reads `requirements.txt`; `None` when there is none, when it requires nothing, and when it has hashes, as a lockfile
    /// has.
    pub fn of_requirements(root: &Path, vars: &BTreeMap<String, String>) -> Result<Option<Self>, Error> {
        let path = root.join(Kind::Requirements.file_name());
        if !path.is_file() {
            return Ok(None);
        }
        let found = Requirements::read(&path, vars)?;
        if !found.has_requirements || found.has_hashes {
            return Ok(None);
        }
        // uv runs such code although it is told to build nothing.
        if let Some(what) = found.editable {
            return Err(Error::Editable { path, what });
        }
        // Spaces are a matter of taste.
        let dense = |line: &String| line.split_whitespace().collect::<String>();
        let lines: Vec<String> = found.lines.iter().map(dense).collect();
        Ok(Some(Self {
            kind: Kind::Requirements,
            digest: digest(&json!({ "format": 1, "requirements": lines })),
            indexes: found.indexes,
            extras: BTreeSet::new(),
            groups: BTreeSet::new(),
        }))
    }

    /// Reads `pyproject.toml` for what is asked of it; `None` when it has no `[project]`.
    pub fn of_project(
        root: &Path,
        extras: BTreeSet<ExtraName>,
        groups: BTreeSet<PackageName>,
    ) -> Result<Option<Self>, Error> {
        let path = root.join(Kind::Project.file_name());
        let text = read(&path)?;
        let document: Value = toml::from_str(&text)
            .map_err(|error| Error::Syntax { path: path.clone(), reason: error.message().to_owned() })?;
        if document.get("project").is_none() {
            return Ok(None);
        }
        if let Some(what) = editable_source(&document) {
            return Err(Error::Editable { path, what });
        }
        let at = |pointer: &str| document.pointer(pointer).cloned();
        let digest = digest(&json!({
            "format": 1,
            "dependencies": at("/project/dependencies"),
            "optional-dependencies": at("/project/optional-dependencies"),
            "dynamic": at("/project/dynamic"),
            "groups": at("/dependency-groups"),
            "uv": at("/tool/uv"),
            "asked": { "extras": extras, "groups": groups },
        }));
        Ok(Some(Self { kind: Kind::Project, digest, indexes: Indexes::default(), extras, groups }))
    }

    /// Whether a lockfile was made from these inputs, for this Python or an older one.
    pub fn fits(&self, recorded: &Recorded) -> bool {
        recorded.from == self.kind.file_name() && recorded.inputs == self.digest
    }
}

/// The first package of `[tool.uv.sources]` that is installed in place; members of a workspace are.
fn editable_source(document: &Value) -> Option<String> {
    let is_editable = |source: &Value| {
        let says = |key: &str| source.get(key).and_then(Value::as_bool);
        says("editable").or(says("workspace")).unwrap_or(false)
    };
    let mut sources = document.pointer("/tool/uv/sources")?.as_object()?.iter();
    let found = sources.find(|(_, source)| match source {
        Value::Array(several) => several.iter().any(is_editable),
        one => is_editable(one),
    });
    found.map(|(name, _)| name.clone())
}

fn digest(facts: &Value) -> Digest {
    Digest::of(canonical_json(facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest_of(text: &str, extra: Option<&str>) -> Digest {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pyproject.toml"), text).unwrap();
        let extras = extra.into_iter().map(|extra| extra.parse().unwrap()).collect();
        Inputs::of_project(folder.path(), extras, BTreeSet::new()).unwrap().unwrap().digest
    }

    #[test]
    fn irrelevant_input_keeps_the_digest() {
        let first = digest_of("[project]\nname = 'a'\nversion = '1'\ndependencies = ['b']\n", None);
        let same = digest_of("# x\n[project]\nversion = '2'\nname = 'a'\ndependencies = [\n'b',\n]\n", None);
        assert_eq!(first, same);
        for (text, extra) in [
            ("[project]\nname = 'a'\ndependencies = ['b', 'c']\n", None),
            (
                "[project]\nname = 'a'\ndependencies = ['b']\n[tool.uv]\nconstraint-dependencies = ['b<2']\n",
                None,
            ),
            ("[project]\nname = 'a'\ndependencies = ['b']\n", Some("x")),
        ] {
            assert_ne!(first, digest_of(text, extra), "{text}");
        }
    }

    #[test]
    fn editable_source_is_rejected_before_uv_runs() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("requirements.txt", "a\n-e ../b\n");
        let error = Inputs::of_requirements(folder.path(), &BTreeMap::new()).err().unwrap();
        assert!(error.to_string().contains("`-e ../b`"), "{error}");
        for (source, is_refused) in [
            ("{ path = '../b', editable = true }", true),
            ("{ workspace = true }", true),
            ("[{ index = 'x' }, { workspace = true }]", true),
            ("{ workspace = true, editable = false }", false),
            ("{ index = 'x' }", false),
        ] {
            write("pyproject.toml", &format!("[project]\nname = 'a'\n[tool.uv.sources]\nb = {source}\n"));
            let read = Inputs::of_project(folder.path(), BTreeSet::new(), BTreeSet::new());
            assert_eq!(read.is_err(), is_refused, "{source}");
        }
    }

    #[test]
    fn a_requirements_file_without_a_requirement_is_no_input() {
        let folder = tempfile::tempdir().unwrap();
        let read = || Inputs::of_requirements(folder.path(), &BTreeMap::new()).unwrap();
        assert!(read().is_none());
        for (text, is_input) in [("# none\n", false), ("a\n", true), ("a==1 --hash=sha256:00\n", false)] {
            std::fs::write(folder.path().join("requirements.txt"), text).unwrap();
            assert_eq!(read().is_some(), is_input, "{text}");
        }
    }
}
