use std::path::Path;

use crate::Error;
use crate::document::Item;
use crate::read::read_named;
use crate::values::cut;

/// A readme or license text larger than this is a mistake.
const TEXT_LIMIT: u64 = 4 * 1024 * 1024;

/// What a file holds, by the end of its name.
pub(crate) fn text_type(file: &str) -> &'static str {
    match Path::new(&file.to_lowercase()).extension().and_then(|end| end.to_str()) {
        Some("md") => "text/markdown",
        Some("rst") => "text/x-rst",
        _ => "text/plain",
    }
}

/// The text of a file that is named in `pyproject.toml`; a warning when it is not there.
pub(crate) fn named_text(
    root: &Path,
    item: &Item<'_>,
    warnings: &mut Vec<String>,
) -> Result<Option<String>, Error> {
    let file = item.line()?;
    let text = read_named(root, file, TEXT_LIMIT).map_err(|error| match error {
        Error::Read { .. } => error,
        error => item.refuse(error),
    })?;
    if text.is_none() {
        warnings.push(format!("`{}`, named in pyproject.toml, does not exist", cut(file)));
    }
    Ok(text)
}
