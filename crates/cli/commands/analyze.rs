use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::json;
use wainwright_audit::{Analysis, Cost, PartCost};
use wainwright_engine::ImageSource;
use wainwright_oci::Platform;

use crate::args::{parse_image, parse_platform};
use crate::console::{clean, fail, print};
use crate::run::on_disk::run_on_disk;
use crate::units::bytes;

/// The number of lines of one kind in the text; JSON has all.
const MOST_SHOWN: usize = 15;
/// The number of files in a page; a browser cannot draw more.
const MOST_DRAWN: usize = 5000;
const PAGE: &str = include_str!("analyze.html");

const EXAMPLES: &str = "\
Examples:
  wain analyze .wain/image                 the default output of `wain build`
  wain analyze api.tar --html api.html     write a page with a map
  wain analyze layout:out:1 --json";

/// Show the size of packages, file types and layers in an image
///
/// Reads all layers of an image on disk, and lists the largest parts, unpacked and compressed, and duplicate files. A layer
/// is compressed as a whole, so the compressed size of a file or package is its share of the layer by size.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Analyze {
    /// Image: layout:DIR[:TAG], archive:FILE[:TAG], or a path
    #[arg(value_parser = parse_image, value_hint = ValueHint::AnyPath)]
    pub(crate) image: ImageSource,

    /// Platform to analyze [default: all]
    #[arg(long, value_name = "PLATFORM", value_parser = parse_platform)]
    pub(crate) platform: Option<Platform>,

    /// Write an HTML page with a map of packages and files, in one file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<PathBuf>,

    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `wain analyze`
pub(crate) fn analyze(arguments: &Analyze) -> u8 {
    let (image, platform) = (arguments.image.clone(), arguments.platform.clone());
    run_on_disk(
        move |store| wainwright_audit::analyze(&image, platform.as_ref(), store),
        |found| {
            if let Some(path) = &arguments.html
                && let Err(error) = wainwright_engine::replace(path, page(&found).as_bytes())
            {
                return fail(&error.into());
            }
            print(&match arguments.json {
                true => format!("{:#}\n", json!(found)),
                false => found.iter().map(text).collect(),
            })
        },
    )
}

/// A page in one file. Names from the image must not end the script that contains them.
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
    row(&found.total, "total");
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
    parts("packages", &found.packages, "no package");
    parts("file types", &found.types, "no type");
    let _ = writeln!(text, "largest files");
    for file in found.files.iter().take(MOST_SHOWN) {
        let _ = writeln!(text, "{:>10} {:>10}  {}", bytes(file.size), "", clean(&file.path));
    }
    let wasted: u64 = found.duplicates.iter().map(|one| one.size * (one.places.len() as u64 - 1)).sum();
    if wasted > 0 {
        let _ = writeln!(text, "duplicates: {}", bytes(wasted));
        for one in found.duplicates.iter().take(MOST_SHOWN) {
            let first = one.places.first().map_or("", |(_, path)| path);
            let times = one.places.len();
            let _ = writeln!(text, "{:>10} {:>10}  {times} times {}", bytes(one.size), "", clean(first));
        }
    }
    text
}
