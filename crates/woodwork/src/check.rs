use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::codes;
use crate::divergence;
use crate::parse::parse;
use crate::problem::{Problem, Stage};
use crate::resolve::{Resolved, resolve};
use crate::syntax::{Content, Dict, Tree};
use crate::validate::validate;
use crate::workflow::Workflow;

/// What becomes of constructs that the `woodwork` command reads differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compat {
    /// They mean what they say, and are warned of.
    #[default]
    Strict,
    /// They are errors: the file is for both.
    Engine,
}

/// What was found out about a workflow file, up to a stage.
///
/// As JSON: `result`, `components`, `construct_order`, `env_names`, `warnings`; or, when something is wrong, `error` with
/// the first error, and `errors` with all that its stage found.
#[derive(Debug)]
pub struct Verdict {
    /// What is wrong, in the order of the file: the first stage that fails ends the work.
    pub problems: Vec<Problem>,
    /// What may not be meant, in the order of the file.
    pub warnings: Vec<Problem>,
    found: Found,
}

#[derive(Debug)]
enum Found {
    Nothing,
    Tree(Tree),
    Resolved(Resolved),
    Workflow { resolved: Resolved, workflow: Box<Workflow> },
}

/// Reads a workflow file up to a stage, and tells everything about it.
pub fn check(text: &[u8], until: Stage, compat: Compat) -> Verdict {
    let mut verdict = Verdict { problems: Vec::new(), warnings: Vec::new(), found: Found::Nothing };
    if let Err(problems) = verdict.take(text, until, compat) {
        verdict.problems = problems;
        verdict.found = Found::Nothing;
    }
    verdict.warnings.sort_by_key(|warning| warning.at);
    verdict
}

/// The way through all stages; the warnings are in the workflow.
pub(crate) fn through(text: &[u8], compat: Compat) -> Result<Workflow, Vec<Problem>> {
    let Verdict { problems, warnings, found } = check(text, Stage::Validate, compat);
    match found {
        Found::Workflow { workflow, .. } if problems.is_empty() => Ok(Workflow { warnings, ..*workflow }),
        _ => Err(problems),
    }
}

impl Verdict {
    fn take(&mut self, text: &[u8], until: Stage, compat: Compat) -> Result<(), Vec<Problem>> {
        let tree = parse(text).map_err(|problem| vec![*problem])?;
        self.warnings = divergence::find(&tree);
        self.refuse_divergence(compat)?;
        if until == Stage::Parse {
            self.found = Found::Tree(tree);
            return Ok(());
        }
        let resolved = resolve(tree)?;
        if until == Stage::Resolve {
            self.found = Found::Resolved(resolved);
            return Ok(());
        }
        let workflow = validate(resolved.clone())?;
        self.warnings.extend(workflow.warnings.iter().cloned());
        self.refuse_divergence(compat)?;
        self.found = Found::Workflow { resolved, workflow: Box::new(workflow) };
        Ok(())
    }

    /// Makes errors of divergence, where the file is for both.
    fn refuse_divergence(&mut self, compat: Compat) -> Result<(), Vec<Problem>> {
        let is_error = |warning: &Problem| warning.is_divergence() || warning.code == codes::W_HOOK_FORM.id;
        if compat == Compat::Strict || !self.warnings.iter().any(is_error) {
            return Ok(());
        }
        let (problems, warnings) = std::mem::take(&mut self.warnings).into_iter().partition(is_error);
        self.warnings = warnings;
        Err(problems)
    }

    /// How many components the file has; none where something is wrong.
    pub fn component_count(&self) -> usize {
        self.components().len()
    }

    /// Everything found for a person, one after another: warnings, then errors.
    pub fn show(&self, file: &str) -> Vec<String> {
        self.warnings.iter().chain(&self.problems).map(|problem| problem.show(file)).collect()
    }
}

#[derive(Serialize)]
struct ShownComponent<'a> {
    name: &'a str,
    component: &'a str,
    r#type: &'a str,
    line: usize,
    config: &'a Dict,
    #[serde(skip_serializing_if = "Option::is_none")]
    depends_on: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
}

/// A problem in a list.
struct Shown<'a>(&'a Problem);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Problem { code, stage, at, text, hint, .. } = self.0;
        let class = match code.get(..2) {
            Some("E-") => None,
            Some("D-") => Some("engine-divergence"),
            _ => Some("note"),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("code", code)?;
        map.serialize_entry("stage", stage)?;
        if let Some(class) = class {
            map.serialize_entry("class", class)?;
        }
        map.serialize_entry("line", &at.line)?;
        map.serialize_entry("column", &at.column)?;
        map.serialize_entry("text", text)?;
        map.serialize_entry("hint", hint)?;
        map.end()
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let list = |problems: &'_ [Problem]| {
            problems.iter().map(|it| serde_json::to_value(Shown(it)).unwrap_or_default()).collect::<Vec<_>>()
        };
        match self.problems.first() {
            Some(first) => {
                map.serialize_entry("result", "error")?;
                map.serialize_entry("error", &Shown(first))?;
                map.serialize_entry("errors", &list(&self.problems))?;
            }
            None => {
                map.serialize_entry("result", "ok")?;
                map.serialize_entry("components", &self.components())?;
                if let Found::Resolved(resolved) | Found::Workflow { resolved, .. } = &self.found {
                    map.serialize_entry("construct_order", &resolved.order)?;
                    map.serialize_entry("env_names", &env_names(&resolved.tree))?;
                }
            }
        }
        map.serialize_entry("warnings", &list(&self.warnings))?;
        map.end()
    }
}

impl Verdict {
    fn components(&self) -> Vec<ShownComponent<'_>> {
        let (tree, depends_on, workflow) = match &self.found {
            Found::Nothing => return Vec::new(),
            Found::Tree(tree) => (tree, None, None),
            Found::Resolved(resolved) => (&resolved.tree, Some(&resolved.depends_on), None),
            Found::Workflow { resolved, workflow } => {
                (&resolved.tree, Some(&resolved.depends_on), Some(workflow))
            }
        };
        let shown = tree.components.iter().enumerate().map(|(number, node)| ShownComponent {
            name: &node.name.text,
            component: &node.kind.text,
            r#type: &node.kind_type.text,
            line: node.name.at.line,
            config: &node.body,
            depends_on: depends_on.and_then(|all| all.get(number)).map(Vec::as_slice),
            service: workflow.and_then(|all| all.components.get(number)).map(|it| it.service.as_str()),
        });
        shown.collect()
    }
}

/// Every `$NAME`, sorted.
fn env_names(tree: &Tree) -> Vec<String> {
    let mut names = std::collections::BTreeSet::new();
    for node in &tree.components {
        node.body.walk(&mut |value| {
            if let Content::Env(name) = &value.content {
                names.insert(name.clone());
            }
        });
    }
    names.into_iter().collect()
}
