use std::fmt::Display;

use wainwright_fault::Classify;
use wainwright_oci::{Platform, Reference};
use wainwright_python::{PackageName, PythonVersion};

/// An error of an option in one line, with its hint.
pub(crate) fn with_hint<E: Display + Classify>(error: E) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

/// The name of an image, with a tag or a digest.
pub(crate) fn parse_any_reference(text: &str) -> Result<Reference, String> {
    text.parse().map_err(with_hint::<wainwright_oci::Error>)
}

pub(crate) fn parse_platform(text: &str) -> Result<Platform, String> {
    let platform: Platform = text.parse().map_err(with_hint::<wainwright_oci::Error>)?;
    if platform.os != "linux" {
        return Err("only linux is supported".into());
    }
    // Variants that processors have, as Go's GOARM names them; `arm64/v8` has become `arm64`.
    match (platform.architecture.as_str(), platform.variant.as_deref()) {
        (_, None) | ("arm", Some("v5" | "v6" | "v7")) => Ok(platform),
        (_, Some(variant)) => Err(format!("unknown variant `{variant}` of {}", platform.architecture)),
    }
}

pub(crate) fn parse_host(text: &str) -> Result<String, String> {
    wainwright_engine::Registry::named(text)
        .ok_or_else(|| "not HOST[:PORT], for example `ghcr.io` or `registry.example:5000`".into())
}

pub(crate) fn parse_name(text: &str) -> Result<PackageName, String> {
    text.parse().map_err(with_hint::<wainwright_python::Error>)
}

pub(crate) fn parse_python(text: &str) -> Result<PythonVersion, String> {
    text.parse().map_err(with_hint::<wainwright_python::Error>)
}
