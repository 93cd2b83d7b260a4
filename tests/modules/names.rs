//! Follows names to the modules that define what they mean.

use std::collections::BTreeSet;

use super::ROOT;
use super::source::{Scope, Scopes};

/// What a path leads to.
enum Target {
    /// A module; naming it uses nothing yet.
    Module(Vec<String>),
    /// An item of a module.
    Item(Vec<String>),
    /// Another crate, or a name that the code brings along (a variable, a type parameter).
    Elsewhere,
}

/// User, used, and the path that says so.
pub(super) fn uses(scopes: &Scopes) -> Vec<(String, String, String)> {
    let mut uses = Vec::new();
    for (module, scope) in scopes {
        // The compiler warns about private imports that are not used; re-exports count where the code names them.
        let imports = scope.imports.iter().filter(|import| !import.is_public).map(|import| &import.path);
        for path in imports.chain(&scope.globs).chain(&scope.paths) {
            let Target::Item(used) = follow(scopes, module, path, &mut BTreeSet::new()) else { continue };
            uses.push((in_words(&scope.file), in_words(&scopes[&used].file), path.join("::")));
        }
    }
    uses
}

/// Follows a path that stands in a module. `seen` ends re-exports that lead to each other.
fn follow(scopes: &Scopes, module: &[String], path: &[String], seen: &mut BTreeSet<Step>) -> Target {
    let Some((first, rest)) = path.split_first() else { return Target::Module(module.to_vec()) };
    match first.as_str() {
        "crate" => inside(scopes, Vec::new(), rest, seen),
        "self" => inside(scopes, module.to_vec(), rest, seen),
        "super" => {
            let above = module[..module.len().saturating_sub(1)].to_vec();
            match rest.first().map(String::as_str) {
                Some("super") => follow(scopes, &above, rest, seen),
                _ => inside(scopes, above, rest, seen),
            }
        }
        // A child, an item, an import, or a name of another crate.
        _ => inside(scopes, module.to_vec(), path, seen),
    }
}

/// A module, the name looked up in it, and whether more follows the name.
type Step = (Vec<String>, String, bool);

/// Follows the rest of a path from a module on.
fn inside(scopes: &Scopes, module: Vec<String>, path: &[String], seen: &mut BTreeSet<Step>) -> Target {
    let Some(scope) = scopes.get(&module) else { return Target::Elsewhere };
    let Some((name, rest)) = path.split_first() else { return Target::Module(module) };
    if !seen.insert((module.clone(), name.clone(), rest.is_empty())) {
        return Target::Elsewhere;
    }
    // A function may be called like a module: `pub use resolve::resolve`. The end of a path means the function.
    let is_item = scope.items.contains(name);
    let is_module = scope.children.contains(name);
    if is_item && (rest.is_empty() || !is_module) {
        return Target::Item(module);
    }
    match imported(scopes, &module, scope, name, rest, seen) {
        Some(Target::Item(item)) if !is_module || rest.is_empty() => Target::Item(item),
        _ if is_module => inside(scopes, [module, vec![name.clone()]].concat(), rest, seen),
        Some(target) => target,
        None => Target::Elsewhere,
    }
}

/// What an imported name means, with the rest of the path.
fn imported(
    scopes: &Scopes,
    module: &[String],
    scope: &Scope,
    name: &String,
    rest: &[String],
    seen: &mut BTreeSet<Step>,
) -> Option<Target> {
    let mut found = None;
    for import in scope.imports.iter().filter(|import| import.name == *name) {
        let target = match &import.path[..] {
            // `use serde_json;`
            [only] if only == name => continue,
            path => follow(scopes, module, &[path, rest].concat(), seen),
        };
        match target {
            Target::Item(_) => return Some(target),
            other => found = Some(other),
        }
    }
    for glob in &scope.globs {
        if let Target::Module(globbed) = follow(scopes, module, glob, &mut seen.clone())
            && globbed != module
        {
            let path = [std::slice::from_ref(name), rest].concat();
            match inside(scopes, globbed, &path, seen) {
                Target::Elsewhere => {}
                target => return Some(target),
            }
        }
    }
    found
}

fn in_words(module: &[String]) -> String {
    if module.is_empty() { ROOT.to_owned() } else { module.join("::") }
}
