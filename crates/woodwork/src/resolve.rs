use std::collections::{BTreeMap, BTreeSet};

use crate::codes;
use crate::problem::{Problem, Stage};
use crate::similar::{did_you_mean, similar};
use crate::syntax::{Content, Dict, Node, Tree, Value};

/// Problems of one stage that are told.
const MOST_PROBLEMS: usize = 100;
/// Components of a cycle that are named.
const MOST_OF_CYCLE: usize = 12;
/// Keys that the header decides.
const OF_HEADER: &[&str] = &["name", "component", "type"];
/// The key whose items are names of packages, never of components.
pub(crate) const REQUIREMENTS: &str = "requirements";

/// A tree in which every reference names a component.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) tree: Tree,
    /// For each component those it refers to, in order of first appearance.
    pub(crate) depends_on: Vec<Vec<String>>,
    /// The names of the components, each behind those it refers to.
    pub(crate) order: Vec<String>,
}

/// Finds what references name, and the order in which components can be made.
pub(crate) fn resolve(mut tree: Tree) -> Result<Resolved, Vec<Problem>> {
    let mut problems = Vec::new();
    let names = names(&tree, &mut problems);
    let known: BTreeSet<String> = names.keys().cloned().collect();
    for node in &mut tree.components {
        for entry in node.body.entries.iter_mut().filter(|entry| entry.key != REQUIREMENTS) {
            quoted(&mut entry.value, &known);
        }
    }
    for node in &tree.components {
        keys(&tree, node, &mut problems);
    }
    unknown(&tree, &known, &mut problems);
    let depends_on: Vec<Vec<String>> = tree.components.iter().map(|node| references(&node.body)).collect();
    let order = order(&tree, &names, &depends_on, &mut problems);
    match problems.is_empty() {
        true => Ok(Resolved { tree, depends_on, order }),
        false => Err(told(problems)),
    }
}

/// Problems in the order of the file, not too many.
pub(crate) fn told(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| problem.at);
    problems.truncate(MOST_PROBLEMS);
    problems
}

/// Where each name stands; the first of those that are there twice.
fn names(tree: &Tree, problems: &mut Vec<Problem>) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for (number, node) in tree.components.iter().enumerate() {
        let name = &node.name;
        let wrong = |code, text: String| Problem::new(&tree.text, Stage::Resolve, code, name.at, text);
        if ["true", "false"].contains(&name.text.to_ascii_lowercase().as_str()) {
            let text = format!("`{}` cannot be the name of a component", name.text);
            problems.push(
                wrong(codes::E_NAME_FORBIDDEN, text).hint("`true` and `false` are values; use another name"),
            );
            continue;
        }
        match names.get(&name.text).and_then(|first: &usize| tree.components.get(*first)) {
            None => drop(names.insert(name.text.clone(), number)),
            Some(first) => {
                let text = format!("`{}` is already defined in line {}", name.text, first.name.at.line);
                problems.push(wrong(codes::E_NAME_DUP, text).hint("rename one of them"));
            }
        }
    }
    names
}

/// Makes references of strings in lists that are the name of a component.
fn quoted(value: &mut Value, known: &BTreeSet<String>) {
    match &mut value.content {
        Content::List(items) => {
            for item in items {
                let name = item.as_text().filter(|text| known.contains(*text)).map(str::to_owned);
                match name {
                    Some(name) => item.content = Content::Reference { name, is_quoted: true },
                    None => quoted(item, known),
                }
            }
        }
        Content::Dict(dict) => dict.entries.iter_mut().for_each(|entry| quoted(&mut entry.value, known)),
        _ => {}
    }
}

/// Refuses keys that would be taken for something else.
fn keys(tree: &Tree, node: &Node, problems: &mut Vec<Problem>) {
    for entry in node.body.entries.iter().filter(|entry| OF_HEADER.contains(&entry.key.as_str())) {
        let text = format!("`{}` is set in the first line of the component", entry.key);
        let problem = Problem::new(&tree.text, Stage::Resolve, codes::E_KEY_RESERVED, entry.key_at, text);
        problems.push(problem.hint("remove or rename the key"));
    }
    let mut marks = |dict: &Dict| {
        for entry in dict.entries.iter().filter(|entry| ["$env", "$ref"].contains(&entry.key.as_str())) {
            let text = format!("`{}` is reserved in component.json", entry.key);
            let problem = Problem::new(&tree.text, Stage::Resolve, codes::E_KEY_RESERVED, entry.key_at, text);
            problems.push(problem.hint("rename the key"));
        }
    };
    marks(&node.body);
    node.body.walk(&mut |value| {
        if let Content::Dict(dict) = &value.content {
            marks(dict);
        }
    });
}

