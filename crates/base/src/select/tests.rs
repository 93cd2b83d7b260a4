use serde_json::json;

use super::*;
use crate::testing::{Bench, TestImage, raw};
use crate::{Source, open};
use wainwright_fault::Classify as _;

/// Opens the layout and gives the name of what was chosen, or the refusal.
fn check(bench: &Bench, name: Option<&str>, platform: &str, expected: &str) {
    check_pinned(bench, name, None, platform, expected);
}

fn check_pinned(bench: &Bench, name: Option<&str>, pin: Option<&str>, platform: &str, expected: &str) {
    let digest = pin.map(|pin| pin.parse().unwrap());
    let source = Source::Layout { dir: bench.layout(), name: name.map(Into::into), digest };
    let found = match open(&source, &platform.parse().unwrap(), &bench.store) {
        Ok(base) => {
            let architecture = &base.image.config.json["architecture"];
            format!("{} {}", base.name.unwrap_or_default(), architecture.as_str().unwrap())
        }
        Err(error) => {
            assert!(error.hint().is_some() && !error.is_outside(), "{error:?}");
            error.to_string().replace(&format!("`{}`", bench.layout().display()), "it")
        }
    };
    assert_eq!(found, expected);
}

fn image(bench: &Bench, architecture: &str, content: &str) -> Value {
    bench.image(&TestImage::new(architecture, vec![raw().file("x", content.as_bytes())]))
}

fn with(mut descriptor: Value, field: &str, value: Value) -> Value {
    descriptor[field] = value;
    descriptor
}

fn named(descriptor: Value, name: &str) -> Value {
    with(descriptor, "annotations", json!({REF_NAME: name}))
}

fn for_platform(descriptor: Value, os: &str, architecture: &str, variant: Option<&str>) -> Value {
    let platform = match variant {
        Some(variant) => json!({"os": os, "architecture": architecture, "variant": variant}),
        None => json!({"os": os, "architecture": architecture}),
    };
    with(descriptor, "platform", platform)
}

fn index(bench: &Bench, entries: &[Value]) -> Value {
    let json = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": entries});
    bench.json_blob(media_type::INDEX, &json)
}

#[test]
fn a_nested_index_is_searched_for_the_platform() {
    let bench = Bench::new();
    let attestation = for_platform(image(&bench, "amd64", "attestation"), "unknown", "unknown", None);
    let nested = index(
        &bench,
        &[
            for_platform(image(&bench, "amd64", ""), "linux", "amd64", None),
            for_platform(image(&bench, "arm64", ""), "linux", "arm64", Some("v8")),
            for_platform(image(&bench, "arm", ""), "linux", "arm", Some("v7")),
            attestation,
        ],
    );
    bench.write_index(&[named(nested, "1.4")]);
    check(&bench, None, "linux/amd64", "1.4 amd64");
    check(&bench, Some("1.4"), "linux/arm64", "1.4 arm64");
    check(&bench, None, "linux/arm", "1.4 arm");
    let held = "it contains linux/amd64, linux/arm/v7, linux/arm64/v8";
    check(&bench, None, "linux/s390x", &format!("it contains no image for linux/s390x; {held}"));
    check(&bench, None, "linux/arm/v6", &format!("it contains no image for linux/arm/v6; {held}"));
    check(&bench, Some("2"), "linux/amd64", "it contains no image named `2`; it contains 1.4");
}

#[test]
fn entries_without_a_platform_are_asked() {
    let bench = Bench::new();
    let artifact = json!({
        "schemaVersion": 2,
        "config": with(bench.blob("application/vnd.oci.empty.v1+json", b"{}"), "size", json!(2)),
        "layers": [],
    });
    let artifact = bench.json_blob(media_type::MANIFEST, &artifact);
    bench.write_index(&[image(&bench, "amd64", ""), image(&bench, "arm64", ""), artifact]);
    check(&bench, None, "linux/arm64", " arm64");
    check(
        &bench,
        None,
        "linux/386",
        "it contains no image for linux/386; it contains linux/amd64, linux/arm64",
    );
}

#[test]
fn two_that_fit_are_refused_and_listed() {
    let bench = Bench::new();
    let (one, two) = (image(&bench, "amd64", "1"), image(&bench, "amd64", "2"));
    bench.write_index(&[named(one.clone(), "1"), named(one.clone(), "again"), named(two.clone(), "2")]);
    let digest = |descriptor: &Value| descriptor["digest"].as_str().unwrap().to_owned();
    let found = format!("1 ({}), 2 ({})", digest(&one), digest(&two));
    check(&bench, None, "linux/amd64", &format!("it contains several images for linux/amd64: {found}"));
    check(&bench, Some("2"), "linux/amd64", "2 amd64");
    check_pinned(&bench, None, Some(&digest(&one)), "linux/amd64", "1 amd64");
    let expected = format!("it contains no image named `2@{}`; it contains 1, 2, again", digest(&one));
    check_pinned(&bench, Some("2"), Some(&digest(&one)), "linux/amd64", &expected);
}

#[test]
fn a_digest_may_name_an_index_or_what_is_in_it() {
    let bench = Bench::new();
    let manifest = image(&bench, "amd64", "");
    let nested = index(&bench, std::slice::from_ref(&manifest));
    bench.write_index(std::slice::from_ref(&nested));
    for descriptor in [manifest, nested] {
        check_pinned(&bench, None, descriptor["digest"].as_str(), "linux/amd64", " amd64");
    }
}

#[test]
fn depth_and_number_of_entries_are_bounded() {
    let bench = Bench::new();
    let mut entry = image(&bench, "amd64", "");
    for depth in 1..=5 {
        entry = index(&bench, &[entry]);
        bench.write_index(&[entry.clone()]);
        let deep = "invalid image index in it: indexes are nested more than 4 levels deep";
        check(&bench, None, "linux/amd64", if depth > 4 { deep } else { " amd64" });
    }
    let many = vec![for_platform(image(&bench, "amd64", ""), "linux", "amd64", None); MOST_ENTRIES + 1];
    bench.write_index(&many[1..]);
    check(&bench, None, "linux/amd64", " amd64");
    bench.write_index(&many);
    let reason = format!("invalid image index in it: it has more than {MOST_ENTRIES} entries");
    check(&bench, None, "linux/amd64", &reason);
}

#[test]
fn a_config_may_not_contradict_the_index() {
    let bench = Bench::new();
    bench.write_index(&[for_platform(image(&bench, "arm64", ""), "linux", "amd64", None)]);
    let reason = "invalid image config in it: it is for linux/arm64, not for linux/amd64";
    check(&bench, None, "linux/amd64", reason);
}

#[test]
fn an_empty_layout_says_so() {
    let bench = Bench::new();
    bench.write_index(&[]);
    check(&bench, None, "linux/amd64", "it contains no image for linux/amd64; it contains no images");
}
