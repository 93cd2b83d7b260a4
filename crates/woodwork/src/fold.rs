use std::collections::{BTreeMap, BTreeSet};

use crate::codes;
use crate::problem::{Problem, Stage};
use crate::syntax::Dict;
use crate::table::Place;
use crate::workflow::Component;

/// Keys whose components are called over the network, or are no part of the work: they fold nothing.
const REMOTE: &[&str] = &["to", "components", "depends_on"];
/// The kind that is reached over the network as a tool, but lives inside where it is a part.
const REMOTE_TOOLS: (&str, &str) = ("memory", "tools");

/// Puts components that cannot be reached over the network into the images of those that use them.
///
/// `order` has users behind what they use; it is gone through backwards, so that the images of a user are known.
pub(crate) fn fold(
    source: &str,
    components: &mut [Component],
    order: &[String],
    problems: &mut Vec<Problem>,
    warnings: &mut Vec<Problem>,
) {
    let users = users(components);
    let mut images: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let numbers: BTreeMap<String, usize> =
        components.iter().enumerate().map(|(number, component)| (component.name.clone(), number)).collect();
    for name in order.iter().rev() {
        let Some(number) = numbers.get(name).copied() else { continue };
        let Some(component) = components.get(number) else { continue };
        let of_users =
            || users.get(name).into_iter().flatten().filter_map(|user| images.get(user)).flatten().copied();
        let mut own: BTreeSet<usize> = match component.kind.place {
            Place::Image => BTreeSet::from([number]),
            Place::Folded { .. } => of_users().collect(),
            Place::Service(_) | Place::LeftOut { .. } | Place::DockerSocket => BTreeSet::new(),
        };
        if let Place::Folded { alone, shared } = component.kind.place {
            let mut of = own
                .iter()
                .filter_map(|number| components.get(*number))
                .map(|component| component.name.clone());
            if let (Some(first), Some(second), false) = (of.next(), of.next(), shared) {
                let text = format!("`{name}` is used by two images, `{first}` and `{second}`");
                let problem =
                    Problem::new(source, Stage::Validate, codes::E_SHARED_MEMORY, component.at, text);
                problems.push(
                    problem
                        .hint("give each image its own memory: a memory is part of the image that uses it"),
                );
            }
            if own.is_empty() && alone {
                own.insert(number);
            } else if own.is_empty() {
                let text =
                    format!("`{name}` is not used and is omitted: it is only part of components that use it");
                let warning = Problem::new(source, Stage::Validate, codes::W_UNUSED, component.at, text);
                warnings.push(warning.hint("use it in a component, or remove it"));
            }
        }
        images.insert(name.clone(), own);
    }
    // Here what is used comes first.
    for name in order {
        let Some(number) = numbers.get(name) else { continue };
        let is_folded =
            components.get(*number).is_some_and(|it| matches!(it.kind.place, Place::Folded { .. }));
        for image in images.get(name).into_iter().flatten().filter(|image| is_folded && *image != number) {
            let Some(image) = components.get_mut(*image) else { continue };
            image.folded.push(name.clone());
            let image = image.name.clone();
            components
                .get_mut(*number)
                .into_iter()
                .for_each(|component| component.folded_into.push(image.clone()));
        }
    }
}

/// For each component those that use it as a part of themselves.
fn users(components: &[Component]) -> BTreeMap<String, BTreeSet<String>> {
    let folds: BTreeMap<&str, &str> = components
        .iter()
        .filter(|component| matches!(component.kind.place, Place::Folded { .. }))
        .map(|component| (component.name.as_str(), component.kind.kind))
        .collect();
    let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for component in components {
        let Dict { entries, .. } = &component.config;
        for entry in entries.iter().filter(|entry| !REMOTE.contains(&entry.key.as_str())) {
            entry.value.walk(&mut |value| {
                let Some(name) = value.as_reference() else { return };
                let Some(kind) = folds.get(name) else { return };
                if (*kind, entry.key.as_str()) != REMOTE_TOOLS {
                    users.entry(name.to_owned()).or_default().insert(component.name.clone());
                }
            });
        }
    }
    users
}