/// Tells references to what is not there.
fn unknown(tree: &Tree, known: &BTreeSet<String>, problems: &mut Vec<Problem>) {
    let mut found = 0;
    for node in &tree.components {
        node.body.walk(&mut |value| {
            let Some(name) = value.as_reference().filter(|name| !known.contains(*name)) else { return };
            found += 1;
            if found > MOST_PROBLEMS {
                return;
            }
            let text = format!("`{}` refers to `{name}`, which does not exist", node.name.text);
            let hint = did_you_mean(&similar(name, known.iter().map(String::as_str)));
            let hint = hint.unwrap_or_else(|| match name.to_ascii_lowercase().as_str() {
                "null" | "none" | "nil" => "remove the key: there is no empty value".into(),
                _ => format!("if it is text, write it in quotes: \"{name}\""),
            });
            problems.push(
                Problem::new(&tree.text, Stage::Resolve, codes::E_REF_UNKNOWN, value.at, text).hint(hint),
            );
        });
    }
}

/// The components that values name, in order of first appearance.
pub(crate) fn references(body: &Dict) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut references = Vec::new();
    body.walk(&mut |value| {
        if let Some(name) = value.as_reference().filter(|name| seen.insert(*name)) {
            references.push(name.to_owned());
        }
    });
    references
}

#[derive(Clone, Copy, PartialEq)]
enum Visit {
    No,
    Begun,
    Done,
}

/// Depth first, in the order of the file, what is referred to before what refers.
///
/// A stack of our own: a chain may be as long as the file.
fn order(
    tree: &Tree,
    names: &BTreeMap<String, usize>,
    depends_on: &[Vec<String>],
    problems: &mut Vec<Problem>,
) -> Vec<String> {
    let name =
        |number: usize| tree.components.get(number).map(|node| node.name.text.clone()).unwrap_or_default();
    let next = |number: usize, edge: usize| -> Option<&String> { depends_on.get(number)?.get(edge) };
    let mut visits = vec![Visit::No; tree.components.len()];
    let mut order = Vec::new();
    for root in 0..tree.components.len() {
        // The components that are being visited, and the next reference to follow in each.
        let mut path: Vec<(usize, usize)> = Vec::new();
        if visits.get(root) == Some(&Visit::No) {
            path.push((root, 0));
        }
        while let Some((number, edge)) = path.pop() {
            if let Some(visit) = visits.get_mut(number) {
                *visit = Visit::Begun;
            }
            let Some(target) = next(number, edge) else {
                if let Some(visit) = visits.get_mut(number) {
                    *visit = Visit::Done;
                }
                order.push(name(number));
                continue;
            };
            path.push((number, edge + 1));
            let Some(target) = names.get(target).copied() else { continue };
            match visits.get(target) {
                Some(Visit::No) => path.push((target, 0)),
                Some(Visit::Begun) => {
                    let from = path.iter().position(|(number, _)| *number == target).unwrap_or_default();
                    let cycle: Vec<String> =
                        path.iter().skip(from).map(|(number, _)| name(*number)).collect();
                    problems.extend(tree.components.get(target).map(|node| cycle_of(tree, node, &cycle)));
                }
                _ => {}
            }
        }
    }
    order
}

fn cycle_of(tree: &Tree, node: &Node, cycle: &[String]) -> Problem {
    let mut path: Vec<&str> = cycle.iter().map(String::as_str).take(MOST_OF_CYCLE).collect();
    if cycle.len() > MOST_OF_CYCLE {
        path.push("...");
    }
    path.push(&node.name.text);
    let text = match cycle.len() {
        1 => format!("`{}` refers to itself", node.name.text),
        _ => format!("components refer to each other in a cycle: {}", path.join(" -> ")),
    };
    let hint = "remove one of these references";
    Problem::new(&tree.text, Stage::Resolve, codes::E_CYCLE, node.name.at, text).hint(hint)
}
