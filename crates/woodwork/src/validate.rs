use std::collections::{BTreeMap, BTreeSet};

use crate::codes;
use crate::fold;
use crate::hooks;
use crate::keys::Keys;
use crate::problem::{Problem, Stage};
use crate::resolve::{Resolved, told};
use crate::service::{NoService, service_name};
use crate::similar::{did_you_mean, similar};
use crate::syntax::{Content, Dict, Node, Value};
use crate::table::{self, Kind};
use crate::workflow::{Component, Workflow};

/// Checks that every component has what its kind and type want.
///
/// The warnings are those of this stage.
pub(crate) fn validate(resolved: Resolved) -> Result<Workflow, Vec<Problem>> {
    let Resolved { tree, depends_on, order } = resolved;
    let source = tree.text.as_str();
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    command_lines(source, &tree.components, &mut problems);
    let services = services(source, &tree.components, &mut problems);
    let kinds: BTreeMap<&str, (&str, &str)> = tree
        .components
        .iter()
        .map(|node| (node.name.text.as_str(), (node.kind.text.as_str(), node.kind_type.text.as_str())))
        .collect();
    let mut components = Vec::new();
    for ((node, depends_on), service) in tree.components.iter().zip(depends_on).zip(services) {
        let Some(kind) = kind_of(source, node, &mut problems) else { continue };
        let mut keys = Keys { source, kinds: &kinds, problems: &mut problems, warnings: &mut warnings };
        components.extend(keys.component(node, kind, service, depends_on));
    }
    if problems.is_empty() {
        routes(&mut components);
        fold::fold(source, &mut components, &order, &mut problems, &mut warnings);
    }
    if !problems.is_empty() {
        // What is wrong with the whole comes before what is wrong with one.
        let (whole, parts) = problems.into_iter().partition(|problem| problem.code == codes::E_MULTI_CLI.id);
        return Err([told(whole), told(parts)].concat());
    }
    let env_names = components.iter().flat_map(|component| component.env_names.iter().cloned());
    let env_names: BTreeSet<String> = env_names.collect();
    warnings.sort_by_key(|warning| warning.at);
    Ok(Workflow { components, order, env_names: env_names.into_iter().collect(), warnings })
}

/// One terminal can be read by one component.
fn command_lines(source: &str, nodes: &[Node], problems: &mut Vec<Problem>) {
    let is_one = |node: &&Node| node.kind.text == "input" && node.kind_type.text == "command_line";
    let mut found = nodes.iter().filter(is_one);
    let Some(first) = found.next() else { return };
    for node in found {
        let text =
            format!("`{}` is a second `input command_line`, after `{}`", node.name.text, first.name.text);
        let problem = Problem::new(source, Stage::Validate, codes::E_MULTI_CLI, node.name.at, text);
        problems.push(problem.hint("keep one of them: there is only one terminal"));
    }
}

/// The name of each component's service; empty where there is none.
fn services(source: &str, nodes: &[Node], problems: &mut Vec<Problem>) -> Vec<String> {
    let mut taken: BTreeMap<String, &Node> = BTreeMap::new();
    let mut services = Vec::new();
    for node in nodes {
        let name = &node.name.text;
        let wrong = |code, text: String| Problem::new(source, Stage::Validate, code, node.name.at, text);
        match service_name(name) {
            Ok(service) => {
                if let Some(first) = taken.get(&service) {
                    let text =
                        format!("`{name}` and `{}` have the same service name `{service}`", first.name.text);
                    let hint = "service names have no capitals and no `_`; rename one of them";
                    problems.push(wrong(codes::E_NAME_CLASH, text).hint(hint));
                }
                taken.entry(service.clone()).or_insert(node);
                services.push(service);
            }
            Err(why) => {
                let (code, hint) = match why {
                    NoService::Begins => (codes::E_NAME_SERVICE, "start it with a letter"),
                    NoService::Long => (codes::E_NAME_LONG, "use a shorter name"),
                };
                let shown: String = name.chars().take(80).collect();
                problems.push(wrong(code, format!("`{shown}` is not a service name: {why}")).hint(hint));
                services.push(String::new());
            }
        }
    }
    services
}

