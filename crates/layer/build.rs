//! Embeds the Python package that runs components: a table of all files below `layers/component-runtime/src`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?)
        .join("../../layers/component-runtime/src")
        .canonicalize()?;
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    list(&root, &mut files)?;
    files.sort();
    let mut table = String::from("[\n");
    for file in files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?.display().to_string();
        let _ = writeln!(table, "    ({name:?}, include_bytes!({:?})),", file.display().to_string());
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(out.join("component_runtime.rs"), table)
}

/// Every file below a folder, but for what Python leaves there when it is run.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for item in fs::read_dir(folder)? {
        let (path, is_folder) = {
            let item = item?;
            (item.path(), item.file_type()?.is_dir())
        };
        match is_folder {
            true if path.file_name().is_some_and(|name| name == "__pycache__") => {}
            true => list(&path, files)?,
            false if path.extension().is_some_and(|kind| kind == "py") => files.push(path),
            false => {}
        }
    }
    Ok(())
}
