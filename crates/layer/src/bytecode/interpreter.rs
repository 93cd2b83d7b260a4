//! A Python that runs on this machine: of an image, through its own loader, or one that is installed here.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use wainwright_python::PythonVersion;

/// How a Python is started.
#[derive(Clone, Debug)]
pub struct Interpreter {
    program: PathBuf,
    /// The loader of the image, and where it finds libraries; `None` for a program of this machine.
    loader: Option<(PathBuf, Vec<PathBuf>)>,
}

impl Interpreter {
    /// One that is installed on this machine.
    pub fn installed(program: PathBuf) -> Self {
        Self { program, loader: None }
    }

    /// That of an image whose interpreter, loader, libraries and standard library lie below `root`; `program` is its path in
    /// the image.
    ///
    /// Says why not, as half a sentence, where it cannot be started.
    pub fn in_root(root: &Path, program: &str) -> Result<Self, String> {
        let path = root.join(program.trim_start_matches('/'));
        let bytes = fs::read(&path).map_err(|error| format!("/{program} cannot be read: {error}"))?;
        let elf = wainwright_elf::read(bytes.as_slice()).ok().flatten();
        let elf = elf.ok_or_else(|| "it is not an ELF file".to_owned())?;
        let Some(loader) = elf.interpreter else { return Err("it names no loader".into()) };
        let loader = String::from_utf8_lossy(&loader).into_owned();
        let loader = loader.trim_start_matches('/');
        // `/lib64` is a link into `usr` in most images, and links are not unpacked.
        let places = [root.join(loader), root.join("usr").join(loader)];
        let Some(loader) = places.into_iter().find(|place| place.is_file()) else {
            return Err("its loader is missing".into());
        };
        let mut libraries = Vec::new();
        folders(root, 0, &mut libraries).map_err(|error| error.to_string())?;
        Ok(Self { program: path, loader: Some((loader, libraries)) })
    }

    /// Its version, where it is CPython and answers within some seconds.
    pub fn version(&self) -> Option<PythonVersion> {
        const SCRIPT: &str = "import sys; print(sys.implementation.name, '%d.%d.%d' % sys.version_info[:3])";
        let mut command = self.command(SCRIPT).ok()?;
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        for _ in 0..100 {
            match child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(50)),
                _ => break,
            }
        }
        let _ = child.kill();
        let said = child.wait_with_output().ok().filter(|output| output.status.success())?;
        String::from_utf8(said.stdout).ok()?.trim().strip_prefix("cpython ")?.parse().ok()
    }

    /// A command that runs a script, given as text, without anything of the user: no site, no environment.
    pub(super) fn command(&self, script: &str) -> io::Result<Command> {
        let program = std::path::absolute(&self.program)?;
        let mut command = match &self.loader {
            None => Command::new(program),
            Some((loader, libraries)) => {
                let libraries = libraries.iter().map(std::path::absolute).collect::<io::Result<Vec<_>>>()?;
                let joined =
                    std::env::join_paths(libraries).map_err(|error| io::Error::other(error.to_string()))?;
                let mut command = Command::new(std::path::absolute(loader)?);
                command.arg("--library-path").arg(joined).arg(program);
                command
            }
        };
        // Not -I: it would ignore the fixed hash seed.
        command.args(["-s", "-S", "-B", "-W", "ignore", "-c", script]);
        command.env_clear().env("PYTHONHASHSEED", "0").stdin(Stdio::piped()).stdout(Stdio::piped());
        Ok(command)
    }
}

/// The folders that hold libraries: those of the loader, as far as they were unpacked.
fn folders(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut below = Vec::new();
    let mut has_library = false;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            let name = name.to_string_lossy();
            // `usr/local/lib/x86_64-linux-gnu` at the deepest; modules of Python lie elsewhere.
            if depth < 4 && !name.starts_with("python") {
                below.push(entry.path());
            }
        } else {
            has_library |= name.to_string_lossy().contains(".so");
        }
    }
    if has_library {
        found.push(folder.to_owned());
    }
    below.sort();
    below.iter().try_for_each(|folder| folders(folder, depth + 1, found))
}

/// Whether a path of an image is needed to run its Python.
///
/// `program` is the path of the interpreter, `short` its version: `usr/bin/python3.13`, `3.13`. Modules that packages
/// installed are not.
pub fn is_needed(path: &str, program: &str, short: &str) -> bool {
    let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
    let place = parent.strip_prefix("usr/").unwrap_or(parent);
    let place = place.strip_prefix("local/").unwrap_or(place);
    let prefix = program.rsplit_once("/bin/").map_or("", |(prefix, _)| prefix);
    let place = place.strip_prefix(prefix).map_or(place, |place| place.trim_start_matches('/'));
    let is_folder = ["lib", "lib64", "lib32"].iter().any(|lib| {
        place == *lib
            || place
                .strip_prefix(lib)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|rest| rest.contains("-linux-"))
    });
    let stdlib = format!("{prefix}/lib/python{short}/");
    let below = path.strip_prefix(stdlib.trim_start_matches('/'));
    path == program
        || is_folder
            && !place.trim_start_matches("lib").trim_start_matches('/').contains('/')
            && name.contains(".so")
        || below.is_some_and(|below| {
            let first = below.split('/').next().unwrap_or_default();
            !["site-packages", "dist-packages", "test", "idlelib", "tkinter", "ensurepip", "lib2to3"]
                .contains(&first)
                && !first.starts_with("config-")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needed_python_files_are_recognized() {
        for (path, expected) in [
            ("usr/local/bin/python3.13", true),
            ("usr/local/lib/libpython3.13.so.1.0", true),
            ("usr/lib/x86_64-linux-gnu/libc.so.6", true),
            ("lib64/ld-linux-x86-64.so.2", true),
            ("lib/ld-musl-x86_64.so.1", true),
            ("usr/local/lib/python3.13/json/decoder.py", true),
            ("usr/local/lib/python3.13/lib-dynload/_json.cpython-313-x86_64-linux-gnu.so", true),
            ("usr/local/lib/python3.13/site-packages/pip/__init__.py", false),
            ("usr/local/lib/python3.13/test/test_json.py", false),
            ("usr/lib/python3/dist-packages/apt.py", false),
            ("usr/lib/x86_64-linux-gnu/gconv/UTF-16.so", false),
            ("usr/bin/perl", false),
        ] {
            assert_eq!(is_needed(path, "usr/local/bin/python3.13", "3.13"), expected, "{path}");
        }
        assert!(is_needed("usr/lib/python3.11/os.py", "usr/bin/python3.11", "3.11"));
        assert!(is_needed("opt/py/lib/libpython3.12.so.1.0", "opt/py/bin/python3.12", "3.12"));
        assert!(is_needed("opt/py/lib/python3.12/os.py", "opt/py/bin/python3.12", "3.12"));
    }
}
