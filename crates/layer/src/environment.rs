use wainwright_blob::Entry;
use wainwright_oci::ImagePath;
use wainwright_python::PythonVersion;

use crate::layout::{directories, path};

/// The virtual environment of an image before anything is installed into it (PEP 405).
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Environment {
    /// The base's interpreter, an absolute path: `/usr/bin/python3.13`.
    pub interpreter: String,
    /// Its version, with the patch level where it is known.
    pub python: PythonVersion,
    /// Whether the base has `/app` already; its owner and mode are then left alone.
    pub has_app: bool,
}

impl Environment {
    /// `/app`, `pyvenv.cfg`, the links to the interpreter, and the empty folder of installed packages.
    pub fn entries(&self) -> Result<Vec<Entry>, wainwright_oci::Error> {
        let short = self.python.short();
        let bin = path("app/.venv/bin")?;
        let site = path(&format!("app/.venv/lib/python{short}/site-packages"))?;
        let mut entries = vec![
            Entry::bytes(path("app/.venv/pyvenv.cfg")?, self.config()),
            Entry::symlink(bin.join("python")?, self.interpreter.as_bytes()),
            Entry::symlink(bin.join("python3")?, "python"),
            Entry::symlink(bin.join(format!("python{short}"))?, "python"),
            // Some packages ask for `lib64`; venv and uv make the link on 64-bit systems.
            Entry::symlink(path("app/.venv/lib64")?, "lib"),
        ];
        let mut folders = directories(entries.iter().map(|entry| &entry.path).chain([&site.join("x")?]));
        folders.retain(|folder| !(self.has_app && folder.as_bytes() == b"app"));
        entries.extend(folders.into_iter().map(Entry::directory));
        Ok(entries)
    }

    fn config(&self) -> String {
        let home = self.interpreter.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let version = self.python;
        format!(
            "home = {home}\nimplementation = CPython\nversion_info = {version}\ninclude-system-site-packages = false\n"
        )
    }
}

/// The folder of a project and its environment in every image.
pub fn app() -> ImagePath {
    // A constant that follows the grammar.
    ImagePath::new("app").unwrap_or_else(|_| unreachable!("`app` is a path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_interpreter_of_the_base() {
        let environment = Environment {
            interpreter: "/usr/local/bin/python3.11".into(),
            python: "3.11.2".parse().unwrap(),
            has_app: true,
        };
        let entries = environment.entries().unwrap();
        let mut paths: Vec<String> = entries.iter().map(|entry| entry.path.to_string()).collect();
        paths.sort();
        assert_eq!(
            paths.join(" "),
            "app/.venv app/.venv/bin app/.venv/bin/python app/.venv/bin/python3 app/.venv/bin/python3.11 \
             app/.venv/lib app/.venv/lib/python3.11 app/.venv/lib/python3.11/site-packages app/.venv/lib64 \
             app/.venv/pyvenv.cfg"
        );
        assert!(environment.config().starts_with("home = /usr/local/bin\n"));
    }
}
