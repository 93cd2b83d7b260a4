use std::path::PathBuf;

use url::Url;

use crate::{Error, redacted};

pub(crate) fn too_large(url: &Url, limit: u64) -> Error {
    Error::Large { url: redacted(url), limit }
}

/// The path of a `file://` URL.
pub(crate) fn file_path(url: &Url) -> Result<PathBuf, Error> {
    url.to_file_path()
        .map_err(|()| Error::Url { url: redacted(url), reason: "it is not the path of a local file" })
}
