use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{need, run, skip, wait_until};

/// A Docker daemon of its own: it has no network, answers on a socket in a temporary folder, and ends with the test.
pub struct Dockerd {
    program: PathBuf,
    folder: TempDir,
    data: PathBuf,
    process: Child,
}

impl Dockerd {
    /// Starts a daemon and waits until it answers; `None` where that cannot be, see [`skip`].
    pub fn start() -> Option<Self> {
        Self::start_on(None)
    }

    /// As [`Dockerd::start`], with its images in a folder of its own.
    pub fn start_on(data: Option<&Path>) -> Option<Self> {
        need("docker")?;
        let program = need("dockerd")?;
        if !rustix::process::geteuid().is_root() {
            skip("only root can start a Docker daemon");
            return None;
        }
        let folder = TempDir::new().unwrap();
        let data = data.map_or_else(|| folder.path().join("data"), Path::to_owned);
        let process = spawn(&program, folder.path(), &data);
        let daemon = Self { program, folder, data, process };
        daemon.wait();
        Some(daemon)
    }

    /// Kills it without a warning.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        // Its containerd died with it. Where nobody buries orphans, its process ID still looks alive.
        let _ = fs::remove_file(self.folder.path().join("exec/containerd/containerd.pid"));
    }

    /// Starts it again, with the images it has.
    pub fn restart(&mut self) {
        self.process = spawn(&self.program, self.folder.path(), &self.data);
        self.wait();
    }

    fn wait(&self) {
        let answers = wait_until(|| run(self.docker().arg("version")).code == 0);
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap();
        assert!(answers, "the Docker daemon does not answer:\n{}", log());
    }

    /// The socket on which it answers.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Where it answers, for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The command `docker`, which asks this daemon.
    pub fn docker(&self) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", self.host());
        command
    }
}

fn spawn(program: &Path, folder: &Path, data: &Path) -> Child {
    let path = |name: &str| folder.join(name).display().to_string();
    let log = fs::File::create(path("log")).unwrap();
    Command::new(program)
        .args(["--iptables=false", "--ip6tables=false", "--bridge=none"])
        .args(["--exec-root", &path("exec"), "-p", &path("pid"), "--data-root"])
        .arg(data)
        .args(["-H", &format!("unix://{}", path("socket"))])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
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
        // Mounts would keep the folder; one that was killed leaves its data mounted, once for each time it was started.
        for mount in [self.folder.path().join("exec/netns/default"), self.data.clone(), self.data.clone()] {
            let _ = Command::new("umount").arg(mount).stderr(Stdio::null()).status();
        }
    }
}
