use std::fmt::Write as _;

use wainwright_engine::{Change, Diff, Error, FileChange, LayerChange, LayerDifference, PlatformDiff};
use wainwright_oci::Digest;
use wainwright_store::Store;

use crate::args;
use crate::commands::fail;
use crate::failure::clean;
use crate::report::{bytes, things};
use crate::signals::{Ended, until_signal};
use crate::stdout::print;

const DIFFERENT: u8 = 1;
/// Lines of one kind that are shown; JSON has them all.
const MOST_SHOWN: usize = 100;

/// `wain diff`
pub(crate) fn diff(arguments: &args::Diff) -> u8 {
    let store = match Store::ephemeral(&std::env::temp_dir()) {
        Ok(store) => store,
        Err(error) => return fail(&error.into()),
    };
    match compare(arguments, &store) {
        Ended::Stopped(code) => {
            store.abandon();
            code
        }
        Ended::Done(Err(error)) => fail(&error),
        Ended::Done(Ok(found)) => {
            let text = match arguments.json {
                true => format!("{:#}\n", json(&found)),
                false => text(arguments, &found),
            };
            match print(&text) {
                0 if !found.is_same => DIFFERENT,
                code => code,
            }
        }
    }
}

/// Compares on another thread, so that a signal finds somebody who cleans up.
fn compare(arguments: &args::Diff, store: &Store) -> Ended<Result<Diff, Error>> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Ended::Done(Err(Error::Threads { source: error.into() })),
    };
    let (before, after) = (arguments.before.clone(), arguments.after.clone());
    let (platform, store) = (arguments.platform.clone(), store.clone());
    let job = move || wainwright_engine::diff(&before, &after, platform.as_ref(), &store);
    let ended = runtime.block_on(until_signal(async {
        let done = tokio::task::spawn_blocking(job).await;
        done.unwrap_or_else(|error| Err(Error::Bug { what: error.to_string() }))
    }));
    runtime.shutdown_background();
    ended
}

fn json(found: &Diff) -> serde_json::Value {
    let mut value = serde_json::to_value(found).unwrap_or_default();
    value["version"] = 1.into();
    value
}

fn text(arguments: &args::Diff, found: &Diff) -> String {
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
        LayerDifference::Recompressed => "the same tar, compressed in another way",
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
        let _ = writeln!(text, "  and {} more; --json has them all", count - MOST_SHOWN);
    }
}
