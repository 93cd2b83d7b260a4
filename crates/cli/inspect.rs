use std::fmt::Write as _;

use serde_json::Value;
use wainwright_engine::{InspectedManifest, Inspection, Raw, Tools};

use crate::args;
use crate::commands::run_with;
use crate::failure::clean;
use crate::machine;
use crate::report::{bytes, things};
use crate::stdout::{print, print_bytes};

/// `wain inspect`
pub(crate) fn inspect(arguments: &args::Inspect) -> u8 {
    let machine = machine::read(&arguments.machine, None);
    let raw = match (arguments.raw, arguments.config) {
        (true, _) => Some(Raw::Manifest),
        (_, true) => Some(Raw::Config),
        _ => None,
    };
    run_with(&arguments.machine, machine, Tools::without_project, async |tools, _| {
        let (image, platform) = (&arguments.image, arguments.platform.as_ref());
        if let Some(what) = raw {
            return Ok(print_bytes(&wainwright_engine::inspect_raw(image, what, platform, tools).await?));
        }
        let mut found = wainwright_engine::inspect(image, tools).await?;
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
