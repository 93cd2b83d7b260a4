//! Whatever a release holds, a reader finds it in what is emitted.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::samples::sample;
use crate::yaml::{Spot, Value, read};
use crate::{Error, Files, Options, Release, compose, helm, kubernetes};

/// The value at a path of keys in one document of a file.
fn find<'a>(document: &'a Spot, path: &[&str]) -> &'a Spot {
    path.iter().fold(document, |spot, key| {
        let entries = spot.entries("it").unwrap();
        &entries.iter().find(|(name, ..)| name == key).unwrap_or_else(|| panic!("no {key} of {path:?}")).2
    })
}

fn texts(spot: &Spot) -> BTreeMap<String, String> {
    let entries = spot.entries("it").unwrap().iter();
    entries.map(|(name, _, value)| (name.clone(), value.text("it").unwrap().to_owned())).collect()
}

fn words(spot: &Spot) -> Vec<String> {
    let Value::List(items) = &spot.value else { panic!("{spot:?} is no list") };
    items.iter().map(|item| item.text("it").unwrap().to_owned()).collect()
}

/// The first document of a file.
fn open(made: Result<Files, Error>, path: &str) -> Spot {
    let file = made.unwrap().into_iter().find(|file| file.path == path).unwrap();
    let text = String::from_utf8(file.bytes).unwrap();
    read(text.split("\n---\n").next().unwrap().as_bytes()).unwrap()
}

/// A release whose every text that may be anything is given.
fn hostile(environment: &BTreeMap<String, String>, health: &[String]) -> Release {
    let mut release = sample();
    release.services[0].health = Some(health.to_vec());
    release.components[0].environment = environment.clone();
    release.components[0].health = Some(health.to_vec());
    release
}

/// Any text that a process can be given; the odd ones are likely.
fn text() -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        Just('$'),
        Just('{'),
        Just('}'),
        Just('"'),
        Just('\\'),
        Just('\n'),
        Just('#'),
        Just(':'),
        Just('\u{85}')
    ];
    let letter =
        prop_oneof![odd, any::<char>().prop_filter("no process takes a zero", |letter| *letter != '\0')];
    proptest::collection::vec(letter, 0..12).prop_map(|letters| letters.into_iter().collect())
}

proptest! {
    #[test]
    fn any_value_is_read_again(
        environment in proptest::collection::btree_map("[A-Za-z_][A-Za-z0-9_]{0,8}X", text(), 1..6),
        health in proptest::collection::vec(text(), 1..4),
    ) {
        let health: Vec<String> = std::iter::once("probe".to_owned()).chain(health).collect();
        let (release, options) = (hostile(&environment, &health), Options::default());

        let document = open(compose(&release, &options), "compose.yaml");
        let escaped = |text: &String| text.replace('$', "$$");
        let doubled = environment.iter().map(|(name, value)| (name.clone(), escaped(value))).collect();
        prop_assert_eq!(texts(find(&document, &["services", "out", "environment"])), doubled);
        let test = words(find(&document, &["services", "out", "healthcheck", "test"]));
        prop_assert_eq!(&test[1..], &health.iter().map(escaped).collect::<Vec<_>>());

        let document = open(helm(&release, &options), "values.yaml");
        prop_assert_eq!(texts(find(&document, &["components", "out", "environment"])), environment.clone());
        prop_assert_eq!(words(find(&document, &["services", "redis", "probe", "command"])), health);

        match kubernetes(&release, &options) {
            Err(error) => prop_assert!(error.to_string().contains("control character"), "{error}"),
            made => {
                let document = open(made, "components/out.yaml");
                prop_assert_eq!(texts(find(&document, &["data"])), environment);
            }
        }
    }
}