fn kind_of(source: &str, node: &Node, problems: &mut Vec<Problem>) -> Option<&'static Kind> {
    let (kind, kind_type) = (node.kind.text.as_str(), node.kind_type.text.as_str());
    let found = table::kind(kind, kind_type);
    if found.is_some() {
        return found;
    }
    let types = table::types(kind);
    let renamed = table::renamed(kind, kind_type).map(str::to_owned);
    let problem = if types.is_empty() {
        let kinds = table::kinds();
        let text = format!("unknown kind `{kind}`");
        let hint = renamed
            .or_else(|| did_you_mean(&similar(kind, kinds.iter().copied())))
            .or_else(|| {
                table::kind_of_type(kind_type)
                    .map(|(kind, kind_type)| format!("did you mean `{kind} {kind_type}`?"))
            })
            .unwrap_or_else(|| format!("the kinds are {}", kinds.join(", ")));
        Problem::new(source, Stage::Validate, codes::E_KIND_UNKNOWN, node.kind.at, text).hint(hint)
    } else {
        let text = format!("the kind `{kind}` has no type `{kind_type}`");
        let hint = did_you_mean(&similar(kind_type, types.iter().copied()))
            .unwrap_or_else(|| format!("the types of `{kind}` are {}", types.join(", ")));
        Problem::new(source, Stage::Validate, codes::E_TYPE_UNKNOWN, node.kind_type.at, text).hint(hint)
    };
    problems.push(problem);
    None
}

impl Keys<'_> {
    /// Checks one component; `None` if something is wrong with it.
    fn component(
        &mut self,
        node: &Node,
        kind: &'static Kind,
        service: String,
        depends_on: Vec<String>,
    ) -> Option<Component> {
        let before = self.problems.len();
        self.required(node, kind);
        self.known(node, kind);
        let files = self.files(&node.body, kind);
        let body = &node.body;
        let component = Component {
            name: node.name.text.clone(),
            service,
            kind,
            at: node.name.at,
            hooks: self.hooks(body, "hooks"),
            pipes: self.hooks(body, "pipes"),
            routes: targets(body.get("to")),
            depends_on,
            folded: Vec::new(),
            folded_into: Vec::new(),
            files,
            requirements: self.requirements(body, kind),
            env_names: env_names(body),
            resources: self.resources(body),
            replicas: self.replicas(body),
            port: self.port(body.get("port"), kind.accepts("port")),
            config: body.clone(),
        };
        (self.problems.len() == before).then_some(component)
    }

    fn hooks(&mut self, body: &Dict, key: &str) -> Vec<hooks::Hook> {
        let entry = body.entry(key);
        entry.map(|entry| hooks::read(self.source, entry, self.problems, self.warnings)).unwrap_or_default()
    }
}

/// The components that a value names.
fn targets(value: Option<&Value>) -> Vec<String> {
    let mut targets = Vec::new();
    if let Some(value) = value {
        value.walk(&mut |value| targets.extend(value.as_reference().map(str::to_owned)));
    }
    targets
}

fn env_names(body: &Dict) -> Vec<String> {
    let mut names = BTreeSet::new();
    body.walk(&mut |value| {
        if let Content::Env(name) = &value.content {
            names.insert(name.clone());
        }
    });
    names.into_iter().collect()
}

/// Inputs that do not say where to go to, go to the first agent, else to the first model.
fn routes(components: &mut [Component]) {
    let first = |kind: &str| components.iter().find(|component| component.kind.kind == kind);
    let Some(target) = first("agent").or_else(|| first("llm")).map(|component| component.name.clone()) else {
        return;
    };
    let inputs = components.iter_mut().filter(|component| component.kind.kind == "input");
    for input in inputs.filter(|input| input.config.get("to").is_none()) {
        input.routes = vec![target.clone()];
    }
}
