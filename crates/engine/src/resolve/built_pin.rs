use serde::{Deserialize, Serialize};
use wainwright_oci::Digest;
use wainwright_python::PackageName;

use crate::model::wheel::{ChosenWheel, Made, MadeBy};

/// A wheel that was built, as `wain.lock` has it: another machine that makes other bytes of the same source is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct BuiltPin {
    pub(crate) name: PackageName,
    /// `sdist sha256:...` or `git commit ...`.
    pub(crate) from: String,
    /// The file name of the wheel.
    pub(crate) wheel: String,
    pub(crate) digest: Digest,
    /// Who made it, and what was installed for that.
    pub(crate) backend: String,
    pub(crate) tool: String,
    pub(crate) python: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) with: Vec<String>,
}

impl BuiltPin {
    /// `None` for a wheel that is none of those: what comes from a folder changes as the project does.
    pub(crate) fn of(wheel: &ChosenWheel) -> Option<Self> {
        let Made { from, by, wheel: file, digest } = wheel.made.as_deref()?;
        let by = by.as_ref().filter(|_| !from.starts_with("the folder "))?;
        Some(Self {
            name: wheel.name.clone(),
            from: from.clone(),
            wheel: file.clone(),
            digest: *digest,
            backend: by.backend.clone(),
            tool: by.tool.clone(),
            python: by.python.clone(),
            with: by.with.clone(),
        })
    }

    /// How the wheel came to be.
    pub(crate) fn made(&self) -> Made {
        let Self { backend, tool, python, with, .. } = self.clone();
        let by = MadeBy { backend, tool, python, with };
        Made { from: self.from.clone(), by: Some(by), wheel: self.wheel.clone(), digest: self.digest }
    }

    fn tools(&self) -> Vec<String> {
        let own = [self.tool.clone(), format!("Python {}", self.python)];
        own.into_iter().chain(self.with.iter().cloned()).collect()
    }

    pub(crate) fn is_same_wheel(&self, other: &Self) -> bool {
        (&self.name, &self.from, &self.wheel) == (&other.name, &other.from, &other.wheel)
    }

    /// In which of the things that made them two wheels differ.
    pub(crate) fn difference(&self, now: &Self) -> String {
        let missing = |one: &Self, other: &Self| -> Vec<String> {
            let others = other.tools();
            one.tools().into_iter().filter(|word| !others.contains(word)).collect()
        };
        match (missing(self, now), missing(now, self)) {
            (before, after) if before.is_empty() && after.is_empty() => "made with the same tools".into(),
            (before, after) => format!("made with {}, and now with {}", list(&before), list(&after)),
        }
    }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "nothing else".into() } else { words.join(", ") }
}
