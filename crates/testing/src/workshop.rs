use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wainwright_oci::Digest;

use crate::{Wheel, wheel, write_base};

/// A folder with all that a build needs and no network: `project`, `wheels`, `base`, `store` and `home`.
pub struct Workshop {
    folder: TempDir,
    program: PathBuf,
}

impl Workshop {
    /// An empty project, and a base with Python 3.13 for amd64 and arm64.
    pub fn empty(program: &str) -> Self {
        let shop = Self { folder: TempDir::new().unwrap(), program: program.into() };
        for name in ["project", "wheels", "home"] {
            fs::create_dir(shop.path(name)).unwrap();
        }
        write_base(&shop.path("base"), "python", "3.13", &["amd64", "arm64"]);
        shop
    }

    /// A project with a pure wheel that has a script and data, and a wheel for each of two platforms.
    pub fn new(program: &str) -> Self {
        let shop = Self::empty(program);
        shop.write("project/main.py", "import greet\n\ngreet.main()\n");
        shop.write("project/data/words.txt", "wagon\nwheel\n");
        shop.lock(&[greet()]);
        shop.lock(&["x86_64", "aarch64"].map(fast));
        shop
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Adds the wheels of one package to `wheels`, and the package to the lockfile, `pylock.toml`.
    pub fn lock(&self, wheels: &[Wheel]) {
        let mut text = String::new();
        let path = self.path("project/pylock.toml");
        if !path.exists() {
            text.push_str("lock-version = \"1.0\"\ncreated-by = \"testing\"\n");
        }
        let _ = write!(text, "\n[[packages]]\nname = \"{}\"\nversion = \"1.0\"\n", wheels[0].name());
        for wheel in wheels {
            let (name, bytes) = (wheel.filename(), wheel.bytes());
            let digest = Digest::of(&bytes).hex();
            let _ = writeln!(text, "[[packages.wheels]]\nname = \"{name}\"\npath = \"../wheels/{name}\"");
            let _ = writeln!(text, "size = {}\nhashes = {{ sha256 = \"{digest}\" }}", bytes.len());
            self.write(&format!("wheels/{name}"), bytes);
        }
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, before + &text).unwrap();
    }

    /// A command of ours without any environment, in the folder.
    pub fn wain(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.current_dir(self.folder.path()).env_clear().env("HOME", self.path("home"));
        command.env("WAIN_CACHE_DIR", self.path("store")).args(words);
        command
    }

    /// `wain build` of the project for amd64; further arguments may be added.
    pub fn build(&self) -> Command {
        self.build_for("linux/amd64")
    }

    /// `wain build` of the project for some platforms.
    pub fn build_for(&self, platforms: &str) -> Command {
        let project = self.path("project").display().to_string();
        self.wain(&["build", &project, "--platform", platforms]).with(&[
            "--base",
            "layout:base",
            "--no-index",
        ])
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Adds arguments to a command, as a value.
pub trait With {
    /// The command with these arguments at its end.
    fn with(self, words: &[&str]) -> Self;
}

impl With for Command {
    fn with(mut self, words: &[&str]) -> Self {
        self.args(words);
        self
    }
}

fn greet() -> Wheel {
    wheel("greet")
        .file("greet/__init__.py", "def main():\n    print('hello')\n")
        .file("greet/empty.py", "")
        .file("greet/data.bin", (0..=255).cycle().take(5000).collect::<Vec<u8>>())
        .program("greet-1.0.data/scripts/greet.sh", "#!/bin/sh\necho hello\n")
        .file("greet-1.0.data/data/share/greet/words.txt", "hello\n")
        .metadata("entry_points.txt", "[console_scripts]\ngreet = greet:main\n")
}

fn fast(machine: &str) -> Wheel {
    wheel("fast")
        .tag(&format!("cp313-cp313-manylinux_2_17_{machine}"))
        .program("fast/_fast.so", format!("\x7fELF for {machine}"))
        .file("fast/__init__.py", "")
}
