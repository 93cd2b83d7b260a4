//! The modules of the command line use each other in one direction.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// For each module, by its path, the modules that it uses.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn command_line_modules_form_no_cycle() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/cli");
    let graph = graph(&folder);
    assert!(graph.len() > 40 && graph["commands::push"].contains("run::deliver"), "{graph:?}");
    if let Some(cycle) = cycle(&graph) {
        panic!("these modules of crates/cli use each other: {}", cycle.join(" -> "));
    }
}

#[test]
fn cycle_of_two_modules_is_found() {
    let uses = |of: &str, used: &[&str]| (of.to_owned(), used.iter().map(ToString::to_string).collect());
    let graph = Graph::from([uses("a", &["b"]), uses("b", &["c", "d"]), uses("c", &[]), uses("d", &["a"])]);
    assert_eq!(cycle(&graph).unwrap(), ["a", "b", "d", "a"]);
    let tree = "use super::b::{c, d::E}; fn f() { g::h(); crate::i::j() } // crate::k\n\"crate::l\"";
    let modules = ["a", "b", "b::c", "b::d", "a::g", "i"].map(str::to_owned).into();
    let found: Vec<String> = used("a", tree, &modules).into_iter().collect();
    assert_eq!(found, ["a::g", "b::c", "b::d", "i"]);
}

fn graph(folder: &Path) -> Graph {
    let mut files = BTreeMap::new();
    read(folder, "", &mut files);
    let modules: BTreeSet<String> = files.keys().cloned().collect();
    files.iter().map(|(module, text)| (module.clone(), used(module, text, &modules))).collect()
}

/// The text of every module in a folder, without its tests.
fn read(folder: &Path, above: &str, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let below = |name: &str| if above.is_empty() { name.to_owned() } else { format!("{above}::{name}") };
        if path.is_dir() {
            read(&path, &below(&stem), files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = match stem.as_str() {
                "main" | "lib" | "mod" => above.to_owned(),
                name => below(name),
            };
            let text = fs::read_to_string(&path).unwrap();
            files.insert(module, text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
        }
    }
}

/// The modules that are named in the text of a module.
fn used(module: &str, text: &str, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let words = words(text);
    let mut used = BTreeSet::new();
    for at in 0..words.len() {
        let is_inside = at > 0 && words[at - 1] == "::";
        if is_inside || words.get(at + 1).is_none_or(|next| next != "::") {
            continue;
        }
        let child = join(module, &words[at]);
        let start = match words[at].as_str() {
            "crate" => String::new(),
            "super" => parent(module),
            _ if modules.contains(&child) => child,
            _ => continue,
        };
        follow(&words, at + 1, start, modules, &mut used);
    }
    used.remove(module);
    used
}

/// Follows a path from the `::` at a place on, into the braces of a `use` too; gives the place behind it.
fn follow(
    words: &[String],
    at: usize,
    so_far: String,
    modules: &BTreeSet<String>,
    used: &mut BTreeSet<String>,
) -> usize {
    let word = |at: usize| words.get(at).map(String::as_str);
    if word(at) != Some("::") {
        used.insert(so_far);
        return at;
    }
    match word(at + 1) {
        Some("super") => follow(words, at + 2, parent(&so_far), modules, used),
        Some("{") => {
            let mut at = at + 2;
            while let Some(next) = word(at) {
                match next {
                    "}" => return at + 1,
                    "," => at += 1,
                    _ => at = step(words, at, &so_far, modules, used),
                }
            }
            at
        }
        Some(_) => step(words, at + 1, &so_far, modules, used),
        None => at,
    }
}

/// One name of a path: a module, or something in the module before it.
fn step(
    words: &[String],
    at: usize,
    so_far: &str,
    modules: &BTreeSet<String>,
    used: &mut BTreeSet<String>,
) -> usize {
    let next = join(so_far, &words[at]);
    if words[at] == "self" || !modules.contains(&next) {
        used.insert(so_far.to_owned());
        // Nothing behind an item is a module: `Type::new`.
        return at + 1;
    }
    follow(words, at + 1, next, modules, used)
}

/// Names, `::` and every other sign by itself, without comments and strings.
fn words(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n").replace("\\\"", "");
    let mut words: Vec<String> = Vec::new();
    for code in code.split('"').step_by(2) {
        let mut was_name = false;
        for letter in code.chars() {
            let is_name = letter.is_alphanumeric() || letter == '_';
            match words.last_mut() {
                Some(last) if is_name && was_name => last.push(letter),
                Some(last) if letter == ':' && last == ":" => last.push(':'),
                _ if letter.is_whitespace() => {}
                _ => words.push(letter.to_string()),
            }
            was_name = is_name;
        }
    }
    words
}

fn join(above: &str, name: &str) -> String {
    if above.is_empty() { name.to_owned() } else { format!("{above}::{name}") }
}

fn parent(module: &str) -> String {
    module.rsplit_once("::").map_or_else(String::new, |(above, _)| above.to_owned())
}

/// A way from a module back to itself.
fn cycle(graph: &Graph) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    graph.keys().find_map(|module| visit(graph, module, &mut Vec::new(), &mut done))
}

fn visit(
    graph: &Graph,
    module: &str,
    way: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(at) = way.iter().position(|other| other == module) {
        return Some([&way[at..], &[module.to_owned()]].concat());
    }
    if !done.insert(module.to_owned()) {
        return None;
    }
    way.push(module.to_owned());
    let found = graph.get(module).into_iter().flatten().find_map(|used| visit(graph, used, way, done));
    way.pop();
    found
}
