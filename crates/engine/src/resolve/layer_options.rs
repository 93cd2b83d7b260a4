use wainwright_blob::Options;
use wainwright_project::Project;

use crate::{Error, Request};

/// How our layers are written: as requested, else as set, else joined from what wheels hold.
pub(crate) fn layer_options(request: &Request, project: &Project) -> Result<Options, Error> {
    let settings = &project.settings;
    let options = Options {
        mtime: request.epoch,
        compression: request.compression.or(settings.compression).unwrap_or_default(),
        lazy: request.lazy.or(settings.lazy).unwrap_or_default(),
    };
    options.check().map_err(|source| Error::Format { source })?;
    Ok(options)
}
