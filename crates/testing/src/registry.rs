use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, net, thread};

use tempfile::TempDir;

use crate::need;

/// A registry of its own (Docker's, version 2.8) on a port of the loopback, which ends with the test.
pub struct RegistryServer {
    folder: TempDir,
    process: Child,
    port: u16,
}

/// What a [`RegistryServer`] asks of its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// User `ann` with password `CANARY-password`, by basic authentication.
    Password,
}

impl RegistryServer {
    /// Starts a registry and waits until it answers; `None` where that cannot be, see [`skip`](crate::skip).
    pub fn start(access: Access) -> Option<Self> {
        let program = need("docker-registry")?;
        let folder = TempDir::new().unwrap();
        // Somebody else could take the port in between; nobody does on a machine that runs tests.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let data = folder.path().join("data");
        let mut config = format!(
            "version: 0.1\nlog:\n  level: warn\nstorage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
             http:\n  addr: 127.0.0.1:{port}\n",
            data.display()
        );
        if access == Access::Password {
            let file = folder.path().join("htpasswd");
            // `CANARY-password`, as `htpasswd -B` writes it.
            fs::write(&file, "ann:$2y$05$5iJdyq7MQ.Z.yMia4ziw8eitJt2uVAYoVLaqXKykdKIpP1FUoJdhG\n").unwrap();
            config += &format!("auth:\n  htpasswd:\n    realm: test\n    path: {}\n", file.display());
        }
        fs::write(folder.path().join("config.yml"), config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(program)
            .arg("serve")
            .arg(folder.path().join("config.yml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { folder, process, port };
        let limit = Instant::now() + Duration::from_secs(30);
        while net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if Instant::now() > limit {
                let log = fs::read_to_string(server.folder.path().join("log")).unwrap();
                panic!("the registry does not answer:\n{log}");
            }
            thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    /// Host and port, for references.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Method and path of every request so far, as its access log has them.
    pub fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        let asked = |line: &str| {
            let (request, _) = line.split_once('"')?.1.split_once(" HTTP/")?;
            Some(request.to_owned())
        };
        log.lines().filter_map(asked).collect()
    }

    /// The folder it keeps everything in.
    pub fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for RegistryServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
