use std::fs;
use std::process::{Command, Stdio};

/// What a program left behind.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it printed.
    pub stdout: String,
    /// What it said.
    pub stderr: String,
}

/// Runs a program to its end, with nothing on standard input.
pub fn run(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    }
}

/// Whether a process runs whose command line starts with these words.
pub fn is_running(words: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).replace('\0', " ").starts_with(words)
    })
}

impl Ran {
    /// Demands that it went well.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    /// The digest that `wain build` prints.
    #[track_caller]
    pub fn digest(self) -> String {
        let ran = self.ok();
        let digest = ran.stdout.trim_end();
        assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest:?} is no digest");
        digest.to_owned()
    }
}
