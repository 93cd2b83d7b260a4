use std::collections::BTreeMap;

use wainwright_project::{NotAQuantity, Quantity, Resources, is_dns_label};

use crate::check::{is_subdomain, shown};
use crate::yaml::{Spot, read};
use crate::{Autoscale, Error, Options, Release};

/// What a file of values may say.
const TOP: &[&str] = &["components", "existingSecret", "imagePullSecrets", "namespace", "services"];
/// What it may say of a component.
const COMPONENT: &[&str] =
    &["autoscale", "disruption", "environment", "published", "replicas", "resources", "user", "volumes"];
/// What it may say of a service of others.
const SERVICE: &[&str] = &["environment", "image", "resources", "user", "volumes"];
/// What it may say of resources: as a release does, or as Kubernetes does.
const RESOURCES: &[&str] = &["cpu", "cpu_limit", "limits", "memory", "memory_limit", "requests"];
const AMOUNTS: &[&str] = &["cpu", "memory"];
const AUTOSCALE: &[&str] = &["cpu", "max", "min"];

/// Lays a file of values, YAML or JSON, over a release and its options: what it names is replaced, everything else stays.
///
/// Components and services go by their names or their host names. A `null` takes away what may be absent. docs/emit.md lists
/// the keys.
///
/// # Errors
/// What is wrong with it first, with line and column, and the key that was probably meant. What the values give is a release
/// like any other, and checked when it is used.
pub fn overlay(text: &[u8], release: &mut Release, options: &mut Options) -> Result<(), Error> {
    let values = read(text)?;
    for (key, at, value) in known(&values, "the file", TOP)? {
        match key.as_str() {
            "namespace" => {
                release.namespace = optional(value, |value| name(value, is_dns_label, "a DNS label"))?;
            }
            "existingSecret" => {
                options.existing_secret =
                    optional(value, |value| name(value, is_subdomain, "the name of a Secret"))?;
            }
            "imagePullSecrets" => {
                let names = value
                    .items(key)?
                    .iter()
                    .map(|item| name(login(item)?, is_subdomain, "the name of a Secret"));
                options.image_pull_secrets = names.collect::<Result<_, _>>()?;
            }
            "components" => components(value, release)?,
            "services" => services(value, release)?,
            _ => return Err(at.error("unknown key", None)),
        }
    }
    Ok(())
}

/// A login as a name, or as Kubernetes writes it: `name: NAME`.
fn login(item: &Spot) -> Result<&Spot, Error> {
    match &item.value {
        crate::yaml::Value::Map(_) => match known(item, "a login", &["name"])? {
            [(_, _, name)] => Ok(name),
            _ => Err(item.error("a login has a name", None)),
        },
        _ => Ok(item),
    }
}

fn components(values: &Spot, release: &mut Release) -> Result<(), Error> {
    let names = release.components.iter().flat_map(|part| [part.name.clone(), part.service.clone()]);
    let names: Vec<String> = names.collect();
    for (name, at, values) in values.entries("components")? {
        let found = release.components.iter_mut().find(|part| part.name == *name || part.service == *name);
        let Some(part) = found else { return Err(unknown(at, "component", name, &names)) };
        for (key, _, value) in known(values, "a component", COMPONENT)? {
            match key.as_str() {
                "replicas" => part.replicas = value.number(key)?,
                "user" => part.user = optional(value, |value| value.number(key))?,
                "disruption" => part.disruption = optional(value, |value| value.number(key))?,
                "published" => part.published = optional(value, |value| value.number(key))?,
                "autoscale" => part.autoscale = autoscale(value, part.autoscale.take())?,
                "resources" => resources(value, &mut part.resources)?,
                "environment" => environment(value, &mut part.environment)?,
                _ => volumes(value, &mut part.volumes)?,
            }
        }
    }
    Ok(())
}

