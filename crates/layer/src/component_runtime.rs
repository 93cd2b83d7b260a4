//! What runs a component in its image: `layers/component-runtime`, embedded through a table.

use wainwright_blob::Entry;
use wainwright_oci::ImagePath;

use crate::Error;
use crate::layout::directories;

/// The folder it is in in an image, without the leading `/`.
const FOLDER: &str = "opt/component-runtime";

/// Where it is in an image, to stand in `PYTHONPATH`.
pub const COMPONENT_RUNTIME: &str = "/opt/component-runtime";

macro_rules! file {
    ($path:literal) => {
        ($path, include_bytes!(concat!("../../../layers/component-runtime/src/", $path)))
    };
}

/// Every file below `src/`; a test compares the table with the folder.
const FILES: &[(&str, &[u8])] = &[
    file!("compat/woodwork/__init__.py"),
    file!("compat/woodwork/payloads.py"),
    file!("compat/woodwork/types/__init__.py"),
    file!("compat/woodwork/types/events.py"),
    file!("component_runtime/__init__.py"),
    file!("component_runtime/__main__.py"),
    file!("component_runtime/components/__init__.py"),
    file!("component_runtime/components/agent.py"),
    file!("component_runtime/components/api_functions.py"),
    file!("component_runtime/components/api_web.py"),
    file!("component_runtime/components/base.py"),
    file!("component_runtime/components/chroma.py"),
    file!("component_runtime/components/claude.py"),
    file!("component_runtime/components/hugging_face.py"),
    file!("component_runtime/components/input_api.py"),
    file!("component_runtime/components/knowledge.py"),
    file!("component_runtime/components/llm.py"),
    file!("component_runtime/components/mcp_client.py"),
    file!("component_runtime/components/mcp_server.py"),
    file!("component_runtime/components/memory.py"),
    file!("component_runtime/components/ollama.py"),
    file!("component_runtime/components/openai.py"),
    file!("component_runtime/components/passages.py"),
    file!("component_runtime/components/prompts.py"),
    file!("component_runtime/components/signatures.py"),
    file!("component_runtime/components/vendor.py"),
    file!("component_runtime/config.py"),
    file!("component_runtime/documents.py"),
    file!("component_runtime/endpoints.py"),
    file!("component_runtime/errors.py"),
    file!("component_runtime/events.py"),
    file!("component_runtime/health.py"),
    file!("component_runtime/http1.py"),
    file!("component_runtime/http_client.py"),
    file!("component_runtime/log.py"),
    file!("component_runtime/main.py"),
    file!("component_runtime/metrics.py"),
    file!("component_runtime/options.py"),
    file!("component_runtime/paths.py"),
    file!("component_runtime/payloads.py"),
    file!("component_runtime/peers.py"),
    file!("component_runtime/pool.py"),
    file!("component_runtime/redis_bus.py"),
    file!("component_runtime/resp.py"),
    file!("component_runtime/routing.py"),
    file!("component_runtime/scripts.py"),
    file!("component_runtime/secrets.py"),
    file!("component_runtime/server.py"),
    file!("component_runtime/settings.py"),
    file!("component_runtime/streams.py"),
    file!("component_runtime/trace.py"),
    file!("component_runtime/world.py"),
];

/// The files of the runtime and the folders that hold them.
pub fn component_runtime() -> Result<Vec<Entry>, Error> {
    let root = ImagePath::new(FOLDER).map_err(|source| Error::Path { source })?;
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
    use std::path::Path;

    use super::*;

    fn list(folder: &Path, prefix: &str, found: &mut Vec<String>) {
        for item in std::fs::read_dir(folder).unwrap() {
            let item = item.unwrap();
            let name = item.file_name().into_string().unwrap();
            match item.file_type().unwrap().is_dir() {
                true if name == "__pycache__" => {}
                true => list(&item.path(), &format!("{prefix}{name}/"), found),
                false => found.push(format!("{prefix}{name}")),
            }
        }
    }

    #[test]
    fn the_table_has_every_file() {
        let mut found = Vec::new();
        list(Path::new("../../layers/component-runtime/src"), "", &mut found);
        found.sort();
        let table: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(table, found);
    }
}
