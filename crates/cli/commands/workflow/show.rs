//! The plan of a workflow, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};
use wainwright_engine::{
    COMPONENT_PORT, ComponentImages, ComponentPlan, Delivery, LayerState, WorkflowRequest, left_out,
};
use wainwright_store::Store;
use wainwright_woodwork::{Component, Place};

use crate::units::{bytes, things};

/// What a second moves, as a rule: bytes that are fetched, and bytes of layers that are made. Only for an estimate.
const FETCHED: u64 = 20_000_000;
const MADE: u64 = 100_000_000;

/// A line for each image: its digest and its name.
pub(crate) fn digests(images: &[ComponentImages], deliveries: &[Delivery]) -> String {
    let line = |(one, delivery): (&ComponentImages, &Delivery)| format!("{} {}\n", delivery.digest, one.name);
    images.iter().zip(deliveries).map(line).collect()
}

/// The files that have to be fetched for all images, each once.
fn fetches(plans: &[ComponentPlan], store: &Store) -> BTreeMap<String, Option<u64>> {
    plans.iter().flat_map(|one| one.plan.fetches(store)).collect()
}

/// How long a build may take: what is fetched and what is made, at usual speeds.
fn seconds(plans: &[ComponentPlan], store: &Store) -> f64 {
    let fetched: u64 = fetches(plans, store).values().flatten().sum();
    let missing = plans.iter().flat_map(|one| &one.plan.images).flat_map(|image| &image.layers);
    let missing: BTreeMap<_, u64> = missing
        .filter(|layer| layer.state == LayerState::Missing)
        .map(|layer| (layer.key, layer.input_size().unwrap_or(0)))
        .collect();
    fetched as f64 / FETCHED as f64 + missing.values().sum::<u64>() as f64 / MADE as f64
}

/// The plan for a program.
pub(crate) fn json(asked: &WorkflowRequest, plans: &[ComponentPlan], store: &Store) -> Value {
    let workflow = &asked.workflow;
    let component = |component: &Component| {
        let plan = plans.iter().find(|plan| plan.name == component.name);
        json!({
            "name": component.name,
            "service": component.service,
            "kind": component.kind.kind,
            "type": component.kind.kind_type,
            "place": place(component),
            "dependsOn": component.depends_on,
            "routes": component.routes,
            "folded": component.folded,
            "secrets": component.env_names,
            "requirements": component.requirements,
            "ports": if component.is_image() { vec![COMPONENT_PORT] } else { Vec::new() },
            "plan": plan.map(|plan| plan.plan.to_json()),
        })
    };
    let left_out: Vec<Value> = left_out(workflow)
        .into_iter()
        .map(|(component, why)| json!({ "name": component.name, "why": why }))
        .collect();
    json!({
        "version": 1,
        "workflow": asked.file,
        "profile": asked.profile,
        "order": workflow.order,
        "components": workflow.components.iter().map(component).collect::<Vec<_>>(),
        "leftOut": left_out,
        "secrets": workflow.env_names,
        "fetches": fetches(plans, store).iter().map(|(name, size)| json!({ "name": name, "size": size })).collect::<Vec<_>>(),
        "estimatedSeconds": (seconds(plans, store) * 10.0).round() / 10.0,
    })
}

/// What becomes of a component, in a word.
fn place(component: &Component) -> &'static str {
    match component.kind.place {
        _ if component.is_image() => "image",
        Place::Image => "image",
        Place::Folded { .. } => "folded",
        Place::Service(_) => "service",
        Place::LeftOut { .. } => "left out",
        Place::DockerSocket => "needs docker",
    }
}

/// The plan for a person.
pub(crate) fn text(asked: &WorkflowRequest, plans: &[ComponentPlan], store: &Store) -> String {
    let workflow = &asked.workflow;
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}: {}, {}",
        asked.file,
        things(workflow.components.len(), "component"),
        things(plans.len(), "image")
    );
    for name in &workflow.order {
        let Some(component) = workflow.component(name) else { continue };
        let kind = format!("{} {}", component.kind.kind, component.kind.kind_type);
        let what = match place(component) {
            "image" => format!("image, port {COMPONENT_PORT}, service {}", component.service),
            "folded" => format!("lives in the image of {}", component.folded_into.join(", ")),
            "service" => "a service beside the images".to_owned(),
            other => other.to_owned(),
        };
        let _ = writeln!(text, "\n{name} ({kind}): {what}");
        let mut row = |what: &str, names: &[String]| {
            if !names.is_empty() {
                let _ = writeln!(text, "  {what:<9} {}", names.join(", "));
            }
        };
        row("asks", &component.depends_on);
        row("sends to", &component.routes);
        row("secrets", &component.env_names);
        row("requires", &component.requirements);
        let Some(plan) = plans.iter().find(|plan| &plan.name == name) else { continue };
        for image in &plan.plan.images {
            let _ = writeln!(
                text,
                "  {} on {} (Python {})",
                image.platform, image.base_name, image.target.python
            );
            for layer in &image.layers {
                let (state, size) = match &layer.state {
                    LayerState::Cached(known) => ("reuse", bytes(known.descriptor.size)),
                    LayerState::Offered(offer) => ("reuse", bytes(offer.layer.descriptor.size)),
                    LayerState::Missing => (
                        "make",
                        layer.input_size().map_or_else(String::new, |size| format!("~{}", bytes(size))),
                    ),
                };
                let _ = writeln!(text, "    {state:<6} {size:>9}  {}", layer.name);
            }
        }
    }
    let fetches = fetches(plans, store);
    let total: u64 = fetches.values().flatten().sum();
    let _ = match fetches.len() {
        0 => writeln!(text, "\nnothing to fetch"),
        count => writeln!(text, "\n{} to fetch ({})", things(count, "file"), bytes(total)),
    };
    let _ = writeln!(text, "about {:.0} s", seconds(plans, store).ceil());
    for output in &asked.request.outputs {
        let _ = writeln!(text, "to {output}");
    }
    text
}