fn services(values: &Spot, release: &mut Release) -> Result<(), Error> {
    let names = release.services.iter().flat_map(|part| [part.name.clone(), part.service.clone()]);
    let names: Vec<String> = names.collect();
    for (name, at, values) in values.entries("services")? {
        let found = release.services.iter_mut().find(|part| part.name == *name || part.service == *name);
        let Some(part) = found else { return Err(unknown(at, "service", name, &names)) };
        for (key, _, value) in known(values, "a service", SERVICE)? {
            match key.as_str() {
                "image" => part.image = value.text(key)?.to_owned(),
                "user" => part.user = optional(value, |value| value.number(key))?,
                "resources" => resources(value, &mut part.resources)?,
                "environment" => environment(value, &mut part.environment)?,
                _ => volumes(value, &mut part.volumes)?,
            }
        }
    }
    Ok(())
}

fn autoscale(value: &Spot, before: Option<Autoscale>) -> Result<Option<Autoscale>, Error> {
    if value.is_null() {
        return Ok(None);
    }
    let (mut min, mut max, mut cpu) =
        before.map_or((None, None, None), |it| (Some(it.min), Some(it.max), Some(it.cpu)));
    for (key, _, value) in known(value, "autoscale", AUTOSCALE)? {
        let number = Some(value.number(key)?);
        match key.as_str() {
            "min" => min = number,
            "max" => max = number,
            _ => cpu = number,
        }
    }
    match (min, max, cpu) {
        (Some(min), Some(max), Some(cpu)) => Ok(Some(Autoscale { min, max, cpu })),
        _ => Err(value.error("autoscale takes `min`, `max` and `cpu`", None)),
    }
}

fn resources(value: &Spot, resources: &mut Resources) -> Result<(), Error> {
    for (key, _, value) in known(value, "resources", RESOURCES)? {
        match key.as_str() {
            "cpu" => resources.cpu = amount(value)?,
            "memory" => resources.memory = amount(value)?,
            "cpu_limit" => resources.cpu_limit = amount(value)?,
            "memory_limit" => resources.memory_limit = amount(value)?,
            group => {
                for (key, _, value) in known(value, group, AMOUNTS)? {
                    let place = match (group, key.as_str()) {
                        ("requests", "cpu") => &mut resources.cpu,
                        ("requests", _) => &mut resources.memory,
                        (_, "cpu") => &mut resources.cpu_limit,
                        _ => &mut resources.memory_limit,
                    };
                    *place = amount(value)?;
                }
            }
        }
    }
    Ok(())
}

fn amount(value: &Spot) -> Result<Option<Quantity>, Error> {
    optional(value, |value| {
        value
            .text("an amount")?
            .parse()
            .map_err(|error: NotAQuantity| value.error(error.to_string(), Some(error.hint().into())))
    })
}

/// Variables as they are written: `PORT: 8080` is the text `8080`, and `ON: yes` the text `yes`.
fn environment(value: &Spot, variables: &mut BTreeMap<String, String>) -> Result<(), Error> {
    for (name, _, value) in value.entries("environment")? {
        match optional(value, |value| value.text("the value of a variable").map(ToOwned::to_owned))? {
            Some(text) => variables.insert(name.clone(), text),
            None => variables.remove(name),
        };
    }
    Ok(())
}

fn volumes(value: &Spot, volumes: &mut BTreeMap<String, Quantity>) -> Result<(), Error> {
    for (path, _, value) in value.entries("volumes")? {
        match amount(value)? {
            Some(size) => volumes.insert(path.clone(), size),
            None => volumes.remove(path),
        };
    }
    Ok(())
}

fn optional<T>(value: &Spot, read: impl FnOnce(&Spot) -> Result<T, Error>) -> Result<Option<T>, Error> {
    if value.is_null() { Ok(None) } else { read(value).map(Some) }
}

fn name(value: &Spot, is_name: fn(&str) -> bool, what: &str) -> Result<String, Error> {
    let text = value.text(what)?;
    match is_name(text) {
        true => Ok(text.to_owned()),
        false => Err(value.error(format!("`{}` is not {what}", shown(text)), None)),
    }
}

/// Keys and values, when every key is a known one.
fn known<'a>(value: &'a Spot, what: &str, keys: &[&str]) -> Result<&'a [(String, Spot, Spot)], Error> {
    let entries = value.entries(what)?;
    match entries.iter().find(|(key, ..)| !keys.contains(&key.as_str())) {
        None => Ok(entries),
        Some((key, at, _)) => Err(unknown(at, "key", key, keys)),
    }
}

