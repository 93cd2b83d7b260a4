use serde::{Deserialize, Serialize};

use crate::Error;
use crate::document::{Item, Table};
use crate::items::{command, number};
use crate::values::cut;

/// How to find out whether a container works: by a command in it, by HTTP, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// A command in the container that exits with 0 while it works.
    pub command: Option<Vec<String>>,
    /// A path that answers `GET` with a status from 200 to 399 while it works.
    pub path: Option<String>,
    /// The port of `path`; absent for the first port of the container.
    pub port: Option<u16>,
    /// When it is checked.
    pub timing: Timing,
}

/// When health is checked, in seconds. What is absent is up to the tool that runs the container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// From one check to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u16>,
    /// How long a check may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u16>,
    /// How many checks in a row must fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u16>,
    /// How long failures do not count after the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<u16>,
}

const KEYS: [&str; 7] = ["command", "interval", "path", "port", "retries", "start-period", "timeout"];
/// An hour: more is a typing error.
const LONGEST: u16 = 3600;

impl Health {
    /// Reads a table of settings.
    pub(crate) fn read(item: &Item<'_>) -> Result<Self, Error> {
        if let Ok(text) = item.string() {
            return Err(item.refuse_with(
                format!("`{}` must be a table", item.key),
                format!("write {} = {{ path = \"{}\" }}", item.key, cut(text)),
            ));
        }
        let table = item.table()?;
        table.allow_only(&KEYS)?;
        let health = Self {
            command: table.get("command").map(|item| command(&item)).transpose()?,
            path: table.get("path").map(|item| path(&item)).transpose()?,
            port: table.get("port").map(|item| number(&item, 1, u16::MAX)).transpose()?,
            timing: timing(&table)?,
        };
        if health.command.is_none() && health.path.is_none() {
            return Err(item.refuse_with(
                format!("`{}` has neither a path nor a command", item.key),
                "write health = { path = \"/healthz\" } or health = { command = [\"program\", \"argument\"] }",
            ));
        }
        match table.get("port").filter(|_| health.path.is_none()) {
            Some(port) => Err(port.refuse("`port` belongs to `path`, and there is none")),
            None => Ok(health),
        }
    }
}

fn timing(table: &Table<'_>) -> Result<Timing, Error> {
    let seconds = |key, least| table.get(key).map(|item| number(&item, least, LONGEST)).transpose();
    Ok(Timing {
        interval: seconds("interval", 1)?,
        timeout: seconds("timeout", 1)?,
        retries: table.get("retries").map(|item| number(&item, 1, 100)).transpose()?,
        start_period: seconds("start-period", 0)?,
    })
}

fn path(item: &Item<'_>) -> Result<String, Error> {
    let text = item.string()?;
    match is_http_path(text) {
        true => Ok(text.to_owned()),
        false => Err(item.refuse_with(
            format!("`{}` is not a path of a URL", cut(text)),
            "write it as `/healthz`, without a host; `port` names another port",
        )),
    }
}

/// Whether a text can stand in the first line of an HTTP request.
pub fn is_http_path(text: &str) -> bool {
    text.starts_with('/') && text.len() <= 1024 && text.bytes().all(|byte| byte.is_ascii_graphic())
}
