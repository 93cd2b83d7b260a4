use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::document::{Item, Table, closest};
use crate::items::{checked, distinct, map, number_or_text, volume, volume_sizes};
use crate::values::{check_pinned, check_variable, cut, is_dns_label};
use crate::{Error, Health, Port, Quantity, Resources, User};

/// An image of others that runs beside the project: a database, a queue, a cache.
///
/// What is absent is up to what is known about the image, else to the image itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// Its name, and the host name under which the project reaches it: a DNS label.
    pub name: String,
    /// `postgres:17`, or with a digest; never `latest`.
    pub image: String,
    /// Ports it listens on; the first is the main one.
    pub ports: Option<Vec<Port>>,
    /// Environment variables; never a secret.
    pub env: BTreeMap<String, String>,
    /// Environment variables whose values are secrets.
    pub secrets: Option<Vec<String>>,
    /// Environment variables made of a text and then a secret.
    pub prefixed: BTreeMap<String, Prefixed>,
    /// Paths that outlive the container, and how large they are.
    pub volumes: Option<BTreeMap<String, Quantity>>,
    /// Further paths it writes to.
    pub writable: Option<Vec<String>>,
    /// Whether everything else in the container is read-only.
    pub read_only: Option<bool>,
    /// Who it runs as; not root.
    pub user: Option<User>,
    /// How to find out whether it works.
    pub health: Option<Health>,
    /// Services that it needs itself.
    pub needs: Vec<String>,
    /// CPU and memory.
    pub resources: Option<Resources>,
}

/// A value that is a text and then a secret: `neo4j/`, and the value of `GRAPH_PASSWORD`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prefixed {
    /// What stands before the secret: letters, digits and `-._:/@`.
    pub prefix: String,
    /// The name of the secret.
    pub secret: String,
}

const KEYS: [&str; 13] = [
    "env",
    "health",
    "image",
    "name",
    "needs",
    "ports",
    "prefixed",
    "read-only",
    "resources",
    "secrets",
    "user",
    "volumes",
    "writable",
];

/// Reads `[[services]]`.
pub(crate) fn services(item: &Item<'_>) -> Result<Vec<Service>, Error> {
    let items = item.array().map_err(|_| {
        item.refuse_with("`services` must be an array of tables", "begin each with [[services]]")
    })?;
    let mut services: Vec<Service> = Vec::with_capacity(items.len());
    for item in &items {
        let service = service(item)?;
        if services.iter().any(|other| other.name == service.name) {
            return Err(item.refuse(format!("two services have the name `{}`", service.name)));
        }
        services.push(service);
    }
    let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
    for item in &items {
        for need in item.table()?.get("needs").map_or(Ok(Vec::new()), |needs| needs.array())? {
            let name = need.string()?;
            if !names.contains(&name) {
                let hint = closest(name, &names).map(|close| format!("did you mean `{close}`?"));
                return Err(need.refuse_maybe(format!("there is no service `{}`", cut(name)), hint));
            }
        }
    }
    Ok(services)
}

fn service(item: &Item<'_>) -> Result<Service, Error> {
    let table = item.table()?;
    table.allow_only(&KEYS)?;
    let get = |key| table.get(key);
    let required = |key: &str, example: &str| {
        table.get(key).ok_or_else(|| item.refuse_with(format!("a service needs `{key}`"), example))
    };
    let list = |key| get(key).map(|item| item.array()).transpose();
    let service = Service {
        name: name(&required("name", "write name = \"db\"")?)?,
        image: image(&required("image", "write image = \"postgres:17\"")?)?,
        ports: list("ports")?.map(|items| distinct(items, number_or_text)).transpose()?,
        env: map(get("env"), check_variable)?,
        secrets: get("secrets").map(|item| variables(&item)).transpose()?,
        prefixed: prefixed(&table)?,
        volumes: get("volumes").map(|item| sizes(&item)).transpose()?,
        writable: list("writable")?.map(|items| distinct(items, volume)).transpose()?,
        read_only: get("read-only").map(|item| item.boolean()).transpose()?,
        user: get("user").map(|item| user(&item)).transpose()?,
        health: get("health").map(|item| Health::read(&item)).transpose()?,
        needs: distinct(list("needs")?.unwrap_or_default(), |item| item.string().map(str::to_owned))?,
        resources: get("resources").map(|item| Resources::read(&item)).transpose()?,
    };
    let mut seen: BTreeSet<&String> = service.env.keys().collect();
    match service.secrets.iter().flatten().chain(service.prefixed.keys()).find(|name| !seen.insert(name)) {
        Some(name) => {
            Err(item.refuse(format!("variable `{name}` of service `{}` is set twice", service.name)))
        }
        None => Ok(service),
    }
}

fn name(item: &Item<'_>) -> Result<String, Error> {
    let text = item.string()?;
    match is_dns_label(text) {
        true => Ok(text.to_owned()),
        false => Err(item.refuse_with(
            format!("`{}` is not a host name", cut(text)),
            "write a lower-case letter, then up to 62 lower-case letters, digits and `-`",
        )),
    }
}

fn image(item: &Item<'_>) -> Result<String, Error> {
    let text = item.string()?;
    check_pinned(text).map_err(|(what, hint)| item.refuse_maybe(what, hint))?;
    Ok(text.to_owned())
}

/// Names of variables whose values are secrets.
pub(crate) fn variables(item: &Item<'_>) -> Result<Vec<String>, Error> {
    let items = item.array().map_err(|error| {
        if item.table().is_err() {
            return error;
        }
        item.refuse_with(
            format!("`{}` must be an array of names: values of secrets stand in no file", item.key),
            format!("write {} = [\"DATABASE_PASSWORD\"], and set the value where it is deployed", item.key),
        )
    })?;
    distinct(items, |item| checked(item, check_variable))
}

/// Sizes have no default: only the user knows how much a database keeps.
fn sizes(item: &Item<'_>) -> Result<BTreeMap<String, Quantity>, Error> {
    volume_sizes(item).map_err(|error| match item.array() {
        Ok(_) => item.refuse_with(
            "`volumes` of a service must be a table of paths and sizes",
            "write volumes = { \"/data\" = \"5Gi\" }",
        ),
        Err(_) => error,
    })
}

fn prefixed(table: &Table<'_>) -> Result<BTreeMap<String, Prefixed>, Error> {
    let Some(item) = table.get("prefixed") else { return Ok(BTreeMap::new()) };
    let mut all = BTreeMap::new();
    for (name, (_, item)) in item.table()?.items() {
        check_variable(name).map_err(|what| item.refuse(what))?;
        let parts = item.table()?;
        parts.allow_only(&["prefix", "secret"])?;
        let (Some(prefix), Some(secret)) = (parts.get("prefix"), parts.get("secret")) else {
            return Err(item.refuse_with(
                format!("`{name}` needs `prefix` and `secret`"),
                format!("write {name} = {{ prefix = \"neo4j/\", secret = \"GRAPH_PASSWORD\" }}"),
            ));
        };
        let value =
            Prefixed { prefix: prefix.string()?.to_owned(), secret: checked(&secret, check_variable)? };
        all.insert(name.to_owned(), value);
    }
    Ok(all)
}

fn user(item: &Item<'_>) -> Result<User, Error> {
    let user: User = number_or_text(item)?;
    match user.uid {
        0 => Err(item.refuse_with(
            "services do not run as root",
            "write the number of the account that the image has for this, as user = 999",
        )),
        _ => Ok(user),
    }
}
