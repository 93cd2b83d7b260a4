use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use wainwright_http::{Secret, without_secrets};

use crate::Error;

/// Starts a program in a process group, sets the umask, and ends the whole group when the program ends, or when whoever
/// holds the other end of standard input does, however suddenly: the system closes that end for the killed as well.
/// Servers that compilers and build tools start leave the group. Where the system has `prctl` (36 is
/// `PR_SET_CHILD_SUBREAPER`) they become children of this one when whoever started them ends, and are found in `/proc`.
const SUPERVISOR: &str = "\
import os, signal, subprocess, sys, threading
def adopt():
    import ctypes
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
def below(me):
    of = {}
    for name in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open('/proc/' + name + '/stat', 'rb') as file:
                state, parent = file.read().rpartition(b')')[2].split()[:2]
        except (OSError, ValueError):
            continue
        of.setdefault(int(parent), []).append((int(name), state))
    found, new = [], [me]
    while new:
        children = of.pop(new.pop(), [])
        new += [pid for pid, state in children]
        found += [pid for pid, state in children if state not in (b'Z', b'X')]
    return found
def end():
    try:
        for attempt in range(100):
            left = below(os.getpid())
            if not left:
                break
            for pid in left:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
    finally:
        os.killpg(0, signal.SIGKILL)
def watch():
    while os.read(0, 4096):
        pass
    end()
threading.Thread(target=watch, daemon=True).start()
os.umask(0o022)
try:
    adopt()
except Exception:
    pass
try:
    try:
        code = subprocess.call(sys.argv[2:], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    except OSError as error:
        print(error, flush=True)
        code = 127
    with open(sys.argv[1], 'x') as out:
        out.write(str(code))
finally:
    end()
";
/// How much of what a program says is kept: its end.
const KEPT: usize = 64 << 10;
/// How many lines of it are shown.
const SHOWN: usize = 40;

/// One program to run.
pub(crate) struct Step<'a> {
    /// A Python interpreter, which looks after the program.
    pub(crate) python: &'a Path,
    /// The program and its arguments.
    pub(crate) words: Vec<OsString>,
    /// Where it runs.
    pub(crate) folder: &'a Path,
    /// All of its environment.
    pub(crate) vars: &'a BTreeMap<String, String>,
    /// How long it may take.
    pub(crate) limit: Duration,
    /// A folder for notes.
    pub(crate) scratch: &'a Path,
}

/// How a program ended.
pub(crate) struct Ran {
    /// `None` when the time was over.
    pub(crate) code: Option<i32>,
    said: VecDeque<u8>,
}

impl Ran {
    pub(crate) fn is_good(&self) -> bool {
        self.code == Some(0)
    }

    /// The last lines of what it said, without secrets.
    pub(crate) fn said(&self, secrets: &[Secret]) -> String {
        let bytes: Vec<u8> = self.said.iter().copied().collect();
        let text = without_secrets(&String::from_utf8_lossy(&bytes), secrets);
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let shown = lines.iter().skip(lines.len().saturating_sub(SHOWN));
        let clean = |line: &&str| -> String {
            let line: String = line.chars().filter(|c| !c.is_control() || *c == '\t').take(500).collect();
            format!("    {line}")
        };
        match lines.is_empty() {
            true => "    (nothing)".into(),
            false => shown.map(clean).collect::<Vec<_>>().join("\n"),
        }
    }
}

impl Step<'_> {
    /// Runs it to its end, or to the end of its time.
    pub(crate) async fn run(self) -> Result<Ran, Error> {
        let note = tempfile_name(self.scratch);
        let failed = |source| Error::Start { program: self.python.to_owned(), source };
        let mut child = Command::new(self.python)
            .args(["-I", "-S", "-c", SUPERVISOR])
            .arg(&note)
            .args(&self.words)
            .current_dir(self.folder)
            .env_clear()
            .envs(self.vars)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        // Dropped with this future, it ends the group; killing the supervisor first would leave the others running.
        let held = child.stdin.take();
        let mut output = child.stdout.take();
        let mut said = VecDeque::new();
        let listen = async {
            let mut piece = vec![0; 8 << 10];
            while let Some(output) = &mut output {
                match output.read(&mut piece).await {
                    Ok(0) | Err(_) => break,
                    Ok(length) => said.extend(piece.get(..length).unwrap_or_default()),
                }
                let surplus = said.len().saturating_sub(KEPT);
                said.drain(..surplus);
            }
        };
        // What it says ends when everything that it started has ended.
        let is_in_time = tokio::time::timeout(self.limit, listen).await.is_ok();
        drop(held);
        // Killed early, on a loaded machine, it would leave the others running.
        if tokio::time::timeout(Duration::from_secs(60), child.wait()).await.is_err() {
            let _ = child.start_kill();
        }
        let code = std::fs::read_to_string(&note).ok().and_then(|text| text.parse().ok()).unwrap_or(-1);
        let _ = std::fs::remove_file(&note);
        Ok(Ran { code: is_in_time.then_some(code), said })
    }
}