fn unknown<T: AsRef<str>>(at: &Spot, what: &str, name: &str, known: &[T]) -> Error {
    let nearest = known.iter().map(|known| (distance(name, known.as_ref()), known.as_ref())).min();
    let remedy = match nearest {
        Some((distance, nearest)) if distance <= nearest.len().div_ceil(3) => {
            format!("did you mean `{nearest}`?")
        }
        None => format!("no {what} is defined here"),
        _ => {
            let mut names: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
            names.dedup();
            format!("there are: {}", names.join(", "))
        }
    };
    at.error(format!("there is no {what} `{}`", shown(name)), Some(remedy))
}

/// How many letters have to be put in, taken out or replaced, whatever their case.
fn distance(left: &str, right: &str) -> usize {
    // Longer names are nobody's misspelling.
    let letters = |text: &str| text.chars().take(100).collect::<String>().to_ascii_lowercase();
    strsim::levenshtein(&letters(left), &letters(right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{sample, told};

    #[test]
    fn values_are_laid_over_a_release() {
        let text = br#"
namespace: help-desk
existingSecret: vault
imagePullSecrets: [login, {name: other}]
components:
  Support_Agent:
    replicas: 3
    autoscale: null
    resources:
      limits: {cpu: 2}
    environment:
      PORT: 8080
      SWITCH: yes
      EMPTY: ""
      GREETING:
  out: {published: 9000, autoscale: {min: 1, max: 3, cpu: 70}}
  notes:
    volumes: {/app/data: 2Gi}
services:
  redis: {image: "redis:7.4"}
"#;
        let (mut release, mut options) = (sample(), Options::default());
        overlay(text, &mut release, &mut options).unwrap();
        release.check().unwrap();
        let before = String::from_utf8(sample().to_json()).unwrap();
        let after = String::from_utf8(release.to_json()).unwrap();
        let lines = |from: &str, other: &str, sign: &str| -> String {
            let lines = from.lines().filter(|line| !other.lines().any(|known| known == *line));
            lines.map(|line| format!("{sign} {}\n", line.trim())).collect()
        };
        insta::assert_snapshot!(format!(
            "{}{}{:?} {:?}",
            lines(&before, &after, "-"),
            lines(&after, &before, "+"),
            options.existing_secret,
            options.image_pull_secrets
        ), @r#"
        - "namespace": null,
        - "published": 8000,
        - "GREETING": "Good day, \"friend\"!\nHow are you? It costs $5, or ${NOTHING} at all.",
        - "cpu_limit": "1",
        - "min": 2,
        - "max": 6,
        - "cpu": 80
        - "/app/data": "1Gi"
        - "image": "redis@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        + "namespace": "help-desk",
        + "published": 9000,
        + "min": 1,
        + "max": 3,
        + "cpu": 70
        + "EMPTY": "",
        + "PORT": "8080",
        + "SWITCH": "yes",
        + "cpu_limit": "2",
        + "replicas": 3,
        + "/app/data": "2Gi"
        + "image": "redis:7.4",
        Some("vault") ["login", "other"]
        "#);
    }

    #[test]
    fn invalid_values_are_reported_with_position() {
        let cases = [
            "component: {}",
            "components: [out]",
            "components:\n  suport-agent: {}",
            "components:\n  nobody: {}",
            "components:\n  out:\n    replica: 2",
            "components:\n  out:\n    replicas: \"2\"",
            "components:\n  out:\n    replicas: -1",
            "components:\n  out:\n    replicas: 70000",
            "components:\n  out:\n    published: http",
            "components:\n  out:\n    autoscale: {min: 1}",
            "components:\n  out:\n    resources: {memory: 1 GB}",
            "components:\n  out:\n    resources: {request: {}}",
            "components:\n  out:\n    environment: {A: [1]}",
            "services:\n  redis:\n    replicas: 2",
            "namespace: Prod",
            "imagePullSecrets: login",
            "imagePullSecrets: [{secret: x}]",
            "- a",
            "a: b: c",
        ];
        let told: Vec<String> = cases
            .into_iter()
            .map(|text| {
                let error = overlay(text.as_bytes(), &mut sample(), &mut Options::default()).unwrap_err();
                format!("{text}\n>>> {}\n", told(&error))
            })
            .collect();
        insta::assert_snapshot!(told.concat());
    }
}
