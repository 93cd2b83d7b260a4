use std::collections::BTreeMap;

use crate::document::{Item, Table};
use crate::items::{distinct, number, volume, volume_sizes};
use crate::service::{services, variables};
use crate::{Error, Health, Quantity, Resources, Service};

/// How the image is meant to run, for the files that deploy it. Nothing here changes a byte of the image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Deploy {
    /// How to find out whether it works.
    pub health: Option<Health>,
    /// CPU and memory.
    pub resources: Option<Resources>,
    /// How many containers run; absent for one.
    pub replicas: Option<u16>,
    /// Environment variables whose values are secrets.
    pub secrets: Vec<String>,
    /// Whether it is reached from outside.
    pub publish: Publish,
    /// How large the volumes are, where the settings say so.
    pub volume_sizes: BTreeMap<String, Quantity>,
    /// Paths it writes to, besides volumes and `/tmp`.
    pub writable: Vec<String>,
    /// Whether everything else in the container is read-only; absent for yes.
    pub read_only: Option<bool>,
    /// Seconds from the signal to stop until the container is killed.
    pub stop_grace_period: Option<u16>,
    /// Images of others that run beside it.
    pub services: Vec<Service>,
}

/// Whether the main port is reached from outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    /// At the same port.
    #[default]
    Same,
    /// At another port.
    At(u16),
    /// Not at all.
    No,
}

/// The keys that are read here, among the other settings.
pub(crate) const KEYS: [&str; 9] = [
    "health",
    "publish",
    "read-only",
    "replicas",
    "resources",
    "secrets",
    "services",
    "stop-grace-period",
    "writable",
];

impl Deploy {
    /// Reads what belongs here from the table of all settings; sizes of volumes come with `volumes`.
    pub(crate) fn read(table: &Table<'_>) -> Result<Self, Error> {
        let get = |key| table.get(key);
        let volumes = get("volumes").filter(|item| item.array().is_err());
        let writable = get("writable").map_or(Ok(Vec::new()), |item| item.array())?;
        Ok(Self {
            health: get("health").map(|item| Health::read(&item)).transpose()?,
            resources: get("resources").map(|item| Resources::read(&item)).transpose()?,
            replicas: get("replicas").map(|item| number(&item, 0, 1000)).transpose()?,
            secrets: secrets(table)?,
            publish: get("publish").map(|item| publish(&item)).transpose()?.unwrap_or_default(),
            volume_sizes: volumes.map(|item| volume_sizes(&item)).transpose()?.unwrap_or_default(),
            writable: distinct(writable, volume)?,
            read_only: get("read-only").map(|item| item.boolean()).transpose()?,
            stop_grace_period: get("stop-grace-period").map(|item| number(&item, 1, 3600)).transpose()?,
            services: get("services").map(|item| services(&item)).transpose()?.unwrap_or_default(),
        })
    }
}

/// Rejects secrets whose values are in `env`, and so in the image.
fn secrets(table: &Table<'_>) -> Result<Vec<String>, Error> {
    let Some(item) = table.get("secrets") else { return Ok(Vec::new()) };
    let names = variables(&item)?;
    for item in item.array()? {
        if table.look(&["env", item.string()?]).is_some() {
            return Err(item.refuse_with(
                format!("`{}` is a secret, but `env` writes its value into the image", item.string()?),
                "remove it from `env`",
            ));
        }
    }
    Ok(names)
}

/// `true`, `false`, or a port.
fn publish(item: &Item<'_>) -> Result<Publish, Error> {
    if item.is_integer() {
        return number(item, 1, u16::MAX).map(Publish::At);
    }
    match item.boolean() {
        Ok(true) => Ok(Publish::Same),
        Ok(false) => Ok(Publish::No),
        Err(_) => Err(item.refuse_with("`publish` must be a port, true or false", "write publish = 8000")),
    }
}

#[cfg(test)]
mod tests;
