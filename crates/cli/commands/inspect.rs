use std::fmt::Write as _;

use clap::{Args, ValueHint};
use serde_json::Value;
use wainwright_engine::{InspectedManifest, Inspection, Raw, Subject};
use wainwright_oci::Platform;

use crate::args::{CacheArguments, DisplayArguments, NetworkArguments, Setup, parse_platform, parse_subject};
use crate::console::clean;
use crate::console::stdout::{print, print_bytes};
use crate::run::session::run_without_project;
use crate::units::{bytes, things};

const EXAMPLES: &str = "\
Examples:
  wain inspect ghcr.io/acme/api:1.4            a summary
  wain inspect layout:out:1 --layers           with all layers
  wain inspect last --raw                      the manifest or index, byte for byte
  wain inspect ghcr.io/acme/api:1.4 --config --platform linux/arm64";

/// Show the digest, platforms, layers and config of an image
///
/// The image can be in a registry, a layout or an archive, or the last build. No layer is fetched.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Inspect {
    /// Image: a registry reference, layout:DIR[:TAG], archive:FILE[:TAG], last or last:DIR
    #[arg(value_name = "IMAGE", value_parser = parse_subject, value_hint = ValueHint::AnyPath)]
    pub(crate) image: Subject,

    /// Print the index or manifest, byte for byte
    #[arg(long, conflicts_with_all = ["config", "layers", "json"])]
    pub(crate) raw: bool,

    /// Print the config, byte for byte
    #[arg(long, conflicts_with_all = ["layers", "json"])]
    pub(crate) config: bool,

    /// List the layers: digest, size, media type
    #[arg(long, conflicts_with = "json")]
    pub(crate) layers: bool,

    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,

    /// Platform to show [default: all; with --config, this machine's]
    #[arg(long, value_name = "PLATFORM", value_parser = parse_platform)]
    pub(crate) platform: Option<Platform>,

    #[command(flatten)]
    pub(crate) cache: CacheArguments,

    #[command(flatten)]
    pub(crate) network: NetworkArguments,

    #[command(flatten)]
    pub(crate) display: DisplayArguments,
}

/// `wain inspect`
pub(crate) fn inspect(arguments: &Inspect) -> u8 {
    let setup = Setup {
        network: Some(&arguments.network),
        cache: Some(&arguments.cache),
        progress: arguments.display.progress,
        ..Setup::default()
    };
    let raw = match (arguments.raw, arguments.config) {
        (true, _) => Some(Raw::Manifest),
        (_, true) => Some(Raw::Config),
        _ => None,
    };
    run_without_project(&setup, async |session, _| {
        let (image, platform) = (&arguments.image, arguments.platform.as_ref());
        if let Some(what) = raw {
            return Ok(print_bytes(&wainwright_engine::inspect_raw(image, what, platform, session).await?));
        }
        let mut found = wainwright_engine::inspect(image, session).await?;
        if let Some(wanted) = platform {
            found.manifests.retain(|manifest| {
                let platform = manifest.platform.as_ref();
                platform.is_some_and(|platform| wainwright_engine::is_meant(wanted, platform))
            });
        }
        Ok(print(&match (arguments.json, arguments.layers) {
            (true, _) => format!("{:#}\n", json(&image.to_string(), &found)),
            (_, with_layers) => text(&image.to_string(), &found, with_layers),
        }))
    })
}

fn json(name: &str, found: &Inspection) -> Value {
    let mut value = serde_json::to_value(found).unwrap_or_default();
    value["version"] = 1.into();
    value["name"] = name.into();
    value
}

fn text(name: &str, found: &Inspection, with_layers: bool) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}\ndigest      {}", clean(name), found.digest);
    let _ = writeln!(text, "media type  {}", clean(&found.media_type));
    for manifest in &found.manifests {
        let what = match &manifest.platform {
            Some(platform) => platform.to_string(),
            None => manifest.kind.clone(),
        };
        let _ = writeln!(text, "\n{} {}", clean(&what), manifest.digest);
        let layers = things(manifest.layers.len(), "layer");
        let _ = writeln!(text, "  size        {} in {layers}", bytes(manifest.layers_size));
        about_config(&mut text, manifest);
        for layer in manifest.layers.iter().filter(|_| with_layers) {
            let _ =
                writeln!(text, "  {} {:>9}  {}", layer.digest, bytes(layer.size), clean(&layer.media_type));
        }
    }
    text
}

fn about_config(text: &mut String, manifest: &InspectedManifest) {
    let Some(config) = &manifest.config else { return };
    let fields = [
        ("created", "/created"),
        ("user", "/config/User"),
        ("workdir", "/config/WorkingDir"),
        ("entrypoint", "/config/Entrypoint"),
        ("cmd", "/config/Cmd"),
        ("ports", "/config/ExposedPorts"),
    ];
    for (name, pointer) in fields {
        let value = match config.pointer(pointer) {
            None | Some(Value::Null) => continue,
            Some(Value::String(value)) if value.is_empty() => continue,
            Some(Value::String(value)) => value.clone(),
            Some(Value::Object(map)) => map.keys().cloned().collect::<Vec<_>>().join(" "),
            Some(other) => other.to_string(),
        };
        let _ = writeln!(text, "  {name:<11} {}", clean(&value));
    }
}
