use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{need, run, skip};

/// A Docker daemon of its own: it has no network, answers on a socket in a temporary folder, and ends with the test.
pub struct Dockerd {
    folder: TempDir,
    process: Child,
}

impl Dockerd {
    /// Starts a daemon and waits until it answers; `None` where that cannot be, see [`skip`].
    pub fn start() -> Option<Self> {
        need("docker")?;
        let program = need("dockerd")?;
        if !rustix::process::geteuid().is_root() {
            skip("only root can start a Docker daemon");
            return None;
        }
        let folder = TempDir::new().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let log = fs::File::create(path("log")).unwrap();
        let process = Command::new(program)
            .args(["--iptables=false", "--ip6tables=false", "--bridge=none"])
            .args(["--data-root", &path("data"), "--exec-root", &path("exec"), "-p", &path("pid")])
            .args(["-H", &format!("unix://{}", path("socket"))])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let daemon = Self { folder, process };
        let limit = Instant::now() + Duration::from_secs(60);
        while run(daemon.docker().arg("version")).code != 0 {
            if Instant::now() > limit {
                let log = fs::read_to_string(daemon.folder.path().join("log")).unwrap();
                panic!("the Docker daemon does not answer:\n{log}");
            }
            thread::sleep(Duration::from_millis(100));
        }
        Some(daemon)
    }

    /// Where it answers, for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}/socket", self.folder.path().display())
    }

    /// The command `docker`, which asks this daemon.
    pub fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", self.host());
        command
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        // It ends its containerd too, when it is asked to and not killed.
        let pid = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        let limit = Instant::now() + Duration::from_secs(20);
        while matches!(self.process.try_wait(), Ok(None)) {
            if Instant::now() > limit {
                let _ = self.process.kill();
            }
            thread::sleep(Duration::from_millis(50));
        }
        // A mount would keep the folder.
        let mount = self.folder.path().join("exec/netns/default");
        let _ = Command::new("umount").arg(mount).stderr(Stdio::null()).status();
    }
}
