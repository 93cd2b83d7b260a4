//! The plan of a workflow: its components.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wainwright_engine::{COMPONENT_PORT, ImagePlan, Native, WorkflowRequest, omitted_components};
use wainwright_woodwork::{Component, Place};

use super::show::{Shown, platform_text};
use crate::units::things;

/// The plan as JSON; `images` has the plans of the images.
pub(super) fn json(shown: &Shown<'_>, asked: &WorkflowRequest, images: Vec<Value>) -> Value {
    let workflow = &asked.workflow;
    let component = |component: &Component| {
        let plan = shown.plan.images.iter().zip(&images).find(|(image, _)| is_of(image, component));
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
            "plan": plan.map(|(_, json)| json),
        })
    };
    let left_out: Vec<Value> = omitted_components(workflow)
        .into_iter()
        .map(|(component, why)| json!({ "name": component.name, "why": why }))
        .collect();
    let fetches = shown.fetches.iter().map(|(name, size)| json!({ "name": name, "size": size }));
    json!({
        "version": 1,
        "workflow": asked.file,
        "profile": asked.profile,
        "order": workflow.order,
        "components": workflow.components.iter().map(component).collect::<Vec<_>>(),
        "leftOut": left_out,
        "secrets": workflow.env_names,
        "fetches": fetches.collect::<Vec<_>>(),
        "estimatedSeconds": (shown.seconds() * 10.0).round() / 10.0,
    })
}

/// The components, each with its image, in the order in which they start.
pub(super) fn text<'n>(
    shown: &Shown<'_>,
    asked: &WorkflowRequest,
    native: &mut impl Iterator<Item = &'n Native>,
    text: &mut String,
) {
    let (workflow, images) = (&asked.workflow, &shown.plan.images);
    // Native findings are in the order of the images.
    let native: Vec<Vec<&Native>> =
        images.iter().map(|image| native.by_ref().take(image.platforms.len()).collect()).collect();
    let _ = writeln!(
        text,
        "{}: {}, {}",
        asked.file,
        things(workflow.components.len(), "component"),
        things(images.len(), "image")
    );
    for name in &workflow.order {
        let Some(component) = workflow.component(name) else { continue };
        let kind = format!("{} {}", component.kind.kind, component.kind.kind_type);
        let what = match place(component) {
            "image" => format!("image, port {COMPONENT_PORT}, service {}", component.service),
            "folded" => format!("part of the image of {}", component.folded_into.join(", ")),
            "service" => "third-party service".to_owned(),
            other => other.to_owned(),
        };
        let _ = writeln!(text, "\n{name} ({kind}): {what}");
        let mut row = |what: &str, names: &[String]| {
            if !names.is_empty() {
                let _ = writeln!(text, "  {what:<9} {}", names.join(", "));
            }
        };
        row("calls", &component.depends_on);
        row("sends to", &component.routes);
        row("secrets", &component.env_names);
        row("requires", &component.requirements);
        for (image, native) in images.iter().zip(&native).filter(|(image, _)| is_of(image, component)) {
            for (number, platform) in image.platforms.iter().enumerate() {
                platform_text(platform, native.get(number).copied(), "  ", text);
            }
        }
    }
    text.push('\n');
}

fn is_of(image: &ImagePlan, component: &Component) -> bool {
    image.name.as_deref() == Some(component.name.as_str())
}

/// The place of a component, in a word.
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
