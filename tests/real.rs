//! The samples in `fixtures/projects`, built from real packages: each once for all tests.
//!
//! What is fetched stays in `target/tmp`, so that only the first run is slow.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use wainwright_oci::Platform;
use wainwright_testing::{Ran, run, skip};

use crate::WAIN;

/// A sample that was built into an OCI layout.
pub(crate) struct Sample {
    /// A copy of the project.
    pub(crate) project: PathBuf,
    /// The layout; the image is called `1`, or `1-linux-arm64` where there are several.
    pub(crate) layout: PathBuf,
    words: Vec<String>,
}

/// A project with a script, on Debian trixie, for two platforms.
pub(crate) fn hello() -> Option<&'static Sample> {
    static SAMPLE: OnceLock<Option<Sample>> = OnceLock::new();
    let words = ["--platform", "linux/amd64,linux/arm64"];
    SAMPLE.get_or_init(|| Sample::build("hello", &words)).as_ref()
}

/// A file beside a requirements.txt, on Debian trixie.
pub(crate) fn requirements() -> Option<&'static Sample> {
    static SAMPLE: OnceLock<Option<Sample>> = OnceLock::new();
    SAMPLE.get_or_init(|| Sample::build("requirements", &[])).as_ref()
}

/// Large and odd wheels, on Debian bookworm.
pub(crate) fn wheels() -> Option<&'static Sample> {
    static SAMPLE: OnceLock<Option<Sample>> = OnceLock::new();
    SAMPLE.get_or_init(|| Sample::build("wheels", &["--base", "debian:bookworm"])).as_ref()
}

/// A folder for a test with real packages, empty.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

impl Sample {
    fn build(name: &str, words: &[&str]) -> Option<Self> {
        let folder = folder(&format!("sample-{name}"));
        let project = folder.join(name);
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/projects").join(name), &project);
        let mut words: Vec<String> = words.iter().map(ToString::to_string).collect();
        if !words.contains(&"--platform".to_owned()) {
            words.extend(["--platform".into(), Platform::host().to_string()]);
        }
        let sample = Self { project, layout: folder.join("image"), words };
        let ran = sample.build_again(&["--output", &format!("layout:{}", sample.layout.display())]);
        // The network is not ours to test.
        if ran.code == 3 {
            skip(&format!("{name} cannot be built here: {}", ran.stderr));
            return None;
        }
        ran.ok();
        Some(sample)
    }

    /// Builds it once more, with these arguments besides.
    pub(crate) fn build_again(&self, words: &[&str]) -> Ran {
        self.wain("build", &[], &[&["--tag", "wain/sample:1"], words].concat())
    }

    /// Verifies its image, with these arguments besides.
    pub(crate) fn verify(&self, words: &[&str]) -> Ran {
        self.wain("verify", &[&format!("layout:{}:1", self.layout.display())], words)
    }

    /// Verifies an image of the same project, with these arguments besides.
    pub(crate) fn verify_image(&self, image: &str, words: &[&str]) -> Ran {
        self.wain("verify", &[image], words)
    }

    /// Runs a command about the project, with arguments before and behind it.
    fn wain(&self, command: &str, before: &[&str], behind: &[&str]) -> Ran {
        run(&mut self.command(command, before, behind))
    }

    /// A command about the project, with arguments before and behind it.
    pub(crate) fn command(&self, command: &str, before: &[&str], behind: &[&str]) -> Command {
        let mut wain = Command::new(WAIN);
        // Everything else in the environment says how to reach the network.
        for variable in ["SOURCE_DATE_EPOCH", "DOCKER_HOST"] {
            wain.env_remove(variable);
        }
        wain.env("WAIN_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("store"));
        wain.arg(command).args(before).arg(&self.project).args(&self.words).args(behind);
        wain
    }
}

/// Copies what a checkout holds.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            _ if entry.file_name() == ".wain" || entry.file_name() == "wain.lock" => {}
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}
