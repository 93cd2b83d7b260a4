use std::fmt::Write as _;

use serde_json::json;
use wainwright_engine::{Analysis, Cost, Error, PartCost};
use wainwright_store::Store;

use crate::args;
use crate::commands::fail;
use crate::failure::clean;
use crate::report::bytes;
use crate::signals::{Ended, until_signal};
use crate::stdout::print;

/// Lines of one kind that are shown; JSON has them all.
const MOST_SHOWN: usize = 15;
/// Files in a page: more can neither be seen nor drawn.
const MOST_DRAWN: usize = 5000;
const PAGE: &str = include_str!("analyze.html");

/// `wain analyze`
pub(crate) fn analyze(arguments: &args::Analyze) -> u8 {
    let store = match Store::ephemeral(&std::env::temp_dir()) {
        Ok(store) => store,
        Err(error) => return fail(&error.into()),
    };
    let found = match read(arguments, &store) {
        Ended::Stopped(code) => {
            store.abandon();
            return code;
        }
        Ended::Done(Err(error)) => return fail(&error),
        Ended::Done(Ok(found)) => found,
    };
    if let Some(path) = &arguments.html
        && let Err(error) = wainwright_engine::replace(path, page(&found).as_bytes())
    {
        return fail(&error.into());
    }
    print(&match arguments.json {
        true => format!("{:#}\n", json!(found)),
        false => found.iter().map(text).collect(),
    })
}

/// Reads on another thread, so that a signal finds somebody who cleans up.
fn read(arguments: &args::Analyze, store: &Store) -> Ended<Result<Vec<Analysis>, Error>> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Ended::Done(Err(Error::Threads { source: error.into() })),
    };
    let (image, platform, store) = (arguments.image.clone(), arguments.platform.clone(), store.clone());
    let job = move || wainwright_engine::analyze(&image, platform.as_ref(), &store);
    let ended = runtime.block_on(until_signal(async {
        let done = tokio::task::spawn_blocking(job).await;
        done.unwrap_or_else(|error| Err(Error::Bug { what: error.to_string() }))
    }));
    runtime.shutdown_background();
    ended
}

/// One file that needs nothing else. What is in the image must not end the script that holds it.
fn page(found: &[Analysis]) -> String {
    let mut found = json!(found);
    for image in found.as_array_mut().into_iter().flatten() {
        for list in ["files", "duplicates"] {
            if let Some(rows) = image[list].as_array_mut() {
                rows.truncate(MOST_DRAWN);
            }
        }
    }
    PAGE.replacen("DATA", &found.to_string().replace('<', "\\u003c"), 1)
}

fn text(found: &Analysis) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} {}", found.platform, found.digest);
    let _ = writeln!(text, "{:>10} {:>10}  {} files", "unpacked", "compressed", found.total.files);
    let mut row = |cost: &Cost, name: &str| {
        let name: String = clean(name).chars().take(100).collect();
        let _ = writeln!(text, "{:>10} {:>10}  {name}", bytes(cost.unpacked), bytes(cost.compressed));
    };
    row(&found.total, "in all");
    for (number, layer) in found.layers.iter().enumerate() {
        let hidden = match layer.hidden {
            0 => String::new(),
            hidden => format!(", {} of it hidden by layers above", bytes(hidden)),
        };
        row(&layer.cost, &format!("layer {}{hidden}: {}", number + 1, layer.created_by));
    }
    let mut parts = |title: &str, parts: &[PartCost], other: &str| {
        let _ = writeln!(text, "{title}");
        for part in parts.iter().take(MOST_SHOWN) {
            let name = if part.name == "-" { other.to_owned() } else { clean(&part.name) };
            let cost = part.cost;
            let _ = writeln!(text, "{:>10} {:>10}  {name}", bytes(cost.unpacked), bytes(cost.compressed));
        }
        if parts.len() > MOST_SHOWN {
            let _ = writeln!(text, "{:>23}and {} more", "", parts.len() - MOST_SHOWN);
        }
    };
    parts("packages", &found.packages, "of no package");
    parts("kinds of files", &found.types, "of no kind");
    let _ = writeln!(text, "largest files");
    for file in found.files.iter().take(MOST_SHOWN) {
        let _ = writeln!(text, "{:>10} {:>10}  {}", bytes(file.size), "", clean(&file.path));
    }
    let wasted: u64 = found.duplicates.iter().map(|one| one.size * (one.places.len() as u64 - 1)).sum();
    if wasted > 0 {
        let _ = writeln!(text, "same contents several times: {}", bytes(wasted));
        for one in found.duplicates.iter().take(MOST_SHOWN) {
            let first = one.places.first().map_or("", |(_, path)| path);
            let times = one.places.len();
            let _ = writeln!(text, "{:>10} {:>10}  {times} times {}", bytes(one.size), "", clean(first));
        }
    }
    text
}
