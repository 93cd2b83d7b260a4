use std::fmt::Write as _;

use clap::{Args, ValueHint};
use wainwright_audit::{Change, FileChange, LayerChange, LayerDifference, PlatformDiff};
use wainwright_engine::ImageSource;
use wainwright_oci::{Digest, Platform};

use crate::args::{parse_image, parse_platform};
use crate::console::exit::WRONG;
use crate::console::{clean, print};
use crate::run::on_disk::run_on_disk;
use crate::units::{bytes, things};

/// The number of lines of one kind in the text; JSON has all.
const MOST_SHOWN: usize = 100;

const EXAMPLES: &str = "\
Examples:
  wain diff layout:out:1 layout:out:2
  wain diff .wain/image api.tar --platform linux/arm64
  wain diff one.tar two.tar --json         all differences; the text is limited";

/// Compare two images
///
/// Compares the fields of configs and manifests, the layers, the Python and Debian packages, and every file as a container
/// sees it: type, mode, owner, size and content, with the position of the first difference. The digests of all layers
/// are verified. The exit code is 0 if the images are equal, and 1 if they differ or one is damaged.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Diff {
    /// First image: layout:DIR[:TAG], archive:FILE[:TAG], or a path
    #[arg(value_parser = parse_image, value_hint = ValueHint::AnyPath)]
    pub(crate) before: ImageSource,

    /// Second image
    #[arg(value_parser = parse_image, value_hint = ValueHint::AnyPath)]
    pub(crate) after: ImageSource,

    /// Platform to compare [default: all platforms of both]
    #[arg(long, value_name = "PLATFORM", value_parser = parse_platform)]
    pub(crate) platform: Option<Platform>,

    /// Print the differences as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `wain diff`
pub(crate) fn diff(arguments: &Diff) -> u8 {
    let (before, after) = (arguments.before.clone(), arguments.after.clone());
    let platform = arguments.platform.clone();
    run_on_disk(
        move |store| wainwright_audit::diff(&before, &after, platform.as_ref(), store),
        |found| {
            let text = match arguments.json {
                true => format!("{:#}\n", json(&found)),
                false => text(arguments, &found),
            };
            match print(&text) {
                0 if !found.is_same => WRONG,
                code => code,
            }
        },
    )
}

fn json(found: &wainwright_audit::Diff) -> serde_json::Value {
    let mut value = serde_json::to_value(found).unwrap_or_default();
    value["version"] = 1.into();
    value
}

fn text(arguments: &Diff, found: &wainwright_audit::Diff) -> String {
    let mut text = String::new();
    let digest = |digest: Option<Digest>| digest.map_or(String::new(), |digest| format!("  {digest}"));
    let _ = writeln!(text, "- {}{}", clean(&arguments.before.to_string()), digest(found.before));
    let _ = writeln!(text, "+ {}{}", clean(&arguments.after.to_string()), digest(found.after));
    if found.is_same {
        text.push_str("no difference\n");
        return text;
    }
    changes(&mut text, "index", &found.index);
    for platform in &found.only_before {
        let _ = writeln!(text, "\n- {platform}");
    }
    for platform in &found.only_after {
        let _ = writeln!(text, "\n+ {platform}");
    }
    for platform in &found.platforms {
        of_platform(&mut text, platform);
    }
    text
}

fn of_platform(text: &mut String, found: &PlatformDiff) {
    let _ = writeln!(text, "\n{}", found.platform);
    if found.before == found.after {
        text.push_str("  no difference\n");
        return;
    }
    changes(text, "manifest", &found.manifest);
    changes(text, "config", &found.config);
    for layer in &found.layers {
        of_layer(text, layer);
    }
    for package in found.packages.iter().take(MOST_SHOWN) {
        let (before, after) = (package.before.as_deref(), package.after.as_deref());
        let (sign, versions) = match (before, after) {
            (Some(before), Some(after)) => ('~', format!("{before} -> {after}")),
            (before, after) => (sign(before, after), before.or(after).unwrap_or_default().to_owned()),
        };
        let name = format!("{} {}", package.kind, package.name);
        let _ = writeln!(text, "  {sign} package {} {}", clean(&name), clean(&versions));
    }
    more(text, found.packages.len());
    for file in found.files.iter().take(MOST_SHOWN) {
        of_file(text, file);
    }
    more(text, found.files.len());
    let count = |sign_of_file: char| {
        found
            .files
            .iter()
            .filter(|file| sign(file.before.as_deref(), file.after.as_deref()) == sign_of_file)
            .count()
    };
    let changed = things(count('~'), "file");
    let _ = writeln!(text, "  {changed} changed, {} added, {} removed", count('+'), count('-'));
}

fn of_layer(text: &mut String, layer: &LayerChange) {
    let what = match layer.state {
        LayerDifference::Same => return,
        LayerDifference::Recompressed => "same tar, another compression",
        LayerDifference::Changed => "changed",
        LayerDifference::Added => "added",
        LayerDifference::Removed => "removed",
    };
    let place = match (layer.before, layer.after) {
        (Some(before), Some(after)) if before != after => format!("{before} -> {after}"),
        (before, after) => before.or(after).unwrap_or_default().to_string(),
    };
    let number = |layer: Option<usize>| layer.map(|_| "");
    let _ = writeln!(text, "  {} layer {place}: {what}", sign(number(layer.before), number(layer.after)));
    for (sign, digest, size) in
        [('-', layer.before_digest, layer.before_size), ('+', layer.after_digest, layer.after_size)]
    {
        if let (Some(digest), Some(size)) = (digest, size) {
            let _ = writeln!(text, "      {sign} {digest} ({})", bytes(size));
        }
    }
}

fn of_file(text: &mut String, file: &FileChange) {
    let (before, after) = (file.before.as_deref(), file.after.as_deref());
    let what = if file.what.is_empty() { String::new() } else { format!(": {}", file.what.join(", ")) };
    let _ = writeln!(text, "  {} {}{what}", sign(before, after), clean(&file.path));
    // Where the time alone changed, both lines would be the same.
    if before != after {
        lines(text, before, after);
    }
    if let Some(found) = &file.first_difference {
        let show = |bytes: &str| if bytes.is_empty() { "the end".to_owned() } else { format!("`{bytes}`") };
        let (before, after) = (show(&found.before), show(&found.after));
        let _ = writeln!(text, "      from byte {}: {before} -> {after}", found.offset);
    }
}

fn changes(text: &mut String, document: &str, changes: &[Change]) {
    for change in changes.iter().take(MOST_SHOWN) {
        let (before, after) = (change.before.as_deref(), change.after.as_deref());
        let _ = writeln!(text, "  {} {document}: {}", sign(before, after), clean(&change.name));
        lines(text, before, after);
    }
    more(text, changes.len());
}

fn lines(text: &mut String, before: Option<&str>, after: Option<&str>) {
    for (sign, value) in [('-', before), ('+', after)] {
        if let Some(value) = value {
            let _ = writeln!(text, "      {sign} {}", clean(value));
        }
    }
}

fn sign(before: Option<&str>, after: Option<&str>) -> char {
    match (before, after) {
        (None, _) => '+',
        (Some(_), None) => '-',
        (Some(_), Some(_)) => '~',
    }
}

fn more(text: &mut String, count: usize) {
    if count > MOST_SHOWN {
        let _ = writeln!(text, "  and {} more (use --json for all)", count - MOST_SHOWN);
    }
}