/// A name that is not taken; a folder serves one build at a time.
fn tempfile_name(folder: &Path) -> std::path::PathBuf {
    let mut number = 0;
    loop {
        let path = folder.join(format!(".code-{number}"));
        if path.symlink_metadata().is_err() {
            return path;
        }
        number += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use wainwright_testing::{is_running, wait_until};

    use super::*;

    fn python() -> Option<PathBuf> {
        let found = wainwright_testing::need("python3")?;
        let mut command = std::process::Command::new(found);
        let ran = wainwright_testing::run(command.args(["-c", "import sys; print(sys.executable)"])).ok();
        Some(ran.stdout.trim().into())
    }

    async fn sh(script: &str, limit: u64) -> Option<Ran> {
        let (python, folder) = (python()?, tempfile::tempdir().unwrap());
        let step = Step {
            python: &python,
            words: ["/bin/sh", "-c", script].map(Into::into).into(),
            folder: folder.path(),
            vars: &[("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            limit: Duration::from_secs(limit),
            scratch: folder.path(),
        };
        Some(step.run().await.unwrap())
    }

    #[tokio::test]
    async fn a_program_ends_with_its_code_and_its_last_words() {
        let Some(ran) = sh("umask; echo to stdout; echo pass-word >&2; env; exit 3", 30).await else {
            return;
        };
        assert_eq!(ran.code, Some(3));
        let said = ran.said(&[Secret::new("pass-word".to_owned())]);
        assert!(said.starts_with("    0022\n    to stdout\n    ***\n"), "{said}");
        assert!(!said.contains("HOME="), "{said}");
        let Some(ran) = sh("yes | head -c 1000000", 30).await else { return };
        assert_eq!(ran.said(&[]).lines().count(), SHOWN);
        let Some(ran) = sh("kill -9 $$", 30).await else { return };
        assert_eq!(ran.code, Some(-9));
    }

    /// Whether what runs with these words ends.
    fn ends(words: &str) -> bool {
        wait_until(|| !is_running(words))
    }

    #[tokio::test]
    async fn background_children_are_stopped() {
        let Some(ran) = sh("sleep 471.1 & echo done", 30).await else { return };
        assert_eq!(ran.code, Some(0));
        assert!(ends("sleep 471.1"));
    }

    #[tokio::test]
    async fn hanging_build_is_stopped_with_children() {
        let Some(ran) = sh("echo here; sleep 471.2 & sleep 471.2", 5).await else { return };
        assert_eq!(ran.code, None);
        assert_eq!(ran.said(&[]), "    here");
        assert!(ends("sleep 471.2"));
    }

    #[tokio::test]
    async fn detached_server_is_stopped() {
        let Some(ran) = sh("(setsid sleep 471.4 >/dev/null &) ; sleep 0.3; echo done", 30).await else {
            return;
        };
        assert_eq!(ran.code, Some(0));
        let Some(ran) = sh("(setsid sleep 471.5 &) ; sleep 471.5", 1).await else { return };
        assert_eq!(ran.code, None);
        assert!(ends("sleep 471.4") && ends("sleep 471.5"));
    }

    #[tokio::test]
    async fn dropped_build_is_stopped() {
        let waiting = tokio::time::timeout(Duration::from_secs(1), sh("sleep 471.3", 30)).await;
        if matches!(waiting, Ok(None)) {
            return;
        }
        assert!(ends("sleep 471.3"));
    }
}
