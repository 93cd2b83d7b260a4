use std::fmt::Write as _;

use wainwright_engine::{BasePlan, LayerState, Native, Plan, RuntimeRecipe};
use wainwright_oci::Lazy;

use crate::units::{bytes, things};

/// The plan for a program, with what its native files lack.
pub(crate) fn json(plan: &Plan, native: &[Native]) -> serde_json::Value {
    let mut json = plan.to_json();
    if let Some(images) = json["images"].as_array_mut() {
        images.iter_mut().zip(native).for_each(|(image, native)| image["native"] = serde_json::json!(native));
    }
    json
}

/// The rows for layers of Debian packages.
fn packages(
    recipe: &RuntimeRecipe,
    before: &str,
    missing: &str,
    row: &mut impl FnMut(&str, String, &str, &str),
) {
    match recipe.layers() {
        Some(layers) => {
            let why = recipe.offered().map(|cache| format!("from {cache}")).unwrap_or_default();
            for (name, descriptor) in layers {
                row("reuse", bytes(descriptor.size), &format!("{before}{name}"), &why);
            }
        }
        None => {
            let count = things(recipe.packages().len(), "Debian package");
            row("make", String::new(), &format!("{missing}{count}"), "not made yet");
        }
    }
}

/// The plan for a person: every layer, what becomes of it and why.
pub(crate) fn text(plan: &Plan, native: &[Native], fetches: &[(String, Option<u64>)]) -> String {
    let mut text = String::new();
    for (image, native) in plan.images.iter().zip(native) {
        let _ = writeln!(
            text,
            "{} on {} (Python {}, {})",
            image.platform, image.base_name, image.target.python, image.target.libc
        );
        let mut row = |state: &str, size: String, name: &str, why: &str| {
            let why = if why.is_empty() { String::new() } else { format!("  ({why})") };
            let _ = writeln!(text, "  {state:<6} {size:>9}  {name}{why}");
        };
        match &image.base {
            BasePlan::Runtime(recipe) => packages(recipe, "base ", "base of ", &mut row),
            BasePlan::Image(base) => {
                for layer in &base.layers {
                    row("reuse", bytes(layer.descriptor.size), "base layer", "taken as it is");
                }
            }
        }
        if let Some(recipe) = &image.system {
            packages(recipe, "", "", &mut row);
        }
        for layer in &image.layers {
            match &layer.state {
                LayerState::Cached(known) => {
                    row("reuse", bytes(known.descriptor.size), &layer.name, &layer.why);
                }
                LayerState::Offered(offer) => {
                    let why = format!("{}; from {}", layer.why, offer.cache);
                    row("reuse", bytes(offer.layer.descriptor.size), &layer.name, &why);
                }
                LayerState::Missing => {
                    let reason = match &layer.doubt {
                        Some(doubt) => format!("made to check {}", doubt.cache),
                        None => "no layer of these inputs is in the cache".into(),
                    };
                    let size =
                        layer.input_size().map_or_else(String::new, |size| format!("~{}", bytes(size)));
                    row("make", size, &layer.name, &format!("{}; {reason}", layer.why));
                }
            }
        }
        if !image.slim.is_empty() {
            let kinds: Vec<&str> = image.slim.iter().map(|kind| kind.name()).collect();
            let _ = writeln!(text, "  left out of packages: {}", kinds.join(", "));
        }
        for warning in native.warnings() {
            let _ = writeln!(text, "  warning: {warning}");
        }
        if !native.unknown.is_empty() {
            let _ = writeln!(text, "  not looked into without a network: {}", native.unknown.join(", "));
        }
    }
    let total: u64 = fetches.iter().filter_map(|(_, size)| *size).sum();
    match fetches.len() {
        0 => text.push_str("nothing to fetch\n"),
        count => {
            let _ = writeln!(text, "{} to fetch ({})", things(count, "file"), bytes(total));
        }
    }
    let lazy = if plan.options.lazy == Lazy::No { "" } else { ", lazy with a table of contents" };
    let _ = writeln!(text, "compression: {}{lazy}", plan.options.compression);
    for output in &plan.outputs {
        let names: Vec<String> = plan.tags.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "to {output} as {}", names.join(", "));
    }
    text
}
