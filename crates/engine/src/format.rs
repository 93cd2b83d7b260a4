use serde_json::json;
use wainwright_blob::{FORMAT, Options};
use wainwright_project::Project;

use crate::{Error, Request};

/// How our layers are written: asked for, else set, else joined from what wheels hold.
pub(crate) fn options(request: &Request, project: &Project) -> Result<Options, Error> {
    let settings = &project.settings;
    let options = Options {
        mtime: request.epoch,
        compression: request.compression.or(settings.compression).unwrap_or_default(),
        lazy: request.lazy.or(settings.lazy).unwrap_or_default(),
    };
    options.check().map_err(|source| Error::Format { source })?;
    Ok(options)
}

/// What decides the bytes of a layer beside its entries, for a cache key.
pub(crate) fn facts(options: &Options) -> serde_json::Value {
    let Options { mtime, compression, lazy } = options;
    json!({
        "number": FORMAT,
        "mtime": mtime,
        "compression": compression.to_string(),
        "lazy": lazy.to_string(),
    })
}
