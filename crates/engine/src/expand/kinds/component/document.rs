use std::collections::BTreeMap;

use serde::Serialize;
use wainwright_woodwork::{Component, Dict, Hook, Workflow};

use super::container::COMPONENT_PORT;

/// The form of `component.json`.
const SCHEMA: u32 = 1;

/// What a container reads about its component: `component.json`, as `layers/component-runtime/README.md` describes it.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    project: &'a str,
    name: &'a str,
    kind: &'a str,
    r#type: &'a str,
    service: &'a str,
    config: Dict,
    hooks: &'a [Hook],
    pipes: &'a [Hook],
    routes: Vec<&'a String>,
    folded: Vec<Folded<'a>>,
    peers: BTreeMap<&'a str, Peer<'a>>,
    environment: Vec<&'a str>,
}

/// A component that lives in the image of another.
#[derive(Serialize)]
struct Folded<'a> {
    name: &'a str,
    kind: &'a str,
    r#type: &'a str,
    config: Dict,
    hooks: &'a [Hook],
    pipes: &'a [Hook],
}

/// A component that is asked over the network.
#[derive(Serialize)]
struct Peer<'a> {
    kind: &'a str,
    r#type: &'a str,
    url: String,
}

/// A component with what lives in its image, which comes first.
pub(crate) fn with_folded<'a>(component: &'a Component, workflow: &'a Workflow) -> Vec<&'a Component> {
    let folded = component.folded.iter().filter_map(|name| workflow.component(name));
    folded.chain([component]).collect()
}

/// The `$NAME`s of a component and of what lives in its image, sorted.
pub(crate) fn environment<'a>(component: &'a Component, workflow: &'a Workflow) -> Vec<&'a str> {
    let all = with_folded(component, workflow).into_iter().flat_map(|one| &one.env_names);
    let mut names: Vec<&str> = all.map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The components that a component asks over the network, and those that its results go to; in the order of the file.
pub(crate) fn peers<'a>(component: &'a Component, workflow: &'a Workflow) -> Vec<&'a Component> {
    named(component, workflow).filter(|other| other.is_image()).collect()
}

/// The components that a component names and cannot have: they get no image, and live in no image with it.
pub(crate) fn absent<'a>(component: &'a Component, workflow: &'a Workflow) -> Vec<&'a Component> {
    named(component, workflow).filter(|other| !other.is_image()).collect()
}

/// The components that a component names, or what lives in its image does, and that do not live there themselves.
fn named<'a>(component: &'a Component, workflow: &'a Workflow) -> impl Iterator<Item = &'a Component> {
    let inside = with_folded(component, workflow);
    let is_named = move |other: &&Component| {
        let names =
            |one: &&Component| one.depends_on.contains(&other.name) || one.routes.contains(&other.name);
        inside.iter().any(names) && !inside.iter().any(|one| one.name == other.name)
    };
    workflow.components.iter().filter(is_named)
}

/// The bytes of `component.json`.
pub(crate) fn document(component: &Component, project: &str, workflow: &Workflow) -> Vec<u8> {
    let folded = with_folded(component, workflow).into_iter().filter(|one| one.name != component.name);
    let absent: Vec<&str> = absent(component, workflow).into_iter().map(|one| one.name.as_str()).collect();
    let settings = |one: &Component| one.settings().without_references(&|name| absent.contains(&name));
    let document = Document {
        schema: SCHEMA,
        project,
        name: &component.name,
        kind: component.kind.kind,
        r#type: component.kind.kind_type,
        service: &component.service,
        config: settings(component),
        hooks: &component.hooks,
        pipes: &component.pipes,
        routes: component.routes.iter().filter(|name| !absent.contains(&name.as_str())).collect(),
        folded: folded
            .map(|one| Folded {
                name: &one.name,
                kind: one.kind.kind,
                r#type: one.kind.kind_type,
                config: settings(one),
                hooks: &one.hooks,
                pipes: &one.pipes,
            })
            .collect(),
        peers: peers(component, workflow)
            .into_iter()
            .map(|other| {
                let (kind, r#type) = (other.kind.kind, other.kind.kind_type);
                let url = format!("http://{}:{COMPONENT_PORT}", other.service);
                (other.name.as_str(), Peer { kind, r#type, url })
            })
            .collect(),
        environment: environment(component, workflow),
    };
    // Text, numbers and maps with text for keys: nothing here can fail.
    let mut bytes = serde_json::to_vec_pretty(&document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
