use wainwright_oci::Layer;

use super::engine::Engine;
use crate::Error;

/// Refuses to send layers that a daemon is too old for; it would say `invalid tar header` in the end.
///
/// Docker reads zstd since version 23, whose API is 1.42. Podman reads it in every version that has a service, and counts
/// its API in another way.
pub(super) async fn check(engine: &Engine, layers: &[Layer]) -> Result<(), Error> {
    if !layers.iter().any(|layer| layer.descriptor.media_type.ends_with("zstd")) {
        return Ok(());
    }
    // A daemon that does not tell is believed to be new.
    let answer = engine.ask("/version", "report its version").await.unwrap_or_default().unwrap_or_default();
    let is_podman = answer["Components"].to_string().contains("Podman");
    let number = |text: &str| text.parse::<u32>().ok();
    let api = answer["ApiVersion"].as_str().and_then(|text| text.split_once('.'));
    match api.and_then(|(major, minor)| Some((number(major)?, number(minor)?))) {
        Some(api) if api < (1, 42) && !is_podman => Err(Error::NoZstd {
            daemon: engine.name(),
            version: answer["Version"].as_str().unwrap_or("unknown").to_owned(),
        }),
        _ => Ok(()),
    }
}
