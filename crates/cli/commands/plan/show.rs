//! The part of a plan that each image has.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use wainwright_engine::{BasePlan, DebianRecipe, ImageSet, LayerState, Native, Plan, PlatformPlan};
use wainwright_store::Store;

use crate::units::{bytes, things};

/// Typical bytes per second for fetching files and for building layers, for an estimate.
const FETCHED: u64 = 20_000_000;
const MADE: u64 = 100_000_000;

/// A plan with the files to fetch.
pub(crate) struct Shown<'a> {
    pub(super) set: &'a ImageSet,
    pub(super) plan: &'a Plan,
    /// Names and sizes of files, without duplicates.
    pub(super) fetches: Vec<(String, Option<u64>)>,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(set: &'a ImageSet, plan: &'a Plan, store: &Store) -> Self {
        Self { set, plan, fetches: plan.fetches(store) }
    }

    /// The estimated time of a build, at typical speeds.
    pub(super) fn seconds(&self) -> f64 {
        let fetched: u64 = self.fetches.iter().filter_map(|(_, size)| *size).sum();
        let missing = self.plan.layers().filter(|layer| layer.state == LayerState::Missing);
        let missing: BTreeMap<_, u64> =
            missing.map(|layer| (layer.key, layer.input_size().unwrap_or(0))).collect();
        fetched as f64 / FETCHED as f64 + missing.values().sum::<u64>() as f64 / MADE as f64
    }
}

/// An image for a platform: every layer, whether it is built or reused, and why. `indent` precedes each line.
pub(super) fn platform_text(image: &PlatformPlan, native: Option<&Native>, indent: &str, text: &mut String) {
    let _ = writeln!(
        text,
        "{indent}{} on {} (Python {}, {})",
        image.platform, image.base_name, image.target.python, image.target.libc
    );
    let mut row = |state: &str, size: String, name: &str, why: &str| {
        let why = if why.is_empty() { String::new() } else { format!("  ({why})") };
        let _ = writeln!(text, "{indent}  {state:<6} {size:>9}  {name}{why}");
    };
    match &image.base {
        BasePlan::Runtime(recipe) => packages(recipe, "base ", "base of ", &mut row),
        BasePlan::Image(base) => {
            for layer in &base.layers {
                row("reuse", bytes(layer.descriptor.size), "base layer", "unchanged");
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
                    Some(doubt) => format!("built to check {}", doubt.cache),
                    None => "not cached".into(),
                };
                let size = layer.input_size().map_or_else(String::new, |size| format!("~{}", bytes(size)));
                row("build", size, &layer.name, &format!("{}; {reason}", layer.why));
            }
        }
    }
    if !image.slim.is_empty() {
        let kinds: Vec<&str> = image.slim.iter().map(|kind| kind.name()).collect();
        let _ = writeln!(text, "{indent}  omitted from packages: {}", kinds.join(", "));
    }
    for warning in native.map(Native::warnings).unwrap_or_default() {
        let _ = writeln!(text, "{indent}  warning: {warning}");
    }
    if let Some(native) = native.filter(|native| !native.unknown.is_empty()) {
        let _ =
            writeln!(text, "{indent}  not checked, because --offline is set: {}", native.unknown.join(", "));
    }
}

/// The rows of layers with Debian packages.
fn packages(
    recipe: &DebianRecipe,
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
            row("build", String::new(), &format!("{missing}{count}"), "not cached");
        }
    }
}
