use serde::{Deserialize, Serialize};

use crate::document::Item;
use crate::items::quantity;
use crate::{Error, Quantity};

/// CPU and memory of a container, as Kubernetes requests and limits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Requested CPU: `250m`.
    #[serde(default)]
    pub cpu: Option<Quantity>,
    /// Requested memory: `256Mi`.
    #[serde(default)]
    pub memory: Option<Quantity>,
    /// CPU limit.
    #[serde(default)]
    pub cpu_limit: Option<Quantity>,
    /// Memory limit; a container that exceeds it is killed.
    #[serde(default)]
    pub memory_limit: Option<Quantity>,
}

/// The smallest amount of memory that is not a typing error.
const LEAST_MEMORY: u128 = 1 << 20;

impl Resources {
    /// Checks that requests stay within limits, and that amounts of memory have a unit.
    ///
    /// # Errors
    /// The reason, and a hint where there is one.
    pub fn check(&self) -> Result<(), (String, Option<&'static str>)> {
        for (what, wanted, limit) in
            [("cpu", &self.cpu, &self.cpu_limit), ("memory", &self.memory, &self.memory_limit)]
        {
            if let (Some(wanted), Some(limit)) = (wanted, limit)
                && wanted.milli() > limit.milli()
            {
                return Err((format!("it requests {wanted} of {what}, but its limit is {limit}"), None));
            }
        }
        let sizes = [&self.memory, &self.memory_limit].into_iter().flatten();
        match sizes.min_by_key(|size| size.milli()).filter(|size| size.units() < LEAST_MEMORY) {
            Some(size) => Err((format!("{size} of memory is less than 1Mi"), Some("add a unit: `256Mi`"))),
            None => Ok(()),
        }
    }

    /// Reads a table of settings.
    pub(crate) fn read(item: &Item<'_>) -> Result<Self, Error> {
        let table = item.table()?;
        table.allow_only(&["cpu", "cpu-limit", "memory", "memory-limit"])?;
        let get = |key| table.get(key).map(|item| quantity(&item)).transpose();
        let resources = Self {
            cpu: get("cpu")?,
            memory: get("memory")?,
            cpu_limit: get("cpu-limit")?,
            memory_limit: get("memory-limit")?,
        };
        resources.check().map_err(|(reason, hint)| item.refuse_maybe(reason, hint.map(str::to_owned)))?;
        Ok(resources)
    }
}
