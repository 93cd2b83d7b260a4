use clap::Args;
use serde_json::{Value, json};
use wainwright_engine::WainLock;
use wainwright_oci::Platform;

use crate::console::print;

/// Print the version
///
/// With --json, also the platform of this machine, the numbers of the layer formats, and the versions of the files that
/// this program reads. A layer with another format number has other bytes, and so another digest.
#[derive(Args)]
#[command(after_help = "Example: wain version --json")]
pub(crate) struct Version {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// `wain version`
pub(crate) fn version(arguments: &Version) -> u8 {
    print(&match arguments.json {
        true => format!("{:#}\n", to_json()),
        false => format!("wain {}\n", env!("CARGO_PKG_VERSION")),
    })
}

fn to_json() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "platform": Platform::host().to_string(),
        "formats": {
            "layer": wainwright_blob::FORMAT,
            "bytecode": wainwright_layer::bytecode::FORMAT,
            "debian": wainwright_layer::debian::FORMAT,
        },
        "schemas": {
            "wain.lock": [WainLock::VERSION],
            "release.json": [wainwright_emit::SCHEMA],
        },
    })
}
