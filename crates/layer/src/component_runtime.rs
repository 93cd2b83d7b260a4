//! What runs a component in its image: `layers/component-runtime`, embedded.

use wainwright_blob::Entry;
use wainwright_oci::ImagePath;

use crate::Error;
use crate::layout::directories;

/// Where it is in an image, to stand in `PYTHONPATH`.
pub const COMPONENT_RUNTIME: &str = "/opt/component-runtime";

/// Every Python file below `src/`, by its path there; the build script lists them.
const FILES: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/component_runtime.rs"));

/// The files of the runtime and the folders that hold them.
pub fn component_runtime() -> Result<Vec<Entry>, Error> {
    let root = COMPONENT_RUNTIME.trim_start_matches('/');
    let root = ImagePath::new(root).map_err(|source| Error::Path { source })?;
    let mut entries = Vec::new();
    for (path, bytes) in FILES {
        let path = root.join(path.as_bytes()).map_err(|source| Error::Path { source })?;
        entries.push(Entry::bytes(path, *bytes));
    }
    let folders = directories(entries.iter().map(|entry| &entry.path));
    entries.extend(folders.into_iter().map(Entry::directory));
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_and_provided_names_are_found() {
        let entries = component_runtime().unwrap();
        let paths: Vec<String> = entries.iter().map(|entry| format!("/{}", entry.path)).collect();
        for file in ["component_runtime/__main__.py", "compat/woodwork/types/__init__.py"] {
            assert!(paths.contains(&format!("{COMPONENT_RUNTIME}/{file}")), "{file} in {paths:?}");
        }
        assert!(!paths.iter().any(|path| path.contains("__pycache__")));
    }
}
