//! A plan as text and JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wainwright_engine::{ImagePlan, Native};
use wainwright_oci::Lazy;

use super::show::{Shown, platform_text};
use super::workflow;
use crate::units::{bytes, things};

/// The plan as JSON, with missing native libraries.
pub(super) fn json(shown: &Shown<'_>, native: &[Native]) -> Value {
    let mut native = native.iter();
    let images = shown.plan.images.iter().map(|image| image_json(shown, image, &mut native)).collect();
    match &shown.set.request.workflow {
        Some(workflow) => workflow::json(shown, workflow, images),
        None => images.into_iter().next().unwrap_or_default(),
    }
}

fn image_json<'n>(
    shown: &Shown<'_>,
    image: &ImagePlan,
    native: &mut impl Iterator<Item = &'n Native>,
) -> Value {
    let mut value = shown.plan.to_json(image);
    if let Some(platforms) = value["images"].as_array_mut() {
        platforms.iter_mut().zip(native).for_each(|(platform, native)| platform["native"] = json!(native));
    }
    value
}

/// The plan as text: every layer, whether it is built or reused, and why.
pub(super) fn text(shown: &Shown<'_>, native: &[Native]) -> String {
    let mut text = String::new();
    let mut native = native.iter();
    match &shown.set.request.workflow {
        Some(workflow) => workflow::text(shown, workflow, &mut native, &mut text),
        None => {
            for platform in shown.plan.platforms() {
                platform_text(platform, native.next(), "", &mut text);
            }
        }
    }
    let total: u64 = shown.fetches.iter().filter_map(|(_, size)| *size).sum();
    match shown.fetches.len() {
        0 => text.push_str("nothing to fetch\n"),
        count => {
            let _ = writeln!(text, "{} to fetch ({})", things(count, "file"), bytes(total));
        }
    }
    let lazy = if shown.plan.options.lazy == Lazy::No { "" } else { ", lazy with a table of contents" };
    let _ = writeln!(text, "compression: {}{lazy}", shown.plan.options.compression);
    match &shown.plan.images[..] {
        [image] if image.name.is_none() => {
            let names: Vec<String> = image.tags.iter().map(ToString::to_string).collect();
            for output in &image.outputs {
                let _ = writeln!(text, "to {output} as {}", names.join(", "));
            }
        }
        _ => {
            let _ = writeln!(text, "about {:.0} s", shown.seconds().ceil());
            for output in &shown.set.request.outputs {
                let _ = writeln!(text, "to {output}");
            }
        }
    }
    text
}
